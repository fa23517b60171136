"""test-migration: good and bad migrations, run in a database and a project folder that exist only for that."""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from psycopg import sql
from pydantic import SecretStr

from mock2pg import build, postgres, private
from mock2pg.backups import dump
from mock2pg.contracts import SourceTable
from mock2pg.encoding import KINDS
from mock2pg.errors import CheckFailed, Mock2pgError, PublishFailed, SourceError, UsageError
from mock2pg.results import MigrationResult, Scenario, TestReport
from mock2pg.settings import Settings
from mock2pg.step_results import Published, find
from mock2pg.text import duration

Document = dict[str, Any]
Migrate = Callable[[Settings, Mapping[str, Any] | Path], MigrationResult]
_LARGE = 5_000


@dataclass(frozen=True)
class _Bad:
    """A document with one fault, and the error that must come of it."""

    name: str
    error: type[Mock2pgError]
    spoil: Callable[[Document], object]


def run(settings: Settings, url: str, migrate: Migrate, tell: Callable[[str], None]) -> TestReport:
    """Run every scenario in a scratch database on the server at `url`; remove it and all files afterwards."""
    document = _document(settings.source_path)
    tables = build.sources(settings.dbt_dir)
    results: list[Scenario] = []
    with _scratch(settings, url) as stage:

        def add(name: str, expected: str, happens: Callable[[], tuple[bool, str]]) -> None:
            began = time.perf_counter()
            passed, happened = happens()
            results.append(Scenario(name, passed, expected, happened, round(time.perf_counter() - began, 1)))
            tell(f"{'✔' if passed else '✘'} {name}: {happened} ({duration(results[-1].seconds)})")

        add("a valid document", "success", lambda: _good(migrate(stage, document)))
        add("the same again", "success, 0 changed", lambda: _unchanged(migrate(stage, document)))
        for bad in _bad_ones(tables):
            spoiled: Document = json.loads(json.dumps(document))
            bad.spoil(spoiled)
            add(
                bad.name,
                f"{bad.error.__name__}, the target as before",
                partial(_refused, stage, bad.error, partial(migrate, stage, spoiled)),
            )
        add("text that is not JSON", "SourceError, the target as before", lambda: _not_json(stage, migrate))
        add(
            "a failure while publishing",
            "PublishFailed, the target as before",
            lambda: _obstructed(stage, migrate, document),
        )
        from mock2pg.source import sample  # and DuckDB with it

        recipes, large = settings.project / "mock_data" / "sample", stage.project / "large"
        if recipes.is_dir():
            sample.generate(recipes, large, rows=_LARGE, seed=1)
            add(f"a large one of {_LARGE:,} rows", "success", lambda: _good(migrate(stage, large)))
        else:
            tell("- a large one: left out, mock_data/sample/ holds no recipes")
    return TestReport(all(result.passed for result in results), tuple(results))


def _bad_ones(tables: tuple[SourceTable, ...]) -> list[_Bad]:
    """One fault of each kind, found from what is declared: no entity is known by name."""
    roots = [table for table in tables if not table.nested]
    first = roots[0]

    def required(*data_types: str) -> Iterator[tuple[SourceTable, str]]:
        """The first column of these types that must be given, with its table; nothing when there is none."""
        every = ((table, column) for table in roots for column in table.columns)
        wanted = ((t, c.path) for t, c in every if c.required and c.path != "id" and c.data_type in data_types)
        return itertools.islice(wanted, 1)

    def set_first(table: SourceTable, key: str, value: object) -> Callable[[Document], object]:
        return lambda document: document[table.entity][0].update({key: value})

    def drop_first(table: SourceTable) -> Callable[[Document], object]:
        return lambda document: document[table.entity].pop(0)

    def take_first(table: SourceTable, key: str) -> Callable[[Document], object]:
        return lambda document: document[table.entity][0].pop(key)

    return [
        _Bad("an entity is missing", SourceError, lambda document: document.pop(first.entity)),
        _Bad("an entity is unknown", SourceError, lambda document: document.update(notDeclared=[])),
        _Bad("an entity is no array", SourceError, lambda document: document.update({first.entity: {}})),
        *(_Bad("a value is missing", CheckFailed, take_first(*found)) for found in required(*KINDS)),
        _Bad("a key is unknown", CheckFailed, set_first(first, "notDeclared", 1)),
        *(_Bad("a number is a string", CheckFailed, set_first(*found, "1")) for found in required("integer")),
        *(_Bad("a date does not exist", CheckFailed, set_first(*found, "2026-02-30")) for found in required("date")),
        _Bad(
            "a duplicate id",
            CheckFailed,
            lambda document: document[first.entity].append(document[first.entity][0]),
        ),
        *(
            _Bad("a row that others refer to is gone", CheckFailed, drop_first(parent))
            for parent in _referred_to(tables)
        ),
        *(
            _Bad("everything is empty", CheckFailed, lambda document: document.update({key: [] for key in document}))
            for _ in itertools.islice((table for table in roots if table.not_empty), 1)
        ),
    ]


