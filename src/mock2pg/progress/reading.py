"""Reading: the steps of a run that began, for a terminal or a page that shows them."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mock2pg.progress.counting import FOLDER, Channel, seconds_of

_SETTLED = 0.5  # seconds of counting after which a rate is known


@dataclass(frozen=True)
class StepProgress:
    """One step of a run that began.

    status      "running", "passed" or "failed"
    rows        done of the part that it is at; of a step that ended, all of it, None when it counts none
    total_rows  None when it is unknown
    rate        rows a second; None when it is not known yet
    elapsed     seconds
    remaining   seconds that the part will take, by its rate; None when it is unknown
    detail      the table or file that it works on
    summary     of a step that ended
    """

    step: str
    status: str
    started_at: str
    rows: int | None = None
    total_rows: int | None = None
    rate: float | None = None
    elapsed: float = 0.0
    remaining: float | None = None
    detail: str = ""
    summary: str = ""


def read(run_folder: Path) -> tuple[StepProgress, ...]:
    """Return the steps of a run that began, in the order in which they did; what cannot be read is left out."""
    found: dict[str, StepProgress] = {}
    for folder, made in ((FOLDER, _running), ("steps", _ended)):
        for file in _files(run_folder / folder):
            with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
                state = file.stat()
                found[file.stem] = made(str(file), state.st_mtime_ns, state.st_size)
    return tuple(sorted(found.values(), key=lambda step: step.started_at))


def _running(file: str, changed: int, size: int) -> StepProgress:
    channel = _channel(file, changed, size)
    elapsed = max(0.0, time.time() - seconds_of(channel.started_at))
    counting = elapsed - channel.counted_after
    rate = channel.rows / counting if channel.rows and counting >= _SETTLED else None
    total = None if channel.total_rows is None else max(channel.total_rows, channel.rows)
    remaining = (total - channel.rows) / rate if rate and total is not None else None
    return StepProgress(
        channel.step, "running", channel.started_at, channel.rows or None, total, rate, elapsed, remaining,
        channel.detail,
    )  # fmt: skip


@lru_cache(maxsize=64)
def _channel(file: str, _changed: int, _size: int) -> Channel:
    record = json.loads(Path(file).read_text(encoding="utf-8"))
    channel = Channel(file=file, **{name: record[name] for name in Channel.__dataclass_fields__ if name != "file"})
    seconds_of(channel.started_at)
    return channel


@lru_cache(maxsize=64)
def _ended(file: str, _changed: int, _size: int) -> StepProgress:
    record: dict[str, Any] = json.loads(Path(file).read_text(encoding="utf-8"))
    done, seconds = record.get("rows"), float(record["seconds"])
    return StepProgress(
        step=str(record["step"]),
        status=str(record["status"]),
        started_at=str(record["started_at"]),
        rows=done,
        total_rows=done,
        rate=done / seconds if done and seconds else None,
        elapsed=seconds,
        summary=str(record["summary"]),
    )


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(folder.glob("*.json"))
    return []
