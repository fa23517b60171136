"""SQL for the elements that staged rows are made of: through arrays, maps and objects, level by level."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.json_paths import Mark
from mock2pg.source.staging.casts import cast
from mock2pg.source.staging.database import at, text, texts
from mock2pg.staged_tables import Level, SourceColumn, SourceTable
from mock2pg.text import LIMIT

_IS = {Mark.ELEMENT: "ARRAY", Mark.MEMBER: "OBJECT"}

# DuckDB writes what it takes out of a JSON value anew: these may not be the numbers that they were. What a column of
# the type needs is looked for; a type that is not listed keeps whatever was written.
_NEGATIVE_ZERO = r"-0[ \t\r\n]*([],}]|$)"
_WRITTEN_ANEW = {
    "double precision": f"[0-9.]{{16}}|[eE][+-]?[0-9]{{3}}|{_NEGATIVE_ZERO}",
    "numeric": f"[0-9][.][0-9]|[0-9][eE][-+0-9]|[0-9]{{16}}|{_NEGATIVE_ZERO}",
}
_INDIFFERENT = ("text", "integer", "bigint", "boolean", "date", "time", "timestamp", "timestamptz", "uuid")


def elements(table: SourceTable, tables: Sequence[SourceTable], largest: int, parts: int) -> list[str]:
    """Common table expressions, the last of them `elements`, with one row for each element.

    `element` is its JSON value, `root` the text of that, exact for the types of the table's columns; `i0`, `i1`, ...
    are the positions and `k0`, `k1`, ... the keys, level by level; `c0`, `c1`, ... the values of columns that are of an
    enclosing row, `u0`, `u1`, ... whether what is there does not fit. Of an array that is none, `misplaced` is true.
    """
    made = [f"l0 AS ({_first(table.levels[0], largest, parts)})"]
    carried, indexes = list[str](), ["i0", "k0", "_id"]
    for number, level in enumerate(table.levels[1:], start=1):
        new = [(n, column) for n, column in enclosing(table) if table.column_sources[column.name].level == number - 1]
        values = [sql for n, column in new for sql in _carried(table, column, n)]
        names = [name for n, _ in new for name in (f"c{n}", f"u{n}")]
        inside = at("element", level.keys)
        kept = ", ".join([*indexes, *carried])
        made += [
            f"p{number} AS (SELECT {', '.join([kept, *values])}, misplaced,"
            f" CASE WHEN misplaced THEN [NULL::JSON] ELSE {_parts(table, level, inside)} END AS elements,"
            f" CASE WHEN NOT misplaced THEN {_keys(level, inside)} END AS keys"
            f" FROM ({_judged(table, tables, number, inside)}))",
            f"l{number} AS (SELECT * EXCLUDE (s), {'CASE WHEN NOT misplaced THEN s - 1 END' if level.mark else 'NULL'}"
            f" AS i{number} FROM (SELECT {', '.join([kept, *names])}, misplaced, unnest(elements) AS element,"
            f" unnest(keys) AS k{number}, generate_subscripts(elements, 1) AS s FROM p{number}))",
        ]
        carried += names
        indexes += [f"i{number}", f"k{number}"]
    made.append(f"elements AS (SELECT *, {_place(table)}, element AS root FROM l{len(table.levels) - 1})")
    return made


def enclosing(table: SourceTable) -> list[tuple[int, SourceColumn]]:
    """The columns that are of a row around the element, numbered."""
    columns = [column for column in table.columns if column.name in table.column_sources and not table.is_own(column)]
    return list(enumerate(column for column in columns if table.column_sources[column.name].level >= 0))


def _first(level: Level, largest: int, parts: int) -> str:
    """The rows of an array, map or object of the source.

    largest  the bytes that a row may have
    parts    the parts into which the rows that DuckDB works on at a time are divided
    """
    read = f"read_json_objects({{file}}, format = 'array', maximum_object_size = {largest})"
    rows = f"SELECT r, n FROM {read.format(file='$array')} WITH ORDINALITY AS x(r, n)"
    if parts > 1:
        # of each row several copies, one of which is kept: so fewer rows come at a time, of which each function over
        # JSON holds a parsed copy
        rows = f"SELECT r, n FROM (SELECT *, unnest(range({parts})) AS part FROM ({rows})) WHERE part = 0"
    if level.mark is Mark.MEMBER:
        keys = f"SELECT k FROM {read.format(file='$keys')} AS y(k)"
        return (
            f"SELECT n - 1 AS i0, k->>'$' AS k0, {cut('k0')} AS _id, r AS element, false AS misplaced"
            f" FROM ({rows}) POSITIONAL JOIN ({keys})"
        )
    given = cut(identity(at("r", ["id"])))
    return f"SELECT n - 1 AS i0, NULL::VARCHAR AS k0, {given} AS _id, r AS element, false AS misplaced FROM ({rows})"


def identity(value: str) -> str:
    """SQL for what a person finds a row by: a text, or a whole number."""
    return f"CASE WHEN json_type({value}) IN ('VARCHAR', 'BIGINT', 'UBIGINT', 'HUGEINT') THEN {value}->>'$' END"


def cut(given: str) -> str:
    """SQL for a text of which no more is shown than of any other."""
    return f"CASE WHEN length({given}) > {LIMIT} THEN left({given}, {LIMIT - 1}) || '…' ELSE {given} END"


def _judged(table: SourceTable, tables: Sequence[SourceTable], number: int, inside: str) -> str:
    """The rows of the level before, of which something may be inside.

    Where it is not what is declared, one row represents it, so that the check can say so; unless it may be absent, or
    the level has a table of its own, which says it.
    """
    level, last = table.levels[number], number == len(table.levels) - 1
    kind = f"coalesce(json_type({inside}), 'NULL')"
    unfit = f"{kind} <> '{_IS[level.mark]}'" if level.mark else f"{inside} IS NULL"
    if level.mark is Mark.MEMBER:  # JSON readers differ in which of two members they keep
        unfit += f" OR len(json_keys({inside})) <> len(list_distinct(json_keys({inside})))"
    elif level.mark is None and not table.scalar:
        unfit = f"{kind} = 'NULL'"
    where = ["misplaced OR json_type(element) = 'OBJECT'"] if level.keys else []
    if not last and _has_table(table, tables, number):
        where.append(f"misplaced OR NOT ({unfit})")
    elif last and table.optional:
        where.append(f"misplaced OR {kind} <> 'NULL'")
    condition = " AND ".join(f"({one})" for one in where) or "true"
    return f"SELECT * REPLACE (misplaced OR {unfit} AS misplaced), element AS root FROM l{number - 1} WHERE {condition}"


def _has_table(table: SourceTable, tables: Sequence[SourceTable], number: int) -> bool:
    return any(other.encloses(table) and len(other.levels) == number + 1 for other in tables)


def _parts(table: SourceTable, level: Level, inside: str) -> str:
    """SQL for the list of what is inside; where numbers need it, out of the row's own text, and else by DuckDB."""
    if level.mark is Mark.MEMBER:
        return f"json_parts(element::VARCHAR, {texts([*level.keys, level.mark.value])})::JSON[]"
    simple = f"({inside})::JSON[]" if level.mark else f"[{inside}]"
    kinds = {column.data_type.partition("[")[0].partition("(")[0] for column in table.columns} - set(_INDIFFERENT)
    if not kinds:
        return simple
    pattern = _WRITTEN_ANEW["numeric" if kinds - {"double precision"} else "double precision"]
    steps = texts([*level.keys, level.mark.value if level.mark else ""])
    return (
        f"CASE WHEN regexp_matches(element::VARCHAR, {text(pattern)})"
        f" THEN json_parts(element::VARCHAR, {steps})::JSON[] ELSE {simple} END"
    )


