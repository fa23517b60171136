"""JSON values read out of a row's own text, where DuckDB keeps no more of a number than a double holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import msgspec

from mock2pg import spellings
from mock2pg.json_paths import Mark
from mock2pg.staged_tables import NESTING_LIMIT

# Deep nesting, and steps that end elsewhere because a key is a duplicate and DuckDB had taken the first of its values:
# in both cases the row is refused by name.
_ELSEWHERE = (LookupError, TypeError, ValueError, RecursionError)


def jsonb_text(row: str, steps: Sequence[str]) -> str | None:
    """The value at `steps` (keys and indexes) of a row, as jsonb prints it; None when jsonb cannot keep it whole."""
    try:
        return _jsonb(_at(row, steps), NESTING_LIMIT)
    except _ELSEWHERE:
        return None


def short_jsonb_text(value: str) -> str | None:
    """A value whose numbers are short and whole, as jsonb prints it; None when jsonb cannot keep it."""
    try:
        parsed = msgspec.json.decode(value)
        if msgspec.json.encode(parsed) == value.encode():  # else a key may be a duplicate, of which msgspec keeps one
            return _jsonb(parsed, NESTING_LIMIT)
    except (*_ELSEWHERE, msgspec.MsgspecError):
        pass
    return jsonb_text(value, [])


def exact_double(row: str, steps: Sequence[str]) -> float | None:
    """The double that keeps the number at `steps`; None when there is none."""
    try:
        return _double(_at(row, steps))
    except _ELSEWHERE:
        return None


def exact_doubles(row: str, steps: Sequence[str]) -> list[float] | None:
    """The doubles that keep the numbers of the array at `steps`; None when one has none."""
    try:
        found = [_double(number) for number in _at(row, steps)]
        return None if None in found else found  # type: ignore[return-value]
    except _ELSEWHERE:
        return None


def exact_numeric(row: str, steps: Sequence[str], data_type: str) -> str | None:
    """The digits of the number at `steps`, as short as they can be; None when the numeric type cannot keep them."""
    try:
        return _digits(_at(row, steps), data_type)
    except _ELSEWHERE:
        return None


def exact_numerics(row: str, steps: Sequence[str], data_type: str) -> list[str] | None:
    """The digits of the numbers of the array at `steps`; None when the type cannot keep one of them."""
    try:
        found = [_digits(number, data_type) for number in _at(row, steps)]
        return None if None in found else found  # type: ignore[return-value]
    except _ELSEWHERE:
        return None


def strict_json(row: str, declared: Sequence[str]) -> bool:
    """Return whether the values of undeclared keys, which are left out, mean the same to every JSON reader."""
    try:
        value = _parsed(row)
        others = value.keys() - declared
        repeated = value.repeated & others if isinstance(value, _Repeated) else ()
        return not repeated and all(
            _is_strict(key, NESTING_LIMIT) and _is_strict(value[key], NESTING_LIMIT) for key in others
        )
    except _ELSEWHERE:
        return False


def json_parts(row: str, steps: Sequence[str]) -> list[str] | None:
    """The texts, as they are in a row, of what is at `steps`, keys and then a mark: elements, members or the value."""
    *keys, mark = steps
    try:
        value: Any = row.encode()
        for key in keys:
            value = msgspec.json.decode(value, type=dict[str, msgspec.Raw])[key]
        if mark == Mark.ELEMENT.value:
            parts = msgspec.json.decode(value, type=list[msgspec.Raw])
        elif mark == Mark.MEMBER.value:
            parts = list(msgspec.json.decode(value, type=dict[str, msgspec.Raw]).values())
        else:
            parts = [value]
        return [bytes(part).decode() for part in parts]
    except (LookupError, msgspec.MsgspecError, RecursionError):
        return None


def rest_text(row: str, taken: str) -> str | None:
    """The object of a row, as jsonb prints it, without what is taken; None when jsonb cannot keep it whole.

    taken  JSON: an object of the declared keys, each with null, or with such an object for what is below it
    """
    try:
        rest = _rest(_parsed(row), json.loads(taken))
        return _jsonb(rest, NESTING_LIMIT)
    except _ELSEWHERE:
        return None


def _rest(value: dict[str, Any], taken: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value, _Repeated):
        raise ValueError("jsonb would keep one of the values")
    rest: dict[str, Any] = {}
    for key, inner in value.items():
        if key not in taken:
            rest[key] = inner
        elif taken[key] is not None and isinstance(inner, dict) and (below := _rest(inner, taken[key])):
            rest[key] = below
    return rest


def _is_strict(value: Any, levels: int) -> bool:
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, list):
        return levels > 0 and all(_is_strict(item, levels - 1) for item in value)
    if isinstance(value, dict):
        inside = (_is_strict(key, levels) and _is_strict(item, levels - 1) for key, item in value.items())
        return levels > 0 and not isinstance(value, _Repeated) and all(inside)
    return True


def _at(row: str, steps: Sequence[str]) -> Any:
    value = _parsed(row)
    for step in steps:
        value = value[int(step) if isinstance(value, list) else step]
    return value


@lru_cache(maxsize=8)  # the elements of one array come from one row
def _parsed(row: str) -> Any:
    return json.loads(row, parse_float=spellings.decimal, parse_int=spellings.decimal, object_pairs_hook=_object)


def _double(number: Any) -> float | None:
    return spellings.exact_double(number) if isinstance(number, Decimal) else None


def _digits(number: Any, data_type: str) -> str | None:
    if not isinstance(number, Decimal):
        return None
    text = spellings.plain(number, spellings.data_type(data_type).precision)
    return text.rstrip("0").rstrip(".") if text and "." in text else text


class _Repeated(dict[str, Any]):
    """An object in which keys are repeated."""

    repeated: frozenset[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    of_these = _Repeated(found)
    of_these.repeated = frozenset(key for key, number in Counter(key for key, _ in pairs).items() if number > 1)
    return of_these


def _jsonb(value: Any, levels: int) -> str:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("jsonb holds no such character")
        return encode_basestring(value)
    if isinstance(value, dict | list) and levels == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, _Repeated):
        raise ValueError("jsonb would keep one of the values")
    if isinstance(value, dict):
        return "{" + ", ".join([f"{name}{_jsonb(value[key], levels - 1)}" for key, name in _keys(tuple(value))]) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([_jsonb(item, levels - 1) for item in value]) + "]"
    if isinstance(value, Decimal):
        if (number := spellings.plain(value)) is None:
            raise ValueError("jsonb holds no such number")
        return number
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


_WORDS = {True: "true", False: "false", None: "null"}


@lru_cache(maxsize=256)  # most objects have the keys of another one
def _keys(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """The keys in the order of jsonb, each with the text before its value."""
    return [(key, f"{_jsonb(key, 1)}: ") for key in sorted(keys, key=_key_order)]


def _key_order(key: str) -> tuple[int, bytes]:
    """Shorter keys first, as PostgreSQL keeps them."""
    text = key.encode()
    return len(text), text


_STEPS = ["VARCHAR", "VARCHAR[]"]
# What the staging database calls: function, types of its parameters, and of its result.
FUNCTIONS: tuple[tuple[Callable[..., Any], list[Any], str], ...] = (
    (jsonb_text, _STEPS, "VARCHAR"),
    (short_jsonb_text, ["VARCHAR"], "VARCHAR"),
    (exact_double, _STEPS, "DOUBLE"),
    (exact_doubles, _STEPS, "DOUBLE[]"),
    (exact_numeric, [*_STEPS, "VARCHAR"], "VARCHAR"),
    (exact_numerics, [*_STEPS, "VARCHAR"], "VARCHAR[]"),
    (strict_json, _STEPS, "BOOLEAN"),
    (json_parts, _STEPS, "VARCHAR[]"),
    (rest_text, ["VARCHAR", "VARCHAR"], "VARCHAR"),
)
