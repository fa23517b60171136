"""The data of the benchmark: the sample of any size, and the same with one row in a hundred changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mock2pg.settings import REPOSITORY
from mock2pg.source import sample

_EVERY = 100
# Text that no rule and no reference is about, the first that a row has.
_TEXTS = ("feedback", "notes", "content", "description", "name")


def generate(out: Path, rows: int, seed: int = 1) -> Path:
    """Write a sample, unless it is there."""
    if not out.exists():
        sample.generate(REPOSITORY / "mock_data" / "sample", out, rows=rows, seed=seed)
    return out


def change(source: Path, out: Path) -> Path:
    """Write a copy of a sample whose every hundredth row differs in one text, unless it is there."""
    if not out.exists():
        out.mkdir(parents=True)
        for file in sorted(source.glob("*.json")):
            with file.open(encoding="utf-8") as lines, (out / file.name).open("w", encoding="utf-8") as changed:
                changed.writelines(_changed(lines))
    return out


def lines(source: Path, out: Path) -> Path:
    """Write a copy of a sample as JSON Lines, unless it is there."""
    if not out.exists():
        out.mkdir(parents=True)
        for file in sorted(source.glob("*.json")):
            with (
                file.open(encoding="utf-8") as rows,
                (out / f"{file.stem}.jsonl").open("w", encoding="utf-8") as written,
            ):
                written.writelines(row.rstrip().removesuffix(",") + "\n" for row in rows if row.startswith("{"))
    return out


def _changed(lines: Iterator[str]) -> Iterator[str]:
    """The lines of a sample's file: an element of its array each, and the brackets around them."""
    for number, line in enumerate(lines, 1):
        if number % _EVERY != 2 or not line.startswith("{"):
            yield line
            continue
        row = json.loads(line.rstrip().removesuffix(","))
        for changed in [row, *(part for parts in row.values() if isinstance(parts, list) for part in parts)]:
            _change(changed)
        yield json.dumps(row, ensure_ascii=False) + (",\n" if line.rstrip().endswith(",") else "\n")


def _change(row: Any) -> None:
    if isinstance(row, dict) and (text := next((name for name in _TEXTS if name in row), None)):
        row[text] = f"{row[text] or ''} (changed)".lstrip()
