"""Our own expectation types: declared by their kwargs in a suite, one SQL query each.

Importing this module registers them with Great Expectations. The rules about types, keys and missing values read
the hidden columns `_unfit` and `_unknown` of a staged table; the others work on any table of DuckDB or PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from great_expectations.compatibility import pydantic
from great_expectations.expectations import core

from mock2pg.checks.sql import is_blank, literal, quoted


def _and(names: Sequence[str]) -> str:
    """`a`; `a and b`; `a, b and c`"""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _by_field(conditions: Sequence[tuple[str, str]]) -> str:
    """The SQL that yields a row once for each field whose condition it meets; `conditions` are fields with theirs."""
    fields = ", ".join(f"CASE WHEN {condition} THEN {literal(field)} END" for field, condition in conditions)
    return (
        f"SELECT * FROM (SELECT *, unnest(ARRAY[{fields}]) AS _field FROM {{batch}}"  # noqa: S608
        f" WHERE {' OR '.join(condition for _, condition in conditions)}) AS f WHERE _field IS NOT NULL"
    )


class UnexpectedRowsExpectation(core.UnexpectedRowsExpectation):  # type: ignore[misc]
    """Great Expectations' type of this name, which takes the place of its own: rows are counted but not fetched."""

    metric_dependencies: ClassVar[tuple[str, ...]] = ("unexpected_rows_query.row_count",)

    def _validate(self, metrics: dict[str, Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        rows = metrics["unexpected_rows_query.row_count"]
        return {"success": rows == 0, "result": {"observed_value": rows}}


class ExpectNoRows(UnexpectedRowsExpectation):
    """The root of our own types: no row may come out of the query.

    The query yields whole rows of the table, and `_field` where one row can break the rule in several fields.

    names  what the source calls the columns; the rule's words and fields are in these
    """

    names: dict[str, str] = {}  # noqa: RUF012  pydantic copies it

    unexpected_rows_query: str = ""

    @pydantic.root_validator  # type: ignore[untyped-decorator]
    def _derive(cls, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N805  pydantic's own signature
        rule = cls.construct(**values)
        values["unexpected_rows_query"] = rule.query()
        values["description"] = values.get("description") or rule.sentence()
        return values

    def label(self, column: str) -> str:
        """The column's name in the source."""
        return self.names.get(column, column)

    def labels(self, columns: Sequence[str]) -> str:
        """`a`; `a and b`; `a, b and c`"""
        return _and([self.label(column) for column in columns])

    def query(self) -> str:
        """The SQL that yields the rows which break the rule."""
        raise NotImplementedError

    def sentence(self) -> str:
        """The rule as Data Docs show it."""
        raise NotImplementedError

    def field(self) -> str:
        """Return the field that is invalid, for a query that does not name it."""
        return "*"

    def message(self, field: str) -> str:
        """Return what the field must be, for the person who fixes the row."""
        raise NotImplementedError


class ExpectColumnValuesToExistInTable(ExpectNoRows):
    """Every value of `column` is a `parent_column` of the table `parent`; NULL is allowed."""

    column: str
    parent: str
    parent_column: str = "id"

    def query(self) -> str:
        parent, column = f"p.{quoted(self.parent_column)}", f"c.{quoted(self.column)}"
        return (
            f"SELECT c.* FROM {{batch}} AS c LEFT JOIN {quoted(self.parent)} AS p ON {parent} = {column}"  # noqa: S608
            f" WHERE {column} IS NOT NULL AND {parent} IS NULL"
        )

    def sentence(self) -> str:
        return f"{self.label(self.column)} is the {self.parent_column} of a row of {self.parent}."

    def field(self) -> str:
        return self.label(self.column)

    def message(self, field: str) -> str:
        return f"must be the {self.parent_column} of a row of {self.parent}"


class ExpectRowsToBeUniqueOn(ExpectNoRows):
    """No two rows have the same values in all `columns`; a row with a NULL among them is not compared."""

    columns: list[str]

    def query(self) -> str:
        key = ", ".join(map(quoted, self.columns))
        same = " AND ".join(f"d.{quoted(column)} = c.{quoted(column)}" for column in self.columns)
        return (
            f"SELECT c.* FROM {{batch}} AS c JOIN (SELECT {key} FROM {{batch}} AS b GROUP BY {key}"  # noqa: S608
            f" HAVING count(*) > 1) AS d ON {same}"
        )

    def sentence(self) -> str:
        return f"No two rows have the same {self.labels(self.columns)}."

    def field(self) -> str:
        return self.label(self.columns[-1])

    def message(self, field: str) -> str:
        return f"must be the only row with its {self.labels(self.columns)}"


class ExpectValuesToBeGiven(ExpectNoRows):
    """Every row of a staged table holds a value in each of `columns`; a value of the wrong type is not missing."""

    columns: list[str]

    def query(self) -> str:
        missing = [(self.label(column), f"{quoted(column)} IS NULL") for column in self.columns]
        return f"{_by_field(missing)} AND NOT list_has_any(_unfit, [_field, '.', ''])"

    def sentence(self) -> str:
        return f"Every row has a value for {self.labels(self.columns)}."

    def message(self, field: str) -> str:
        return "is required"


class ExpectValuesToFitTheirTypes(ExpectNoRows):
    """Every value of a staged table is of its declared type; `types` says each of them in words, by the source's name.

    Beside the columns `types` may name "." (the row itself) and "" (the array that the rows are in).
    """

    types: dict[str, str]

    def query(self) -> str:
        return "SELECT *, unnest(_unfit) AS _field FROM {batch}"

    def sentence(self) -> str:
        return "Every value is of its declared type."

    def message(self, field: str) -> str:
        return f"must be {self.types.get(field, 'of its declared type')}"


class ExpectOnlyDeclaredKeys(ExpectNoRows):
    """No row of a staged table came with a key that is not declared, of its own or of an object inside it.

    objects  the paths of these objects, from the row; `_unknown` has `.address.zip` for a key in one of them
    A key may be data, somebody's name: only one that looks like an identifier is named, of the first hundred;
    the others are called "?".
    """

    objects: list[str] = []  # noqa: RUF012  pydantic copies it

    def query(self) -> str:
        inside = " OR ".join(f"starts_with(_key, {literal(f'.{path}.')})" for path in self.objects) or "false"
        return (
            "SELECT *, CASE WHEN dense_rank() OVER (ORDER BY _key) > 100 THEN '?'"  # noqa: S608
            f" WHEN {inside} THEN substr(_key, 2)"
            " WHEN regexp_full_match(_key, '[A-Za-z_][A-Za-z0-9_-]{{0,63}}') THEN _key ELSE '?' END AS _field"
            " FROM (SELECT * EXCLUDE (_unknown), unnest(_unknown) AS _key FROM {batch}) AS k"
        )

    def sentence(self) -> str:
        return "No row has a key that is not declared."

    def message(self, field: str) -> str:
        return "is not a declared key, so its value would be lost"


class ExpectValuesNotToBeBlank(ExpectNoRows):
    """No text in `columns` consists of white space alone."""

    columns: list[str]

    def query(self) -> str:
        return _by_field([(self.label(column), is_blank(quoted(column))) for column in self.columns])

    def sentence(self) -> str:
        return f"{self.labels(self.columns)} {'is' if len(self.columns) == 1 else 'are'} not blank."

    def message(self, field: str) -> str:
        return "must not be blank"


class ExpectJsonListsToHoldObjects(ExpectNoRows):
    """The JSON text in `column` is a list of objects with these keys and no other.

    required  keys that are there and hold a text that is not blank
    optional  keys that may be absent or null, and hold a text otherwise
    sets      the texts that a key may hold
    """

    column: str
    required: list[str]
    optional: list[str] = []  # noqa: RUF012  pydantic copies it
    sets: dict[str, list[str]] = {}  # noqa: RUF012

    def query(self) -> str:
        keys = ", ".join(map(literal, [*self.required, *self.optional]))
        sound = [
            "json_type(e) = 'OBJECT'",
            f"list_has_all([{keys}], json_keys(e))",
            *(f"json_type(e, {_path(key)}) = 'VARCHAR'" for key in self.required),
            *(f"NOT {is_blank(f'(e->>{_path(key)})')}" for key in self.required),
            *(f"coalesce(json_type(e, {_path(key)}), 'NULL') IN ('NULL', 'VARCHAR')" for key in self.optional),
            *(f"e->>{_path(key)} IN ({', '.join(map(literal, texts))})" for key, texts in self.sets.items()),
        ]
        column = quoted(self.column)
        faulty = f"list_filter(CAST({column} AS JSON[]), lambda e: NOT coalesce({' AND '.join(sound)}, false))"
        return (
            f"SELECT * FROM {{batch}} WHERE CASE json_type({column}) WHEN 'ARRAY'"  # noqa: S608
            f" THEN len({faulty}) > 0 ELSE {column} IS NOT NULL END"
        )

    def sentence(self) -> str:
        return f"{self.label(self.column)} {self._shape()}."

    def field(self) -> str:
        return self.label(self.column)

    def message(self, field: str) -> str:
        return f"must be {self._shape().removeprefix('is ')}"

    def _shape(self) -> str:
        sets = {key: f"{key} ({' or '.join(texts)})" for key, texts in self.sets.items()}
        required, optional = ([sets.get(key, key) for key in keys] for keys in (self.required, self.optional))
        wanted = f", optionally {_and(optional)}" if optional else ""
        return f"is a list of objects with {_and(required)}{wanted}, and no other key"


def _path(key: str) -> str:
    return literal("$." + json.dumps(key))
