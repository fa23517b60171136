"""Primary keys: by name where the values allow it, else the smallest that is unique in all rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import combinations, product

from mock2pg.init.concluding.drafts import KEYABLE, Column, TableDraft
from mock2pg.init.concluding.naming import CODES, PEOPLE
from mock2pg.init.concluding.types import Typed
from mock2pg.init.reading.profile import NONE, SHOWN
from mock2pg.text import counted

_FEW = 20  # rows below which a column is unique by accident
_MOST = 12  # columns of which all pairs are tried
_SHORT = 64  # characters of a text that may be a key
_UNIQUE = ("slug", "sku", "isbn", "uuid", "guid", "vin", "iban", "ssn")
_OF_PEOPLE = ("email", "username", "login")  # elsewhere the same person may come again
_REFERENCE = re.compile(r".*_(id|code|no|number|uuid|key)")


def conclude_key(table: TableDraft, parent: list[Column], marks: list[Column], words: Collection[str] = ()) -> None:
    """Add the columns that a key needs, and say which it is.

    parent  the key of the row around each row
    marks   its position or key in each array or map on the way, the own one last
    words   what one row of each other table is called
    """
    for number, column in enumerate(parent):
        table.add(column, at=number)
    around = [table.add(column, at=len(parent) + number) for number, column in enumerate(marks[:-1])]
    own = marks[-1] if marks else None
    front = len(parent) + len(around)
    outer = [*parent, *around]
    if own is not None and own.kind == "key":
        table.add(own, at=front)
        _take(table, [*outer, own] if outer else [own], "the key in the map")
        return
    for column in () if outer and _is_list(table) else _named(table, words):
        if _is_unique(table, column):
            _take(table, [column], f"unique in {counted(column.rows, 'row')}")
            return
    if outer:
        _of_child(table, outer, own, front, words)
        return
    for columns in (*_by_values(table), *_pairs(table)):
        _take(table, columns, f"the smallest that is unique in {counted(len(table.rows), 'row')}")
        return
    column = own or _single(table)
    table.add(column, at=front)
    _take(table, [column], _position(table) if own else "one row")
    if own and len(table.rows):
        table.doubt("has no key of its own: the position in the array is its primary key")
    elif own:
        table.doubt("is empty: later rows are kept as jsonb, until init --update makes columns of them")


def _position(table: TableDraft) -> str:
    return f"the position: {'no column is unique' if len(table.rows) else 'there is no row'}"


def _single(table: TableDraft) -> Column:
    rows = len(table.rows)
    return Column(
        "position", "[]", Typed("integer", "always 0: there is one row"), rows, rows, table.rows.parents, "position"
    )


def _of_child(table: TableDraft, outer: list[Column], own: Column | None, front: int, words: Collection[str]) -> None:
    if own is not None:
        own = table.add(own, at=front)
    candidates = [column for column in _named(table, words) if column.keyable]
    candidates += [column for column in table.columns if _refers(column) and column not in candidates]
    if _is_list(table):
        candidates = [column for column in table.columns if column.kind == "own" and column.keyable]
    for column in candidates:
        if is_key([*outer, column]):
            _take(table, [*outer, column], f"unique in {counted(len(table.rows), 'row')}")
            return
    if own is not None:
        _take(table, [*outer, own], "the key of the parent row, and the position")
    else:
        _take(table, outer, "the key of the parent row")


def _is_list(table: TableDraft) -> bool:
    """Its rows are values: what is unique among all of them by accident is no key."""
    return table.rows.draft.scalar or any(column.wrapped for column in table.columns if column.kind == "own")


def _take(table: TableDraft, columns: list[Column], evidence: str) -> None:
    table.key = tuple(column.name for column in columns)
    table.key_evidence = evidence


def _refers(column: Column) -> bool:
    return column.kind == "own" and column.keyable and bool(_REFERENCE.fullmatch(column.name))


def _named(table: TableDraft, words: Collection[str]) -> Iterator[Column]:
    """Yield the columns that are keys by their names, best first; `words` are those of the other tables."""
    word = table.word
    last = word.rpartition("_")[2]
    own = (word, last) if last not in words else (word,)
    names = ["id", *(f"{one}{suffix}" for suffix in ("_id", "id") for one in own), "uuid", "guid", f"{word}_uuid"]
    names += [name for code in CODES for name in (code, *(f"{one}_{code}" for one in own))]
    by_name = {column.name: column for column in table.columns if column.kind == "own"}
    for name in dict.fromkeys(names):
        if name in by_name:
            yield by_name[name]


def _is_unique(table: TableDraft, column: Column) -> bool:
    """Return whether a column that is named as a key is one; where it is not, a person should know."""
    is_id = column.name.endswith(("id", "guid"))
    if not column.values or column.hashes is None or column.typed.data_type not in KEYABLE:
        return False
    missing = column.rows - column.values
    repeated = _repeated(column)
    if not missing and not repeated:
        return _is_short(column)
    if is_id and (missing or not table.rows.draft.parent):
        absent = [row for row, value in enumerate(column.hashes) if value == NONE]
        why = []
        if absent:
            why.append(f"{counted(missing, 'row')} of {column.rows:,} without a value ({_places(table, absent)})")
        if repeated:
            many = counted(len(repeated), "row")
            why.append(f"{many} of {column.rows:,} with the value of an earlier row ({_places(table, repeated)})")
        table.doubt(f"is not the primary key: {', '.join(why)}", column.name)
    return False


def _places(table: TableDraft, rows: list[int]) -> str:
    return ", ".join(table.where(row) for row in rows[:SHOWN]) + (", ..." if len(rows) > SHOWN else "")


def _repeated(column: Column) -> list[int]:
    """The rows whose value an earlier row has."""
    if column.distinct() == column.values:
        return []
    seen: set[int] = {NONE}
    rows = []
    for row, value in enumerate(column.hashes or ()):
        if value in seen and value != NONE:
            rows.append(row)
        seen.add(value)
    return rows


def _is_short(column: Column) -> bool:
    return column.profile is None or column.profile.longest <= _SHORT


def conclude_uniques(table: TableDraft) -> None:
    """Add the columns whose names say that no two rows have the same value, where that is so in enough rows."""
    if len(table.rows) < _FEW:
        return
    for column in table.columns:
        word = column.name.rpartition("_")[2]
        named = word in _UNIQUE or (word in _OF_PEOPLE and table.word in PEOPLE)
        if named and (column.name,) != table.key and column.keyable and is_key([column]) and _is_short(column):
            table.uniques.append((column.name,))


def _by_values(table: TableDraft) -> Iterator[list[Column]]:
    """Yield each column that is unique though its name does not say so."""
    if len(table.rows) < _FEW:
        return
    rank = {"uuid": 0, "integer": 1, "bigint": 1, "text": 2}
    found = [c for c in table.columns if c.kind == "own" and c.keyable and c.typed.data_type in rank and _is_short(c)]
    for column in sorted(found, key=lambda column: rank[column.typed.data_type]):
        if column.distinct() == column.rows and not (column.profile and column.profile.blank):
            yield [column]


def _pairs(table: TableDraft) -> Iterator[list[Column]]:
    """Yield each pair that is unique, of columns that look like references first."""
    if len(table.rows) < 2:
        return
    refers = [column for column in table.columns if _refers(column)]
    for pair in combinations(refers, 2):
        if is_key(list(pair)):
            yield list(pair)
    if len(table.rows) < _FEW:
        return
    others = [c for c in table.columns if c.kind == "own" and c.keyable and _is_short(c) and c not in refers]
    for pair in (*product(refers, others), *combinations(others[:_MOST], 2)):
        if is_key(list(pair)):
            yield list(pair)


def is_key(columns: list[Column]) -> bool:
    """Return whether no two rows have the same values in these columns, and each has them."""
    if not all(column.required and column.hashes is not None for column in columns):
        return False
    if len(columns) == 1:
        return columns[0].distinct() == columns[0].rows
    seen = set()
    for row in zip(*(column.hashes or () for column in columns), strict=True):
        if row in seen:
            return False
        seen.add(row)
    return True
