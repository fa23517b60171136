"""RESULTS.md and the picture, from what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import picture, results
from benchmarks.figures import Figure, mebibytes
from benchmarks.results import CASES, NOTHING, OURS, PEERS, PREVIOUS, Results
from benchmarks.targets import TARGETS

_SUBJECTS = (OURS, PREVIOUS, *PEERS.values())
_INTRODUCTION = """# What a migration costs

mock2pg checks, backs up, tests the backup, loads, publishes, verifies and reports. The tools that it is compared with
here load, and do no more. `make bench` measured all of them on one machine and one PostgreSQL server, one after the
other.
"""
_COMPARED = """## What was compared

| | |
|---|---|
| mock2pg | `mock2pg migrate`: the whole migration, with its backup and restore test, verification and report |
| mock2pg, previous release | the same command of an older revision, in an environment of its own |
| psql \\copy | CSV files that are ready, into tables without keys: the least that loading can take |
| dlt | a pipeline of one resource per JSON file, `replace`, with the default loader of its PostgreSQL destination |
| dlt, parquet | the same with `loader_file_format="parquet"`, loaded through ADBC |
| sling | one replication with a stream per file, `full-refresh`; JSON Lines are ready, nested arrays stay JSON |
| seed script | Python: `executemany` of psycopg into tables with keys and foreign keys, in one transaction |
| pg_dump -Fc, pg_restore | PostgreSQL's own backup of the same tables, packed as by default (gzip 6) and with `-Z1` |

The data is made by `mock2pg sample`. A size is the number of rows in the JSON, those of nested arrays included.
**into nothing** migrates into an empty database. **unchanged** migrates the same source again, and backs up what the
first run published. **unchanged again** does so once more, and **1% changed** then migrates a source in which one text
of every hundredth row differs: both find that this backup still holds the state, and take none.
"""
_LEAST = """A rollback takes a backup of its own first. A rollback of everything restores tables that were emptied.

psql shows the least that three promises of mock2pg can take. It checks, hashes and compares nothing.

- **rows as JSON**: a person can read a backup, and compare it row by row. pg_dump writes rows as COPY takes them.
- **JSON into tables without keys**: each backup is restored once. mock2pg does this in three sessions, and compares.
- **CSV into emptied tables with their keys**: a rollback fills the tables while their keys, indexes and foreign keys
  stay, so that nobody waits to read them. pg_restore makes its tables anew, and their keys when the rows are there.
"""
_HOW = """## How it was measured

- Every command is a new process, and the only work on the machine. PostgreSQL writes a checkpoint before each.
- **Wall** is the time until the command returns. **CPU** is that of all its processes; those of PostgreSQL are apart.
- **Memory** is the largest sum of the proportional set sizes (PSS) of all its processes, sampled five times a
  second; PostgreSQL's is apart, and includes its shared buffers.
- **WAL** is what `pg_current_wal_lsn` advanced.
- A figure is the median; in parentheses are the smallest and the largest measurement where there are several.
- Waits: a reader selects and a writer updates one row of each table by its key, over and over, while the command
  runs; what counts is the longest answer while rows are published.
- The embedded server has `fsync` on, and no setting for the benchmark.
- The previous release is measured up to 1,000,000 rows, and not with 1% changed.
"""
_REPEAT = """## How to repeat it

    make bench                                                 # about 30 minutes
    make bench ARGS="--sizes 500,5000 --peers none --rounds 3" # a part of it
    make bench ARGS="--parts migrations,backups,waits,starts,first"    # also `make migrate` in a fresh clone
    make bench ARGS="--sizes 10000000 --peers dlt --previous none"     # on request: it takes hours with all peers
    DATABASE_URL=postgresql://... make bench                   # on a server of yours; it makes databases benchmark...

`make bench` makes an environment of its own for the peers, `.venv-bench`, from `requirements-bench.lock`; mock2pg does
not need it. The measurements themselves are in `benchmarks/results.json`.
"""

Row = Sequence[str]


def write(found: Results, folder: Path) -> None:
    """Write RESULTS.md and migrations.svg."""
    title = "Seconds to load into an empty database"
    panels = [(f"{rows:,} rows", _walls(found, rows)) for rows in found.sizes(_SUBJECTS, (NOTHING,))]
    (folder / "migrations.svg").write_text(picture.draw(title, panels, OURS), encoding="utf-8")
    (folder / "RESULTS.md").write_text(text(found), encoding="utf-8")


def text(found: Results) -> str:
    """All of RESULTS.md."""
    parts = [
        _INTRODUCTION,
        table(("", ""), found.about.items()),
        "## Targets\n",
        table(("Target", "Limit", "Figure", ""), (target.row(found) for target in TARGETS)),
        _COMPARED,
        *_left_out(found),
        "## Migrations\n\n![Seconds to load into an empty database, by size and tool](migrations.svg)\n",
        *(part for rows in found.sizes(_SUBJECTS) for part in _migrations(found, rows)),
        *_backups(found),
        *_waits(found),
        _HOW,
        _REPEAT,
    ]
    return "\n".join(parts)


def table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown; the first column is text, and the others are figures when there are more than two."""
    written = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = ["---"] + [("---:" if len(head) > 2 else "---")] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), rule, *written]) + "\n"


