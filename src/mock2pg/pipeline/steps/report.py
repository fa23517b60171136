"""report: everything that the run's folder holds as one page, verdict first."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mock2pg import files, pages, text
from mock2pg.contracts import Table
from mock2pg.errors import InternalError, ValidationError
from mock2pg.log import log
from mock2pg.pages import diagram
from mock2pg.pages.outcome import outcome_of
from mock2pg.report import accounts, charts, notebook_tables, notebooks, target_state, target_tables, typed
from mock2pg.report.accounts import Results
from mock2pg.report.log_messages import changes, of_added, title
from mock2pg.runs import Run, now
from mock2pg.step_results import (
    BackedUp,
    Checked,
    Conflicts,
    F,
    Loaded,
    Planned,
    Published,
    Reported,
    RollbackComparison,
    RollbackPreview,
    RolledBack,
    Staged,
    StepResult,
    Verified,
    cautions_of,
    decode,
    encode,
    find,
)

LISTED = 20  # errors of one rule that the page shows; errors.json has all that are listed

_CHANGES = ("publish", "rollback", "plan")
_EVIDENCE = {
    "data_docs/staged/index.html": "Data Docs of the staged input: every rule, and how it came out",
    "data_docs/built/index.html": "Data Docs of the built tables: their rules, before they were published",
    "record.json": "The record of the run, for programs",
    "errors.json": "Every error and warning that is listed, for programs",
    "refused.jsonl": "The rows that were refused, and why",
    "plan.json": "What would change, for `mock2pg migrate --plan`",
    "tables.html": "The target tables: columns, types, keys and descriptions",
    "contracts.json": "The contracts of the target tables, for programs",
    "migration.log": "The log of the run",
}


def run(run: Run) -> Reported:
    """Write runs/<run_id>/index.html, for a run of any command, completed or unfinished."""
    record = run.read("record.json")
    results = {result.step: result for result in run.results() if result.step != "report"}
    _show_notebooks(run)
    tables = _write_tables(run, record, results)
    cautions = cautions_of(results.values(), record.get("warnings", ()))
    faults = _faults(run)
    mood, word = outcome_of(record)
    _, details = notebook_tables.told(record["error"]["message"] if record["error"] else "")
    of_tables = _find(results, Loaded) or _find(results, Verified)
    seconds = {step: result.seconds for step, result in results.items()}
    page = pages.render(
        "report.html",
        links=pages.RunLinks(run.id),
        record=record,
        results=results,
        title="What a rollback would change" if record["command"] == "rollback --show" else title(record["command"]),
        mood=mood,
        word=word,
        message=record["message"] or "This run is unfinished.",
        details=details,
        target_state=target_state.of_run(record, results.values()),
        figures=accounts.figures(record, results),
        accounts=accounts.of_rows(record, results),
        steps=_steps(record, results),
        added=_added(record, results),
        command=_command(run, results),
        typed=typed.on_page,
        go_back=preview.backup_id if (preview := _find(results, RollbackPreview)) and preview.differs else None,
        undo=back.present_backup_id if (back := _find(results, RolledBack)) and changes(back) else None,
        changes=[
            (found.step, encode(found.tables))
            for found in (accounts.published_of(record, results), _find(results, RolledBack), _find(results, Planned))
            if found
        ],
        staged=_find(results, Staged),
        backup=_find(results, BackedUp),
        published=_find(results, Published),
        rollback=_find(results, RollbackComparison),
        planned=_find(results, Planned),
        proven=target_state.passed(results, "verify"),
        verified=_verified(record, results),
        derived=of_tables.derived if of_tables else (),
        distributed=of_tables.distributed if of_tables else (),
        faults=faults,
        conflicts=conflicts.findings if (conflicts := _find(results, Conflicts)) else (),
        checked=_find(results, Checked),
        listed=LISTED,
        cautions=cautions,
        evidence=_evidence(run),
        picture=target_tables.picture(tables, "tables.html", only_keys=len(tables) > target_tables.MANY)
        if tables
        else "",
        times=charts.bars("Wall time per step", seconds) if len(seconds) > 1 else "",
        stacked=charts.stacked,
        rolled_back=notebook_tables.ROLLED_BACK,
        by_kind=notebook_tables.by_kind,
        size=text.size,
        total=notebook_tables.total,
        now=now(),
    )
    files.write(run.path("index.html"), page.encode())
    return Reported(summary=f"runs/{run.id}/index.html", index=f"runs/{run.id}/index.html")


def _write_tables(run: Run, record: Mapping[str, Any], results: Results) -> Sequence[Table]:
    """Write tables.html, where the contracts are known; returns the tables."""
    try:
        tables = run.tables()
    except (FileNotFoundError, ValueError):  # none was built, or an earlier version wrote them
        return ()
    manifest, staged = run.folder / "dbt" / "manifest.json", _find(results, Staged)
    page = pages.render(
        "tables.html",
        tables=target_tables.described(
            tables,
            manifest.read_bytes() if manifest.exists() else b"",
            {name: table.path for name, table in staged.tables.items()} if staged else {},
        ),
        picture=target_tables.picture(tables),
        anchor=diagram.anchor,
        database=record["database"],
        links=pages.RunLinks(run.id, "./"),
        now=now(),
        version=record["version"],
    )
    files.write(run.path("tables.html"), page.encode())
    return tables


def _find(results: Results, kind: type[F]) -> F | None:
    return find(results.values(), kind)


def _added(record: Mapping[str, Any], results: Results) -> str:
    """The rows in the target that no source has, in words."""
    loaded = accounts.loaded_of(record, results)
    return of_added(loaded.added) if loaded and loaded.added else ""


def _command(run: Run, results: Results) -> str:
    """The line that publishes what was planned, from the project's folder; empty where nothing would change."""
    planned = _find(results, Planned)
    if planned is None or not changes(planned):
        return ""
    project = f"{run.settings.project}{os.sep}"
    words = [word.removeprefix(project) for word in planned.arguments]
    return typed.by_make(*words) or shlex.join(["mock2pg", *words])


