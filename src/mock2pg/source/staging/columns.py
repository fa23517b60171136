"""SQL for the values of a staged row, and for what of the row its columns cannot hold."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence

from mock2pg.json_paths import Mark, written
from mock2pg.source.staging.casts import cast, is_string, part_of_key, string
from mock2pg.source.staging.database import at, quoted, text, texts
from mock2pg.source.staging.elements import cut, enclosing, identity, marked
from mock2pg.source_shape import Shape, judged, row_shape
from mock2pg.staged_tables import SourceColumn, SourceTable

_PLAIN = "[A-Za-z_][A-Za-z0-9_-]{0,63}"


class Row:
    """The columns of a staged table over `element`, which is a row's JSON value, and `f`, its declared keys."""

    def __init__(self, table: SourceTable, tables: Sequence[SourceTable]) -> None:
        self.table = table
        self.shape = row_shape(table, tables)
        self.judged = {column.name for column in judged(table, tables)}
        self.rest = next((column for column in table.columns if column.rest), None)
        self._enclosing = {column.name: number for number, column in enclosing(table)}
        first = [keys[0] for column in table.columns if (keys := table.keys(column))]
        folded = [key.casefold() for key in dict.fromkeys(first)]
        # DuckDB does not tell the fields of a struct apart by case, and has none without a name
        self.fields = [key for key in dict.fromkeys(first) if key and folded.count(key.casefold()) == 1]

    @property
    def transform(self) -> str:
        keys = dict.fromkeys(self.fields, "JSON")
        return f"json_transform(element, {text(json.dumps(keys))})" if keys else "NULL"

    @property
    def keys(self) -> str:
        """SQL for the keys of the row; none where it is no object."""
        return "coalesce(json_keys(element), [])" if self.shape else "[]::VARCHAR[]"

    @property
    def usual(self) -> str:
        """SQL for whether each of `keys` is declared and none is a duplicate: as many are declared and there."""
        found = [
            f"CASE WHEN f.{quoted(key)} IS NULL THEN list_contains(keys, {text(key)})::INTEGER ELSE 1 END"
            if key in self.fields
            else f"list_contains(keys, {text(key)})::INTEGER"
            for key in (self.shape.members if self.shape else ())
        ]
        return f"len(keys) = {' + '.join(found) or '0'}"

    @property
    def given(self) -> str:
        """SQL for what a person finds the row by, where it is a declared key."""
        return identity(self.at(("id",))) if self._has_id else "NULL"

    @property
    def id(self) -> str:
        return cut("given") if self._has_id else "_id"

    @property
    def _has_id(self) -> bool:
        return len(self.table.levels) == 1 and self.table.levels[0].mark is not Mark.MEMBER and "id" in self.fields

    def strings(self) -> dict[str, str]:
        """SQL for the text of each JSON string that an own column takes."""
        own = (column for column in self.table.columns if self._is_own(column) and is_string(column))
        return {column.name: string(self._json(column)) for column in own}

    def values(self, strings: Mapping[str, str]) -> dict[str, str]:
        """SQL for each column that is not made of others; `strings` names those of the texts."""
        return {
            column.name: self._value(column, strings.get(column.name, ""))
            for column in self.table.columns
            if not column.uuid5
        }

    def _is_own(self, column: SourceColumn) -> bool:
        """Return whether the row itself has its JSON value."""
        if column.rest or column.uuid5 or column.name in self._enclosing:
            return False
        return self.table.column_sources[column.name].level >= 0

    def _value(self, column: SourceColumn, spelled: str) -> str:
        if column.rest:
            return f"CASE WHEN json_type(element) = 'OBJECT' THEN {self._rest()} END"
        if column.name in self._enclosing:
            return f"CASE WHEN NOT misplaced THEN c{self._enclosing[column.name]} END"
        if not self._is_own(column):
            return f"CASE WHEN NOT misplaced THEN {_constant(column)} END"
        return cast(column, self._json(column), self.table.column_sources[column.name].keys, spelled)

    def _json(self, column: SourceColumn) -> str:
        """SQL for the JSON value of an own column."""
        origin = self.table.column_sources[column.name]
        return marked(origin.level, origin.mark) if origin.mark else self.at(origin.keys)

    def at(self, keys: tuple[str, ...]) -> str:
        if keys and keys[0] in self.fields:
            return at(f"f.{quoted(keys[0])}", keys[1:])
        return at("element", keys)

    def _rest(self) -> str:
        assert self.shape is not None  # noqa: S101  a table with a rest column has rows that are objects
        taken = text(json.dumps(_taken(self.shape)))
        whole = f"rest_text(element::VARCHAR, {taken})"
        return whole if self._objects() else f"CASE WHEN usual THEN '{{}}' ELSE {whole} END"

    def unfit(self, broken: Mapping[str, str]) -> str:
        """SQL for the list of what does not fit, by its name in messages.

        broken  the columns that tell what does not, and these names
        """
        names = [f"CASE WHEN {condition} THEN {text(name)} END" for condition, name in broken.items()]
        lists = [f"list_distinct(list_filter([{', '.join(names)}]::VARCHAR[], lambda name: name IS NOT NULL))"]
        cases = ["WHEN misplaced THEN ['']"]
        if self.shape:
            declared = list(self.shape.members)
            cases.append("WHEN len(keys) = 0 AND json_type(element) IS DISTINCT FROM 'OBJECT' THEN ['.']")
            # nothing here looks at each key for each other key: a row may have a million that are not declared
            twice = f"list_filter({texts(declared)}, lambda key: len(list_filter(keys, lambda other: other = key)) > 1)"
            if any(written((key,)) != key for key in declared):
                twice = f"list_transform({twice}, lambda key: coalesce({_map(declared)}[key], key))"
            lists.append(f"CASE WHEN len(keys) = len(list_distinct(keys)) THEN [] ELSE {twice} END")
            if self.rest is None:  # a call of Python: only where keys are unknown
                strict = f"strict_json(element::VARCHAR, {texts(declared)})"
                lists.append(f"CASE WHEN len({self._others()}) = 0 THEN [] WHEN {strict} THEN [] ELSE ['*'] END")
        # the lists cost much more than the conditions, and are usually empty
        cases.append(f"WHEN {' OR '.join([*broken, 'NOT usual'])} THEN {' || '.join(lists)}")
        return f"CASE {' '.join(cases)} ELSE []::VARCHAR[] END"

    def broken(self, values: Mapping[str, str]) -> list[tuple[str, str]]:
        """Each thing that may not fit, with SQL for whether it does not; `values` names the columns of the values."""
        found = []
        for column in self.table.columns:
            if column.name not in self.judged:
                continue
            if column.name in self._enclosing:
                found.append((column.label, f"u{self._enclosing[column.name]}"))
            elif column.rest:
                found.append((column.label, f"{values[column.name]} IS NULL"))
            else:
                found.append(
                    (column.label, f"CASE WHEN {values[column.name]} IS NULL THEN {self._is_given(column)} END")
                )
        for keys, _ in self._objects():
            value = self.at(keys)
            twice = f"len(json_keys({value})) <> len(list_distinct(json_keys({value})))"
            found.append(
                (written(keys), f"json_type({value}) <> 'NULL' AND (json_type({value}) <> 'OBJECT' OR {twice})")
            )
        return found

    def _is_given(self, column: SourceColumn) -> str:
        """SQL for whether the row has a value, and not null."""
        value = self._json(column) if self._is_own(column) else f"(SELECT v FROM {_relation(column)})"
        if value in (f"f.{quoted(key)}" for key in self.fields):  # of a null json_transform makes NULL
            return f"{value} IS NOT NULL"
        return f"{value} IS NOT NULL AND json_type({value}) <> 'NULL'"

    def _objects(self) -> list[tuple[tuple[str, ...], Shape]]:
        """The objects inside the row of which some keys are declared."""
        return self.shape.objects()[1:] if self.shape else []

    def _others(self) -> str:
        declared = texts(list(self.shape.members)) if self.shape else "[]::VARCHAR[]"
        return f"list_filter(keys, lambda key: NOT list_contains({declared}, key))"

    def unknown(self) -> str:
        """SQL for the keys that are not declared; of one inside an object the path, with a dot before it."""
        if self.shape is None or self.rest is not None:
            return "[]::VARCHAR[]"
        lists = [self._others()]
        for keys, shape in self._objects():
            # a key may be data: only one that looks like a name is shown
            declared = texts(list(shape.members))
            inside = f"list_filter(json_keys({self.at(keys)}), lambda key: NOT list_contains({declared}, key))"
            name = f"CASE WHEN regexp_full_match(key, {text(_PLAIN)}) THEN key ELSE '?' END"
            prefix = text(f".{written(keys)}.")
            lists.append(
                f"CASE WHEN json_type({self.at(keys)}) = 'OBJECT'"
                f" THEN list_transform({inside}, lambda key: {prefix} || {name}) ELSE [] END"
            )
        found = f"list_distinct({' || '.join(lists)})"
        return found if self._objects() else f"CASE WHEN usual THEN []::VARCHAR[] ELSE {found} END"

    def made(self) -> list[str]:
        """SQL for the columns that are made of others."""
        return [
            f"{_uuid5(self.table, column)} AS {quoted(column.name)}" for column in self.table.columns if column.uuid5
        ]

    def constants(self) -> list[str]:
        """Common table expressions, one for each column whose value is the source's own; `$v0`, ... are their texts."""
        return [
            f"{_relation(column)} AS (SELECT {cast(column, 'v', ())} AS c, v FROM"
            f" (SELECT ${_parameter(column)}::JSON AS v, ${_parameter(column)}::VARCHAR AS root))"
            for column in self.table.columns
            if is_constant(self.table, column)
        ]