def _left_out(found: Results) -> list[str]:
    failed = {
        f"{each.subject}, {each.case}, {each.rows:,} rows": each.failed for each in found.measurements if each.failed
    }
    left = found.left_out | failed
    return ["Not measured:\n", *(f"- {name}: {why}" for name, why in left.items()), ""] if left else []


def _walls(found: Results, rows: int) -> list[tuple[str, Figure]]:
    pairs = [(subject, found.figure(subject, NOTHING, rows)) for subject in _SUBJECTS]
    return [(subject, figure) for subject, figure in pairs if figure]


def _migrations(found: Results, rows: int) -> list[str]:
    """The tables of one size: the commands, and the steps of ours."""
    return [f"### {rows:,} rows\n", _commands(found, rows), *_steps(found, rows)]


def _commands(found: Results, rows: int) -> str:
    head = (
        "",
        "Wall, s",
        "CPU, s",
        "PostgreSQL's CPU, s",
        "Rows per s",
        "Memory, MiB",
        "PostgreSQL's, MiB",
        "WAL, MiB",
    )
    lines = []
    for case in CASES.values():
        for subject in _SUBJECTS:
            wall = found.figure(subject, case, rows)
            if wall is None:
                continue
            lines.append(
                (
                    f"{subject}, {case}",
                    str(wall),
                    *(_figure(found.figure(subject, case, rows, of)) for of in ("cpu", "postgres_cpu")),
                    f"{rows / wall.median:,.0f}",
                    *(_bytes(found.figure(subject, case, rows, of)) for of in ("memory", "postgres_memory", "wal")),
                )
            )
    return table(head, lines)


def _steps(found: Results, rows: int) -> list[str]:
    """Seconds of every step of ours, by case; what is beside the steps is the rest."""
    cases = [case for case in CASES.values() if found.of(OURS, case, rows)]
    names = list(dict.fromkeys(name for case in cases for each in found.of(OURS, case, rows) for name in each.steps))
    if not names:
        return []
    names.sort(key=lambda name: name == "whole")
    lines = [(name, *(_figure(found.step(OURS, case, rows, name)) for case in cases)) for name in names]
    return ["Seconds of mock2pg's steps; some run side by side:\n", table(("Step", *cases), lines)]


def _backups(found: Results) -> list[str]:
    """Backups beside pg_dump, and rollbacks beside pg_restore."""
    asked = [
        (OURS, results.BACKUP),
        (OURS, results.TESTED),
        (results.PG_DUMP, results.BACKUP),
        (results.PG_DUMP_FAST, results.BACKUP),
        (results.PSQL, results.LINES),
        (results.PSQL, results.RESTORED),
        (OURS, results.ROLLBACK),
        (OURS, results.ROLLBACK_CHANGED),
        (results.PG_RESTORE, results.ROLLBACK),
        (results.PSQL, results.REFILLED),
    ]
    lines = []
    for subject, case in asked:
        if not (measured := found.of(subject, case)):
            continue
        rows = measured[0].rows
        wall, cpu, theirs = (_figure(found.figure(subject, case, rows, of)) for of in ("wall", "cpu", "postgres_cpu"))
        memory, wal = (_bytes(found.figure(subject, case, rows, of)) for of in ("memory", "wal"))
        named = f"{subject}, {case}" if subject in (OURS, results.PSQL) else subject
        lines.append((named, f"{rows:,}", wall, cpu, theirs, memory, wal))
    if not lines:
        return []
    head = ("", "Rows", "Wall, s", "CPU, s", "PostgreSQL's CPU, s", "Memory, MiB", "WAL, MiB")
    return ["## Backups\n", table(head, lines), _LEAST]


def _waits(found: Results) -> list[str]:
    if not found.waits:
        return []
    lines = [
        (each.during, f"{each.rows:,}", f"{each.reader * 1000:,.1f}", f"{each.writer * 1000:,.1f}", f"{each.answers:,}")
        for each in found.waits
    ]
    head = ("While", "Rows", "Reader's longest wait, ms", "Writer's longest wait, ms", "Answers")
    return ["## Waits\n", table(head, lines)]


def _figure(found: Figure | None) -> str:
    return "–" if found is None else str(found)


def _bytes(found: Figure | None) -> str:
    return "–" if found is None else mebibytes(found.median)
