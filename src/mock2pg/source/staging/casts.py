"""JSON values as the types of the staged columns: SQL for DuckDB, in which nothing is rounded and nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mock2pg.conversions import spelled_staged
from mock2pg.source.staging.database import texts
from mock2pg.spellings import DOUBLE_DIGITS, FRACTION, WHOLE, DataType, data_type
from mock2pg.staged_tables import SourceColumn

# As what each type is staged. A timestamp with time zone is that of UTC, and a numeric a decimal where DuckDB has one
# that is as long, else its digits.
_TYPES = {
    "text": "VARCHAR", "integer": "INTEGER", "bigint": "BIGINT", "numeric": "VARCHAR", "double precision": "DOUBLE",
    "boolean": "BOOLEAN", "date": "DATE", "time": "TIME", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP",
    "uuid": "VARCHAR", "jsonb": "VARCHAR",
}  # fmt: skip
LONGEST_DECIMAL = 38

# A row with a JSON number that DuckDB does not keep as it is: numbers are read again from the row's text. A decimal of
# up to 15 digits has a double of its own; a longer one may have none, and -0 is read as a whole number.
_SPACE = r"[ \t\r\n]*"
_END = rf"{_SPACE}([],}}]|$)"
_ODD = {
    "double precision": f"[0-9.]{{16}}|[eE][+-]?[0-9]{{3}}|-0{_END}",
    "numeric": f"[0-9.]{{16}}|[0-9][eE][+-]?[0-9]+{_END}|-0[.0]*{_END}",
}
# The same of a number that comes after its key: a search for a key takes a fourth of the time.
_ODD_AFTER_KEY = {
    "double precision": f"-?[0-9.]{{16}}|-?[0-9.]+[eE][+-]?[0-9]{{3}}|-0{_END}",
    "numeric": f"-?[0-9.]{{16}}|-?[0-9.]+[eE]|-0[.0]*{_END}",
}
_PLAIN_KEY = re.compile("[A-Za-z_][A-Za-z0-9_-]*")
_AGAIN = {"double precision": "exact_double", "numeric": "exact_numeric"}


def cast(column: SourceColumn, value: str, keys: Sequence[str], spelled: str = "") -> str:
    """SQL for the value of a staged column, NULL where the JSON value does not fit its type.

    value    SQL for the JSON value
    keys     the keys that lead to it from the row's own text, `root`
    spelled  what `string(value)` has given; empty where it has not been called
    """
    own = data_type(column.data_type)
    typed = _list(own, column.format, value, keys) if own.array else _scalar(own, column.format, value, keys, spelled)
    return f"({typed})::{_staged_type(own)}"


def is_string(column: SourceColumn) -> bool:
    """Return whether the JSON value of a column is a string."""
    own = data_type(column.data_type)
    return not own.array and (own.scalar == "text" or own.pattern(column.format) is not None)


def string(value: str) -> str:
    """SQL for the text of a JSON string; NULL of another value, and where PostgreSQL has no such text."""
    # without escapes it is what is between the quotation marks, which costs half of what DuckDB takes to parse it
    plain = f"starts_with({value}, '\"') AND ends_with({value}, '\"') AND NOT contains({value}, '\\')"
    return (
        f"CASE WHEN {plain} THEN replace({value}, '\"', '')"
        f" WHEN json_type({value}) = 'VARCHAR' AND NOT contains({value}->>'$', chr(0)) THEN {value}->>'$' END"
    )


def is_digits(column: SourceColumn) -> bool:
    """Return True for a numeric that is staged as its digits."""
    own = data_type(column.data_type)
    return own.scalar == "numeric" and not own.array and _scalar_type(own) == "VARCHAR"


def part_of_key(column: SourceColumn, value: str) -> str:
    """SQL for a staged value in the JSON array that a derived key is made of; `value` is the column.

    A time is spelled as in the JSON, and a numeric is a string: DuckDB's JSON has no number of its digits.
    """
    own = data_type(column.data_type)
    if own.array or own.scalar not in ("numeric", "timestamp", "timestamptz"):
        return value
    return (spelled_staged(own, column.format) or "{x}").format(x=value)


def _scalar(own: DataType, form: str, value: str, keys: Sequence[str], spelled: str) -> str:
    kind = f"json_type({value})"
    if pattern := own.pattern(form):
        return _of_string(own, spelled or f"({string(value)})", pattern)
    if own.scalar == "text":
        return spelled or string(value)
    if own.scalar == "jsonb":
        # a whole number of up to 15 digits is what it was; where any other may be, the row's text is read again
        return (
            f"CASE WHEN {kind} = 'NULL' THEN NULL"
            f" WHEN regexp_matches({value}::VARCHAR, '[0-9][.][0-9]|[0-9][eE][-+0-9]|[0-9]{{16}}|-0')"
            f" THEN jsonb_text(root::VARCHAR, {texts(keys)}) ELSE short_jsonb_text({value}::VARCHAR) END"
        )
    number = _of_number(own, value)
    if own.scalar not in _ODD:
        return number
    return (  # the text of the row is looked at only where a value is no short whole number
        f"CASE WHEN {kind} IN ('BIGINT', 'UBIGINT') AND len({value}::VARCHAR) < 16 AND {value}::VARCHAR <> '0'"
        f" THEN {number} WHEN {kind} IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN CASE WHEN {_is_odd(own, value, keys)}"
        f" THEN {_again(own, keys)} ELSE {number} END END"
    )


def _list(own: DataType, form: str, value: str, keys: Sequence[str]) -> str:
    """SQL for an array; one that holds a null, or anything else that does not fit, does not fit itself."""
    pattern = own.pattern(form)
    if pattern:
        element = _of_string(own, f"({string('e')})", pattern)
    elif own.scalar == "text":
        element = string("e")
    elif own.scalar in _ODD:
        element = f"CASE WHEN json_type(e) IN ('BIGINT', 'UBIGINT', 'DOUBLE') THEN {_of_number(own, 'e')} END"
    else:
        element = _of_number(own, "e")
    elements, is_array = f"TRY_CAST({value} AS JSON[])", f"json_type({value}) = 'ARRAY'"
    found = (
        f"CASE WHEN {is_array} AND len(list_filter({elements}, lambda e: ({element}) IS NULL)) = 0"
        f" THEN list_transform({elements}, lambda e: {element}) END"
    )
    if pattern or own.scalar not in _ODD:
        return found
    return f"CASE WHEN {is_array} AND ({_is_odd(own, value)}) THEN {_again(own, keys)} ELSE {found} END"


def _of_string(own: DataType, text: str, pattern: str) -> str:
    """SQL for the value that the text of a JSON string spells."""
    conditions = [f"regexp_full_match({text}, '{pattern}')"]
    if own.scalar in ("date", "timestamp", "timestamptz"):
        conditions.append(f"{text} >= '0001'")
    if own.scalar == "double precision":
        conditions.append(f"len(translate({text}, '-.', '')) <= {DOUBLE_DIGITS}")
    if own.scalar == "numeric":
        conditions.append(f"NOT regexp_full_match({text}, '-0([.]0*)?')")
        whole, fraction = WHOLE, FRACTION
        if own.precision:
            whole, fraction = own.precision[0] - own.precision[1], own.precision[1]
            conditions.append(f"len(split_part({text}, '.', 2)) = {fraction}")
        conditions.append(f"len(split_part({text}, '.', 2)) <= {fraction}")
        conditions.append(f"len(ltrim(split_part({text}, '.', 1), '-0')) <= {whole}")
    return f"CASE WHEN {' AND '.join(conditions)} THEN TRY_CAST({text} AS {_scalar_type(own)}) END"


def _of_number(own: DataType, value: str) -> str:
    """SQL for a JSON number, or a boolean, that DuckDB keeps as it is."""
    kind, text = f"json_type({value})", f"{value}::VARCHAR"
    if own.scalar == "boolean":
        return f"CASE WHEN {kind} = 'BOOLEAN' THEN TRY_CAST({text} AS BOOLEAN) END"
    if own.scalar in ("integer", "bigint"):
        return f"CASE WHEN {kind} IN ('BIGINT', 'UBIGINT') THEN TRY_CAST({text} AS {own.scalar.upper()}) END"
    if own.scalar == "double precision":
        return f"TRY_CAST({text} AS DOUBLE)"
    digits = f"CASE WHEN {kind} = 'DOUBLE' THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    number = f"TRY_CAST({digits} AS {_scalar_type(own)})"
    return (
        f"CASE WHEN regexp_full_match({digits}, '{_short(*own.precision)}') THEN {number} END"
        if own.precision
        else number
    )


def _short(precision: int, scale: int) -> str:
    """The regular expression of a number of so many digits; one that is not odd has no more than 16."""
    whole, fraction = min(precision - scale, 16), min(scale, 16)
    return (f"-?[0-9]{{1,{whole}}}" if whole else "-?0") + (f"([.][0-9]{{1,{fraction}}})?" if fraction else "")


def _is_odd(own: DataType, value: str, keys: Sequence[str] = ()) -> str:
    odd = f"regexp_matches(root::VARCHAR, '{_ODD[own.scalar]}')"
    if keys and _PLAIN_KEY.fullmatch(keys[-1]):  # which may be spelled with escapes
        after_key = f'"{keys[-1]}"{_SPACE}:{_SPACE}({_ODD_AFTER_KEY[own.scalar]})'
        odd = f"regexp_matches(root::VARCHAR, '{after_key}') OR contains(root::VARCHAR, '\\u') AND {odd}"
    return f"{odd} OR contains({value}::VARCHAR, 'e')" if own.scalar == "numeric" else odd


def _again(own: DataType, keys: Sequence[str]) -> str:
    """SQL that reads the number, or each of an array, from the row's text."""
    function, steps = _AGAIN[own.scalar] + ("s" if own.array else ""), texts(keys)
    if own.scalar == "numeric":
        return f"TRY_CAST({function}(root::VARCHAR, {steps}, '{own.element}') AS {_staged_type(own)})"
    return f"{function}(root::VARCHAR, {steps})"


def _staged_type(own: DataType) -> str:
    return _scalar_type(own) + ("[]" if own.array else "")


def _scalar_type(own: DataType) -> str:
    if own.precision and (digits := own.precision[0] + (own.precision[0] == own.precision[1])) <= LONGEST_DECIMAL:
        return f"DECIMAL({digits},{own.precision[1]})"  # with a digit before the point, without which DuckDB prints .50
    return _TYPES[own.scalar]
