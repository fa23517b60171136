"""Staged rows by the path of their database, for tests that read them once."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from mock2pg.contracts import Table
from mock2pg.source import staging
from mock2pg.source_shape import Container, SourceShape
from mock2pg.staged_tables import SourceTable

SECRET = "0123456789abcdef" * 2


def csv_blocks(database: Path, table: SourceTable) -> Generator[bytes, None, None]:
    """The staged table as CSV, from a connection of its own."""
    with staging.opened(database, read_only=True, threads=1) as staged:
        yield from staging.csv_blocks(staged, table)


def write_hashes(database: Path, table: Table, built: Path, file: Path) -> None:
    """Write the hashes of the staged table, from a connection of its own."""
    with staging.opened(database, read_only=True) as staged:
        staging.write_hashes(staged, table, built, file, SECRET)


def of_arrays(names: Iterable[str]) -> SourceShape:
    """The shape of a source that is arrays and nothing else."""
    return SourceShape(tuple(Container((name,)) for name in names))
