"""`make bench`: its figures, its targets, its document and its order of work, without measuring time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from benchmarks import __main__ as bench
from benchmarks import document, processes, results, sources
from benchmarks.blocks import BlockFailed, longest
from benchmarks.figures import Figure, figure
from benchmarks.place import as_url
from benchmarks.results import Measurement, Results, Waits
from benchmarks.targets import TARGETS

from mock2pg.settings import REPOSITORY

MEASURED = """
import json, sys
from pathlib import Path
from benchmarks.meter import CommandFailed, Meter

url, folder = sys.argv[1:]
meter = Meter(url, Path(folder, "log"))
burn = "import time\\nwhile time.process_time() < 0.3: pass"
write = f"import psycopg; psycopg.connect({url!r}, autocommit=True).execute('CREATE TABLE t AS SELECT 1')"
command = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {burn!r}]); {write}; print('done')"
cost = meter.run([sys.executable, "-c", command], environment={}, folder=Path(folder))
try:
    meter.run([sys.executable, "-c", "import sys; sys.exit('no room')"], environment={}, folder=Path(folder))
except CommandFailed as error:
    failed = str(error)
try:
    meter.run(["/bin/sh", "-c", "sleep 60"], environment={}, folder=Path(folder), timeout=0.1)
except CommandFailed as error:
    print(json.dumps([cost.as_dict(), failed, str(error)]))
"""


def test_a_cost_is_that_of_all_processes(database: str, tmp_path: Path) -> None:
    """CPU of a child that outlives its parent, memory and WAL count; a command that fails or is too slow is named."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, as_url(database), tmp_path],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    cost, error, late = json.loads(done.stdout)
    assert cost["cpu"] >= 0.3
    assert cost["wal"] > 0
    assert cost["memory"] > 1 << 20
    assert cost["postgres_memory"] > 1 << 20
    assert "ended with 1: no room" in error
    assert "sh ended with a timeout of 0 s" in late


def test_a_line_of_proc_is_read_whatever_the_name_holds() -> None:
    """A name may have parentheses and spaces; times are seconds."""
    numbers = ["1"] * 9 + ["250", "50", "100", "0"] + ["0"] * 20
    found = processes.parse(f"42 (a (b) c) S 7 {' '.join(numbers[:9])} {' '.join(numbers[9:])}")
    ticks = processes._TICKS
    assert (found.pid, found.name, found.parent) == (42, "a (b) c", 7)
    assert (found.own, found.ended) == (300 / ticks, 100 / ticks)


def test_a_figure_is_the_median_with_its_spread() -> None:
    """A missing measurement does not count; a single one has no spread."""
    assert figure([3.0, None, 1.0, 2.0]) == Figure(2.0, 1.0, 3.0, 3)
    assert str(figure([3.0, 1.0, 20.0])) == "3.00 (1.00–20.00)"
    assert str(figure([12.34])) == "12.3"
    assert figure([None]) is None


def test_the_longest_wait_is_within_the_time() -> None:
    """A wait counts when it overlaps, also when it began before."""
    waits = [[1.0, 0.5], [9.9, 0.2], [20.0, 3.0]]
    assert longest(waits, 10.0, 12.0) == 0.2
    assert longest(waits, 5.0, 6.0) <= 0.001


def test_one_row_in_a_hundred_is_changed(tmp_path: Path) -> None:
    """Every hundredth element of an array differs in one text, and all are there; as JSON Lines, too."""
    rows = [{"id": str(n), "name": f"name {n}"} for n in range(1000)]
    source = tmp_path / "source"
    source.mkdir()
    (source / "people.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")
    ready = (sources.lines(source, tmp_path / "lines") / "people.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in ready] == rows
    changed = json.loads((sources.change(source, tmp_path / "changed") / "people.json").read_text())
    assert [row for row, old in zip(changed, rows, strict=True) if row != old] == [
        {"id": str(n), "name": f"name {n} (changed)"} for n in range(0, 1000, 100)
    ]


def canned() -> Results:
    """A run in which 500 rows were migrated by two subjects, with one peer that failed."""

    def cost(wall: float) -> dict[str, float | None]:
        return {"wall": wall, "cpu": wall * 1.5, "postgres_cpu": 0.5, "memory": 200 << 20, "wal": 5 << 20, "lag": None}

    steps = {"stage": 0.5, "whole": 4.0}
    return Results(
        about={"Date": "2026-11-29", "Processor": "a processor"},
        left_out={results.SLING: "no package"},
        measurements=[
            Measurement(results.OURS, results.NOTHING, 500, cost(4.0), steps),
            Measurement(results.OURS, results.NOTHING, 500, cost(5.0), steps),
            Measurement(results.PREVIOUS, results.NOTHING, 500, cost(12.0)),
            Measurement(results.PSQL, results.NOTHING, 500, cost(0.25)),
            Measurement(results.DLT, results.NOTHING, 500, failed="it failed"),
        ],
        waits=[Waits("mock2pg publishes 1% changed", 500, 0.0042, 0.9, 10)],
    )


def test_the_document_has_every_target_with_its_figure(tmp_path: Path) -> None:
    """A target is met, not met, or not measured; machine, figures and what is missing are there, too."""
    found = canned()
    found.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == found
    document.write(found, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text()
    lines = text.split("\n")
    name = "500 rows, into nothing, where the previous release takes 16 s"
    assert f"| {name} | at most 5 s | 6 s | **not met** |" in lines
    assert (
        "| 500 rows, into nothing | at most 0.30 x the previous release | 0.38 x the previous release | **not met** |"
        in lines
    )
    assert "| 1,000,000 rows, unchanged | at most 20 s | – | not measured |" in lines
    assert "| longest wait of a reader while a migration publishes | at most 10 ms | 4.20 ms | met |" in lines
    assert sum(text.count(f"| {target.name} |") for target in set(TARGETS)) >= len(TARGETS)
    assert "| mock2pg, into nothing | 4.50 (4.00–5.00) | 6.75 (6.00–7.50) | 0.50 (0.50–0.50) | 111 |" in text
    assert "- sling: no package" in lines
    assert "- dlt, into nothing, 500 rows: it failed" in lines
    assert re.findall(r"/(?:work|tmp|home|root|usr)\b", text) == []
    picture = ET.parse(tmp_path / "migrations.svg").getroot()
    assert [each.text for each in picture.iter() if each.text in (results.OURS, results.PREVIOUS, results.PSQL)] == [
        results.OURS, results.PREVIOUS, results.PSQL,
    ]  # fmt: skip


def test_blocks_take_turns_while_there_is_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first round is always run; a later one only while it is expected to end in time, and not after a failure."""
    ran: list[str] = []

    def failing() -> None:
        ran.append("failing")
        raise BlockFailed

    monkeypatch.setattr(bench, "_RAW", tmp_path / "results.json")
    planned = [
        bench.Block("quick", lambda: ran.append("quick"), 3, 1.0),
        bench.Block("once", lambda: ran.append("once"), 1, 1.0),
        bench.Block("failing", failing, 3, 1.0),
    ]
    bench._run(planned, Results(), began=time.monotonic(), limit=3600)
    assert ran == ["quick", "once", "failing", "quick", "quick"]
    ran.clear()
    again = [bench.Block("long", lambda: ran.append("long"), 3, 1.0)]
    bench._run(again, Results(), began=time.monotonic() - 3600, limit=3600)
    assert ran == ["long"]


def test_a_process_that_ends_while_it_is_looked_at_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder in /proc is there at first, and then it is not."""

    def gone(*_: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "glob", gone)
    assert processes.children(1) == []
