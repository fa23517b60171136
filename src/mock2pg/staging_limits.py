"""The limits of DuckDB, which holds the staged rows: its memory, its threads, and where it spills."""

from __future__ import annotations

import os
from pathlib import Path

from mock2pg.errors import InternalError, Mock2pgError, StagingFailed
from mock2pg.foreign_errors import scrubbed
from mock2pg.settings import STAGING_MEMORY, size

Config = dict[str, str | bool | int | float | list[str]]

_PER_THREAD = 64 << 20  # bytes that a thread of DuckDB needs to sort and join
_SMALL = 16 << 20  # bytes of a file, such as 200,000 rows
_LEAST = "64MiB"
_NO_MEMORY = ("Out of Memory", "failed to allocate", "Allocation failure", "could not allocate", "bad allocation")
_NO_DISK = ("No space left", "max_temp_directory_size", "Disk quota")


def config(
    memory: str = STAGING_MEMORY, *, reads_json: bool = False, threads: int | None = None, spill: Path | None = None
) -> Config:
    """Return the configuration of a connection.

    memory   as the setting has it: 512MiB
    reads_json  it may need all of that for large rows; what sorts and joins can spill, and gets half of it
    threads  None: as many as there are processors, and the memory allows
    spill    the folder of what does not fit into memory; None: beside the database's file
    """
    limit = size(memory) // (1 if reads_json else 2)
    if threads is None:
        allowed = max(1, limit // _PER_THREAD)
        threads = allowed if allowed < (os.cpu_count() or 1) else None
    made: Config = {"memory_limit": f"{limit}B"}
    if threads is not None:
        made["threads"] = threads
    if spill is not None:
        made["temp_directory"] = str(spill)
    return made


def threads(file: Path) -> int | None:
    """Return 1 for a small file, of which a query takes no longer than to wake a second thread for it; or None."""
    return 1 if file.exists() and file.stat().st_size < _SMALL else None


def named(
    error: Exception, memory: str = STAGING_MEMORY, failed: str = "the staging database cannot be read"
) -> Mock2pgError:
    """Return the error that an error of DuckDB is: StagingFailed for want of memory or disk space, or InternalError."""
    told = str(error)
    if any(sign in told for sign in _NO_DISK):
        return StagingFailed(
            "there is no disk space for the staged rows",
            hint="Free disk space for the folder runs/, then run the command again.",
        )
    if type(error).__name__ == "OutOfMemoryException" or any(sign in told for sign in _NO_MEMORY):
        return StagingFailed(
            f"the staged rows need more than {memory} of memory",
            hint=f"Set MIGRATION_STAGING_MEMORY to {_more(memory)}, for example, then run the command again.",
        )
    return InternalError(f"{failed}: {type(error).__name__}: {scrubbed(told)}")


def _more(memory: str) -> str:
    """Return twice that limit; of one with which hardly any rows could be staged, the least that is worth a try."""
    return _LEAST if size(memory) * 2 < size(_LEAST) else f"{int(memory[:-3]) * 2}{memory[-3:]}"
