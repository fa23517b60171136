"""Data Docs that need no network and show no value: Great Expectations' site, our renderers and templates.

Its own pages load styles and scripts from eight hosts and quote values. A page of ours is one file: a table of
rules in words, what came of each, and a filter that needs no script.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from great_expectations.core import ExpectationSuiteValidationResult, RunIdentifier
from great_expectations.data_context import set_context
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.render.renderer.renderer import Renderer

from mock2pg import files, pages
from mock2pg.checks.context import Context
from mock2pg.checks.records import BROKEN, FAILED, SKIPPED, WARNED, DocumentedRule
from mock2pg.errors import InternalError

OPENED = 20  # rows that a rule's list shows at once; a longer one opens by a click
_ORDER = (BROKEN, FAILED, WARNED, SKIPPED)  # what a reader looks for first


def write(
    folder: Path, title: str, rules: Sequence[DocumentedRule], rows: Mapping[str, int], run_id: str | None = None
) -> None:
    """Write the site of these rules, by table, into the folder.

    rows    how many each table has
    run_id  the run in whose data_docs/ the folder is

    The stored results only name the tables: Great Expectations' own may hold or quote values, and to store and read one
    for each rule takes longer than the pages do.
    """
    context = Context()
    set_context(context)
    run = RunIdentifier(run_name="run", run_time=datetime.now(UTC))
    for rule in rules:
        context.documented.setdefault(rule.outcome.table, []).append(rule)
    for table in context.documented:
        key = ValidationResultIdentifier(ExpectationSuiteIdentifier(files.named(table)), run, batch_identifier="rules")
        context.validation_results_store.set(key, _stored(table, run, rows.get(table)))
    context.add_data_docs_site("docs", _site(_plain(str(folder.resolve())), _plain(title), run_id))
    context.build_data_docs(site_names=["docs"])
    shutil.rmtree(folder / "static", ignore_errors=True)  # 4 MB of fonts and pictures that no page of ours shows
    # a page that cannot be rendered is only a line in its log to Great Expectations
    pages = folder.glob(f"**/{run.run_time:%Y%m%dT%H%M%S.%fZ}/rules.html")
    if len(list(pages)) != len(context.documented) or not (folder / "index.html").read_bytes():
        raise InternalError("Data Docs: a page could not be rendered")


def _stored(table: str, run: Any, rows: int | None) -> Any:
    return ExpectationSuiteValidationResult(
        success=True,
        results=[],
        suite_name=files.named(table),
        meta={
            "table": table,
            "rows": rows,
            "run_id": run,
            "validated": f"{run.run_time:%Y-%m-%d %H:%M:%S UTC}",
        },
    )


def _plain(text: str) -> str:
    """The text, where Great Expectations would put a variable of the environment in place of `$NAME`."""
    return text.replace("$", "\\$")


def _site(folder: str, title: str, run_id: str | None) -> dict[str, Any]:
    def site_pages(renderer: str, template: str) -> dict[str, Any]:
        view = {"class_name": "View", "template": template, "title": title, "run_id": run_id}
        return {
            "renderer": {"module_name": __name__, "class_name": renderer},
            "view": {"module_name": __name__, **view},
        }

    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder},
        "site_section_builders": {
            "expectations": "None",  # a table's page says its rules
            "profiling": "None",
            "validations": {
                "class_name": "DefaultSiteSectionBuilder",
                **site_pages("TableRenderer", "data_docs_table.html"),
            },
        },
        "site_index_builder": {
            "class_name": "DefaultSiteIndexBuilder",
            **site_pages("IndexRenderer", "data_docs_index.html"),
        },
    }


class TableRenderer(Renderer):  # type: ignore[misc]
    """The renderer of one table's page."""

    def __init__(self, data_context: Any) -> None:
        super().__init__()
        self._documented = data_context.documented

    def render(self, run: Any) -> dict[str, Any]:
        rules = self._documented[run.meta["table"]]
        return {
            "table": run.meta["table"],
            "rows": run.meta["rows"],
            "validated": run.meta["validated"],
            "rules": sorted(rules, key=lambda rule: [rule.outcome.status != status for status in _ORDER]),
            "counts": _counts(rules),
            "opened": OPENED,
            "up": "../../../../",  # validations/<suite>/<run name>/<run time>/<page>
        }


class IndexRenderer(Renderer):  # type: ignore[misc]
    """The renderer of the first page: every table and how many of its rules failed."""

    def __init__(self, data_context: Any) -> None:
        super().__init__()
        self._documented, self._store = data_context.documented, data_context.validation_results_store

    def render(self, links: Mapping[str, Any]) -> dict[str, Any]:
        runs = {run.suite_name: run.meta for run in map(self._store.get, self._store.list_keys())}
        tables = []
        for link in links["validations_links"]:
            table = runs[link["expectation_suite_name"]]["table"]
            tables.append({"table": table, "link": link["filepath"], "counts": _counts(self._documented[table])})
        validated = max(run["validated"] for run in runs.values())
        return {"tables": sorted(tables, key=lambda table: str(table["table"])), "validated": validated}


class View:
    """One of our templates."""

    def __init__(self, template: str, title: str, run_id: str | None) -> None:
        self._template, self._title, self._run_id = template, title, run_id

    def render(self, page: Mapping[str, Any], **options: Any) -> str:
        up = page.get("up", "")
        links = pages.RunLinks(self._run_id, f"{up}../../") if self._run_id else None
        return pages.render(self._template, **{**page, "home": f"{up}index.html", "title": self._title, "links": links})


def _counts(rules: Sequence[DocumentedRule]) -> dict[str, int]:
    statuses = [rule.outcome.status for rule in rules]
    return {"rules": len(statuses), **{status: statuses.count(status) for status in _ORDER}}
