"""Every row fits the tables that `conclude` declares, and every key is in one of them."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mock2pg.init.concluding.conclude import conclude
from mock2pg.source import documents, staging
from mock2pg.source_shape import source_shape
from mock2pg.spellings import data_type
from tests.init.test_conclude_random import KEYS, VALUES, rows_at, table_steps, value_of

SINGLES = {
    "profile": {"name": "N", "theme": {"dark": True}, "phones": [{"kind": "home"}]},
    "version": "1.2",
    "nothing": None,
    "empty": [],
    "conf": {},
    "account": {"key": {"$oid": "a", "seen": None}, "visits": [{"at": "x"}, {"at": "x"}]},
    "gaps": [None, {}],
}
MAPS = {
    "users": {f"u{n}": {"name": "N"} for n in range(9)},
    "days": {f"2024-01-0{n}": {f"u{m}": "present" for m in range(3)} for n in range(1, 4)},
    "notes": {"u1": [{"text": "x"}], "u2": []},
}
ODD = {
    "rows": [{"id": n, "a.b": 1, "Name": "N", "name": "n", "": 2, "x y": {"_row": 3, '"': [1]}} for n in range(3)],
    "wide": [{"id": m, **{f"k{n}": n for n in range(m, m + 260)}, "rare": [{"a": 1}]} for m in range(2)],
    "numbers": [1, 2.5, 1e300],
    "mixed": [1, "a", {"b": 1}],
    "matrix": [[1, 2], [3]],
    "wrapped": [{"_id": {"$oid": "a"}, "n": {"$numberLong": "12"}, "friends": [{"$oid": "a"}]}],
}


def parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_float=Decimal)


def canonical(value: Any, kind: str) -> Any:
    """A value as it can be compared: of the document, or as DuckDB writes it."""
    if isinstance(value, list):
        return [canonical(element, kind) for element in value]
    if isinstance(value, dict):
        return {key: canonical(member, kind) for key, member in value.items()}
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, str) and kind in ("integer", "bigint", "numeric"):
        return Decimal(value)
    if isinstance(value, str) and kind in ("timestamp", "timestamptz"):
        return datetime.fromisoformat(value).replace(tzinfo=None)
    return time.fromisoformat(value) if isinstance(value, str) and kind == "time" else value


@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=3))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@example(SINGLES)
@example(MAPS)
@example(ODD)
@example({"id": None, "name": "N"})
def test_staged(document: dict[str, Any]) -> None:
    """Each row of a document fits the declarations that were concluded from it, unless it is said to be refused, and
    each value is staged as the document has it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "db.json").write_text(json.dumps(document))
        found = conclude(folder / "db.json")
        if found.whole:  # as init keeps it, a file of its own
            (folder / "db.json").write_text(json.dumps({found.whole: document}))
        tables = [entity.table for entity in found.entities]
        read = documents.read(folder / "db.json", source_shape(tables), folder / "arrays")
        counts = staging.stage(folder / "staging.duckdb", read.arrays, tables, read.constants)
        if any("the migration refuses" in doubt.message for doubt in found.doubts):
            return
        assert [str(fault) for fault in read.faults] == []
        assert counts == {entity.table.name: entity.rows for entity in found.entities}
        with duckdb.connect(str(folder / "staging.duckdb"), read_only=True) as staged:
            for table in tables:
                query = f"SELECT _row, _unfit, _unknown FROM {staging.quoted(table.name)}"
                unfit = [row for row in staged.execute(query).fetchall() if row[1] or row[2]]
                assert unfit == [], (table.name, table.path)
            source = {found.whole: document} if found.whole else document
            for entity in found.entities:
                kept = [column.declared for column in entity.columns if not column.declared.rest]
                columns = ", ".join(
                    f"{'' if column.data_type == 'jsonb' else 'to_json'}({staging.quoted(column.name)})"
                    for column in kept
                )
                query = f"SELECT {columns} FROM {staging.quoted(entity.table.name)} ORDER BY _row"
                rows = list(rows_at(source, table_steps(entity)))
                for (at, row), values in zip(rows, staged.execute(query).fetchall(), strict=True):
                    for column, value in zip(kept, values, strict=True):
                        expected, _ = value_of(source, entity, column.path, at, row)
                        kind = data_type(column.data_type).scalar
                        assert canonical(expected, kind) == canonical(parsed(value), kind), (entity.name, column)
