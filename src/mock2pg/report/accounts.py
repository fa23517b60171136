"""The rows of a run, accounted for: read, loaded, refused, not loaded; and the figures beside its verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mock2pg.report import notebook_tables
from mock2pg.report.target_state import passed
from mock2pg.step_results import Checked, Loaded, Planned, Published, RolledBack, Staged, StepResult, find

Results = Mapping[str, StepResult]

_NESTED = re.compile(r"(\[\]|\{\})\.")  # in the path of a table: the end of an outer row's


def published_of(record: Mapping[str, Any], results: Results) -> Published | None:
    """Return what the run published, when the target tables hold it."""
    return find(results.values(), Published) if record["status"] != "rolled_back" else None


def loaded_of(record: Mapping[str, Any], results: Results) -> Loaded | None:
    """Return what was loaded, when the target tables hold it."""
    return find(results.values(), Loaded) if published_of(record, results) else None


def figures(record: Mapping[str, Any], results: Results) -> dict[str, str]:
    """Return the numbers beside the verdict, by label."""
    if record["command"] not in ("check", "load", "plan", "migrate"):
        step = record["command"].partition(" ")[0]  # that of `rollback --show`, too
        return notebook_tables.figures(results[step]) if step in results else {}
    figures = {f"rows {key}": f"{number:,}" for key, number in of_rows(record, results)["sum"].items()}
    if "check" in results and results["check"].status == "failed":
        figures["errors"] = f"{checked.errors if (checked := find(results.values(), Checked)) else 0:,}"
    if published := published_of(record, results):
        figures["rows changed"] = f"{sum(table.changed for table in published.tables.values()):,}"
    if planned := find(results.values(), Planned):
        figures["rows that would change"] = f"{sum(table.changed for table in planned.tables.values()):,}"
    if back := find(results.values(), RolledBack):
        figures["rows rolled back"] = f"{sum(table.changed for table in back.tables.values()):,}"
    return figures


def of_rows(record: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """Account for every row that was read, per array of the input: loaded + refused + not loaded = read.

    Only a check that passes tells rows apart: it refuses some, and the others are valid, which is all that a command
    that loads nothing has to say of them. A check that fails refuses the source, not its rows. Of a run that may have
    published it is not known which rows are loaded.
    """
    told_apart = passed(results, "check")
    left = "valid" if told_apart and record["command"] in ("check", "load", "plan") else "not loaded"
    left = "not known" if record["status"] == "unknown" else left
    staged, checked = find(results.values(), Staged), find(results.values(), Checked)
    loaded = loaded_of(record, results)
    rows = []
    for name, table in staged.tables.items() if staged else ():
        landed = loaded.landed[name] if loaded else 0
        refused = checked.entities[table.path].refused if checked and told_apart else 0
        counts = {"read": table.rows, "loaded": landed, "refused": refused, left: table.rows - landed - refused}
        rows.append({"path": table.path, "table": name, "nested": bool(_NESTED.search(table.path)), **counts})
    rows = below_parents(rows)
    shown = {"read": True, "loaded": left != "valid", "refused": told_apart, left: True}
    sums = {key: notebook_tables.total(rows, key) for key, told in shown.items() if told} if rows else {}
    if left != "valid" and not sums.get(left):
        sums.pop(left, None)
    return {"rows": rows, "sum": sums}


def below_parents(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in their order, but each of a nested array below that of the array, map or object that it is in."""
    number = {row["path"].removesuffix("[]"): at for at, row in enumerate(rows)}

    def place(row: Mapping[str, Any]) -> list[int]:
        ends = [at.start() for at in _NESTED.finditer(row["path"])]
        outer = [row["path"][:end] + mark for end in ends for mark in ("", "{}")]
        return [*(number[path] for path in outer if path in number), number[row["path"].removesuffix("[]")]]

    return sorted(rows, key=place)
