"""The peers: tools that load the same data into the same server and do no more than that."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.sql import SQL, Identifier

from benchmarks import sources
from benchmarks.place import Place, inherited
from benchmarks.results import DLT, DLT_PARQUET, PSQL, SEED, SLING
from mock2pg import postgres
from mock2pg.postgres.server import binary

_SCRIPTS = Path(__file__).parent / "scripts"
_NULL = r"\N"
_LINES = r"(FORMAT csv, QUOTE e'\x01', DELIMITER e'\x02')"  # JSON as it is


@dataclass(frozen=True)
class Tables:
    """The target tables of a migration, as files for peers that need them.

    folder  <table>.csv with a header, in UTF-8; columns.sql (tables without keys) and keys.sql
    names   in the order of their foreign keys
    """

    folder: Path
    names: tuple[str, ...]

    @classmethod
    def of(cls, url: str, folder: Path, names: tuple[str, ...]) -> Tables:
        """Write what a database holds."""
        folder.mkdir(parents=True)
        with postgres.connect(url, name="benchmark") as connection, connection.cursor() as cursor:
            for name in names:
                copy = SQL("COPY public.{} TO STDOUT (FORMAT csv, HEADER, NULL {})").format(Identifier(name), _NULL)
                with cursor.copy(copy) as blocks, (folder / f"{name}.csv").open("wb") as rows:
                    for block in blocks:
                        rows.write(block)
        for file, section in (("columns.sql", "pre-data"), ("keys.sql", "post-data")):
            chosen = [f"--table=public.{name}" for name in names]
            options = [f"--section={section}", "--no-owner", "--no-privileges", f"--file={folder / file}"]
            subprocess.run([binary("pg_dump"), *options, *chosen, url], check=True, env=inherited())
        return cls(folder, names)

    def create(self, url: str, *, keys: bool) -> None:
        """Create the tables in another database, without rows."""
        for file in ("columns.sql", "keys.sql")[: 1 + keys]:
            command = [*_psql(url), "--output=/dev/null", f"--file={self.folder / file}"]
            subprocess.run(command, check=True, env=inherited())

    def fill(self, url: str) -> list[str | Path]:
        """A command that fills tables of another database from the CSV files."""
        options = f"(FORMAT csv, HEADER, NULL '{_NULL}')"
        return _psql(url, *(f"\\copy {_table(name)} FROM '{self.folder / name}.csv' {options}" for name in self.names))

    def write_lines(self, url: str) -> list[str | Path]:
        """A command that writes each row of the tables as a line of JSON."""
        query = "SELECT row_to_json(t) FROM {} AS t"
        return _psql(
            url, *(f"\\copy ({query.format(_table(name))}) TO '{self._lines(name)}' {_LINES}" for name in self.names)
        )

    def read_lines(self, url: str) -> list[str | Path]:
        """A command that makes rows of another database of these lines."""
        statements = []
        for name in self.names:
            home = _table(name)
            statements += [
                "CREATE TEMPORARY TABLE lines (line text)",
                f"\\copy lines FROM '{self._lines(name)}' {_LINES}",
                f"INSERT INTO {home} SELECT r.* FROM lines, json_populate_record(NULL::{home}, line::json) AS r",
                "DROP TABLE lines",
            ]
        return _psql(url, *statements)

    def _lines(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


@dataclass(frozen=True)
class Load:
    """The needs of one peer: prepared tables or nothing, a command, and its environment."""

    command: list[str | Path]
    environment: Mapping[str, str]


class Peers:
    """The peers that are there.

    environment  the folder of .venv-bench
    """

    def __init__(self, place: Place, environment: Path) -> None:
        self._place, self._environment = place, environment
        self._python = environment / "bin" / "python"

    def missing(self) -> dict[str, str]:
        """The peers that are left out, and why."""
        left: dict[str, str] = {}
        if not os.access(self._python, os.X_OK):
            left |= dict.fromkeys((DLT, DLT_PARQUET, SLING, SEED), "the environment of the peers is missing")
        elif self._sling() is None:
            left[SLING] = "no package with its program for this system"
        return left

    def load(self, peer: str, url: str, source: Path, tables: Tables | None) -> Load:
        """Prepare a peer, outside the measurement. Raises LookupError without the tables that it needs."""
        loads: dict[str, Callable[[str, Path, Tables | None], Load]] = {
            PSQL: self._psql,
            DLT: lambda url, source, _: self._dlt(url, source, "insert_values"),
            DLT_PARQUET: lambda url, source, _: self._dlt(url, source, "parquet"),
            SLING: self._sling_replication,
            SEED: self._seed,
        }
        return loads[peer](url, source, tables)

    def _psql(self, url: str, _: Path, tables: Tables | None) -> Load:
        tables = _needed(tables)
        tables.create(url, keys=False)
        return Load(tables.fill(url), inherited())

    def _seed(self, url: str, _: Path, tables: Tables | None) -> Load:
        tables = _needed(tables)
        tables.create(url, keys=True)
        return Load(self.seed_command(url, tables), inherited())

    def seed_command(self, url: str, tables: Tables) -> list[str | Path]:
        return [self._python, "-I", _SCRIPTS / "seed.py", url, tables.folder, *tables.names]

    def _dlt(self, url: str, source: Path, file_format: str) -> Load:
        working = self._place.folder / "dlt"
        shutil.rmtree(working, ignore_errors=True)  # what it remembers of another database would count for this one
        command: list[str | Path] = [self._python, "-I", _SCRIPTS / "dlt_load.py", url, source, working]
        settings = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR", "DLT_DATA_DIR": str(working)}
        return Load([*command, file_format], inherited() | settings)

    def _sling_replication(self, url: str, source: Path, _: Tables | None) -> Load:
        program, home = self._sling(), self._place.folder / "sling"
        assert program is not None
        home.mkdir(exist_ok=True)
        # with a JSON array of 200,000 objects it stops and waits for ever
        rows = sources.lines(source, source.with_name(f"{source.name} lines"))
        streams = "\n".join(
            f"  'file://{file}': {{object: 'public.{file.stem.lower()}'}}" for file in sorted(rows.glob("*.jsonl"))
        )
        replication = home / "replication.yaml"
        replication.write_text(
            "source: LOCAL\ntarget: BENCHMARK\n"
            "defaults: {mode: full-refresh, source_options: {flatten: true, format: jsonlines}}\n"
            f"streams:\n{streams}\n"
        )
        settings = {"BENCHMARK": url, "SLING_HOME_DIR": str(home), "SLING_DISABLE_TELEMETRY": "true"}
        return Load([program, "run", "-r", replication], inherited() | settings)

    def _sling(self) -> Path | None:
        found = self._environment.glob("lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
        return next(found, None)


def _psql(url: str, *statements: str) -> list[str | Path]:
    each = (part for statement in statements for part in ("-c", statement))
    return [binary("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", *each, url]


def _table(name: str) -> str:
    return f'public."{name}"'


def _needed(tables: Tables | None) -> Tables:
    if tables is None:
        raise LookupError("there are no target tables to take its rows from: no migration of this size succeeded")
    return tables
