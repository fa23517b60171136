"""JSON values as PostgreSQL's jsonb prints them, so that both sides can be compared as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

_WHOLE, _FRACTION = 131072, 16383  # the digits that PostgreSQL's numeric holds before and after the point


def jsonb_text(row: str, steps: Sequence[str]) -> str | None:
    """The value at `steps` (keys and indexes) of a row, as jsonb prints it; None when jsonb cannot keep it whole.

    It is read out of the row's own text: DuckDB keeps no more of a number than a double holds.
    """
    try:
        value = _parsed(row)
        for step in steps:
            value = value[int(step) if isinstance(value, list) else step]
        return _jsonb(value)
    except (ValueError, RecursionError):
        return None


@lru_cache(maxsize=8)  # the elements of one array come from one row
def _parsed(row: str) -> Any:
    return json.loads(row, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_Pairs)


class _Pairs(dict[str, Any]):
    """An object that remembers whether a key stood twice in it."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = len(self) < len(pairs)


def _jsonb(value: Any) -> str:
    if isinstance(value, _Pairs):
        if value.repeated:
            raise ValueError("jsonb would keep one of them")
        ordered = sorted(value.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode()))
        return "{" + ", ".join(f"{_jsonb(key)}: {_jsonb(item)}" for key, item in ordered) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_jsonb(item) for item in value) + "]"
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if value.adjusted() >= _WHOLE or not -_FRACTION <= int(exponent) <= _WHOLE:
            raise ValueError("jsonb holds no such number")
        return format(abs(value) if value == 0 else value, "f")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("jsonb holds no such character")
    return json.dumps(value, ensure_ascii=False)
