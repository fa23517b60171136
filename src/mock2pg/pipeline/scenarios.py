"""test-migration: good and bad migrations, run in a database and a project folder that exist only for that."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from pydantic import SecretStr

from mock2pg import backups, build, postgres, private
from mock2pg.backups import exported_rows
from mock2pg.errors import CheckFailed, Mock2pgError, PublishFailed, SourceError, UsageError, VerifyFailed
from mock2pg.pipeline import faults
from mock2pg.pipeline.faults import Document
from mock2pg.results import MigrationResult, Scenario, TestReport
from mock2pg.settings import Settings
from mock2pg.source import modules
from mock2pg.source.documents import spool
from mock2pg.step_results import Published, find
from mock2pg.text import counted, duration

_LARGE = 5_000
_ACTS = {  # what a migration does that ends with this error
    CheckFailed.__name__: "refused",
    SourceError.__name__: "refused",
    PublishFailed.__name__: "rolled back",
    VerifyFailed.__name__: "found",
}
_DATA = re.compile(r"(?P<entity>[^.].*)\.(?P<form>json|ndjson|jsonl)(\.gz|\.zst)?", re.DOTALL)


class Service(Protocol):
    """The commands that a scenario runs: those of a MigrationService."""

    def migrate_all_data(self, mock_data: Mapping[str, Any] | Path | str | None) -> MigrationResult: ...

    def verify(self) -> MigrationResult: ...

    def rollback(self, backup_id: str) -> MigrationResult: ...


@dataclass(frozen=True)
class _Stage:
    """The scratch database and project, and what runs there."""

    settings: Settings
    service: Service
    source: Path

    def migrate(self, source: Mapping[str, Any] | Path | None = None) -> MigrationResult:
        return self.service.migrate_all_data(self.source if source is None else source)


def run(
    settings: Settings,
    url: str,
    service: Callable[[Settings], Service],
    tell: Callable[[str], None],
    begin: Callable[[str], None],
) -> TestReport:
    """Run every scenario in a scratch database on the server at `url`; remove it and all files afterwards.

    tell   is given one line per scenario when it has been run
    begin  is given the name of each when it begins
    """
    document = _document(settings.source_path)
    results: list[Scenario] = []
    with _scratch(settings, url) as scratch:
        stage = _Stage(scratch, service(scratch), settings.source_path)

        def add(name: str, expected: str, happens: Callable[[], tuple[bool, str] | None]) -> None:
            began = time.perf_counter()
            begin(name)
            outcome = happens()
            if outcome is None:
                tell(f"- {name}: left out, no row of a target table can be deleted")
                return
            passed, happened = outcome
            results.append(Scenario(name, passed, expected, happened, round(time.perf_counter() - began, 1)))
            tell(_line(results[-1]))

        add("a valid document", "success", lambda: _good(stage.migrate()))
        add("rollback", "success, the target as before the document", lambda: _rolled_back(stage))
        add("the document after a rollback", "success", lambda: _good(stage.migrate()))
        add("the same again", "success, 0 changed", lambda: _unchanged(stage.migrate()))
        add("verify", "success", lambda: _good(stage.service.verify(), "the target tables hold what was published"))
        for bad in faults.bad_ones(build.sources(settings.dbt_dir), document):
            add(
                bad.name,
                f"{' or '.join(error.__name__ for error in bad.errors)}, the target as before",
                partial(_refused, stage, bad.errors, bad.document),
            )
        add("text that is not JSON", "SourceError, the target as before", lambda: _not_json(stage))
        add("a failure while publishing", "PublishFailed, the target as before", lambda: _obstructed(stage))
        add("a row that others deleted", "VerifyFailed", lambda: _deleted(stage))
        from mock2pg.source import sample  # whose names of people take a tenth of a second to load

        recipes, large = settings.project / "mock_data" / "sample", scratch.project / "large"
        if recipes.is_dir():
            begin(f"making {_LARGE:,} rows")
            sample.generate(recipes, large, rows=_LARGE, seed=1)
            add(f"a large one of {_LARGE:,} rows", "success", lambda: _good(stage.migrate(large)))
    return TestReport(all(result.passed for result in results), tuple(results))


def _line(scenario: Scenario) -> str:
    """`✔ a value is missing: refused (CheckFailed), 1.2 s`."""
    time = duration(scenario.seconds)
    if not scenario.passed:
        return f"✘ {scenario.name}: {scenario.happened}; expected {scenario.expected}, {time}"
    act = _ACTS.get(scenario.happened)
    happened = f"{act} ({scenario.happened})" if act else scenario.happened
    return f"✔ {scenario.name}: {happened}, {time}"


def _good(result: MigrationResult, success: str = "published and verified") -> tuple[bool, str]:
    return result.success, success if result.success else _happened(result)


def _unchanged(result: MigrationResult) -> tuple[bool, str]:
    if not result.success:
        return False, _happened(result)
    published = find(result.results, Published)
    changed = sum(table.changed for table in published.tables.values()) if published else -1
    return changed == 0, f"{counted(changed, 'row')} changed"


def _rolled_back(stage: _Stage) -> tuple[bool, str]:
    """Go back to the backup that the first migration took, of a target without its tables."""
    kept = backups.list_backups(stage.settings.backups_dir, stage.settings.identity)
    if not kept:
        return False, "there is no backup"
    result = stage.service.rollback(kept[-1].id)
    left = _target_rows(stage.settings)
    return result.success and not left, _happened(result) + (f"; left: {counted(len(left), 'table')}" if left else "")


def _refused(
    stage: _Stage, kinds: tuple[type[Mock2pgError], ...], source: Callable[[], Mapping[str, Any] | Path]
) -> tuple[bool, str]:
    before = _target_rows(stage.settings)
    result = stage.migrate(source())
    same = _target_rows(stage.settings) == before
    passed = isinstance(result.error, kinds) and same
    return passed, _happened(result) + ("" if same else ", and the target is not as before")


def _not_json(stage: _Stage) -> tuple[bool, str]:
    file = stage.settings.project / "not.json"
    file.write_text('{"an unfinished": [')
    return _refused(stage, (SourceError,), lambda: file)


def _obstructed(stage: _Stage) -> tuple[bool, str] | None:
    """Delete a row of a target table, and migrate while a trigger prevents inserting it again."""
    schema = stage.settings.target_schema
    with postgres.connect(stage.settings.url, name="scenario") as connection:
        table = _with_deleted_row(connection, schema)
        if table is None:
            return None
        names = {"table": sql.Identifier(schema, table), "function": sql.Identifier(schema, "mock2pg_obstruct")}
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN RAISE EXCEPTION ''obstructed''; END';"
                "CREATE TRIGGER mock2pg_obstruct BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
            ).format(**names)
        )
        try:
            return _refused(stage, (PublishFailed,), lambda: stage.source)
        finally:
            connection.execute(sql.SQL("DROP FUNCTION {function}() CASCADE").format(**names))


def _deleted(stage: _Stage) -> tuple[bool, str] | None:
    """Verify a target in which others deleted a row since."""
    stage.migrate()
    with postgres.connect(stage.settings.url, name="scenario") as connection:
        if _with_deleted_row(connection, stage.settings.target_schema) is None:
            return None
    result = stage.service.verify()
    return isinstance(result.error, VerifyFailed), _happened(result)


def _with_deleted_row(connection: postgres.Connection, schema: str) -> str | None:
    """Delete a row that no constraint keeps, of a table that no other refers to if there is one; return its table."""
    parents = {key.parent for key in postgres.catalogue.foreign_keys(connection, schema)}
    tables = sorted(postgres.catalogue.tables(connection, schema), key=lambda name: name in parents)
    for table in (name for name in tables if postgres.catalogue.rows(connection, schema, name)):
        target = sql.Identifier(schema, table)
        with suppress(psycopg.errors.IntegrityError):
            connection.execute(sql.SQL("DELETE FROM {0} WHERE ctid = (SELECT min(ctid) FROM {0})").format(target))
            return table
    return None


def _happened(result: MigrationResult) -> str:
    return type(result.error).__name__ if result.error else "success"


def _target_rows(stage: Settings) -> dict[str, str]:
    """Every target table by the content hash of its rows."""
    with postgres.connect(stage.url, name="scenario", read_only=True) as connection:
        return {
            table: exported_rows.content_hash(connection, stage.target_schema, table)
            for table in postgres.catalogue.tables(connection, stage.target_schema)
        }


def _document(source: Path) -> Document:
    """The source as one object, for a fault in it: what numbers lose here does not matter."""
    if modules.is_module(source):
        return modules.exported(source).data
    if not source.exists():
        raise UsageError(f"there is no source at {source} to test with", hint="Set MIGRATION_SOURCE to a valid one.")
    if source.is_dir():
        files = ((file, _DATA.fullmatch(file.name)) for file in sorted(source.iterdir()))
        return {found["entity"]: _read(file) for file, found in files if found}
    read = _read(source)
    return read if isinstance(read, dict) else {source.name.partition(".")[0]: read}


def _read(file: Path) -> Any:
    with private.folder() as folder:
        spool.copy(file, copied := folder / "copied", spool.UNPACKING, stream=False)
        text = copied.read_text(encoding="utf-8")
    found = _DATA.fullmatch(file.name)
    if found and found["form"] != "json":
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return json.loads(text)


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
                    # as a project is made, whatever is set for its own target
                    "on_error": "refuse",
                    "unknown_fields": "refuse",
                    "mode": "replace",
                    "backup_keep": None,
                    "runs_keep": None,
                    "notify_urls": None,
                }
            )
    finally:
        postgres.drop_database(url, database)
