"""Results of the steps before anything is published: connect, load, preflight, backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mock2pg.step_results.record import Counts, Found


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    verdict  "passed", "warning" or "failed"
    found    what was found, in words
    remedy   what to do, unless it passed
    """

    name: str
    verdict: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.found}" + (f". {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Database:
    """The target. `system_identifier` tells one server from another; `host` is empty for this machine.

    citus    it is the coordinator of a Citus cluster
    cluster  which, in words: "Citus 14.0-1 with 2 workers"
    """

    name: str
    schema: str
    server_version: str
    system_identifier: str
    host: str = ""
    protected: bool = False
    citus: bool = False
    cluster: str = ""

    @property
    def server(self) -> str:
        """Return the software of the server, in words."""
        return ", ".join(filter(None, [f"PostgreSQL {self.server_version}", self.cluster]))


@dataclass(frozen=True, kw_only=True)
class NotConnected(Found):
    """The result of `connect` when the target cannot do what the command needs."""

    step = "connect"
    passed = False
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Connected(Found):
    """The target can be reached, and can do what the command needs."""

    step = "connect"
    database: Database
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class DerivedColumn:
    """A column that a model changes on purpose."""

    table: str
    column: str
    reason: str


@dataclass(frozen=True)
class DistributedTable:
    """A table of Citus.

    distribution  "reference", or the distribution column
    unenforced    keys of the contract that the database enforces only within one value of the column
    """

    table: str
    distribution: str
    unenforced: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class BuildRecord:
    """Evidence that another build would make the same tables of the same input.

    input_sha256      of the source
    project_sha256    of everything else that decides what is built
    server            the server, its version, the database and the role that built it
    manifest_sha256   of dbt's manifest.json
    rows              table -> rows that were built
    models, tests     how many dbt built, and ran
    """

    input_sha256: str
    project_sha256: str
    server: str
    manifest_sha256: str
    rows: Mapping[str, int]
    models: int
    tests: int


@dataclass(frozen=True, kw_only=True)
class Loaded(Found):
    """The target tables are built beside the real ones.

    landed       staged table -> rows
    built        table -> rows
    target_oids  the tables that were in the target schema before
    added        table -> rows that no source has
    rules        the rules about target tables that were judged
    built_by     the run that published these tables; nothing was built again, because the same would have come out
    build        what lets a later run know that; None when it cannot
    """

    step = "load"
    landed: Counts
    built: Counts
    target_oids: tuple[int, ...]
    added: Counts = field(default_factory=dict)
    models: int
    tests: int
    derived: tuple[DerivedColumn, ...] = ()
    contracts_sha256: str
    rules: int = 0
    distributed: tuple[DistributedTable, ...] = ()
    built_by: str = ""
    build: BuildRecord | None = None

    @property
    def rows(self) -> int:
        return sum(self.built.values())

    @property
    def is_reused(self) -> bool:
        return bool(self.built_by)


@dataclass(frozen=True)
class Finding:
    """`what` prevents publishing into `table` (empty when it is about no single one), and what to do about it."""

    table: str
    what: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.table + ': ' if self.table else ''}{self.what}. {self.to_do}"


@dataclass(frozen=True, kw_only=True)
class Conflicts(Found):
    """The conflicts that prevent publishing, from `preflight`, or from `load` before it builds."""

    step = "preflight"
    passed = False
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Horizon:
    """A snapshot of the target schema, to tell later whether anything was written or defined since.

    transaction  the oldest transaction that had not ended, as `postgres.unwritten` takes it
    definitions  a number that changes with any definition of the schema
    """

    transaction: str
    definitions: str


@dataclass(frozen=True, kw_only=True)
class Preflighted(Found):
    """Nothing prevents publishing.

    kept_keys  table -> rows that keep a primary key of their own
    writes     the tables that publishing will write, if nobody else does
    compared   the snapshot in which the tables were compared
    held       table -> rows that it had then, of those whose difference is held beside the built tables
    """

    step = "preflight"
    kept_keys: Counts = field(default_factory=dict)
    writes: tuple[str, ...] = ()
    compared: Horizon | None = None
    held: Counts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BackedUp(Found):
    """The target schema is in a file.

    file               from the project's folder
    tables             table -> rows
    definitions_sha256  of what pg_dump says of the schema; None when it could not be asked
    hashes             table -> the hash of its content
    restore_tested     the restore test was made, and passed
    definitions        the result of the restore test of the definitions; None without one
    times              seconds by what they were spent on
    horizon            of its snapshot; None of a backup that an earlier version took
    file_sha256        of the file as it is on the disk, once it was tested; None of one that an earlier version took
    taken_by           the earlier run that took it, of the state that the target schema was still in; None: this run
    """

    step = "backup"
    backup_id: str
    file: str
    bytes: int
    sha256: str
    tables: Counts
    sequences: int
    definitions_sha256: str | None
    definitions_bytes: int
    hashes: Mapping[str, str]
    restore_tested: bool
    restore_seconds: float | None = None
    definitions: str | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    horizon: Horizon | None = None
    file_sha256: str | None = None
    taken_by: str | None = None

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    @property
    def is_reused(self) -> bool:
        return bool(self.taken_by)
