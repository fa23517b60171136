"""A row of mock2pg.runs, which nothing is taken from unless it is as mock2pg wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from mock2pg.contracts import Table
from mock2pg.errors import SchemaRefused
from mock2pg.history.layout import UNDO
from mock2pg.step_results import BuildRecord, decode
from mock2pg.text import printable

T = TypeVar("T")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Findings of a run that a later verification or rollback asks for.

    hashes              table -> the hash of its content before
    definitions_sha256  the fingerprint of the definitions before; None when it is unknown
    definitions_left    of a rollback: the fingerprint of those afterwards; None when it is unknown
    redefined           of a migration: it created or altered tables
    contracts           of a migration: the tables that it published
    kept_keys           of a migration: table -> rows under keys that existed before
    build               of a migration: what lets a later run know that it would build the same; None when it cannot
    transaction         how the names begin under which it was prepared on the nodes of a cluster; empty without one
    """

    hashes: Mapping[str, str]
    definitions_sha256: str | None = None
    definitions_left: str | None = None
    redefined: bool = False
    contracts: tuple[Table, ...] = ()
    kept_keys: Mapping[str, int] = field(default_factory=dict)
    transaction: str = ""
    build: BuildRecord | None = None


@dataclass(frozen=True)
class HistoryRow:
    """A row of the history.

    published_run  None when the target is as it was before any migration
    findings       None in a row of an earlier version: the folder of the run has them
    """

    run_id: str
    command: str
    operator: str
    published_run: str | None
    backup_id: str | None
    published_at: datetime
    tables: Mapping[str, Any]
    owned: Mapping[str, Any]
    findings: Findings | None

    @property
    def transaction(self) -> str:
        """Return `Findings.transaction`."""
        return self.findings.transaction if self.findings else ""


@dataclass(frozen=True)
class _Owned:
    oid: int
    contract: Table


def read(row: Sequence[Any]) -> HistoryRow:
    """Return a row. Raises SchemaRefused where it is not as mock2pg wrote it."""
    run_id, command, operator, published_run, backup_id, published_at, tables, owned, found = row
    refuse_damaged(run_id, command, tables)
    _decoded(run_id, "owned", dict[str, _Owned], owned)
    findings = None if found is None else _decoded(run_id, "found", Findings, found)
    if findings and (wrong := [name for name, text in findings.hashes.items() if not _is_hash(text)]):
        raise _damaged(run_id, [f"the hash of {name} in found" for name in wrong])
    return HistoryRow(run_id, command, operator, published_run, backup_id, published_at, tables, owned, findings)


def refuse_damaged(run_id: str, command: str, tables: Any) -> None:
    """Raises SchemaRefused naming the counts and hashes of tables that are not as mock2pg wrote them."""
    if wrong := list(_wrong(tables, hashed=command == "migrate")):
        raise _damaged(run_id, wrong)


def _decoded(run_id: str, column: str, kind: type[T], value: Any) -> T:
    try:
        return decode(kind, value)
    except ValueError as error:
        raise _damaged(run_id, [column]) from error


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9]+:[0-9]+:[0-9]+", value) is not None


_RIGHT: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("before", "after", "inserted", "updated", "deleted"), _is_count),
    "created": lambda value: isinstance(value, bool),
    "hash": _is_hash,
    "content": _is_hash,
}


def _wrong(tables: Any, *, hashed: bool) -> Iterator[str]:
    """Yield what is wrong; a rollback knows no hash of the rows, and none of a table that it dropped."""
    if not isinstance(tables, dict):
        yield "tables"
        return
    for name, table in tables.items():
        values = table if isinstance(table, dict) else {}
        for key, is_right in _RIGHT.items():
            absent = values.get(key) is None and key in ("hash", "content") and not hashed
            if not absent and not is_right(values.get(key)):
                yield f"{key} of table {name}"


def _damaged(run_id: str, wrong: Sequence[str]) -> SchemaRefused:
    more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    told = printable(f"the row of run {run_id} in mock2pg.runs is not as mock2pg wrote it: {', '.join(wrong[:_SHOWN])}")
    return SchemaRefused(f"{told}{more}", hint=UNDO)