def _verified(record: Mapping[str, Any], results: Results) -> Verified | None:
    """Return the comparison; of tables that were rolled back only what led to that."""
    undone = record["status"] == "rolled_back" and target_state.passed(results, "verify")
    return None if undone else _find(results, Verified)


def _steps(record: Mapping[str, Any], results: Results) -> Results:
    """Every step that ran. What failed outside of them has a line, too: the command's."""
    error = record["error"]
    if error is None or any(result.error for result in results.values()):
        return results
    failed = StepResult(record["command"], status="failed", summary=text.first_line(error["message"]), error=error)
    return {**results, record["command"]: failed}


def _faults(run: Run) -> dict[str, list[dict[str, Any]]]:
    """The broken rules by severity, each with its rows, in the order in which they were found."""
    try:
        errors = run.read("errors.json")["errors"]
    except FileNotFoundError:
        return {}
    faults: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for error in errors:
        field = re.sub(r"\[\d+\]", "[]", error["field"])
        groups = faults.setdefault("warning" if error["severity"] == "warning" else "critical", {})
        group = groups.setdefault(
            (error["entity"], field, error["rule"]),
            {"entity": error["entity"], "field": field, "rule": error["rule"], "errors": []},
        )
        group["errors"].append(decode(ValidationError, error))
    return {severity: list(groups.values()) for severity, groups in faults.items()}


def _show_notebooks(run: Run) -> None:
    """An HTML page beside every executed notebook that has none yet."""
    for executed in sorted((run.folder / "notebooks").glob("*.ipynb")):
        page = executed.with_suffix(".html")
        if page.exists() and page.stat().st_mtime >= executed.stat().st_mtime:
            continue
        try:
            notebooks.export_html(executed, page, title=f"{executed.stem.capitalize()} of run {run.id}", run_id=run.id)
        except Exception as error:  # the rest of the report does not need it
            reason = error.message if isinstance(error, InternalError) else type(error).__name__
            log.warning("%s cannot be shown as a page: %s", executed.name, reason)


def _evidence(run: Run) -> list[dict[str, str]]:
    """Return the evidence as links relative to the page's folder; `step` of an executed notebook."""
    found = [
        {"href": f"notebooks/{page.name}", "text": f"Executed notebook: {page.stem}", "step": page.stem}
        for page in sorted((run.folder / "notebooks").glob("*.html"))
    ]
    others = [
        {"href": place, "text": text, "step": ""} for place, text in _EVIDENCE.items() if (run.folder / place).exists()
    ]
    return found + others
