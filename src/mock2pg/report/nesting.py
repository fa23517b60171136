"""Tables whose rows are inside the rows of others: the order in which a page lists them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_NESTED = re.compile(r"(\[\]|\{\})\.")  # in the path of a table: the end of an outer row's


def is_nested(path: str) -> bool:
    """Return whether the rows at a path are inside rows of another table."""
    return bool(_NESTED.search(path))


def below_parents(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in their order, but each of a nested array below that of the array, map or object that it is in."""
    number = {row["path"].removesuffix("[]"): at for at, row in enumerate(rows)}

    def place(row: Mapping[str, Any]) -> list[int]:
        ends = [at.start() for at in _NESTED.finditer(row["path"])]
        outer = [row["path"][:end] + mark for end in ends for mark in ("", "{}")]
        return [*(number[path] for path in outer if path in number), number[row["path"].removesuffix("[]")]]

    return sorted(rows, key=place)
