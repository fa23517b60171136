"""Publishing into distributed and reference tables: on the double, whose statements are read, and on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mock2pg import postgres
from mock2pg.contracts import ForeignKey, Table
from mock2pg.errors import PublishFailed
from mock2pg.postgres import distribution, scratch
from mock2pg.postgres.server import Server
from mock2pg.publishing import alteration, built_tables, kept_keys, merge
from mock2pg.publishing.deletion_limits import DeletionLimits
from mock2pg.publishing.preflight import Backups, look, structure
from mock2pg.settings import LOCK_TIMEOUT
from tests.citus import rules
from tests.citus.recorded import recorded
from tests.fix_merge import Rows, build, select, table

Counts = dict[str, tuple[int, int, int]]
Publish = Callable[[Iterable[tuple[Table, Rows]]], Counts]

OURS = (("created_at", "timestamptz NOT NULL DEFAULT clock_timestamp()"),)


@pytest.fixture(params=["doubled", pytest.param("citus_url", marks=pytest.mark.citus)])
def target(request: pytest.FixtureRequest) -> str:
    """A target with the double of Citus, or on a real cluster."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def session(target: str) -> Iterator[postgres.Connection]:
    with postgres.connect(target, name="test") as connection:
        yield connection


@pytest.fixture
def publisher(target: str) -> Iterator[postgres.Connection]:
    """The session that publishes; the rules are for its statements."""
    with postgres.connect(target, name="publish") as connection:
        yield connection


@pytest.fixture
def publish(session: postgres.Connection, publisher: postgres.Connection) -> Publish:
    return _publish(session, publisher)


def _publish(session: postgres.Connection, publisher: postgres.Connection) -> Publish:
    """Builds, distributes and publishes tables: inserted, updated and deleted rows of each that is written."""

    def run(pairs: Iterable[tuple[Table, Rows]]) -> Counts:
        tables = build(session, pairs)
        built_tables.distribute(publisher, scratch.NEXT, "public", tables)
        with publisher.transaction():
            distribution.begin(publisher, LOCK_TIMEOUT)
            kept_keys.keep(publisher, scratch.NEXT, "public", tables, {})
            done = merge.publish(publisher, scratch.NEXT, "public", tables)
        return {name: (d.inserted, d.updated, d.deleted) for name, d in done.items() if d.changed}

    return run


def layout(**how: str) -> list[Table]:
    """Countries, owners in them, and pets of owners; rows of a tenant refer to rows of the same."""
    tables = (
        table("country", "code text!", "name text", key=("code",), uniques=(("name",),), database_columns=OURS),
        table(
            "owner", "id text!", "tenant integer!", "email text", "country text", "tags text[]", "seen timestamptz",
            "info jsonb", uniques=(("email",),), database_columns=OURS,
            foreign_keys=(ForeignKey(("country",), "country", ("code",)),),
        ),
        table(
            "pet", "id text!", "tenant integer!", "owner_id text!", "n integer", uniques=(("owner_id", "n"),),
            checks=(("n_check", "n < 100"),), database_columns=OURS,
            foreign_keys=(ForeignKey(("owner_id",), "owner", ("id",), "on delete cascade"),),
        ),
    )  # fmt: skip
    return [replace(each, distribution=how.get(each.name, "")) for each in tables]


