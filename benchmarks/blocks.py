"""The measurements: blocks that are run in turn, each of one subject at one size, several rounds."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from psycopg.sql import SQL, Identifier

from benchmarks import results, sources
from benchmarks.meter import CommandFailed, Cost, Meter
from benchmarks.peers import Peers, Tables
from benchmarks.place import Place, Tree, clone, inherited, installing
from benchmarks.results import Measurement, Results, Waits
from mock2pg import postgres
from mock2pg.postgres.server import binary
from mock2pg.settings import REPOSITORY

FAILURES = (CommandFailed, LookupError, OSError, subprocess.SubprocessError, postgres.Error)
_ALL = ("--max-deleted", "100%")
_SCRIPTS = Path(__file__).parent / "scripts"


@dataclass
class Bench:
    """All that blocks share.

    tables  the target tables of our first migration of a size, as files
    """

    place: Place
    meter: Meter
    found: Results
    ours: Tree
    peers: Peers
    cases: Sequence[str]
    previous: Tree | None = None
    tables: dict[int, Tables] = field(default_factory=dict)

    def run(
        self,
        command: Sequence[str | Path],
        url: str,
        rows: int,
        *,
        tree: Tree | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Cost:
        """Measure a command of a tree, which is ours if none is given, on a database."""
        tree = tree or self.ours
        environment = tree.environment(url, **(settings or {}))
        return self.meter.run(command, environment=environment, folder=tree.project, timeout=_patience(rows))

    @contextmanager
    def recorded(self, subject: str, case: str, rows: int) -> Iterator[Callable[..., None]]:
        """Record one measurement; one that fails is recorded, too, and the benchmark goes on with the next block."""

        def record(cost: Cost, steps: Mapping[str, float] | None = None) -> None:
            done = Measurement(subject, case, rows, cost.as_dict(), steps or {})
            self.found.measurements.append(done)
            print(f"    {subject}, {case}: {cost.wall:.2f} s", flush=True)

        try:
            yield record
        except FAILURES as error:
            print(f"    {subject}, {case}: FAILED: {error}", flush=True)
            why = "it failed" if not isinstance(error, LookupError) else str(error)
            self.found.measurements.append(Measurement(subject, case, rows, failed=why))
            raise BlockFailed from error

    def source(self, rows: int, case: str = results.NOTHING) -> Path:
        """The data of a size; made when it is asked for."""
        folder = self.place.folder / "sources"
        made = sources.generate(folder / f"{rows}", rows)
        return sources.change(made, folder / f"{rows} changed") if case == results.CHANGED else made


class BlockFailed(Exception):
    """A block ends with its first measurement that fails: the next one would build on it."""


def migrations(bench: Bench, tree: Tree, rows: int, *, backups: bool = False) -> None:
    """Migrate into nothing, then the same twice more, then with 1% changed."""
    subject = results.OURS if tree is bench.ours else results.PREVIOUS
    cases = bench.cases if tree is bench.ours else [case for case in bench.cases if case == results.UNCHANGED]
    changes = {case: bench.source(rows, case) for case in (results.NOTHING, *cases)}
    with bench.place.database("benchmark") as url:
        for case, source in changes.items():
            with bench.recorded(subject, case, rows) as record:
                command = tree.command("migrate", source, *_ALL)
                record(bench.run(command, url, rows, tree=tree), tree.steps())
            if tree is bench.ours and rows not in bench.tables and case == results.NOTHING:
                # what the published tables are, in the order of their foreign keys
                names = tuple(tree.record("steps/publish.json")["data"]["tables"])
                bench.tables[rows] = Tables.of(url, bench.place.folder / "tables" / f"{rows}", names)
        if backups:
            _backups(bench, url, rows)


def _backups(bench: Bench, url: str, rows: int) -> None:
    """Roll 1% back; take backups with and without their restore test; roll everything back; beside PostgreSQL's own
    tools, and the least that each of these can take."""
    tree, file, tables = bench.ours, bench.place.folder / "dump", bench.tables[rows]

    def measure(subject: str, case: str, command: Sequence[str | Path], **settings: str) -> None:
        with bench.recorded(subject, case, rows) as record:
            record(bench.run(command, url, rows, settings=settings))

    if results.CHANGED in bench.cases:
        measure(results.OURS, results.ROLLBACK_CHANGED, tree.command("rollback", _newest_backup(tree)))
    dump: list[str | Path] = [binary("pg_dump"), "-Fc", f"--file={file}", url]
    for _ in range(2):  # the targets are ratios of these
        measure(results.OURS, results.BACKUP, tree.command("backup"), MIGRATION_BACKUP_RESTORE_TEST="never")
        measure(results.OURS, results.TESTED, tree.command("backup"))
        measure(results.PG_DUMP, results.BACKUP, dump)
        with bench.place.database("benchmark_restored") as restored:
            command: list[str | Path] = [binary("pg_restore"), "--exit-on-error", f"--dbname={restored}", file]
            measure(results.PG_RESTORE, results.ROLLBACK, command)
    kept = _newest_backup(tree)
    measure(results.PG_DUMP_FAST, results.BACKUP, [*dump[:2], "-Z1", *dump[2:]])
    measure(results.PSQL, results.LINES, tables.write_lines(url))
    with bench.place.database("benchmark_restored") as restored:
        tables.create(restored, keys=False)
        measure(results.PSQL, results.RESTORED, tables.read_lines(restored))
    _empty(url, tables)
    measure(results.PSQL, results.REFILLED, tables.fill(url))
    _empty(url, tables)
    measure(results.OURS, results.ROLLBACK, tree.command("rollback", kept, "--discard-changes"))


def _empty(url: str, tables: Tables) -> None:
    with postgres.connect(url, name="benchmark") as connection:
        names = SQL(", ").join(Identifier("public", name) for name in tables.names)
        connection.execute(SQL("TRUNCATE {}").format(names))


def _newest_backup(tree: Tree) -> str:
    return max(file.name.partition(".")[0] for file in (tree.project / "backups").glob("backup-*"))


def peer(bench: Bench, name: str, rows: int) -> None:
    """Load into nothing."""
    with bench.place.database("benchmark") as url, bench.recorded(name, results.NOTHING, rows) as record:
        load = bench.peers.load(name, url, bench.source(rows), bench.tables.get(rows))
        record(
            bench.meter.run(
                load.command, environment=load.environment, folder=bench.place.folder, timeout=_patience(rows)
            )
        )


def waits(bench: Bench, rows: int) -> None:
    """Let readers and writers ask while nothing, 1% and every row is published, and while a seed script runs."""
    tree = bench.ours
    other = sources.generate(bench.place.folder / "sources" / f"{rows} other", rows, seed=2)
    with bench.place.database("benchmark") as url, bench.recorded(results.OURS, "waits", rows):

        def migrate(source: Path) -> tuple[float, float]:
            command = tree.command("migrate", source, *_ALL)
            bench.run(command, url, rows)
            publish = tree.record("steps/publish.json")
            began = _epoch(publish["started_at"])
            return began, began + publish["seconds"]

        def seed() -> tuple[float, float]:
            began, tables = time.time(), bench.tables[rows]
            bench.meter.run(bench.peers.seed_command(url, tables), environment=inherited(), folder=bench.place.folder)
            return began, time.time()

        migrate(bench.source(rows))
        scenes: dict[str, Callable[[], tuple[float, float]]] = {
            "nothing is published": _idle,
            "mock2pg publishes 1% changed": lambda: migrate(bench.source(rows, results.CHANGED)),
            "mock2pg publishes, every row differs": lambda: migrate(other),
        }
        if rows in bench.tables and results.SEED not in bench.found.left_out:
            scenes["the seed script empties and fills the tables"] = seed
        names = bench.tables[rows].names if rows in bench.tables else ()
        for during, work in scenes.items():
            bench.found.waits.append(_watched(tree, url, names, during, rows, work))


def _patience(rows: int) -> float:
    """Seconds after which a command is taken for hanging: several times what the slowest needs."""
    return 200 + rows / 2500


def _idle() -> tuple[float, float]:
    began = time.time()
    time.sleep(3)
    return began, time.time()


def _watched(
    tree: Tree, url: str, names: Sequence[str], during: str, rows: int, work: Callable[[], tuple[float, float]]
) -> Waits:
    """Let a reader and a writer ask all the time; what counts is within the time that `work` returns."""
    sessions = [
        subprocess.Popen(
            [tree.python, "-I", _SCRIPTS / "sessions.py", url, act, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited(),
        )
        for act in ("read", "write")
    ]
    for session in sessions:
        assert session.stdout is not None
        session.stdout.readline()
    try:
        began, ended = work()
    finally:
        said = [session.communicate()[0] for session in sessions]
    found = [json.loads(text) for text in said]
    reader, writer = (longest(each["waits"], began, ended) for each in found)
    print(f"    waits while {during}: readers {reader * 1000:.1f} ms, writers {writer * 1000:.1f} ms", flush=True)
    return Waits(during, rows, reader, writer, sum(each["answers"] for each in found))


def longest(waits: Sequence[Sequence[float]], began: float, ended: float) -> float:
    """The longest wait that overlaps a time; those up to 1 ms are not recorded."""
    return max((took for at, took in waits if at < ended and at + took > began), default=0.001)


def _epoch(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def starts(bench: Bench, rows: int) -> None:
    """`mock2pg --help`, and a second call in one Python process."""
    tree = bench.ours
    with bench.place.database("benchmark") as url:
        for _ in range(5):
            with bench.recorded(results.OURS, results.HELP, 0) as record:
                record(bench.run(tree.command("--help"), url, 0))
        with bench.recorded(results.OURS, results.SECOND, rows) as record:
            file = bench.place.folder / "twice.json"
            command: list[str | Path] = [tree.python, "-I", _SCRIPTS / "twice.py", bench.source(rows), file]
            bench.run(command, url, rows)
            record(Cost(wall=json.loads(file.read_text())[1]))


def first(bench: Bench, tree: Tree) -> None:
    """`make migrate` in a fresh clone, set-up included."""
    subject = results.OURS if tree is bench.ours else results.PREVIOUS
    code = bench.place.folder / f"first {tree.name}"
    with bench.recorded(subject, results.FIRST, 592) as record:
        clone(tree.code if tree is not bench.ours else REPOSITORY, code)
        try:
            record(bench.meter.run(["make", "-s", "migrate"], environment=installing(), folder=code))
        finally:
            subprocess.run(["make", "-s", "clean"], cwd=code, env=inherited(), check=False, capture_output=True)
