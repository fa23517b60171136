"""Contracts that change: tables that a migration created are altered while publishing, those of others never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mock2pg import backups, postgres
from mock2pg.backups import exported_rows
from mock2pg.contracts import ForeignKey, Table
from mock2pg.errors import PreflightFailed, PublishFailed
from mock2pg.pipeline.step import run_in_process
from mock2pg.publishing import alteration
from mock2pg.report import log_messages
from mock2pg.runs import Run, new_run
from mock2pg.settings import Settings
from mock2pg.step_results import Published, StepResult
from tests.fix_merge import Rows, build, select, table
from tests.fix_results import result_of

OLD = table(
    "t", "id text!", "a text!", "n integer", "gone text!",
    checks=(("n_check", "n < 10"), ("gone_check", "gone <> ''")), uniques=(("n",),),
    database_columns=(("created_at", "timestamptz NOT NULL DEFAULT now()"),),
)  # fmt: skip
NEW = table(
    "t", "id text!", "a text", "n double precision!", "more integer!", "parent text",
    checks=(("n_check", "n < 100"), ("more_check", "more > 0")), uniques=(("a",),),
    foreign_keys=(ForeignKey(("parent",), "p", ("id",), "on delete cascade"),),
    database_columns=(("created_at", "timestamptz NOT NULL DEFAULT now()"), ("seen_at", "timestamptz")),
)  # fmt: skip
PARENT = table("p", "id text!")
FIRST = [("1", "x", 1, "g"), ("2", "y", 2, "g")]
SECOND = [("1", "x", 1.5, 7, "p1"), ("3", None, 99.0, 8, None)]
STATEMENTS = [
    'ALTER TABLE "public"."t" DROP CONSTRAINT "n_check"',
    'ALTER TABLE "public"."t" DROP CONSTRAINT "gone_check"',
    'ALTER TABLE "public"."t" DROP CONSTRAINT "t_n_key"',
    'ALTER TABLE "public"."t" DROP COLUMN "gone"',
    'ALTER TABLE "public"."t" ADD COLUMN "more" integer',
    'ALTER TABLE "public"."t" ADD COLUMN "parent" text',
    'ALTER TABLE "public"."t" ADD COLUMN "seen_at" timestamptz',
    'ALTER TABLE "public"."t" ALTER COLUMN "n" TYPE double precision USING "n"::double precision',
    'ALTER TABLE "public"."t" ALTER COLUMN "a" DROP NOT NULL',
    'ALTER TABLE "public"."t" ALTER COLUMN "n" SET NOT NULL',
    'ALTER TABLE "public"."t" ALTER COLUMN "more" SET NOT NULL',
    'ALTER TABLE "public"."t" ADD CONSTRAINT "n_check" CHECK (n < 100)',
    'ALTER TABLE "public"."t" ADD CONSTRAINT "more_check" CHECK (more > 0)',
    'ALTER TABLE "public"."t" ADD UNIQUE ("a")',
    'ALTER TABLE "public"."t" ADD FOREIGN KEY ("parent") REFERENCES "public"."p" ("id") on delete cascade',
    'CREATE INDEX ON "public"."t" ("parent")',
]
Steps = Callable[..., StepResult]


@pytest.fixture
def steps(settings: Settings, connection: postgres.Connection) -> Steps:
    """Runs steps of a run that has built these rows; returns the result of the last."""

    def run(pairs: Sequence[tuple[Table, Rows]], *names: str, alter: bool = False, reviewed: str = "") -> StepResult:
        tables = build(connection, pairs)
        own = new_run(settings.model_copy(update={"alter": alter, "max_deleted": "100%"}))
        own.write("contracts.json", [each.as_dict() for each in tables])
        own.save(result_of("stage"))
        own.save(result_of("preflight"))
        there = postgres.catalogue.tables(connection, "public")
        own.save(
            result_of(
                "backup", {"hashes": {name: exported_rows.content_hash(connection, "public", name) for name in there}}
            )
        )
        counts = postgres.scratch.row_counts(connection, postgres.scratch.NEXT, [each.name for each in tables])
        own.save(result_of("load", {"built": counts}))
        for name in names:
            parameters = {"plan": reviewed} if reviewed and name == "publish" else {}
            result = run_in_process(name, own, parameters)
        return result

    return run


def described(connection: postgres.Connection) -> dict[str, tuple[str, bool]]:
    columns = postgres.catalogue.columns(connection, "public", "t")["t"].values()
    return {column.name: (column.data_type, column.not_null) for column in columns}


def test_a_table_of_our_own_follows_its_contract(steps: Steps, connection: postgres.Connection) -> None:
    """Columns come, go and widen, constraints too, in the publishing transaction; then nothing is left to alter."""
    steps([(OLD, FIRST)], "publish")
    oid = select(connection, "SELECT 'public.t'::regclass::oid")
    pairs = [(PARENT, [("p1",)]), (NEW, SECOND)]
    planned = steps(pairs, "preflight", "plan", alter=True)
    assert planned.data["statements"] == {"t": STATEMENTS}
    counts = planned.data["tables"]["t"]
    assert (counts["inserted"], counts["updated"], counts["deleted"]) == (1, 1, 1)
    assert counts["lock"] == "ACCESS EXCLUSIVE"
    assert described(connection)["n"] == ("integer", False)

    published = steps(pairs, "publish", alter=True)
    assert {key: published.data["tables"]["t"][key] for key in ("inserted", "updated", "deleted")} == {
        "inserted": 1, "updated": 1, "deleted": 1,
    }  # fmt: skip
    assert published.data["redefined"]
    assert described(connection) == {
        "id": ("text", True), "a": ("text", False), "n": ("double precision", True),
        "created_at": ("timestamp with time zone", True), "more": ("integer", True), "parent": ("text", False),
        "seen_at": ("timestamp with time zone", False),
    }  # fmt: skip
    assert select(connection, "SELECT id, a, n, more, parent FROM public.t ORDER BY 1") == SECOND
    assert select(connection, "SELECT 'public.t'::regclass::oid") == oid
    again = steps(pairs, "preflight", "plan", alter=True)
    assert again.data["statements"] == {}
    assert not any(again.data["tables"]["t"][key] for key in ("inserted", "updated", "deleted"))
    assert not log_messages.changes(steps(pairs, "publish", alter=True).of(Published))  # it would not be rolled back


def test_without_being_told_nothing_is_altered(steps: Steps, connection: postgres.Connection) -> None:
    """The error names changes that the new contract needs, and how to make them; optional changes are only shown."""
    steps([(OLD, FIRST)], "publish")
    before = described(connection)
    with pytest.raises(PreflightFailed, match=r"column more is missing\. A migration created the table: --alter"):
        steps([(PARENT, []), (NEW, SECOND)], "preflight")
    fewer = replace(OLD, columns=OLD.columns[:3], checks=OLD.checks[:1])
    with pytest.raises(PreflightFailed, match="column gone is NOT NULL without a default, and no model fills it"):
        steps([(fewer, [("9", "x", 1)])], "preflight")
    shown = steps([(fewer, [("1", "x", 1), ("2", "y", 2)])], "preflight", "plan")
    assert shown.data["statements"] == {"t": [STATEMENTS[1], STATEMENTS[3]]}
    assert described(connection) == before


def test_tables_of_others_are_never_altered(steps: Steps, connection: postgres.Connection) -> None:
    """Neither one that was there before, nor one that was made anew by hand under the same name."""
    connection.execute("CREATE TABLE public.t (id text PRIMARY KEY, a text)")
    pairs: list[Any] = [(PARENT, [("p1",)]), (NEW, SECOND)]
    with pytest.raises(PreflightFailed, match=r'column n is missing\. Add it: ALTER TABLE "public"\."t" ADD "n"'):
        steps(pairs, "preflight", alter=True)
    connection.execute("DROP TABLE public.t")
    steps([(OLD, FIRST)], "publish")
    connection.execute("CREATE TABLE public.copy (LIKE public.t INCLUDING ALL)")
    connection.execute("DROP TABLE public.t; ALTER TABLE public.copy RENAME TO t")
    before = described(connection)
    with pytest.raises(PreflightFailed, match=r"column more is missing\. Add it"):
        steps(pairs, "preflight", alter=True)
    with pytest.raises(PublishFailed, match="has no column more"):
        steps(pairs, "publish", alter=True)
    assert described(connection) == before


def test_what_was_changed_by_hand_is_left_as_it_is(steps: Steps, connection: postgres.Connection) -> None:
    """A column that is gone already is not dropped, one that is there is not added, another type stays."""
    steps([(OLD, FIRST)], "publish")
    connection.execute("ALTER TABLE public.t DROP gone, ADD more int, ALTER n TYPE numeric, ADD own text DEFAULT 'own'")
    planned = steps([(PARENT, [("p1",)]), (NEW, SECOND)], "plan", alter=True)
    said = planned.data["statements"]["t"]
    assert not [
        line for line in said if '"gone"' in line or 'ADD COLUMN "more"' in line or "TYPE" in line or "own" in line
    ]
    steps([(PARENT, [("p1",)]), (NEW, SECOND)], "publish", alter=True)
    assert described(connection)["n"] == ("numeric", True)
    assert select(connection, "SELECT DISTINCT own FROM public.t") == [("own",)]


def test_a_reviewed_alteration_is_made_just_so(
    steps: Steps, connection: postgres.Connection, settings: Settings
) -> None:
    """A plan with --alter is published with --alter alone, and not when the statements are no longer those."""
    steps([(OLD, FIRST)], "publish")
    pairs = [(PARENT, [("p1",)]), (NEW, SECOND)]
    planned = steps(pairs, "plan", alter=True)
    file = str(settings.project / planned.data["file"])
    with pytest.raises(PublishFailed, match="has no column more"):
        steps(pairs, "publish", reviewed=file)
    connection.execute("ALTER TABLE public.t DROP CONSTRAINT gone_check")
    with pytest.raises(PublishFailed, match="table t changed"):
        steps(pairs, "publish", alter=True, reviewed=file)
    file = str(settings.project / steps(pairs, "plan", alter=True).data["file"])
    steps(pairs, "publish", alter=True, reviewed=file)


def test_an_alteration_that_could_not_be_undone_is_refused(steps: Steps, connection: postgres.Connection) -> None:
    """A rollback over it makes the schema anew: what depends on the schema elsewhere, what is another role's and which
    foreign keys this role may not make is named beforehand. Without an alteration nothing of that matters."""
    from mock2pg.publishing.preflight import undoing

    steps([(OLD, FIRST)], "publish")
    connection.execute("CREATE SCHEMA api; CREATE VIEW api.v AS SELECT id FROM public.t; CREATE ROLE undoes")
    with pytest.raises(PreflightFailed, match=r"--alter could not be undone: .* would be dropped: view api\.v"):
        steps([(PARENT, [("p1",)]), (NEW, SECOND)], "preflight", alter=True)
    assert steps([(OLD, FIRST)], "preflight", alter=True).status == "passed"
    connection.execute(
        "DROP VIEW api.v; CREATE TABLE api.p (id int PRIMARY KEY); GRANT CREATE ON SCHEMA public TO undoes"
    )
    assert list(undoing.findings(connection, "public")) == []
    assert steps([(PARENT, [("p1",)]), (NEW, SECOND)], "preflight", alter=True).status == "passed"
    connection.execute("ALTER TABLE public.t ADD u int, ADD CONSTRAINT t_u FOREIGN KEY (u) REFERENCES api.p")
    connection.execute("ALTER TABLE public.t OWNER TO undoes; CREATE DOMAIN public.d AS int; SET ROLE undoes")
    try:
        found = [finding.what.partition("again, and ")[2] for finding in undoing.findings(connection, "public")]
        assert list(undoing.findings(connection, "public", writes=False)) == []
    finally:
        connection.execute("RESET ROLE; DROP TABLE public.t; DROP SCHEMA api CASCADE; DROP DOMAIN public.d")
        connection.execute("DROP OWNED BY undoes; DROP ROLE undoes")
    assert found == [
        f"this role may not create objects of another role: type public.d of {connection.info.user}",
        "this role may not create every foreign key: t.t_u: REFERENCES on api.p",
    ]


def test_an_alteration_that_fails_leaves_all_as_it_was(steps: Steps, connection: postgres.Connection) -> None:
    """Rows that break a new check: the transaction takes the new columns back too."""
    steps([(OLD, FIRST)], "publish")
    before = described(connection)
    with pytest.raises(PublishFailed, match="more_check"):
        steps([(PARENT, [("p1",)]), (NEW, [("1", "x", 1.5, -1, None)])], "publish", alter=True)
    assert described(connection) == before
    assert select(connection, "SELECT id, a, n, gone FROM public.t ORDER BY 1") == FIRST


def test_after_a_rollback_the_table_is_ours_again(
    steps: Steps, connection: postgres.Connection, settings: Settings
) -> None:
    """A rollback over an alteration makes the table anew; the next alteration still knows it."""
    first = steps([(PARENT, []), (OLD, FIRST)], "publish", "backup")
    steps([(PARENT, [("p1",)]), (NEW, SECOND)], "publish", alter=True)
    run: Run = new_run(settings)
    result = run_in_process("rollback", run, {"backup_id": first.data["backup_id"], "discard_changes": True})
    assert result.data["way"] == "recreate"
    assert select(connection, "SELECT id, a, n, gone FROM public.t ORDER BY 1") == FIRST
    assert backups.open_backup(settings.backups_dir, first.data["backup_id"]).tables == {"p": 0, "t": 2}
    planned = steps([(PARENT, [("p1",)]), (NEW, SECOND)], "plan", alter=True)
    assert planned.data["statements"] == {"t": STATEMENTS}


def test_types_of_other_digits_and_names_are_altered(connection: postgres.Connection) -> None:
    """A numeric of other digits is another type; a column whose type was changed by hand is left as it is."""
    connection.execute("CREATE TABLE public.t (id text, price numeric(8,2), seen timestamptz, days date[], own int)")
    old = table("t", "id text!", "price numeric(8,2)", "seen timestamptz", "days date[]", "own numeric(4)")
    new = table("t", "id text!", "price numeric(10,4)", "seen timestamp", "days text[]", "own numeric(6)")
    owned = {"t": {"oid": alteration.oids_of(connection, "public")["t"], "contract": old.as_dict()}}
    assert [statement.partition("ALTER COLUMN ")[2] for statement in statements(connection, new, owned)] == [
        '"price" TYPE numeric(10,4) USING "price"::numeric(10,4)',
        '"seen" TYPE timestamp USING "seen"::timestamp',
        '"days" TYPE text[] USING "days"::text[]',
    ]
    assert statements(connection, old, owned) == []


def statements(connection: postgres.Connection, new: Table, owned: alteration.Owned) -> list[str]:
    """Return the pending alterations except NOT NULL."""
    found = alteration.pending(connection, "public", [new], owned).get("t")
    return [each for each in found.statements if "NOT NULL" not in each] if found else []