def is_constant(table: SourceTable, column: SourceColumn) -> bool:
    return column.name in table.column_sources and table.column_sources[column.name].level < 0


def constant_parameters(table: SourceTable, constants: dict[tuple[str, ...], str]) -> dict[str, str | None]:
    """The texts of the constants, by parameter."""
    columns = [column for column in table.columns if is_constant(table, column)]
    return {_parameter(column): constants.get(table.column_sources[column.name].keys) for column in columns}


def _parameter(column: SourceColumn) -> str:
    return f"v{column.name.encode().hex()}"


def _relation(column: SourceColumn) -> str:
    return f"of_{_parameter(column)}"


def _constant(column: SourceColumn) -> str:
    return f"(SELECT c FROM {_relation(column)})"


def _taken(shape: Shape) -> dict[str, object]:
    return {key: None if inner.taken or not inner.members else _taken(inner) for key, inner in shape.members.items()}


def _map(keys: Sequence[str]) -> str:
    return f"MAP({texts(keys)}, {texts([written((key,)) for key in keys])})"


def _uuid5(table: SourceTable, column: SourceColumn) -> str:
    """RFC 9562's version 5: SHA-1 over the table's name space and the JSON array of the natural key's parts."""
    space = uuid.uuid5(uuid.NAMESPACE_URL, f"mock2pg:{table.name}").hex
    columns = {other.name: other for other in table.columns}
    parts = ", ".join(part_of_key(columns[part], quoted(part)) for part in column.uuid5)
    given = " AND ".join(f"{quoted(part)} IS NOT NULL" for part in column.uuid5)
    digest = f"sha1(unhex('{space}') || encode(json_array({parts})::VARCHAR))"
    # a lambda names the digest; a subquery would do so, too, but be joined, in memory, with all rows of the table
    return (
        f"CASE WHEN {given} THEN list_transform([{digest}], lambda h: substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5'"
        " || substr(h, 14, 3) || '-' || substr('89ab89ab89ab89ab', ('0x' || substr(h, 17, 1))::INTEGER + 1, 1)"
        " || substr(h, 18, 3) || '-' || substr(h, 21, 12))[1] END"
    )
