"""The cost of a run: seconds, rows a second, memory, time in the database, its slowest statements, WAL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mock2pg.step_results import StepResult

_LISTED = 10  # statements


def of(results: Sequence[StepResult], peak_memory_bytes: int | None, wal_bytes: int | None) -> dict[str, Any]:
    """Return the metrics of a run as record.json has them.

    peak_memory_bytes  of all its processes together
    wal_bytes          that the server wrote meanwhile, for others, too
    """
    slowest = [
        {"step": result.step, "seconds": seconds, "statement": text}
        for result in results
        for seconds, text in result.slowest
    ]
    return {
        "peak_memory_bytes": peak_memory_bytes,
        "wal_bytes": wal_bytes,
        "database_seconds": round(sum(result.database_seconds for result in results), 3),
        "statements": sum(result.statements for result in results),
        "steps": {result.step: _of_step(result) for result in results},
        "slowest_statements": sorted(slowest, key=lambda each: -float(str(each["seconds"])))[:_LISTED],
    }


def _of_step(result: StepResult) -> dict[str, Any]:
    return {
        "seconds": result.seconds,
        "rows": result.rows,
        "rows_per_second": round(result.rows / result.seconds) if result.rows and result.seconds else None,
        "peak_memory_bytes": result.peak_memory_bytes,
        "database_seconds": result.database_seconds,
        "statements": result.statements,
    }