COUNTRIES = [("A", "Austria"), ("B", "Belgium")]
SEEN = "2026-01-01T10:00:00.5+02"
OWNERS = [(str(n), n % 3, f"{n}@x", "AB"[n % 2], ["a", None, f"{n}"], SEEN, '{"a": 1.0}') for n in range(6)]
PETS = [(f"p{n}", n // 2 % 3, str(n // 2), n % 2) for n in range(12)]
Step = tuple[Rows, Rows, Rows]
FIRST: Step = (COUNTRIES, OWNERS, PETS)
CHANGED: Step = (
    COUNTRIES,
    [("0", 0, "0@x", "B", ["b"], SEEN, '{"a": 1.0}'), ("1", 1, "1@x", "B", None, None, '{"a": 1}'), *OWNERS[2:]],
    [("p0", 0, "0", 7), *PETS[1:]],
)
# e-mail addresses of owners of one tenant, names of countries, and numbers of one owner's pets
EXCHANGED: Step = (
    [("A", "Belgium"), ("B", "Austria")],
    [(*OWNERS[0][:2], "3@x", *OWNERS[0][3:]), *OWNERS[1:3], (*OWNERS[3][:2], "0@x", *OWNERS[3][3:]), *OWNERS[4:]],
    [("p0", 0, "0", 1), ("p1", 0, "0", 0), *PETS[2:]],
)
MOVED: Step = (COUNTRIES, [*OWNERS[:5], ("5", 0, *OWNERS[5][2:])], [*PETS[:10], ("p10", 0, "5", 0), ("p11", 0, "5", 1)])
# a new country has the name of one that is deleted, to which no owner refers any more; so do new pets of an owner
TAKEN: Step = (
    [("A", "Austria"), ("C", "Belgium")],
    [(*owner[:3], "A", *owner[4:]) for owner in OWNERS if owner[0] != "4"],
    [("new", 0, "0", 0), *(pet for pet in PETS[1:] if pet[2] != "4")],
)
STEPS: list[tuple[Step, Counts, Counts]] = [  # of the layout `tenant`, and where another one has others, of that
    (FIRST, {"country": (2, 0, 0), "owner": (6, 0, 0), "pet": (12, 0, 0)}, {}),
    (FIRST, {}, {}),
    (CHANGED, {"owner": (0, 2, 0), "pet": (0, 1, 0)}, {}),
    (FIRST, {"owner": (0, 2, 0), "pet": (0, 1, 0)}, {}),
    (EXCHANGED, {"country": (0, 2, 0), "owner": (0, 2, 0), "pet": (0, 2, 0)}, {}),
    (FIRST, {"country": (0, 2, 0), "owner": (0, 2, 0), "pet": (0, 2, 0)}, {}),
    (MOVED, {"owner": (1, 0, 1), "pet": (2, 0, 2)}, {"owner": (0, 1, 0), "pet": (0, 2, 0)}),
    (FIRST, {"owner": (1, 0, 1), "pet": (2, 0, 2)}, {"owner": (0, 1, 0), "pet": (0, 2, 0)}),
    (TAKEN, {"country": (1, 0, 1), "owner": (0, 3, 1), "pet": (1, 0, 3)}, {}),
    (([], [], []), {"country": (0, 0, 2), "owner": (0, 0, 5), "pet": (0, 0, 10)}, {}),
]
LAYOUTS = {
    "tenant": layout(country="reference", owner="tenant", pet="tenant"),
    "reference": layout(country="reference", owner="reference", pet="reference"),
    "the primary key": layout(country="reference", owner="reference", pet="id"),
    "local and reference": layout(country="reference"),
}


def published(session: postgres.Connection, publish: Publish, name: str) -> None:
    """Take all steps in a layout."""
    tables, ours = LAYOUTS[name], list[Any]()
    for step, counts, others in STEPS:
        assert publish(zip(tables, step, strict=True)) == (counts if name == "tenant" or not others else others)
        if step is FIRST:  # the rows of which it holds are those that were there from the beginning
            found = select(session, "SELECT id, created_at FROM public.owner ORDER BY id")
            ours = ours or found
            assert found == ours
    there = {name: each.declared for name, each in distribution.of_schema(session, "public").items()}
    assert there == {each.name: each.distribution for each in tables if each.distribution}


@pytest.mark.citus
@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_published_into_a_distributed_table_is_what_was_built(citus_url: str, name: str) -> None:
    """First, the same, changed, exchanged, moved and deleted rows; columns that are not ours are kept."""
    with postgres.connect(citus_url, name="test") as session:
        published(session, _publish(session, session), name)


def test_what_is_sent_to_publish_keeps_the_rules(server: Server, doubled: str) -> None:
    """Of each statement of these steps PostgreSQL's parser tells whether Citus takes it."""
    with postgres.connect(doubled, name="test") as session:
        with recorded(server, doubled) as sent, postgres.connect(doubled, name="publish") as publisher:
            published(session, _publish(session, publisher), "tenant")
        about = rules.known(doubled)  # the target tables are there now, and the built ones have the same columns
    statements = [each for each in sent.statements if each.session == "mock2pg publish"]
    assert len(statements) > 200
    assert rules.broken(statements, about) == []


def pair(kind: str) -> list[Table]:
    """Two tables that refer to each other; the key of the first is of that kind."""
    keys = {"a": ForeignKey(("b_id",), "b", ("id",)), "b": ForeignKey(("a_id",), "a", ("id",))}
    own = ForeignKey(("boss",), "b", ("id",))
    a = table("a", "id text!", "tenant integer!", f"b_id {kind}", foreign_keys=(keys["a"],), distribution="tenant")
    b = table(
        "b", "id text!", "tenant integer!", "a_id text!", "boss text", foreign_keys=(keys["b"], own),
        distribution="tenant",
    )  # fmt: skip
    return [a, b]


CIRCLE = (
    ([("a1", 1, "b1"), ("a2", 2, "b2")], [("b1", 1, "a1", "b1"), ("b2", 2, "a2", None), ("b3", 1, "a1", "b1")]),
    ([("a1", 1, "b3"), ("a3", 2, "b4")], [("b3", 1, "a1", "b5"), ("b5", 1, "a1", "b3"), ("b4", 2, "a3", None)]),
    ([], []),
)
MADE_BY_OTHERS = """
    CREATE TABLE public.a (id text, tenant int NOT NULL, b_id text, PRIMARY KEY (id, tenant));
    CREATE TABLE public.b (id text, tenant int NOT NULL, a_id text NOT NULL, boss text, PRIMARY KEY (id, tenant));
    SELECT create_distributed_table('public.a', 'tenant'); SELECT create_distributed_table('public.b', 'tenant');
    ALTER TABLE public.a ADD FOREIGN KEY (b_id, tenant) REFERENCES public.b;
    ALTER TABLE public.b ADD FOREIGN KEY (a_id, tenant) REFERENCES public.a;
    ALTER TABLE public.b ADD FOREIGN KEY (boss, tenant) REFERENCES public.b"""


@pytest.mark.parametrize(("kind", "there"), [("text!", ""), ("text", MADE_BY_OTHERS)], ids=["deferred", "nullable"])
def test_a_circle_of_distributed_tables_is_published(
    kind: str, there: str, session: postgres.Connection, publish: Publish
) -> None:
    """Citus looks at a reference after each statement, unless the key is deferred; one that may be NULL is, first."""
    for statement in filter(None, there.split(";")):
        session.execute(statement)  # type: ignore[arg-type]
    a, b = pair(kind)
    counts: list[Counts] = []
    for rows_of_a, rows_of_b in CIRCLE:
        counts.append(publish([(a, rows_of_a), (b, rows_of_b)]))
    assert counts == [
        {"a": (2, 0, 0), "b": (3, 0, 0)}, {"a": (1, 1, 1), "b": (2, 1, 2)}, {"a": (0, 0, 2), "b": (0, 0, 3)},
    ]  # fmt: skip
    deferred = "SELECT condeferred FROM pg_constraint WHERE conrelid = 'public.a'::regclass AND contype = 'f'"
    assert select(session, deferred) == [(not there,)]


def test_values_of_other_types_are_published(session: postgres.Connection, publish: Publish) -> None:
    """An enum is no immutable cast, and Citus takes none in an UPDATE; what cannot be parked is inserted again."""
    for statement in (
        "CREATE TYPE public.mood AS ENUM ('sad', 'ok')",
        "CREATE TABLE public.t (id varchar(9), tenant int NOT NULL, n bigserial, at timestamptz, feels public.mood,"
        " first boolean, PRIMARY KEY (id, tenant), UNIQUE (first, tenant))",
        "SELECT create_distributed_table('public.t', 'tenant')",
    ):
        session.execute(statement)  # type: ignore[arg-type]
    own = table("t", "id text!", "tenant integer!", "at timestamptz", "feels text", "first boolean",
                distribution="tenant")  # fmt: skip
    one = [("a", 1, SEEN, "sad", True), ("b", 1, SEEN, "ok", False)]
    two = [("a", 1, SEEN, "ok", True), ("b", 1, None, "ok", False)]
    exchanged = [("a", 1, SEEN, "ok", False), ("b", 1, None, "ok", True)]
    assert [publish([(own, rows)]) for rows in (one, one, two, exchanged, exchanged)] == [
        {"t": (2, 0, 0)}, {}, {"t": (0, 2, 0)}, {"t": (0, 2, 0)}, {},
    ]  # fmt: skip
    assert select(session, "SELECT id, feels::text, first FROM public.t ORDER BY 1") == [
        ("a", "ok", False), ("b", "ok", True),
    ]  # fmt: skip
    with pytest.raises(PublishFailed, match=r"column feels is public\.mood, which does not accept what is built"):
        publish([(own, [("a", 1, SEEN, "glad", True)])])


def test_a_row_keeps_its_key_where_its_natural_key_has_the_column(
    session: postgres.Connection, publish: Publish
) -> None:
    """A row of a distributed table is looked for in its own tenant."""
    session.execute("CREATE TABLE public.t (id text, tenant int NOT NULL, code text, v text, PRIMARY KEY (id, tenant))")
    session.execute("SELECT create_distributed_table('public.t', 'tenant')")
    session.execute("INSERT INTO public.t VALUES ('theirs', 1, 'x', 'old')")
    own = table("t", "id text!", "tenant integer!", "code text!", "v text", uniques=(("tenant", "code"),),
                natural_key=("tenant", "code"), distribution="tenant")  # fmt: skip
    rows = [("ours", 1, "x", "new"), ("other", 2, "x", "new")]
    assert [publish([(own, rows)]) for _ in range(2)] == [{"t": (1, 1, 0)}, {}]
    assert select(session, "SELECT id, tenant, v FROM public.t ORDER BY tenant") == [
        ("theirs", 1, "new"), ("other", 2, "new"),
    ]  # fmt: skip


def test_a_distributed_table_is_altered(session: postgres.Connection, publish: Publish) -> None:
    """Its keys are those that Citus takes, before and after."""
    p = table("p", "id text!", "tenant integer!", distribution="tenant")
    old = table("t", "id text!", "tenant integer!", "n integer", "u text", uniques=(("u",),), distribution="tenant")
    publish([(p, [("1", 1)]), (old, [("a", 1, 1, "u")])])
    oid = alteration.oids_of(session, "public")["t"]
    new = table("t", "id text!", "tenant integer!", "n bigint", "u text", "p_id text", uniques=(("u", "n"),),
                foreign_keys=(ForeignKey(("p_id",), "p", ("id",)),), distribution="tenant")  # fmt: skip
    owned = {"t": {"oid": oid, "contract": old.as_dict()}}
    made = alteration.pending(session, "public", [p, new], owned)["t"]
    for statement in (*made.first, *made.last):
        session.execute(statement)
    keys = (
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND contype <> 'n'"
    )
    assert sorted(each for (each,) in select(session, keys)) == [
        "FOREIGN KEY (p_id, tenant) REFERENCES public.p(id, tenant)", "PRIMARY KEY (id, tenant)",
        "UNIQUE (u, n, tenant)",
    ]  # fmt: skip
    assert alteration.oids_of(session, "public")["t"] == oid
    retyped = replace(new, columns=tuple(replace(each, data_type="bigint") for each in new.columns))
    pending = alteration.pending(session, "public", [p, retyped], {"t": {"oid": oid, "contract": new.as_dict()}})
    (refused,) = structure.findings(session, "public", [p, retyped], pending, alter=True)
    assert refused.what == "its contract changes the type of tenant, by which its rows are distributed"
    assert publish([(p, [("1", 1)]), (new, [("a", 1, 1, "u", "1")])]) == {"t": (0, 1, 0)}


def test_the_preflight_looks_at_distributed_tables(
    session: postgres.Connection, publisher: postgres.Connection, publish: Publish, tmp_path: Path
) -> None:
    """Constraints that no contract names, rows that move, and rows that an upsert would have twice."""
    tables = LAYOUTS["tenant"]
    publish(zip(tables, FIRST, strict=True))
    for statement in (
        "ALTER TABLE public.owner ADD CONSTRAINT mail CHECK (email LIKE '%@%')",
        "CREATE UNIQUE INDEX lower_mail ON public.owner (tenant, lower(email))",
    ):
        session.execute(statement)  # type: ignore[arg-type]

    def found(step: Step, publish: str = "merge") -> tuple[list[str], tuple[str, ...]]:
        given = [replace(each, publish=publish) for each in tables]
        made = build(session, zip(given, step, strict=True))
        built_tables.distribute(session, scratch.NEXT, "public", made)
        with publisher.transaction():
            distribution.begin(publisher, LOCK_TIMEOUT)
            limits = DeletionLimits(max_deleted="1")
            result = look(publisher, scratch.NEXT, "public", made, limits, backups=Backups(tmp_path))
        return [f"{each.table}: {each.what}" for each in result.findings], result.cautions

    assert found(FIRST) == ([], ())
    spoiled = [("0", 0, "none", *OWNERS[0][3:]), *OWNERS[1:3], ("3", 0, "NONE", *OWNERS[3][3:]), *OWNERS[4:]]
    assert found((COUNTRIES, spoiled, PETS))[0] == [
        "owner: check mail would be violated by 2 rows (0, 3)",
        "owner: unique index lower_mail would be violated by two rows",
    ]
    assert found(MOVED) == (
        ["pet: would lose 2 of 12 rows"],
        ("owner: 1 row moves to another tenant (5), and is deleted and inserted again",
         "pet: 2 rows move to another tenant (p10, p11), and are deleted and inserted again"),
    )  # fmt: skip
    assert found((COUNTRIES, MOVED[1][5:], []), "upsert")[0] == [
        "owner: column tenant is another one in 1 row of the target table"
    ]


def test_an_error_of_a_shard_is_described_as_one_of_the_table(doubled: str) -> None:
    """Citus adds the shard's number to the names; a table that is called like that is none."""
    with postgres.connect(doubled, name="test") as connection:
        connection.execute("CREATE TABLE public.t (id int); SELECT create_distributed_table('public.t', 'id')")
        (shard,) = select(connection, "SELECT min(shardid) FROM pg_dist_shard")[0]
        for number in (shard, 202601):
            connection.execute(f"CREATE TABLE public.t_{number} (id int CONSTRAINT t_pkey_{number} PRIMARY KEY)")  # type: ignore[arg-type]
            with pytest.raises(psycopg.errors.UniqueViolation) as raised:
                connection.execute(f"INSERT INTO public.t_{number} VALUES (1), (1)")  # type: ignore[arg-type]
            connection.execute("CREATE TABLE IF NOT EXISTS public.known (id int CONSTRAINT t_pkey PRIMARY KEY)")
            own = "" if number == shard else f"_{number}"
            assert postgres.described(raised.value) == (
                f'duplicate key value violates unique constraint "t_pkey{own}", table t{own}, constraint t_pkey{own}'
                " (SQLSTATE 23505)"
            )
