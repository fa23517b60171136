"""From Great Expectations' results to ours: which rows broke which rule, and which rules could not run."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from great_expectations.expectations.core import UnexpectedRowsExpectation

from mock2pg.checks.parameters import COLUMN_WORDS, parameters
from mock2pg.checks.records import BROKEN, FAILED, PASSED, SKIPPED, WARNED, Failure, RuleResult
from mock2pg.checks.rules import ExpectNoRows
from mock2pg.checks.sql import identifier, quoted, string
from mock2pg.foreign_errors import scrubbed
from mock2pg.step_results import RuleOutcome


@dataclass(frozen=True)
class ResultReader:
    """Reads results; asks the database for the rows that Great Expectations does not name.

    limit           rows named for each rule and field
    unknown_tables  tables whose rows are not known, and why
    partial         tables of which there may be more rows elsewhere
    as_warnings     types of expectations that give a warning, whatever their suite says
    """

    engine: sa.Engine
    index_columns: Sequence[str]
    limit: int
    unknown_tables: Mapping[str, str] = field(default_factory=dict)
    partial: Collection[str] = ()
    as_warnings: Collection[str] = ()

    def skips(self, table: str, rule: Any) -> str:
        """Return why a rule cannot be judged: it needs rows that are not known. Empty when it can."""
        query = getattr(rule, "unexpected_rows_query", "")
        others = {name for name in (*self.unknown_tables, *self.partial) if _names(query, name)}
        for name, why in self.unknown_tables.items():
            if name == table or name in others:
                return f"not judged, because {name} {why}"
        for name in self.partial:
            if name != table and name in others:
                return f"not judged here, because {name} may have more rows in the database"
        return ""

    def result(self, table: str, rule: Any, result: Any) -> RuleResult:
        """The result of one expectation of the table, from Great Expectations'; None: it passed."""
        meta = rule.meta or {}
        outcome = RuleOutcome(
            table,
            rule=meta.get("rule", rule.expectation_type),
            sentence=_sentence(rule),
            severity="warning" if rule.expectation_type in self.as_warnings else rule.severity.value,
            status=PASSED,
            declared=bool(meta.get("declared")),
        )
        given = parameters(rule)
        if skipped := self.skips(table, rule):
            return RuleResult(replace(outcome, status=SKIPPED, reason=skipped), given)
        if result is None or result.success:
            return RuleResult(outcome, given)
        reason = _reason(result.exception_info)
        if reason is None:
            try:
                found = list(self._faults(table, rule, result.result))
            except (sa.exc.SQLAlchemyError, KeyError) as error:
                reason = _scrubbed(str(error))
        if reason is not None:
            return RuleResult(replace(outcome, status=BROKEN, reason=reason), given)
        failures = tuple(
            Failure(table, outcome.rule, column, _message(rule, column), outcome.severity, keys)
            for column, _, rows in found
            for keys in rows
        )
        totals = {column: total for column, total, _ in found}
        status = FAILED if outcome.severity == "critical" else WARNED
        return RuleResult(replace(outcome, status=status, rows=sum(totals.values())), given, totals, failures)

    def _faults(
        self, table: str, rule: Any, result: Mapping[str, Any]
    ) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
        """Return each invalid field, in how many rows, and the keys of as many of them as the limit allows."""
        if isinstance(rule, UnexpectedRowsExpectation):
            yield from self._rows(table, rule)
        elif "unexpected_index_list" in result:
            rows = [
                dict(zip(self.index_columns, keys, strict=True))
                for chunk in result["unexpected_index_list"] or ()
                for keys in zip(*(chunk[column] for column in self.index_columns), strict=True)
            ]
            yield _field(rule), result["unexpected_count"], rows[: self.limit]
        else:
            yield _field(rule), result.get("unexpected_count", 1), [{}]

    def _rows(self, table: str, rule: Any) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
        query = rule.unexpected_rows_query.format(batch=identifier(table))
        keys = ", ".join(f"q.{identifier(column)}" for column in self.index_columns)
        with self.engine.connect() as connection:
            columns = connection.execute(sa.text(f"SELECT * FROM ({query}) AS q LIMIT 0")).keys()  # noqa: S608
            at_fault = "q._field" if "_field" in columns else string(_field(rule))
            rows = connection.execute(
                sa.text(
                    f"SELECT * FROM (SELECT {keys}, {at_fault} AS _field,"  # noqa: S608
                    f" count(*) OVER (PARTITION BY {at_fault}) AS _total,"
                    f" row_number() OVER (PARTITION BY {at_fault} ORDER BY {keys}) AS _place"
                    f" FROM ({query}) AS q) AS r WHERE _place <= {self.limit} ORDER BY _field, _place"
                )
            ).all()
        found: dict[str, tuple[int, list[dict[str, Any]]]] = {}
        for row in rows:
            _, listed = found.setdefault(row._field, (row._total, []))
            listed.append(dict(zip(self.index_columns, row, strict=False)))
        for column, (total, listed) in found.items():
            yield column, total, listed


def _names(query: str, table: str) -> bool:
    """Return whether a query names a table, quoted or not."""
    each = "|".join(map(re.escape, {table, quoted(table)[1:-1]}))
    return re.search(rf"(?<!\w)({each})(?!\w)", query) is not None


def _field(rule: Any) -> str:
    given = (rule.meta or {}).get("field")
    if given or isinstance(rule, ExpectNoRows):
        return str(given or rule.field())
    return str(getattr(rule, "column", None) or getattr(rule, "column_A", None) or "*")


def _message(rule: Any, column: str) -> str:
    given = (rule.meta or {}).get("message")
    if given or isinstance(rule, ExpectNoRows):
        return str(given or rule.message(column))
    return _sentence(rule)


def _sentence(rule: Any) -> str:
    if rule.description:
        return str(rule.description)
    more = ", ".join(f"{name} {value}" for name, value in parameters(rule).items() if name not in COLUMN_WORDS)
    return f"{rule.expectation_type.replace('_', ' ')}: {_field(rule)}{f' ({more})' if more else ''}"


def _reason(info: Any) -> str | None:
    """Return why a rule could not run, from a result's exception info; None when it ran.

    Great Expectations gives one record, or one for each metric that the rule needs.
    """
    if not isinstance(info, dict):
        return None
    if info.get("raised_exception"):
        return _scrubbed(str(info.get("exception_message") or ""))
    return next(filter(None, map(_reason, info.values())), None)


# Errors that are about the query, so their text is about names; every other kind may quote a cell.
_ABOUT_NAMES = ("BinderException", "CatalogException", "ParserException", "UndefinedColumn", "UndefinedTable")


_MISSING = re.compile(r'The (column "[^"\n]*") in BatchData does not exist')


def _scrubbed(text: str) -> str:
    if missing := _MISSING.search(text):
        return f"{missing[1]} does not exist"
    kind = re.match(r"\([\w.]*?(\w+)\) ", text)
    if kind is None:
        return "Great Expectations could not evaluate it"
    if kind[1] in _ABOUT_NAMES and ("\nLINE " in text or not kind[1].startswith("Undefined")):  # else a cast's
        return f"{kind[1]}: {scrubbed(text[kind.end() :])}"
    return kind[1]
