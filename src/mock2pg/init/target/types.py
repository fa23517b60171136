"""Fit the values of a field into a column of an existing database."""

from __future__ import annotations

import re

from mock2pg.init.target.conversions import CONVERSIONS, Field, Fit, fraction
from mock2pg.postgres.existing_tables import ExistingColumn

_SHORT = {
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "real": "double precision",
    "smallint": "integer",
    "json": "jsonb",
}
_NUMBERS = ("integer", "bigint", "numeric", "double precision")
_TIMES = ("date", "time", "timestamp", "timestamptz")


def fit(field: Field, column: ExistingColumn) -> Fit:
    """Return how the values of a field get into the column.

    What has no exact way keeps its type, so that the plan reports it, with a doubt that says what the model may do.
    """
    staged, spelled, base = field.data_type, field.format, _SHORT.get(column.base, column.base)
    if base == "jsonb":
        if not column.is_array:
            return Fit("jsonb")
        return _unfit(staged, spelled, column)
    if staged.endswith("[]") or column.is_array:
        return _of_array(field, column)
    if column.is_enum:
        return _of_enum(field, column)
    if column.is_text:
        return _of_text(field, column)
    kind, given = _plain(staged)
    if kind == base or (base in _NUMBERS and kind in _NUMBERS):
        return _same_kind(staged, kind, given, spelled, base, column)
    if kind == "text":
        return _from_text(field, base, column)
    if convert := CONVERSIONS.get((kind, base)):
        return convert(Fit(staged, spelled, base), column)
    return _unfit(staged, spelled, column)


def _plain(data_type: str) -> tuple[str, tuple[int, ...]]:
    """The type without its modifier, and that."""
    kind, _, inside = data_type.partition("(")
    return kind, tuple(int(number) for number in re.findall(r"\d+", inside))


def _of_array(field: Field, column: ExistingColumn) -> Fit:
    staged, spelled = field.data_type, field.format
    if not (staged.endswith("[]") and column.is_array):
        if staged.endswith("[]") and column.is_text:
            return Fit(staged, spelled, "text", "to_jsonb({x})::text", "the list is one text in the database")
        return _unfit(staged, spelled, column)
    plain = ExistingColumn(**{**vars(column), "is_array": False, "data_type": column.data_type.removesuffix("[]")})
    found = fit(Field(staged.removesuffix("[]"), spelled, field.texts), plain)
    if found.expression:  # of each element
        return _unfit(staged, spelled, column)
    contract = f"{found.contract}[]" if found.contract else ""
    return Fit(f"{found.data_type}[]", found.format, contract, doubt=found.doubt)


def _of_enum(field: Field, column: ExistingColumn) -> Fit:
    """Text, whose values are the labels or are spelled like one each."""
    if field.data_type != "text":
        return _unfit(field.data_type, field.format, column)
    allowed = field.texts
    if set(allowed) <= set(column.labels):
        return Fit("text")
    alike = {_letters(label): label for label in column.labels}
    pairs = {value: alike.get(_letters(value), "") for value in allowed}
    if len(alike) == len(column.labels) and all(pairs.values()) and len(set(pairs.values())) == len(pairs):
        cases = " ".join(f"when {_quoted(value)} then {_quoted(label)}" for value, label in pairs.items())
        return Fit(
            "text", expression=f"case {{x}} {cases} end", derived=f"spelled as the labels of {column.data_type} are"
        )
    number = sum(not label for label in pairs.values())
    return Fit(
        "text",
        doubt=f"{number} of {len(allowed)} different values are not labels of the enum {column.data_type}"
        f" ({', '.join(column.labels)}): write a `case` in the model and say why in `derived`, or add the labels",
    )


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _of_text(field: Field, column: ExistingColumn) -> Fit:
    """Text stays text: what the JSON has as a string arrives as that string."""
    staged, spelled = field.data_type, field.format
    kind, _ = _plain(staged)
    if kind in ("text", *_TIMES, "uuid") or spelled == "text":
        if column.modifier and column.modifier[0] < field.longest:
            told = (
                f"the column takes {column.modifier[0]:,} characters, and the longest text has {field.longest:,}: the"
            )
            return Fit("text", doubt=f"{told} plan refuses it. Cut it in the model and say why in `derived`")
        return Fit("text")
    if kind in ("boolean", "integer", "bigint", "numeric"):
        return Fit(staged, spelled, "text")
    return Fit(staged, spelled, "text", "{x}::text", f"the column is {column.data_type} in the database")


