"""JSON values as PostgreSQL's jsonb prints them, so that both sides can be compared as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
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
    return json.loads(row, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=_object)


class _Repeated(dict[str, Any]):
    """An object in which a key stood twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeated(found)


def _jsonb(value: Any) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("jsonb holds no such character")
        return encode_basestring(value)
    if isinstance(value, _Repeated):
        raise ValueError("jsonb would keep one of the values")
    if isinstance(value, dict):
        ordered = sorted(value, key=_key_order) if len(value) > 1 else value
        return "{" + ", ".join([f"{_jsonb(key)}: {_jsonb(value[key])}" for key in ordered]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([_jsonb(item) for item in value]) + "]"
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        if value.adjusted() >= _WHOLE or not -_FRACTION <= int(exponent) <= _WHOLE:
            raise ValueError("jsonb holds no such number")
        return format(abs(value) if value == 0 else value, "f")
    return {True: "true", False: "false", None: "null"}[value]


def _key_order(key: str) -> tuple[int, bytes]:
    """Shorter keys first, as PostgreSQL keeps them."""
    text = key.encode()
    return len(text), text
