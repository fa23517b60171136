"""Faults of the source itself, each with its place, gathered while it is read."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from mock2pg.errors import ValidationError
from mock2pg.json_paths import Mark, written
from mock2pg.source.documents.scanner import PLAIN, Lines, Text, pointer, steps_to
from mock2pg.source.documents.strict import NotJson
from mock2pg.source_shape import SourceShape
from mock2pg.text import counted

_LONG = 64  # characters of a key that nobody meant as one of ours

_NONE: dict[Mark | None, str] = {
    Mark.ELEMENT: "; an empty array [] says that there are none",
    Mark.MEMBER: "; an empty object {} says that there are none",
}

STRICT_JSON, DECLARED_ARRAYS, READABLE_SOURCE = "strict_json", "declared_arrays", "readable_source"


class Faults:
    """The faults of one source.

    shape       what is declared
    undeclared  "refuse" makes a key that is not declared a fault, "warn" a warning
    limit       faults listed of each rule; `totals` stay exact, by rule and severity
    """

    def __init__(self, shape: SourceShape, undeclared: str, limit: int, missing: str = "refuse") -> None:
        self.found: list[ValidationError] = []
        self.totals: Counter[tuple[str, str]] = Counter()
        self.roots: set[str] = set()  # keys of the source
        self.known: set[str] = set()  # entities that are there, whether or not they could be read
        self.absent: list[str] = []  # entities that may be, and are, not there: nothing is known of their rows
        self.empty: list[str] = []  # optional ones that are not there: they have no rows
        self._shape, self._undeclared, self._limit, self._missing = shape, undeclared, limit, missing

    def add(
        self,
        rule: str,
        message: str,
        entity: str = "",
        *,
        at: int | None = None,
        lines: Lines | None = None,
        severity: str = "critical",
        **place: Any,
    ) -> None:
        """Keep a fault; `at` is its byte in the text of `lines`, `place` are fields of ValidationError."""
        self.totals[rule, severity] += 1
        if self.totals[rule, severity] > self._limit:
            return
        if at is not None and lines is not None:
            place["line"], place["column"] = lines.place(at)
        self.found.append(ValidationError(entity, None, "", message, severity, rule, **place))

    def not_json(self, fault: NotJson, text: Text, file: str, root: str | None = None) -> None:
        """Text that is no JSON; `root` is the key that it is the value of, when the file holds nothing else."""
        inside = steps_to(text, fault.offset)
        steps = inside if root is None else [root, *inside]
        around = [one for one in self._shape.containers if list(one.keys) == steps[: len(one.keys)]]
        row = None
        entity = "" if root is None else named((root,))
        if found := max(around, key=lambda one: len(one.keys), default=None):
            at = steps[len(found.keys) : len(found.keys) + 1]
            row, entity = next((step + 1 for step in at if isinstance(step, int)), None), found.entity
        place: dict[str, Any] = {"row": row, "pointer": pointer(inside), "file": file}
        self.add(STRICT_JSON, fault.reason, entity, at=fault.offset, lines=Lines(text), **place)

    def unfit(self, entity: str, kind: str, **place: Any) -> None:
        """Add a fault for a value of another kind than the declared one."""
        self.add(DECLARED_ARRAYS, f"must be {kind}", entity, **place)

    def undeclared(
        self, keys: tuple[str, ...], siblings: Iterable[str], rows: Callable[[], int | None], **place: Any
    ) -> None:
        """Add a fault for a key that is not declared, or a warning with the number of its rows.

        siblings  the declared keys beside it that are not there: one of them may be meant
        """
        near = difflib.get_close_matches(keys[-1], list(siblings), n=1) if len(keys[-1]) < _LONG else []
        guess = f"; did you mean {near[0]}?" if near else ""
        if self._undeclared == "warn":
            number = rows()
            all_of_it = "" if number is None else f" with its {counted(number, 'row')}"
            message, severity = f"is not declared in _sources.yml: left out{all_of_it}{guess}", "warning"
        else:
            message, severity = f"is not declared in _sources.yml, so it would be lost{guess}", "critical"
        self.add(DECLARED_ARRAYS, message, named(keys), severity=severity, **place)

    def unreadable(self, keys: tuple[str, ...]) -> None:
        """Nothing at these keys, and below them, could be read: it is not missing as well."""
        self.known |= {one.entity for one in self._shape.containers if one.keys[: len(keys)] == keys}

    def missing(self, file: Callable[[str], str | None]) -> None:
        """The declared entities that are not there; `file` says which file should have held one, by its first key."""
        for container in self._shape.containers:
            entity = container.entity
            if entity in self.known:
                continue
            if self._missing == "leave":
                self.absent.append(entity)
            elif container.optional:
                self.empty.append(entity)
            else:
                message = f"is missing{_NONE.get(container.mark, '')}"
                self.add(DECLARED_ARRAYS, message, entity, file=file(container.keys[0]) if container.keys else None)


def named(keys: tuple[str, ...]) -> str:
    """Keys of the input as an error may show them."""
    return written(keys) if all(map(PLAIN.fullmatch, keys)) else shown(keys[-1])


def shown(key: str) -> str:
    """A key of the input as an error may show it: a key that is no plain name might be personal data."""
    return key if PLAIN.fullmatch(key) else "a key that is not a plain name"