def _same_kind(staged: str, kind: str, given: tuple[int, ...], spelled: str, base: str, column: ExistingColumn) -> Fit:
    """The types are one, or both are numbers: the target's is declared if it holds what was concluded."""
    if base not in _NUMBERS:
        lost = base in _TIMES and column.modifier and fraction(spelled, base) > column.modifier[0]
        told = f"the column keeps {column.modifier[0]} digits of a second, the source has more" if lost else ""
        return Fit(staged, spelled, doubt=told)
    if base == "numeric" and kind != "double precision":
        precision, scale = column.modifier if column.modifier else (None, None)
        digits, decimals = _digits(kind, given)
        if precision is None or scale is None:
            return Fit("numeric", spelled)
        if spelled == "text" and decimals is None and kind == "numeric":
            return Fit(f"numeric({precision},{scale})", spelled, doubt=_decimals(column))
        if spelled == "text" and decimals != scale and kind == "numeric":
            return Fit("text", contract="text", doubt=f"spelled with other decimals than {column.data_type} has")
        if (
            decimals is None
            or digits is None
            or (decimals <= scale and (kind != "numeric" or digits <= precision - scale))
        ):
            return Fit(f"numeric({precision},{scale})", spelled)
        return Fit(staged, spelled, doubt=_narrow(staged, column))
    if base == "numeric":  # of a double, whose decimals are all that it has
        return Fit(f"numeric({','.join(map(str, column.modifier))})" if column.modifier else "numeric", spelled)
    if kind != "integer" and (column.base == "real" or (base == "double precision" and spelled == "text")):
        return _binary(staged, spelled, column)
    wider = _NUMBERS.index(base) >= _NUMBERS.index(kind)
    narrow = column.base == "smallint" and kind != "integer"
    return Fit(base if wider else staged, spelled, doubt=_narrow(staged, column) if narrow or not wider else "")


def _binary(staged: str, spelled: str, column: ExistingColumn) -> Fit:
    """A decimal number in a column that keeps the binary one next to it."""
    rounded = "{x}::real::double precision" if column.base == "real" else "{x}::double precision"
    told = f"decimal in the source, {column.data_type} in the database, which keeps the next binary number"
    return Fit(staged, spelled, "double precision", rounded, f"the column is {column.data_type}", told)


def _digits(kind: str, given: tuple[int, ...]) -> tuple[int | None, int | None]:
    """Return the limits on digits before and after the decimal point; None if unknown."""
    if kind == "numeric":
        return (given[0] - given[1], given[1]) if len(given) == 2 else (None, None)
    return (None, 0)


def _narrow(staged: str, column: ExistingColumn) -> str:
    return (
        f"{staged} in the source, {column.data_type} in the database: the plan refuses values that the column would"
        " change. Round them in the model and say why in `derived`, or alter the column"
    )


def _from_text(field: Field, base: str, column: ExistingColumn) -> Fit:
    """A number or boolean that the source has in quotes is one if each is; of any other text the plan tells."""
    kind = contract_type(column)
    if base in (*_NUMBERS, *_TIMES, "boolean", "uuid") and _holds(base, field.quoted):
        if field.gaps:
            told = f"its empty texts become NULL: the column is {column.data_type}"
            return Fit("text", "", kind, f"cast(nullif({{x}}, '') as {kind})", "an empty text is not a value", told)
        if base == "double precision" and field.quoted == "numeric":
            return _binary("text", "", column)
        return Fit(kind, "text", doubt=_decimals(column) if field.quoted == "numeric" else "")
    if base in (*_NUMBERS, *_TIMES, "boolean", "uuid"):
        return Fit(
            "text",
            doubt=f"not every text of the source spells a value of {column.data_type}: the plan refuses those that the"
            f" column would change. Convert them in the model (nullif({{x}}, '')::{base}) and say why in `derived`",
        )
    return Fit("text")


def _decimals(column: ExistingColumn) -> str:
    """Return the doubt about a decimal in quotes, which must have as many digits as PostgreSQL prints."""
    if not column.modifier:
        return ""
    return (
        f"{column.data_type} in the database: a text with more or fewer than {column.modifier[-1]} decimals is refused"
    )


def _holds(base: str, quoted: str) -> bool:
    if base not in _NUMBERS or quoted not in ("integer", "numeric"):
        return base == quoted
    return quoted == "integer" or base in ("numeric", "double precision")


def _unfit(staged: str, spelled: str, column: ExistingColumn) -> Fit:
    return Fit(
        staged,
        spelled,
        doubt=f"{staged} in the source, {column.data_type} in the database, which does not take it as it is: convert it"
        " in the model and say why in `derived`",
    )


def contract_type(column: ExistingColumn) -> str:
    """The type of a contract for the column's values; empty where none is the column's own."""
    base = _SHORT.get(column.base, column.base)
    if column.is_text or column.is_enum:
        base = "text"
    elif base == "numeric" and column.modifier:
        base = f"numeric({','.join(map(str, column.modifier))})"
    elif base not in (*_NUMBERS, *_TIMES, "boolean", "uuid", "jsonb") or (base == "jsonb" and column.is_array):
        return ""
    return f"{base}[]" if column.is_array else base
