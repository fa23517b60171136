"""A verification's output for continuous integration servers."""

from __future__ import annotations

from mock2pg.errors import VerifyFailed
from mock2pg.report.reporters.xml import Case, document, ended
from mock2pg.results import MigrationResult
from mock2pg.step_results import Compared, ForeignKeyCheck, Verified, find
from mock2pg.text import counted, printable

_KINDS = ("missing", "extra", "different")


def junit(result: MigrationResult) -> str:
    """JUnit XML: a testcase for each table and each foreign key; a failure names keys and columns, never a value."""
    found = find(result.results, Verified)
    suites = {
        "tables": [_of_table(name, table) for name, table in found.tables.items()] if found else [],
        "foreign keys": [_of_key(key) for key in found.foreign_keys] if found else [],
    }
    failed = any(case.outcome for cases in suites.values() for case in cases)
    if result.error and not (failed and isinstance(result.error, VerifyFailed)):
        suites["mock2pg"] = [ended("The verification ran to its end.", result.error)]
    return document("mock2pg verify", {name: cases for name, cases in suites.items() if cases})


def _of_table(name: str, table: Compared) -> Case:
    lines = []
    for kind in _KINDS:
        rows, keys = getattr(table, kind), getattr(table, f"{kind}_keys")
        lines += [f"{kind}: {printable(key)}" for key in keys]
        lines += [f"{kind}: ... and {rows - len(keys):,} more"] if rows > len(keys) else []
    lines += [f"different in {printable(name)}: {counted(rows, 'row')}" for name, rows in table.columns.items()]
    message = ", ".join(f"{getattr(table, kind):,} {kind}" for kind in _KINDS)
    return _failed(name, message, "\n".join(lines)) if lines else Case(name)


def _of_key(key: ForeignKeyCheck) -> Case:
    name = f"{key.table}.{key.name}"
    said = f"{counted(key.orphans, 'row')} of {key.table} ({', '.join(key.columns)}) without {key.parent}"
    return _failed(name, said, said) if key.orphans else Case(name)


def _failed(name: str, message: str, text: str) -> Case:
    return Case(name, "failure", VerifyFailed.__name__, message, text)
