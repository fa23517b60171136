"""One thing that stands in the way of publishing."""

from __future__ import annotations

from dataclasses import dataclass

MEND = "Mend the rows in the source, or change the constraint if it is wrong"


@dataclass(frozen=True)
class Finding:
    """`what` is in the way of `table` (empty when it is about no single one), and what there is to do about it."""

    table: str
    what: str
    to_do: str

    def __str__(self) -> str:
        return f"{self.table + ': ' if self.table else ''}{self.what}. {self.to_do}"
