"""The metrics of a run as Prometheus reads them: for the textfile collector of node_exporter."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from mock2pg.errors import UsageError
from mock2pg.step_results import Published, RolledBack, StepResult, changes_of, find, warnings_of

_OF_RUN = {
    "duration_seconds": "Wall time of the newest run.",
    "started_timestamp_seconds": "When the newest run began.",
    "success": "1 when the newest run succeeded, 0 when it did not.",
    "peak_memory_bytes": "Peak memory of all processes of the newest run together.",
    "database_seconds": "Time that the steps of the newest run waited for PostgreSQL.",
    "statements": "Statements that the steps of the newest run executed.",
    "wal_bytes": "WAL that the server wrote during the newest run, also for other sessions.",
    "warnings": "Warnings of the newest run.",
}
_OF_STEP = {
    "seconds": ("duration_seconds", "Wall time of a step."),
    "rows": ("rows", "Rows that a step read or wrote."),
    "rows_per_second": ("rows_per_second", "Rows a second of a step."),
    "peak_memory_bytes": ("peak_memory_bytes", "Peak memory of the process of a step, until the step ended."),
    "database_seconds": ("database_seconds", "Time that a step waited for PostgreSQL."),
}
_CHANGES = ("inserted", "updated", "deleted")


def text(record: Mapping[str, Any], results: list[StepResult]) -> str:
    """Return the metrics of a run in the text format of Prometheus; a value that is not known is left out."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    labels = {"command": record["command"], "verdict": record["status"]}

    def gauge(name: str, about: str, values: Mapping[str, Any], label: str = "") -> None:
        if any(value is not None for value in values.values()):
            names = [*labels, *([label] if label else [])]
            made = Gauge(f"mock2pg_{name}", about, names, registry=registry)
            for key, value in values.items():
                if value is not None:
                    made.labels(**labels, **({label: key} if label else {})).set(float(value))

    metrics = record.get("metrics") or {}
    of_run = {
        **metrics,
        "duration_seconds": record["seconds"],
        "started_timestamp_seconds": datetime.fromisoformat(record["started_at"]).timestamp(),
        "success": record["status"] == "succeeded",
        "warnings": warnings_of(results, record["warnings"]),
    }
    for name, about in _OF_RUN.items():
        gauge(f"run_{name}", about, {"": of_run.get(name)})
    steps = metrics.get("steps") or {}
    for key, (name, about) in _OF_STEP.items():
        gauge(f"step_{name}", about, {step: each.get(key) for step, each in steps.items()}, "step")
    if find(results, Published) or find(results, RolledBack):
        changed = changes_of(record, results).values()
        rows = {change: sum(getattr(table, change) for table in changed) for change in _CHANGES}
        gauge("run_changed_rows", "Rows of the target tables that the newest run changed.", rows, "change")
    return generate_latest(registry).decode()


def write(file: Path, content: str) -> None:
    """Write a file that its reader sees whole or not at all, and may read. Raises UsageError and OSError.

    The folder may be one that others write into, too: no link of theirs is followed.
    """
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise UsageError(f"{file} is no file, which --out would replace", hint="Name a file, or print the metrics.")
    descriptor, aside = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.absolute().parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as out:
            out.write(content)
            os.fchmod(out.fileno(), 0o644)
        os.replace(aside, file)
    except BaseException:
        os.unlink(aside)
        raise
