"""Backups of distributed tables: the same bytes as of local ones, of one moment, and going back distributes again."""

from __future__ import annotations

import pytest

from mock2pg import postgres
from mock2pg.backups import dump
from mock2pg.postgres import catalogue, distribution
from tests.fix_restore import EVERYTHING, execute


def test_a_row_has_the_bytes_that_row_to_json_gives_it(doubled: str) -> None:
    """Of every type, with NULL, and under any column's name; a shard would lose the names."""
    execute(doubled, EVERYTHING)
    execute(
        doubled,
        r"""CREATE TABLE public.odd ("a""b" int, "c\d" text, "tab	é" text, "%s {x}" numeric);
        INSERT INTO public.odd VALUES (1, E'"\\\n\x01', NULL, 'NaN'), (NULL, NULL, NULL, NULL);
        CREATE TABLE public.bare (); INSERT INTO public.bare DEFAULT VALUES""",
    )
    with postgres.connect(doubled, name="test") as connection:
        there = {name: _lines(connection, name) for name in catalogue.tables(connection, "public")}
        connection.__dict__["citus"] = False
        assert there == {name: _lines(connection, name) for name in there}
        assert sum(len(rows) for rows, _ in there.values()) > 10


def _lines(connection: postgres.Connection, table: str) -> tuple[list[str], str]:
    query = dump.lines(connection, "public", table)
    rows = sorted(line for (line,) in connection.execute(query).fetchall())
    return rows, dump.lines_hash(connection, query)


ELSEWHERE = {
    "TimeZone": "Asia/Tokyo",
    "DateStyle": "German",
    "extra_float_digits": "-5",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
}


@pytest.mark.citus
def test_workers_that_are_set_otherwise_spell_values_alike(citus_url: str) -> None:
    """A row on a shard is read as on the coordinator, whatever the worker's database is set to."""
    script = """
        CREATE TABLE public.events (tenant int, id int, at timestamptz, on_day date, ratio float8, took interval,
            raw bytea, PRIMARY KEY (id, tenant));
        INSERT INTO public.events SELECT n, n, '2026-01-02 03:04:05+00', '2026-01-02', 0.1::float8 + 0.2,
            interval '1 month 2 days 3 hours', '\\x00ff' FROM generate_series(1, 40) AS n"""
    execute(citus_url, script)
    with postgres.connect(citus_url, name="test") as connection:
        database = connection.info.dbname
        try:
            for name, value in ELSEWHERE.items():
                _set_workers(connection, database, f"SET {name} = '{value}'")
            with connection.transaction():
                local = _lines(connection, "events")
            distribution.distribute(connection, "public", "events", "tenant")
            with dump.repeatable_read(connection):
                assert _lines(connection, "events") == local
        finally:
            _set_workers(connection, database, "RESET ALL")


def _set_workers(connection: postgres.Connection, database: str, setting: str) -> None:
    statement = f"SET citus.enable_ddl_propagation TO off; ALTER DATABASE {database} {setting}"
    rows = connection.execute("SELECT success FROM run_command_on_workers(%s)", [statement]).fetchall()
    assert rows == [(True,)] * len(rows) != []
