"""The parameters of a rule in words: what its sentence, which somebody wrote, may leave out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from great_expectations.expectations.expectation import BatchExpectation

from mock2pg.checks.rules import ExpectNoRows

COLUMN_WORDS = ("column", "other column", "columns")
_COLUMNS = ("column", "column_A", "column_B", "column_list", "column_set", "columns")
_WORDS = {
    "column_A": "column",
    "column_B": "other column",
    "column_list": "columns",
    "column_set": "columns",
    "max_value": "at most",
    "min_value": "at least",
    "mostly": "share of rows",
    "regex": "matches",
    "unexpected_rows_query": "no row of",
    "value_set": "one of",
}
_OWN = {"id", "meta", "names", "condition_parser", "windows"}  # of the library, or the names of columns


def parameters(rule: Any) -> dict[str, str]:
    """Each parameter that the rule was given, by its name in words."""
    hidden = _OWN | set(BatchExpectation.__fields__)
    if isinstance(rule, ExpectNoRows):
        hidden.add("unexpected_rows_query")  # which follows from the others
    given = {name: value for name, value in vars(rule).items() if name not in hidden}
    labels = {"_root_row": "the row that it is in", **(rule.names if isinstance(rule, ExpectNoRows) else {})}
    return {
        _WORDS.get(name, name.replace("_", " ")): _in_words(value, labels if name in _COLUMNS else {})
        for name, value in given.items()
        if value is not None and value != rule.__fields__[name].default
    }


def _in_words(value: Any, labels: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return "; ".join(f"{key or 'the array'}: {_in_words(each, labels)}" for key, each in value.items())
    if isinstance(value, list | tuple | set):
        return ", ".join(_in_words(each, labels) for each in value)
    if isinstance(value, float):
        return f"{value:.15g}"
    return labels.get(value, value) if isinstance(value, str) else str(value)