def _keys(level: Level, inside: str) -> str:
    return f"json_keys({inside})" if level.mark is Mark.MEMBER else "NULL::VARCHAR[]"


def _carried(table: SourceTable, column: SourceColumn, number: int) -> list[str]:
    """SQL for the value of a column of the present row, and for the condition that it does not fit."""
    origin = table.column_sources[column.name]
    value = marked(origin.level, origin.mark) if origin.mark else at("element", origin.keys)
    unfit = f"c{number} IS NULL AND {value} IS NOT NULL AND json_type({value}) <> 'NULL'"
    return [f"{cast(column, value, origin.keys)} AS c{number}", f"({unfit}) AS u{number}"]


def marked(level: int, mark: Mark) -> str:
    """SQL for the position or the key of a level's row, as JSON."""
    return f"to_json({'i' if mark is Mark.ELEMENT else 'k'}{level})"


def _place(table: SourceTable) -> str:
    """SQL for where an element is, as the hidden columns say it."""
    inner = [(f"i{number}", f"k{number}", level.mark) for number, level in enumerate(table.levels)][1:]
    index = inner[-1][0] if inner and inner[-1][2] is Mark.ELEMENT else "NULL::BIGINT"
    place = f"i0 + 1 AS _root_row, {index} AS _index"
    if not table.nested or (len(table.levels) == 2 and table.levels[1].mark is Mark.ELEMENT):
        return f"{place}, NULL::VARCHAR AS _steps"
    steps = [f"to_json({i if mark is Mark.ELEMENT else k})::VARCHAR" for i, k, mark in inner if mark]
    shown = f"'[' || concat_ws(',', {', '.join(steps)}) || ']'" if steps else "'[]'"
    return f"{place}, {shown} AS _steps"
