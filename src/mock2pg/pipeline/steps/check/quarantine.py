"""Refuses the rows that break a rule, and those that depend on them, until the rest holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mock2pg import checks
from mock2pg.errors import CheckFailed
from mock2pg.pipeline.steps.check import wording
from mock2pg.runs import Run
from mock2pg.settings import share
from mock2pg.source import documents, staging
from mock2pg.staged_tables import SourceTable
from mock2pg.step_results import Account
from mock2pg.text import counted

_HINT = "Correct the listed rows, or allow more with --max-refused."


def run(
    run: Run,
    tables: Mapping[str, SourceTable],
    validation: checks.Validation,
    read: Mapping[str, int],
    validate: Callable[[], checks.Validation],
) -> dict[str, Account]:
    """Take the invalid rows out of the staged tables and write refused.jsonl; returns rows read and refused by path.

    validate  validates what is left; it is called until nothing is invalid
    Raises CheckFailed when more rows would go than the settings allow, or when a rule is about no single row.
    """
    allowed = share(run.settings.max_refused, sum(read.values()))
    reasons: dict[tuple[str, int], list[dict[str, Any]]] = {}
    gone: list[staging.Refused] = []
    first = True
    while validation.failed:
        critical = [failure for failure in validation.failures if failure.severity == "critical"]
        whole = sorted({f"{failure.table}: {failure.message}" for failure in critical if not failure.keys})
        if whole:
            raise CheckFailed(f"no row can be refused to correct this: {'; '.join(whole)}", hint=_HINT)
        rows: dict[str, set[int]] = {}
        for failure, (table, row) in _rows_at_fault(run, critical, tables):
            rows.setdefault(table, set()).add(row)
            reasons.setdefault((table, row), []).append(_reason(failure, tables, first=first))
        memory = run.settings.staging_memory
        gone += staging.refuse(run.folder / "staging.duckdb", rows, list(tables.values()), memory=memory)
        if len(gone) > allowed:
            raise CheckFailed(
                f"at least {counted(len(gone), 'row')} would be refused, and no more than {allowed} may be", hint=_HINT
            )
        first, validation = False, validate()
    _write(run, tables, gone, reasons)
    refused = Counter(tables[row.table].path for row in gone)
    return {path: Account(rows, refused[path]) for path, rows in read.items()}


def _rows_at_fault(
    run: Run, failures: Iterable[checks.Failure], tables: Mapping[str, SourceTable]
) -> Iterator[tuple[checks.Failure, tuple[str, int]]]:
    """Each failure with the staged row to leave out; when a nested array as a whole is invalid, the row it is in."""
    around: dict[str, list[checks.Failure]] = {}
    for failure in failures:
        if tables[failure.table].nested and failure.field == "":
            around.setdefault(failure.table, []).append(failure)
        else:
            yield failure, (failure.table, failure.keys["_row"])
    for name, of_table in around.items():
        table, every = tables[name], list(tables.values())
        outer = staging.enclosing(table, every)
        if outer is None:
            raise CheckFailed(f"no row can be refused to correct this: {name}: {of_table[0].message}", hint=_HINT)
        inside = [failure.keys["_row"] for failure in of_table]
        memory = run.settings.staging_memory
        rows = staging.enclosing_rows(run.folder / "staging.duckdb", table, inside, every, memory=memory)
        for failure in of_table:
            if failure.keys["_row"] in rows:  # or that row is left out already
                yield failure, (outer.name, rows[failure.keys["_row"]])


def _write(
    run: Run,
    tables: Mapping[str, SourceTable],
    gone: Iterable[staging.Refused],
    reasons: Mapping[tuple[str, int], list[dict[str, Any]]],
) -> None:
    """One line for each row, in the order of the source: where it is and why it is left out, not what it holds."""
    queries = {
        refused: documents.Query(
            tables[refused.table].entity,
            refused.root_row,
            wording.element(tables[refused.table], _positions(refused)),
            look_inside=False,
        )
        for refused in gone
    }
    locations = documents.locate(run.folder / "arrays", queries.values())
    with run.path("refused.jsonl").open("w", encoding="utf-8") as out:
        for refused, place in sorted(queries.items(), key=lambda item: _order(item[1])):
            location = locations[place]
            line = {
                "entity": place.entity,
                "path": tables[refused.table].path,
                "id": refused.id,
                "row": refused.root_row,
                "index": refused.index,
                "file": location.file,
                "line": location.line,
                "column": location.column,
                "pointer": location.pointer,
                "reasons": reasons.get((refused.table, refused.row), [_WITH_ITS_ROW]),
            }
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _order(place: documents.Query) -> tuple[object, ...]:
    """The order of the source; of two arrays in one row, that of their keys."""
    return place.entity, place.row, *((isinstance(step, str), step) for step in place.steps)


def _positions(refused: staging.Refused) -> list[int | str]:
    return wording.positions({"_index": refused.index, "_steps": refused.steps})


_WITH_ITS_ROW = {"field": "", "rule": "row_is_refused", "message": "the row that it is in is refused", "depends": True}


def _reason(failure: checks.Failure, tables: Mapping[str, SourceTable], *, first: bool) -> dict[str, Any]:
    """`depends`: the row was valid until other rows were left out."""
    field = wording.field(tables[failure.table], failure.field, wording.positions(failure.keys))
    return {"field": field, "rule": failure.rule, "message": failure.message, "depends": not first}
