"""Queries whose rows follow from the rows of the scratch schemas and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mock2pg import postgres
from mock2pg.postgres.determinism import are_deterministic
from tests.fix_postgres import new_database

SCHEMAS = postgres.scratch.SCHEMAS
ROWS = 'mock2pg_landing."rows"'


@pytest.fixture(scope="module")
def connection(server: postgres.server.Server) -> Iterator[postgres.Connection]:
    with new_database(server) as url, postgres.connect(url, name="test") as connection:
        connection.execute(
            "CREATE SCHEMA mock2pg_landing; CREATE SCHEMA mock2pg_next;"
            ' CREATE TABLE mock2pg_landing."rows" (id text, n integer, day date, tags text[]);'
            ' CREATE TABLE public."rows" (id text);'
            " CREATE FUNCTION public.same(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN $1;"
            " CREATE DOMAIN public.short AS text; CREATE SEQUENCE public.numbers"
        )
        yield connection


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT * FROM {ROWS}",
        f"WITH a AS (SELECT id, n + 1 AS m FROM {ROWS}) SELECT a.*, CASE m WHEN 1 THEN 'x' ELSE id END AS c FROM a",
        f"SELECT coalesce(r.id, '-') || s.id AS id, upper(s.id) AS u FROM {ROWS} AS r JOIN {ROWS} AS s USING (n)",
        f"SELECT DISTINCT id, tag FROM {ROWS}, unnest(tags) AS t (tag) WHERE n IN (1, 2) AND day IS NOT NULL",
        f"SELECT id FROM {ROWS} WHERE EXISTS (SELECT FROM {ROWS} AS o WHERE o.n > 1) UNION ALL SELECT 'now' AS id",
        f"SELECT id FROM {ROWS} WHERE day > date '2026-03-01' AND tags[1] = 'a' AND nullif(n, 0) > 1",
        f"SELECT n::text AS t, NULL::date AS d FROM {ROWS} AS r (id, n) WHERE n > 1",
    ],
)
def test_rows_that_follow_from_rows(connection: postgres.Connection, query: str) -> None:
    """A query of immutable parts depends on the rows alone."""
    assert are_deterministic(connection, [query], SCHEMAS) == ("AS r (id, n)" not in query)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT id, now() AS t FROM {ROWS}",
        f"SELECT id, current_date AS t FROM {ROWS}",
        f"SELECT id, current_user AS t FROM {ROWS}",
        f"SELECT id, random() AS t FROM {ROWS}",
        f"SELECT id, 'now'::date AS t FROM {ROWS}",
        f"SELECT id, date 'to' 'day' AS t FROM {ROWS}".replace("'to' 'day'", "'to'\n'day'"),
        f"SELECT id, to_char(day, 'TMDay') AS t FROM {ROWS}",
        f"SELECT id, id::date AS t FROM {ROWS}",
        f"SELECT id, nextval('public.numbers') AS t FROM {ROWS}",
        f"SELECT id, public.same(id) AS t FROM {ROWS}",
        f"SELECT id::public.short AS t FROM {ROWS}",
        f"SELECT id, '{ROWS}'::regclass::oid::bigint AS t FROM {ROWS}",
        f"SELECT id, to_tsvector('english'::regconfig, id) AS t FROM {ROWS}",
        f"SELECT id, ctid AS t FROM {ROWS}",
        f"SELECT id FROM {ROWS} LIMIT 1",
        f"SELECT id FROM {ROWS} OFFSET 1",
        f"SELECT DISTINCT ON (n) n, id FROM {ROWS}",
        f"SELECT n, string_agg(id, ',') AS t FROM {ROWS} GROUP BY n",
        f"SELECT id, row_number() OVER () AS t FROM {ROWS}",
        f"SELECT id FROM {ROWS} TABLESAMPLE bernoulli (50)",
        f"SELECT id FROM {ROWS} FOR UPDATE",
        'SELECT id FROM public."rows"',
        "SELECT relname AS id FROM pg_class",
        f"SELECT id, id FROM {ROWS}",
        "SELECT id FROM gone",
        "nothing",
    ],
)
def test_rows_that_follow_from_more(connection: postgres.Connection, query: str) -> None:
    """The clock, the role, a sequence, the order of reading, code and tables of others are more than the rows."""
    assert not are_deterministic(connection, [f"SELECT * FROM {ROWS}", query], SCHEMAS)


def test_checks_count_and_nothing_is_left(connection: postgres.Connection) -> None:
    """A CHECK of a built table that reads the clock may fail tomorrow; the views of the queries are gone."""
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE TABLE mock2pg_next.built (day date CHECK (day > '2026-03-01'), n int CHECK (n > 0))")
        assert are_deterministic(connection, [], SCHEMAS, ["day > '2026-03-01'", "n > 0"])
        assert not are_deterministic(connection, [], SCHEMAS, ["day > 'NOW'", "n > 0"])
        assert not are_deterministic(connection, [], SCHEMAS, [r"day > E'no\x77'", "n > 0"])
        connection.execute("ALTER TABLE mock2pg_next.built ADD CHECK (day <= current_date)")
        assert not are_deterministic(connection, [], SCHEMAS)
    found = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'mock2pg_query%'").fetchone()
    assert found == (0,)