def _referred_to(tables: Sequence[SourceTable]) -> list[SourceTable]:
    """A source table whose rows others refer to; none where none does."""
    parents = {column.references[0] for table in tables for column in table.columns if column.references}
    return [table for table in tables if table.name in parents and not table.nested][:1]


def _good(result: MigrationResult) -> tuple[bool, str]:
    return result.success, "published and proven" if result.success else _happened(result)


def _unchanged(result: MigrationResult) -> tuple[bool, str]:
    if not result.success:
        return False, _happened(result)
    published = find(result.results, Published)
    changed = sum(table.changed for table in published.tables.values()) if published else -1
    return changed == 0, f"{changed} rows changed"


def _refused(stage: Settings, kind: type[Mock2pgError], migrate: Callable[[], MigrationResult]) -> tuple[bool, str]:
    before = _target_rows(stage)
    result = migrate()
    same = _target_rows(stage) == before
    passed = isinstance(result.error, kind) and same
    return passed, _happened(result) + ("" if same else ", and the target is not as before")


def _not_json(stage: Settings, migrate: Migrate) -> tuple[bool, str]:
    file = stage.project / "not.json"
    file.write_text('{"an unfinished": [')
    return _refused(stage, SourceError, lambda: migrate(stage, file))


def _obstructed(stage: Settings, migrate: Migrate, document: Document) -> tuple[bool, str]:
    """Delete a row of a target table, and migrate while a trigger prevents inserting it again."""
    schema = stage.target_schema
    with postgres.connect(stage.url, name="scenario") as connection:
        parents = {key.parent for key in postgres.catalogue.foreign_keys(connection, schema)}
        leaves = [name for name in postgres.catalogue.tables(connection, schema) if name not in parents]
        table = next((name for name in leaves if postgres.catalogue.rows(connection, schema, name)), None)
        if table is None:
            return False, "no target table holds a row that could be obstructed"
        names = {"table": sql.Identifier(schema, table), "function": sql.Identifier(schema, "mock2pg_obstruct")}
        connection.execute(sql.SQL("DELETE FROM {table} WHERE ctid = (SELECT min(ctid) FROM {table})").format(**names))
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE EXCEPTION ''obstructed''; END';"
                "CREATE TRIGGER mock2pg_obstruct BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
            ).format(**names)
        )
        try:
            return _refused(stage, PublishFailed, lambda: migrate(stage, document))
        finally:
            connection.execute(sql.SQL("DROP FUNCTION {function}() CASCADE").format(**names))


def _happened(result: MigrationResult) -> str:
    return type(result.error).__name__ if result.error else "success"


def _target_rows(stage: Settings) -> dict[str, str]:
    """Every target table by the SHA-256 of its rows."""
    found = {}
    with postgres.connect(stage.url, name="scenario", read_only=True) as connection:
        for table in postgres.catalogue.tables(connection, stage.target_schema):
            digest = hashlib.sha256()
            for line in sorted(b"".join(dump.rows(connection, stage.target_schema, table)).splitlines()):
                digest.update(line)
            found[table] = digest.hexdigest()
    return found


def _document(source: Path) -> Document:
    if source.is_dir():
        return {file.stem: json.loads(file.read_bytes()) for file in sorted(source.glob("*.json"))}
    if source.is_file():
        document: Document = json.loads(source.read_bytes())
        return document
    raise UsageError(f"there is no source at {source} to test with", hint="Set MIGRATION_SOURCE to a valid one.")


@contextmanager
def _scratch(settings: Settings, url: str) -> Iterator[Settings]:
    """A database of its own on the same server, and a project folder with nothing of value in it."""
    database = f"mock2pg_scratch_{secrets.token_hex(4)}"
    postgres.ensure_database(url, database)
    try:
        with private.folder() as project:
            for name in ("dbt_project", "expectations", "notebooks", ".cache"):
                if (settings.project / name).exists():
                    (project / name).symlink_to(settings.project / name, target_is_directory=True)
            yield settings.model_copy(
                update={
                    "project": project,
                    "database_url": SecretStr(postgres.database_url(url, database)),
                    "confirm": database,  # it is ours, wherever the server is
                    "max_deleted": "100%",  # the large one replaces the rows of the first
                }
            )
    finally:
        postgres.drop_database(url, database)
