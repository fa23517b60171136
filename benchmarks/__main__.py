"""Measure, in turn and several rounds, and write RESULTS.md and migrations.svg.

make bench
make bench ARGS="--sizes 500,5000 --peers psql,dlt --rounds 1"
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import blocks, document, machine, results
from benchmarks.blocks import Bench
from benchmarks.meter import Meter
from benchmarks.peers import Peers
from benchmarks.place import Place, place
from benchmarks.results import PREVIOUS, Results
from mock2pg.settings import REPOSITORY
from mock2pg.text import counted, duration

_HERE = Path(__file__).parent
_RAW = _HERE / "results.json"
_SIZES = "500,5000,100000,1000000"
_PARTS = ("migrations", "backups", "waits", "starts", "first")
_ROUNDS = {1_000: 5, 10_000: 3, 1_000_000: 2}  # up to so many rows; one above
# Seconds of one round of a block, before any was measured: fixed, and per row.
_EXPECTED = {
    results.OURS: (25.0, 120e-6),
    PREVIOUS: (40.0, 140e-6),
    "peer": (5.0, 50e-6),
    "backups": (20.0, 130e-6),
    "waits": (45.0, 250e-6),
    "starts": (25.0, 0.0),
    "first": (150.0, 0.0),
}


@dataclass
class Block:
    """One unit of work, its number of rounds, and the seconds that a round is expected to take."""

    name: str
    run: Callable[[], None]
    rounds: int
    expected: float


def main() -> None:
    given = _arguments()
    if given.again:
        document.write(Results.load(_RAW), _HERE)
        return
    began = time.monotonic()
    found = Results()
    with place(os.environ) as where:
        bench = _bench(where, found, given)
        try:
            planned = _blocks(bench, given)
            _run(planned, found, began, given.minutes * 60)
        except KeyboardInterrupt:
            print("interrupted: what was measured until here is written", flush=True)
        finally:
            bench.meter.close()
            found.about["Duration"] = duration(time.monotonic() - began)
            found.save(_RAW)
    document.write(found, _HERE)
    print("benchmarks/RESULTS.md and benchmarks/migrations.svg are written")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sizes", type=_listed, default=_listed(_SIZES), help=f"rows, comma-separated ({_SIZES})")
    add("--cases", type=_listed, default=list(results.CASES), help=f"of {', '.join(results.CASES)} (all)")
    add("--peers", type=_listed, default=list(results.PEERS), help=f"of {', '.join(results.PEERS)} (all), or none")
    add("--parts", type=_listed, default=list(_PARTS[:-1]), help=f"of {', '.join(_PARTS)} (all but the last)")
    add("--rounds", type=int, help="of every block (5 up to 1,000 rows, 3 up to 10,000, 2 up to 1,000,000)")
    add("--minutes", type=float, default=30, help="begin no further round that would end later (30)")
    add("--previous", default="f58a72e", help="a revision, a folder with its .venv, or none (f58a72e)")
    add("--peers-environment", type=Path, default=REPOSITORY / ".venv-bench", help=argparse.SUPPRESS)
    add("--again", action="store_true", help="measure nothing: write RESULTS.md from results.json")
    given = parser.parse_args()
    for name, known in (("cases", results.CASES), ("peers", (*results.PEERS, "none")), ("parts", _PARTS)):
        if unknown := [each for each in getattr(given, name) if each not in known]:
            parser.error(f"--{name}: there is no {', '.join(unknown)}")
    given.sizes = sorted(int(size.replace("_", "")) for size in given.sizes)
    given.peers = [each for each in given.peers if each != "none"]
    return given


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _bench(where: Place, found: Results, given: argparse.Namespace) -> Bench:
    """Set up everything that is not measured."""
    environment = given.peers_environment.absolute()
    peers = Peers(where, environment)
    meter = Meter(where.url, where.folder / "output.log")
    found.left_out |= peers.missing()
    bench = Bench(
        where, meter, found, where.tree("ours", REPOSITORY), peers, [results.CASES[case] for case in given.cases]
    )
    if given.previous != "none":
        print(f"Setting up the previous release ({Path(given.previous).name}) ...", flush=True)
        try:
            bench.previous = where.previous(given.previous)
        except (OSError, subprocess.CalledProcessError) as error:
            found.left_out[PREVIOUS] = f"it cannot be set up here ({type(error).__name__})"
    found.about |= machine.describe(where.url, environment if environment.is_dir() else None)
    if bench.previous:
        found.about["Previous release"] = f"revision {machine.revision(bench.previous.code)}"
    return bench


def _blocks(bench: Bench, given: argparse.Namespace) -> list[Block]:
    """The blocks of one round, in the order in which they take turns."""
    planned = []
    backups_at = max((size for size in given.sizes if size <= 1_000_000), default=0) if "backups" in given.parts else 0
    waits_at = max((size for size in given.sizes if size <= 100_000), default=0) if "waits" in given.parts else 0

    def add(name: str, kind: str, rows: int, run: Callable[[], None], rounds: int | None = None) -> None:
        fixed, each = _EXPECTED[kind]
        count = given.rounds or next((n for most, n in _ROUNDS.items() if rows <= most), 1)
        planned.append(Block(f"{name}, {rows:,} rows", run, rounds or count, fixed + each * rows))

    for rows in given.sizes if "migrations" in given.parts or backups_at else ():
        backed_up = rows == backups_at
        kind = results.OURS
        add("mock2pg", kind, rows, partial(blocks.migrations, bench, bench.ours, rows, backups=backed_up))
        if backed_up:
            planned[-1].expected += _EXPECTED["backups"][0] + _EXPECTED["backups"][1] * rows
        if bench.previous and rows <= 1_000_000:
            add(PREVIOUS, PREVIOUS, rows, partial(blocks.migrations, bench, bench.previous, rows))
        for peer in (results.PEERS[each] for each in given.peers):
            if peer not in bench.found.left_out:
                add(peer, "peer", rows, partial(blocks.peer, bench, peer, rows))
        if rows == waits_at:
            add("waits", "waits", rows, partial(blocks.waits, bench, rows), rounds=1)
    if "starts" in given.parts:
        add("starts", "starts", 500, partial(blocks.starts, bench, 500), rounds=2)
    if "first" in given.parts:
        for tree in filter(None, (bench.ours, bench.previous)):
            add(f"first, {tree.name}", "first", 592, partial(blocks.first, bench, tree), rounds=1)
    return planned


def _run(planned: Sequence[Block], found: Results, began: float, limit: float) -> None:
    """Run the blocks in turn: all of the first round, then what there is time for."""
    rounds = max(block.rounds for block in planned)
    expected = sum(block.expected * block.rounds for block in planned)
    work = f"{counted(len(planned), 'block')}, up to {counted(rounds, 'round')}"
    print(f"About {duration(min(expected, limit))}: {work}", flush=True)
    for number in range(1, rounds + 1):
        for block in planned:
            spent = time.monotonic() - began
            if number > block.rounds:
                continue
            if number > 1 and spent + block.expected > limit:
                print(f"[{spent / 60:4.1f} min] round {number}: no time for {block.name}", flush=True)
                continue
            print(f"[{spent / 60:4.1f} min] round {number} of {block.rounds}: {block.name}", flush=True)
            started = time.monotonic()
            try:
                block.run()
            except (blocks.BlockFailed, *blocks.FAILURES) as error:
                print(f"    {block.name} is not measured again: {type(error).__name__}", flush=True)
                block.rounds = number
            block.expected = time.monotonic() - started
            found.save(_RAW)


if __name__ == "__main__":
    main()
