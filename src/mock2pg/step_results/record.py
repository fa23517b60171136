"""The record of a step, and how it becomes JSON and comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from mock2pg.errors import InternalError, UsageError

F = TypeVar("F", bound="Found")
T = TypeVar("T")
Counts = Mapping[str, int]  # rows by table, or by another name


def encode(value: Any) -> Any:
    """Return dataclasses as plain JSON."""
    import msgspec  # costs as much as the command's --help

    return msgspec.json.decode(msgspec.json.encode(value))


def decode(kind: type[T], record: Any) -> T:
    """Return what `encode` gave as what it was. Raises ValueError, which names the field."""
    import msgspec

    return msgspec.convert(record, kind)


@dataclass(frozen=True, kw_only=True)
class Found:
    """summary  one line for a person
    cautions    warnings: what does not fail the step, and is to be known
    notes       what was accepted and should be known
    """

    step: ClassVar[str]
    passed: ClassVar[bool] = True  # False: what a step that failed, or changed nothing, has found

    summary: str = ""
    cautions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int | None:
        """Return how many rows the step read or wrote; None for one that counts none."""
        return None

    @property
    def is_reused(self) -> bool:
        """Return whether this is what an earlier run made: the step itself read and wrote no rows."""
        return False


@dataclass(frozen=True)
class StepResult:
    """The result of one step.

    status   "passed" or "failed"
    seconds  wall time
    summary  one line for a person
    found    what it found; of a step that failed, what it had found by then, or None
    error    the error as `Mock2pgError.as_dict` gives it, when it failed
    rows     how many it read or wrote; None for one that counts none
    peak_memory_bytes  the most that its process held until it ended
    statements         how many it executed in the database; database_seconds: their seconds
    slowest            the slowest of them: seconds and text, without values
    """

    step: str
    status: str = "passed"
    started_at: str = ""
    seconds: float = 0.0
    summary: str = ""
    found: Found | None = None
    error: dict[str, Any] | None = None
    rows: int | None = None
    peak_memory_bytes: int = 0
    statements: int = 0
    database_seconds: float = 0.0
    slowest: tuple[tuple[float, str], ...] = ()

    @property
    def data(self) -> dict[str, Any]:
        """Return what it found as JSON, as `--json` and `MigrationResult.summary` have it."""
        data: dict[str, Any] = encode(self.found) if self.found else {}
        data.pop("summary", None)
        return data

    def of(self, kind: type[F]) -> F:
        """Return what it found. Raises InternalError when it found nothing of the kind."""
        if self.error is None and isinstance(self.found, kind):
            return self.found
        raise InternalError(f"the step {self.step} has left no {kind.__name__}")

    def as_dict(self) -> dict[str, Any]:
        """Return the record of the step."""
        record = {**vars(self), "kind": type(self.found).__name__ if self.found else None, "data": self.data}
        del record["found"]
        return record

    @classmethod
    def from_dict(cls, record: dict[str, Any], where: str) -> StepResult:
        """Return what `as_dict` gave. Raises UsageError, naming the file, for what cannot be read."""
        try:
            known = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
            known["slowest"] = tuple((float(seconds), str(text)) for seconds, text in known.get("slowest", ()))
            result = cls(**known)
            kind = _kind(record.get("kind"), result)
            if kind is None:
                return result
            return replace(result, found=decode(kind, {**record["data"], "summary": result.summary}))
        except (ValueError, TypeError, LookupError, AttributeError, StopIteration) as error:
            raise UsageError(
                f"{where} cannot be read: {error}",
                hint="Read it with the version of mock2pg that wrote it; `mock2pg verify-evidence` tells whether it was"
                " changed.",
            ) from error


def find(results: Iterable[StepResult], kind: type[F]) -> F | None:
    """Return what a step found, whether it passed or failed; None when none found anything of the kind."""
    return next((result.found for result in results if isinstance(result.found, kind)), None)


def _kind(name: str | None, result: StepResult) -> type[Found] | None:
    """The class by its name; of what an earlier version wrote without one, and passed, the one of the step."""
    if name is None and result.status == "passed":
        return next(kind for kind in _all(Found) if kind.step == result.step and kind.passed)
    return next((kind for kind in _all(Found) if kind.__name__ == name), None)


def _all(kind: type[Found]) -> Iterator[type[Found]]:
    for each in kind.__subclasses__():
        yield each
        yield from _all(each)
