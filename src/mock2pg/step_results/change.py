"""Results of the steps that publish, or would: plan, publish, verify, rollback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mock2pg.step_results.record import Counts, Found
from mock2pg.step_results.target import DerivedColumn, DistributedTable
from mock2pg.text import counted


@dataclass(frozen=True)
class Difference:
    """The difference of one table; counts of rows."""

    before: int
    after: int
    inserted: int
    updated: int
    deleted: int
    created: bool = False
    unchanged: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unchanged", self.before - self.updated - self.deleted)

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, kw_only=True)
class PlannedDifference(Difference):
    """lock  the strongest that publishing would take
    keys    inserted, updated and deleted -> the first of the keys
    columns column -> rows in which it would be changed
    """

    lock: str = ""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Counts = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Planned(Found):
    """The changes that publishing would make.

    statements  table -> what its contract changes
    file        the plan.json, from the project's folder
    arguments   the arguments that make `mock2pg` publish just this
    """

    step = "plan"
    tables: Mapping[str, PlannedDifference]
    alter: bool
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    file: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Published(Found):
    """The built tables are the target tables.

    seconds_in_transaction  None when the process was gone, and the history knows the rest
    redefined               tables were created or altered
    definitions_left        the fingerprint of the definitions, when redefined; None when it is unknown
    """

    step = "publish"
    tables: Mapping[str, Difference]
    seconds_in_transaction: float | None = None
    published_at: str
    redefined: bool = False
    definitions_left: str | None = None

    @property
    def rows(self) -> int:
        return sum(table.changed for table in self.tables.values())


@dataclass(frozen=True)
class Compared:
    """A target table compared with what was staged: counts of rows, and the first 20 keys of each kind.

    columns  column -> rows in which it differs, of the first 10,000 that are different; derived columns by all names
    """

    staged: int
    target: int
    missing: int
    extra: int
    different: int
    missing_keys: tuple[str, ...] = ()
    extra_keys: tuple[str, ...] = ()
    different_keys: tuple[str, ...] = ()
    columns: Counts = field(default_factory=dict)

    @property
    def differing(self) -> int:
        return self.missing + self.extra + self.different


@dataclass(frozen=True)
class ForeignKeyCheck:
    """A foreign key, and the rows that refer to no row."""

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    orphans: int


@dataclass(frozen=True, kw_only=True)
class Verified(Found):
    """The target tables were compared with what a run published.

    matched_by  table -> the columns by which its rows are matched, where that is not the primary key
    kept_keys   table -> rows under keys that existed before
    """

    step = "verify"
    published_run: str
    tables: Mapping[str, Compared]
    foreign_keys: tuple[ForeignKeyCheck, ...] = ()
    matched_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    kept_keys: Counts = field(default_factory=dict)
    derived: tuple[DerivedColumn, ...] = ()
    distributed: tuple[DistributedTable, ...] = ()
    rows_compared: int
    columns_compared: int
    times: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.rows_compared

    @property
    def differing(self) -> int:
        """Rows that differ, and orphans."""
        rows = sum(table.differing for table in self.tables.values())
        return rows + sum(key.orphans for key in self.foreign_keys)


@dataclass(frozen=True)
class RowChanges:
    """Rows of one table that differ from a backup, by what a rollback does with them."""

    restored: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, kw_only=True)
class RollbackComparison(Found):
    """The target compared with a backup, before anything is changed.

    changes              table -> rows that are not as in the backup
    hashes               table -> the hash of its content; None when only the history knows the rollback
    definitions_changed  object -> what became of its definition since the backup
    definitions_within   those that are part of another one, such as the indexes of an added table -> that one
    written_since        table, or "definitions" -> what others wrote, in words
    """

    step = "rollback"
    passed = False
    backup_id: str
    changes: Mapping[str, RowChanges] = field(default_factory=dict)
    hashes: Mapping[str, str] | None = None
    definitions_sha256: str | None = None
    definitions_changed: Mapping[str, str] = field(default_factory=dict)
    definitions_within: Mapping[str, str] = field(default_factory=dict)
    written_since: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RollbackPreview(RollbackComparison):
    """The changes that a rollback would make; the target was only read."""

    passed = False
    shown: bool = True

    @property
    def differs(self) -> bool:
        """Return whether a rollback would change anything: rows or definitions."""
        return bool(self.definitions_changed) or any(change != RowChanges() for change in self.changes.values())

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return the arguments that make `mock2pg` do what is shown."""
        return ("rollback", self.backup_id, *(["--discard-changes"] if self.written_since else []))

    @property
    def acts(self) -> str:
        """Return what a rollback would do, in words: `remove 2 rows, undo changes to 1 definition`."""
        kinds = {"restored": "restore", "removed": "remove", "changed": "change back"}
        rows = {act: sum(getattr(change, kind) for change in self.changes.values()) for kind, act in kinds.items()}
        acts = [f"{act} {counted(number, 'row')}" for act, number in rows.items() if number]
        if self.definitions_changed:
            acts.append(f"undo changes to {counted(len(self.definitions_changed), 'definition')}")
        return ", ".join(acts) or "change nothing"


@dataclass(frozen=True, kw_only=True)
class RolledBack(RollbackComparison):
    """The target schema is as in the backup.

    way                "merge" or "recreate"; None when the process was gone
    dropped            tables that the backup does not have
    published_run      the run whose rows they are; None when it is what was before any
    present_backup_id  the backup of what the target held; None when none was taken
    definitions_left   the fingerprint of the definitions
    """

    passed = True
    tables: Mapping[str, Difference]
    published_run: str | None = None
    way: str | None = None
    dropped: tuple[str, ...] = ()
    present_backup_id: str | None = None
    definitions_left: str | None = None
    times: Mapping[str, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(table.changed for table in self.tables.values())


@dataclass(frozen=True, kw_only=True)
class Reported(Found):
    """The page of the run. `index`: from the project's folder."""

    step = "report"
    index: str
