"""Builds that need not be made, because they would make the tables that a run published.

That is so when the input, the project, mock2pg and the server are those of that run, and when what dbt built then
follows from these and from nothing else: see docs/decisions.md. Whether the target tables still hold the rows is no
part of this: publishing proves it.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from mock2pg import build, history, postgres
from mock2pg.contracts import Table
from mock2pg.errors import DatabaseError, Mock2pgError
from mock2pg.history import HistoryRow
from mock2pg.pipeline.sessions import session
from mock2pg.postgres import determinism
from mock2pg.runs import VERSION, Run
from mock2pg.settings import Settings
from mock2pg.step_results import BackedUp, BuildRecord, Connected, Loaded, Staged

_LIBRARIES = ("duckdb", "great-expectations")
# The settings that decide which rows are staged, and in which tables.
_SETTINGS = ("mode", "on_error", "max_refused", "unknown_fields", "target_schema")


def project_sha256(settings: Settings) -> str | None:
    """Return a hash of everything beside the input that decides what is staged and built; None when it is unknown."""
    facts = [
        VERSION,
        sys.version,
        *(version(name) for name in _LIBRARIES),
        *(f"{name} {getattr(settings, name)}" for name in _SETTINGS),
        *_own_files(),
    ]
    return build.project_hash((settings.dbt_dir, settings.expectations_dir), {}, "\0".join(facts))


def of(run: Run, connection: postgres.Connection) -> HistoryRow | None:
    """Return the row of the run whose tables this one would build again; None when a build is needed to know."""
    settings, staged, connected = run.settings, run.require(Staged), run.find(Connected)
    row = history.newest(connection, settings.target_schema)
    if row is None or row.findings is None or connected is None or connected.database.citus:
        return None
    record = row.findings.build
    if record is None or not row.tables.keys() <= set(postgres.catalogue.tables(connection, settings.target_schema)):
        return None
    published = Run(row.run_id, settings)
    same = (
        row.command == "migrate"
        and row.published_run == row.run_id
        and settings.mode == "replace"
        and not settings.alter
        and record.input_sha256 == _input(staged)
        and staged.project_sha256 is not None
        and record.project_sha256 == staged.project_sha256 == project_sha256(settings)
        and record.server == _server(connected, connection)
        and not row.findings.kept_keys
        and record.rows == {name: table["after"] for name, table in row.tables.items()}
        and record.manifest_sha256 == _sha256(published.folder / "dbt" / "manifest.json")
    )
    return row if same else None


def likely(run: Run) -> Sequence[Table]:
    """Return the tables of the row that `of` will probably find; none when dbt is needed."""
    try:
        with session(run, "known build", read_only=True) as connection:
            row = of(run, connection)
    except Mock2pgError:  # the step that needs it will say so
        return ()
    return row.findings.contracts if row and row.findings else ()


def record(
    run: Run, connection: postgres.Connection, built: build.Built, tables: Sequence[Table], rows: Mapping[str, int]
) -> BuildRecord | None:
    """Return what lets a later run know that it would build these tables; None when they may follow from more.

    rows  table -> how many were built
    """
    checks = [expression for table in tables for _, expression in table.checks]
    staged, connected = run.require(Staged), run.find(Connected)
    if (
        connected is None
        or connected.database.citus
        or built.plain is None
        or built.circular
        or run.settings.mode != "replace"
        or staged.project_sha256 is None
        or staged.project_sha256 != project_sha256(run.settings)  # somebody wrote into the project meanwhile
        or not determinism.are_deterministic(connection, built.plain, postgres.scratch.SCHEMAS, checks)
    ):
        return None
    return BuildRecord(
        input_sha256=_input(staged),
        project_sha256=staged.project_sha256,
        server=_server(connected, connection),
        manifest_sha256=_sha256(run.folder / "dbt" / "manifest.json"),
        rows=rows,
        models=built.models,
        tests=built.tests,
    )


def take_over(run: Run, row: HistoryRow) -> None:
    """Copy what dbt said of the project into the run's folder."""
    shutil.copyfile(Run(row.run_id, run.settings).folder / "dbt" / "manifest.json", run.path("dbt", "manifest.json"))


def changed(run: Run, loaded: Loaded, backup: BackedUp) -> Sequence[str]:
    """Return the tables that the backup holds otherwise than the run published them whose build is known.

    None of them is where a build was made.
    """
    if not loaded.built_by:
        return ()
    with (
        session(run, "known build", read_only=True) as connection,
        postgres.named(DatabaseError, "cannot read mock2pg.runs"),
    ):
        row = history.of(connection, loaded.built_by, "migrate")
    tables = row.tables if row else {}
    return [name for name in loaded.built if backup.hashes.get(name) != tables.get(name, {}).get("content", "")]


def _input(staged: Staged) -> str:
    return f"{staged.sha256} {staged.rest_sha256}"


def _server(connected: Connected, connection: postgres.Connection) -> str:
    database = connected.database
    return f"{database.system_identifier} {database.server_version} {database.name} {connection.info.user}"


@cache
def _own_files() -> tuple[str, ...]:
    """The files of the package as this process loaded them: a checkout changes while its version does not."""
    package = Path(__file__).parents[1]
    return tuple(
        f"{file.relative_to(package)} {found.st_size} {found.st_mtime_ns}"
        for file in sorted(package.rglob("*.py"))
        if (found := file.stat())
    )


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
