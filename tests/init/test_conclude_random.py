"""`conclude` on documents that nobody would write: it never crashes, and what it says is true of every value."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock2pg.errors import Mock2pgError, SourceError
from mock2pg.init.concluding.conclude import conclude
from mock2pg.init.conclusions import Conclusions, Entity
from mock2pg.json_paths import Mark, Step, parsed
from mock2pg.spellings import data_type, fits, number_fits

Steps = tuple[Step, ...]


class Spelled(str):
    """A number as the document spells it."""

    __slots__ = ()


def table_steps(entity: Entity) -> Steps:
    steps = parsed(entity.table.path)
    return steps if entity.table.single or isinstance(steps[-1], Mark) else (*steps, Mark.ELEMENT)


def rows_at(value: Any, steps: Steps, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each row at a path: the keys and indexes that lead to it, and what it is."""
    if not steps:
        yield at, value
        return
    first, rest = steps[0], steps[1:]
    if first is Mark.ELEMENT:
        for number, element in enumerate(value if isinstance(value, list) else ()):
            yield from rows_at(element, rest, (*at, number))
    elif first is Mark.MEMBER:
        for key, member in (value if isinstance(value, dict) else {}).items():
            yield from rows_at(member, rest, (*at, key))
    elif (
        isinstance(value, dict)
        and first in value
        and (value[first] is not None or (rest and isinstance(rest[-1], Mark)))
    ):
        yield from rows_at(value[first], rest, (*at, first))


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each scalar that is not null."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*at, key))
    elif value is not None:
        yield at


def check(document: dict[str, Any], found: Conclusions) -> None:
    """Hold what was concluded to the document, value by value."""
    document = {found.whole: document} if found.whole else document
    names = [entity.name.casefold() for entity in found.entities]
    assert len(names) == len(set(names))
    refused = any("the migration refuses" in doubt.message for doubt in found.doubts)
    taken: set[tuple[Any, ...]] = set()
    values: dict[tuple[str, str], list[Any]] = {}
    for entity in found.entities:
        columns = [column.declared for column in entity.columns]
        folded = [column.name.casefold() for column in columns]
        assert len(folded) == len(set(folded)), entity.name
        assert all(len(column.name.encode()) <= 63 for column in columns)
        assert set(entity.primary_key) <= {column.name for column in columns}
        assert entity.primary_key
        rows = list(rows_at(document, table_steps(entity)))
        assert len(rows) == entity.rows or refused, entity.name
        for at, row in rows:
            for column in columns:
                value, place = value_of(document, entity, column.path, at, row)
                values.setdefault((entity.name, column.name), []).append(value)
                if column.rest:
                    taken |= {(*at, *leaf) for leaf in leaves(row)}
                elif place is not None:
                    taken |= {(*place, *leaf) for leaf in leaves(value)}
                if not refused:
                    assert_fits(value, column, entity)
        if not refused:
            keys = list(zip(*(values.get((entity.name, name), []) for name in entity.primary_key), strict=True))
            assert len(keys) == len(set(map(repr, keys))), (entity.name, entity.primary_key)
    for entity in found.entities:
        for reference in entity.references:
            if refused:
                continue
            own = zip(*(values.get((entity.name, name), []) for name in reference.columns), strict=True)
            parent = set(
                zip(*(values.get((reference.parent, name), []) for name in reference.parent_columns), strict=True)
            )
            having = [one for one in own if None not in one]
            assert (sum(one in parent for one in having), len(having)) == (reference.held, reference.of)
            assert reference.enforced == (reference.held == reference.of)
    if not refused:
        assert set(leaves(document)) <= taken, set(leaves(document)) - taken


def value_of(document: Any, entity: Entity, path: str, at: tuple[Any, ...], row: Any) -> tuple[Any, Any]:
    """Return what a column holds of a row, and the place that it took, or None where it is another row's."""
    own = table_steps(entity)
    steps = parsed(path)
    if path == "[]" and entity.table.single:
        return 0, None
    if path in ("[]", "{}"):
        return at[-1], None
    if steps[:1] == (Mark.SOURCE,):
        value: Any = document
        for step in steps[1:]:
            value = value[step]
        return value, None
    if any(isinstance(step, Mark) for step in steps):
        last = max(number for number, step in enumerate(steps) if isinstance(step, Mark)) + 1
        assert steps[:last] == own[:last], path
        if last == len(steps):
            return at[last - 1], None
        value = document
        for step in (*at[:last], *steps[last:]):
            value = value[step]
        return value, None
    value = row
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value, (*at, *steps)


def assert_fits(value: Any, column: Any, entity: Entity) -> None:
    where = (entity.name, column.name, column.data_type)
    if value is None:
        assert not column.required, where
        return
    kind = data_type(column.data_type)
    if kind.array:
        assert isinstance(value, list), where
        for element in value:
            assert fits_one(element, kind.element, column.format), where
    elif column.data_type != "jsonb":
        assert fits_one(value, column.data_type, column.format), where
    if column.required and column.data_type == "text" and not column.blank and not column.references:
        assert str(value).strip(), where


def fits_one(value: Any, name: str, form: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, Spelled):
        return number_fits(value, name)
    if isinstance(value, int):
        return form == "" and number_fits(str(value), name)
    return isinstance(value, str) and fits(value, name, form)


def concluded(text: str) -> Conclusions:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "db.json"
        file.write_text(text, encoding="utf-8")
        return conclude(file)


TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", " ", "2024-02-30", "2024-01-31", "007", "12", "1.50", "-0", "true", "14:00", "24:00", "a\0"]),
    st.sampled_from(["2024-01-31T10:00:00.000Z", "2024-01-31T10:00:00Z", "2024-01-31 10:00:00", "2024-01-31T10:00Z"]),
    st.dates().map(str),
    st.uuids().map(str),
)
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.sampled_from([2**31, -(2**31) - 1, 2**63, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
KEYS = st.one_of(
    st.sampled_from(
        ["id", "_id", "name", "Name", "userId", "user", "users", "parentId", "$oid", "$", "a.b", "", "order"]
    ),
    st.sampled_from(
        ["_row", "{{ x }}", "a b", "select", "ID", "tags", "x" * 70, "é" * 40, "u1", "u2", "2024-01-01", "[]"]
    ),
    st.text(max_size=4).filter(lambda key: "\0" not in key),
)
ROWS = {"id": st.integers(0, 9) | st.none(), "userId": st.integers(0, 9)}
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.lists(st.fixed_dictionaries(ROWS, optional={"x": inner})),
    ),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_document(document: dict[str, Any]) -> None:
    """Each scalar of any document is in a column that it fits, or its row is said to be refused; keys are unique and
    references hold as they are told."""
    text = json.dumps(document)
    try:
        found = concluded(text)
    except Mock2pgError as error:
        pytest.fail(f"refused: {error}")
    check(json.loads(text, parse_float=Spelled), found)
    assert found == concluded(text)


@given(st.text(max_size=30) | st.binary(max_size=30).map(lambda some: some.decode("latin-1")))
@settings(max_examples=40, deadline=None)
def test_any_text(text: str) -> None:
    """A file that is not JSON is refused by name."""
    with suppress(SourceError):
        concluded(re.sub("[\ud800-\udfff]", "", text))
