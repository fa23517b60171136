"""Faults of the source itself, each with its place, gathered while it is read."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from mock2pg.errors import ValidationError
from mock2pg.source.documents.scanner import PLAIN, Lines, Text, pointer, steps_to
from mock2pg.source.documents.strict import NotJson
from mock2pg.text import counted

_LONG = 64  # characters of a key that nobody meant as one of ours

STRICT_JSON, DECLARED_ARRAYS, READABLE_SOURCE = "strict_json", "declared_arrays", "readable_source"


class Faults:
    """The faults of one source.

    entities    the declared ones
    undeclared  "refuse" makes an array that is not declared a fault, "warn" a warning
    limit       faults listed of each rule; `totals` stay exact, by rule and severity
    """

    def __init__(self, entities: Sequence[str], undeclared: str, limit: int, missing: str = "refuse") -> None:
        self.found: list[ValidationError] = []
        self.totals: Counter[tuple[str, str]] = Counter()
        self.known: set[str] = set()  # entities that are there, whether or not they could be read
        self.absent: list[str] = []  # entities that may be, and are, not there
        self._entities, self._undeclared, self._limit, self._missing = entities, undeclared, limit, missing

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

    def not_json(self, fault: NotJson, text: Text, file: str, entity: str = "") -> None:
        """Text that is no JSON; `entity` when the file holds its array alone."""
        steps = steps_to(text, fault.offset)
        inside = steps if entity else steps[1:]
        if not entity and steps and steps[0] in self._entities:
            entity = str(steps[0])
        row = inside[0] + 1 if inside and isinstance(inside[0], int) else None
        place: dict[str, Any] = {"row": row, "pointer": pointer(steps), "file": file}
        self.add(STRICT_JSON, fault.reason, entity, at=fault.offset, lines=Lines(text), **place)

    def no_array(self, entity: str, **place: Any) -> None:
        self.add(DECLARED_ARRAYS, "must be an array of rows", entity, **place)

    def declared(self, entity: str, rows: Callable[[], int | None], there: Collection[str], **place: Any) -> bool:
        """Return whether an entity is declared; when it is not, add a fault, or a warning with its number of rows.

        there  all entities of the source: what is there was not meant by another name
        """
        self.known.add(entity)
        if entity in self._entities:
            return True
        absent = [name for name in self._entities if name not in there]
        near = difflib.get_close_matches(entity, absent, n=1) if len(entity) < _LONG else []
        guess = f"; did you mean {near[0]}?" if near else ""
        if self._undeclared == "warn":
            number = rows()
            all_of_it = "" if number is None else f" with its {counted(number, 'row')}"
            message, severity = f"is not declared in _sources.yml: left out{all_of_it}{guess}", "warning"
        else:
            message, severity = f"is not declared in _sources.yml, so it would be lost{guess}", "critical"
        self.add(DECLARED_ARRAYS, message, shown(entity), severity=severity, **place)
        return False

    def missing(self, file: Callable[[str], str | None]) -> None:
        """The declared entities that are not there; `file` says which file should have held one."""
        for entity in self._entities:
            if entity not in self.known and self._missing == "leave":
                self.absent.append(entity)
            elif entity not in self.known:
                message = "is missing; an empty array [] says that there are none"
                self.add(DECLARED_ARRAYS, message, entity, file=file(entity))


def shown(key: str) -> str:
    """A key of the input as an error may show it: a key that is no plain name might be personal data."""
    return key if PLAIN.fullmatch(key) else "a key that is not a plain name"
