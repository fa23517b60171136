"""The targets: each with its limit, its figure, and whether the figure is within the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks import results
from benchmarks.figures import MIB, seconds
from benchmarks.results import AGAIN, CHANGED, NOTHING, OURS, PREVIOUS, UNCHANGED, Results

_MILLION = 1_000_000

Measured = Callable[[Results], float | None]


@dataclass(frozen=True)
class Target:
    """One target: what, the largest figure that meets it, the unit, and the figure in a run of the benchmark."""

    name: str
    limit: float
    unit: str
    measured: Measured

    def row(self, found: Results) -> tuple[str, str, str, str]:
        """Return name, limit, figure and verdict as text."""
        figure = self.measured(found)
        limit = f"at most {_number(self.limit)}{self.unit}"
        if figure is None:
            return self.name, limit, "–", "not measured"
        met = figure <= self.limit
        shown = _number(figure)
        if not met and shown == _number(self.limit):  # missed by less than is shown
            shown = f"{figure:,.4g}"
        return self.name, limit, f"{shown}{self.unit}", "met" if met else "**not met**"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else seconds(value)


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _wall(case: str, rows: int | None, subject: str = OURS) -> Measured:
    return lambda found: found.median(subject, case, rows)


def _beside(case: str, rows: int | None, subject: str, *, their_case: str = "") -> Measured:
    """Our wall time as a multiple of another's."""
    return lambda found: ratio(found.median(OURS, case, rows), found.median(subject, their_case or case, rows))


def _where_previous_takes(seconds: float, case: str, rows: int) -> Measured:
    """Our wall time on a machine on which the previous release takes so many seconds."""

    def scaled(found: Results) -> float | None:
        share = _beside(case, rows, PREVIOUS)(found)
        return seconds * share if share is not None else None

    return scaled


def _memory(rows: int) -> Measured:
    def most(found: Results) -> float | None:
        values = [found.figure(OURS, case, rows, "memory") for case in results.CASES.values()]
        return max((value.most / MIB for value in values if value), default=None)

    return most


def _restore_test(found: Results) -> float | None:
    tested, untested = (found.median(OURS, case, _MILLION) for case in (results.TESTED, results.BACKUP))
    took = tested - untested if tested is not None and untested is not None else None
    return ratio(took, found.median(results.PG_RESTORE, results.ROLLBACK, _MILLION))


def _per_row(rows: int, fewer: int) -> Measured:
    """CPU seconds per row, as a multiple of those of the smaller size."""

    def grown(found: Results) -> float | None:
        each = [ratio(total_cpu(found, OURS, NOTHING, size), size) for size in (rows, fewer)]
        return ratio(*each)

    return grown


def total_cpu(found: Results, subject: str, case: str, rows: int) -> float | None:
    """The CPU seconds of a command's processes and of PostgreSQL's together."""
    both = [found.median(subject, case, rows, of) for of in ("cpu", "postgres_cpu")]
    return sum(value for value in both if value is not None) if both[0] is not None else None


def _longest_reader(found: Results) -> float | None:
    return max((1000 * each.reader for each in found.waits if each.during.startswith("mock2pg")), default=None)


_OF_PREVIOUS = " x the previous release"

TARGETS = (
    *(
        Target(f"{rows:,} rows, {case}", limit, _OF_PREVIOUS, _beside(case, rows, PREVIOUS))
        for rows, limit in ((500, 0.3), (5_000, 0.35), (100_000, 0.4))
        for case in (NOTHING, UNCHANGED)
    ),
    *(
        Target(
            f"500 rows, {case}, where the previous release takes 16 s", 5, " s", _where_previous_takes(16, case, 500)
        )
        for case in (NOTHING, UNCHANGED)
    ),
    Target("second call in one Python process, 500 rows", 2, " s", _wall(results.SECOND, None)),
    Target("`mock2pg --help`", 0.3, " s", _wall(results.HELP, None)),
    Target(
        "from the last line of a migration to the prompt", 0.1, " s", lambda r: r.median(OURS, UNCHANGED, 500, "lag")
    ),
    Target("first `make migrate` from nothing, set-up included", 60, " s", _wall(results.FIRST, None)),
    Target("1,000,000 rows, into nothing", 45, " s", _wall(NOTHING, _MILLION)),
    Target("1,000,000 rows, into nothing", 1.0, " x dlt", _beside(NOTHING, _MILLION, results.DLT)),
    Target("1,000,000 rows, unchanged", 20, " s", _wall(UNCHANGED, _MILLION)),
    Target("1,000,000 rows, unchanged again", 20, " s", _wall(AGAIN, _MILLION)),
    Target("1,000,000 rows, 1% changed", 25, " s", _wall(CHANGED, _MILLION)),
    Target("1,000,000 rows, backup", 0.5, " x `pg_dump -Fc`", _beside(results.BACKUP, _MILLION, results.PG_DUMP)),
    Target("1,000,000 rows, restore test of a backup", 1.0, " x `pg_restore`", _restore_test),
    Target(
        "1,000,000 rows, rollback of everything",
        1.5,
        " x `pg_restore`",
        _beside(results.ROLLBACK, _MILLION, results.PG_RESTORE),
    ),
    Target(
        "1,000,000 rows, rollback of 1%",
        1.0,
        " x `pg_restore`",
        _beside(results.ROLLBACK_CHANGED, _MILLION, results.PG_RESTORE, their_case=results.ROLLBACK),
    ),
    Target("memory of all processes, 1,000,000 rows", 500, " MiB", _memory(_MILLION)),
    Target("memory of all processes, 10,000,000 rows", 1024, " MiB", _memory(10 * _MILLION)),
    Target("CPU per row at 1,000,000 rows", 1.0, " x that at 100,000 rows", _per_row(_MILLION, 100_000)),
    Target("CPU per row at 10,000,000 rows", 1.0, " x that at 100,000 rows", _per_row(10 * _MILLION, 100_000)),
    Target("longest wait of a reader while a migration publishes", 10, " ms", _longest_reader),
)
