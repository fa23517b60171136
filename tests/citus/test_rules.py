"""Each rule finds the statement that Citus refused, and lets pass the form that it took."""

from __future__ import annotations

import pytest

from tests.citus.recorded import Statement
from tests.citus.rules import Known, broken

BEGIN = "BEGIN; SET LOCAL citus.multi_shard_modify_mode TO 'sequential'; SET LOCAL citus.propagate_set_commands TO 'local'; SET LOCAL lock_timeout TO '2s'"  # noqa: E501
SPREAD = {("public", "o"): "shop", ("public", "l"): "shop", ("next", "o"): "shop", ("public", "r"): "reference"}
COLUMNS = {"o": {"id": "int4", "shop": "int4", "tags": "_text", "at": "timestamptz", "d": "jsonb", "t": "text"}}
VOLATILE = {"gen_random_uuid": "v", "concat": "s", "now": "s", "coalesce": "i", "row_to_json": "s", "count": "i"}

# letter of the finding: what breaks a rule, and the form that keeps it
CASES = {
    "A": (
        "DELETE FROM public.r AS l WHERE NOT EXISTS (SELECT FROM next.r AS b WHERE b.id = l.id)",
        "DELETE FROM public.o AS l WHERE NOT EXISTS (SELECT FROM next.o AS b WHERE b.id = l.id AND b.shop = l.shop)",
    ),
    "C": (
        "SELECT count(*) FROM next.local AS b WHERE NOT EXISTS (SELECT FROM public.o AS l WHERE l.id = b.id)",
        "SELECT (SELECT count(*) FROM next.local), (SELECT count(*) FROM public.o)",
    ),
    "D": (
        "SELECT count(*) FROM (SELECT FROM public.o GROUP BY id HAVING count(*) > 1) AS g",
        "SELECT count(*) FROM (SELECT 1 FROM public.o GROUP BY id HAVING count(*) > 1) AS g",
    ),
    "E": (
        "SELECT row_to_json(t.*) FROM (SELECT id FROM public.o) AS t",
        "SELECT '{\"id\":' || coalesce(to_json(o.id)::text, 'null') FROM public.o AS o",
    ),
    "F": (
        "UPDATE public.o AS l SET t = b.t FROM next.o AS b WHERE l.shop = b.shop AND l.at::text <> b.at::text",
        "UPDATE public.o AS l SET t = b.t FROM next.o AS b WHERE l.shop = b.shop AND l.at <> b.at AND l.d::text <> ''",
    ),
    "F, arrays": (
        "UPDATE public.o AS l SET t = b.t FROM next.o AS b WHERE l.shop = b.shop AND l.tags::text <> b.tags::text",
        "UPDATE public.o AS l SET t = b.t FROM next.o AS b"
        " WHERE l.shop = b.shop AND l.tags COLLATE \"C\" <> b.tags COLLATE \"C\"",
    ),
    "F, concat": (
        "UPDATE public.o AS l SET t = concat('a', l.t)",
        "UPDATE public.o AS l SET t = 'a' || l.t",
    ),
    "G": ("UPDATE public.o SET t = gen_random_uuid()", "UPDATE public.o SET t = 'literal'"),
    "H": (
        "DELETE FROM public.r AS l WHERE NOT EXISTS (SELECT FROM public.o AS c WHERE c.id = l.id)",
        "DELETE FROM public.r AS l WHERE NOT EXISTS"
        " (SELECT FROM (SELECT DISTINCT id FROM public.o OFFSET 0) AS c WHERE c.id = l.id)",
    ),
    "J": (
        "SELECT 1 FROM public.o AS l JOIN next.o AS b ON l.id = b.id",
        "SELECT 1 FROM public.o AS l JOIN next.o AS b ON l.id = b.id AND l.shop = b.shop::int",
    ),
    "J, EXISTS": (
        "SELECT 1 FROM public.o AS l WHERE EXISTS (SELECT FROM next.o AS b WHERE b.id = l.id)",
        "SELECT 1 FROM public.o AS l WHERE EXISTS (SELECT FROM next.o AS b WHERE b.id = l.id AND b.shop = l.shop)",
    ),
    "K": ("UPDATE public.o SET shop = 2 WHERE id = 1", "UPDATE public.o SET id = 2 WHERE shop = 1"),
    "L": (
        "WITH a AS (INSERT INTO public.o VALUES (1)), b AS (INSERT INTO public.l VALUES (1)) SELECT",
        "INSERT INTO public.o VALUES (1)",
    ),
    "P": (
        "ALTER TABLE public.o ADD UNIQUE (id, shop); ALTER TABLE public.l ADD UNIQUE (id, shop)",
        "ALTER TABLE public.o ADD UNIQUE (id, shop)",
    ),
    "R": ("ALTER TABLE public.o DISABLE TRIGGER ALL", "ALTER TABLE public.o ADD CHECK (id > 0)"),
    "temporary": (
        "SELECT 1 FROM pg_temp.held AS h JOIN public.r AS l ON l.id = h.id",
        "SELECT 1 FROM pg_temp.held",
    ),
}  # fmt: skip


def about() -> Known:
    return Known(
        dict(SPREAD), COLUMNS, VOLATILE, {"_text": "s", "timestamptz": "s", "jsonb": "i", "text": "i"},
        {"int4": "i", "date": "s"},
    )  # fmt: skip


def rules(*texts: str) -> list[str]:
    return [each.rule for each in broken([Statement(1, "a session", text) for text in texts], about())]


@pytest.mark.parametrize(("refused", "taken"), CASES.values(), ids=CASES)
def test_a_rule_finds_what_citus_refused(refused: str, taken: str) -> None:
    """And not the form that Citus took."""
    assert len(rules(BEGIN, refused)) == 1
    assert rules(BEGIN, taken) == []


def test_a_transaction_is_sequential_before_it_writes() -> None:
    """Finding I, and N: what set_config() sets does not reach the shards; the next transaction begins anew."""
    write = "INSERT INTO public.o VALUES (1)"
    assert rules(BEGIN, write) == []
    assert len(rules(write)) == 2
    assert len(rules(BEGIN, "COMMIT", write)) == 2


def test_a_table_is_distributed_from_the_statement_on_that_does_it() -> None:
    """Until then it is a local table, which no rule is about."""
    write = "INSERT INTO next.new VALUES (1)"
    made = """SELECT pg_catalog.create_distributed_table('"next"."new"', 'shop')"""
    assert rules(write) == []
    assert len(rules(write, made, write)) == 2
