"""pandas: what a notebook shows of a step's result. Names, keys and counts; never a value of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from mock2pg.errors import Mock2pgError
from mock2pg.runs import Run, StepResult
from mock2pg.settings import load
from mock2pg.text import duration, lines, printable

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler
    from pandas.io.formats.style_render import CSSDict

_LINES = 15

# Styles travel with the box: a notebook is also read where no stylesheet of ours is at hand.
_BOX = """<style>
.m2p-verdict {border: 1px solid; border-left-width: 8px; border-radius: 6px; padding: 14px 20px;
  margin: 8px 0 16px; max-width: 1000px; font-family: system-ui, sans-serif; line-height: 1.45}
.m2p-verdict.passed {border-color: #1a7f4b; background: #1a7f4b1c}
.m2p-verdict.warned {border-color: #b36b00; background: #b36b001c}
.m2p-verdict.failed {border-color: #c02d20; background: #c02d201c}
.m2p-verdict b.word {font-size: 1.5em; letter-spacing: .01em}
.m2p-verdict.passed b.word {color: #1a8a50}
.m2p-verdict.warned b.word {color: #b36b00}
.m2p-verdict.failed b.word {color: #d6402f}
.m2p-verdict p {margin: 4px 0}
.m2p-verdict .figures {display: flex; flex-wrap: wrap; gap: 10px 44px; margin-top: 12px}
.m2p-verdict .figures b {display: block; font-size: 1.55em; font-variant-numeric: tabular-nums}
</style>"""


def outcome(step: str, run_id: str, project: str, error: Mock2pgError) -> StepResult:
    """What a step that failed left in the run's folder, or the error alone when it did not get that far."""
    left = Run(run_id, load(project=Path(project))).result(step)
    if left is not None and left.status == "failed":
        return left
    return StepResult(step, status="failed", error=error.as_dict())


def about(run_id: str, project: str) -> Styler:
    """Which run of which database the notebook belongs to, for who signs it."""
    record = Run(run_id, load(project=Path(project))).read("record.json")
    names = {
        "run_id": "Run",
        "command": "Command",
        "started_at": "Began",
        "operator": "Operator",
        "name": "Database",
        "schema": "Schema",
        "server_version": "Server",
        "source": "Source",
        "input_sha256": "SHA-256 of the source",
        "version": "mock2pg",
    }
    return facts("This run", record | (record["database"] or {}), names)


def verdict(result: StepResult) -> str:
    """A coloured box: passed or failed, in one sentence, with the three numbers that matter."""
    kind = "passed" if result.status == "passed" else "failed"
    cautions = result.data.get("cautions", ()) if kind == "passed" else ()
    word = "Passed with warnings" if cautions else kind.capitalize()
    said = [*filter(None, [result.summary]), *cautions]
    if result.error:
        first, more = told(result.error["message"])
        said = [f"{result.error['name']}: {first}", *more]
        said += [f"Next: {result.error['hint']}"] if result.error.get("hint") else []
    texts = "".join(f"<p>{escape(lines(line))}</p>" for line in said)
    numbers = "".join(f"<div><b>{number}</b>{label}</div>" for label, number in figures(result).items())
    return (
        f'{_BOX}<div class="m2p-verdict {"warned" if cautions else kind}" role="status">'
        f'<b class="word">{word}: {escape(result.step)}</b>'
        f'{texts}<div class="figures">{numbers}</div></div>'
    )


def told(message: str) -> tuple[str, list[str]]:
    """The first line of an error's message, and of the others as many as a page has room for."""
    first, _, rest = message.partition("\n")
    more = dedent(rest).splitlines()
    return first, more[:_LINES] + ([f"… and {len(more) - _LINES} lines more"] if len(more) > _LINES else [])


def figures(result: StepResult) -> dict[str, str]:
    """The three numbers that matter, by label; none when the step did not get far enough to count."""
    data = result.data
    if "tables" not in data:
        return {}
    rows = list(data["tables"].values())
    match result.step:
        case "backup":
            restored = duration(data["restore_seconds"]) if data.get("rehearsed") else "never"
            numbers = {"rows saved": sum(rows), "on disk": size(data.get("bytes", 0)), "restored in": restored}
        case "verify":
            numbers = {
                "rows compared": data.get("rows_compared", 0),
                "rows that differ": total(rows, "missing", "extra", "different"),
                "orphans": total(data.get("foreign_keys", ()), "orphans"),
            }
        case "rollback":
            numbers = {
                "rows restored": total(rows, "inserted", "updated", "deleted"),
                "rows unchanged": total(rows, "unchanged"),
                "tables dropped": len(data.get("dropped", ())),
            }
        case _:
            return {}
    return {label: number if isinstance(number, str) else f"{number:,}" for label, number in numbers.items()}


def total(rows: Sequence[Mapping[str, Any]], *columns: str) -> int:
    """The sum of these columns over all rows."""
    return sum(row.get(column, 0) for row in rows for column in columns)


def size(count: float) -> str:
    """Bytes for a person: `12.3 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def table(
    caption: str,
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    alarms: Sequence[str] = (),
) -> Styler:
    """A table with these columns; a number in a column of `alarms` that is not 0 stands out.

    rows  rows, or rows by table name, for a first column `table`; a bare number is a row of one number
    """
    from pandas import DataFrame

    if isinstance(rows, Mapping):
        rows = [
            {"table": name, **(row if isinstance(row, Mapping) else {columns[-1]: row})} for name, row in rows.items()
        ]
    frame = DataFrame([[_cell(row.get(column)) for column in columns] for row in rows], dtype="object")
    frame = frame.set_axis(list(columns), axis="columns") if len(frame) else DataFrame(columns=list(columns))
    numeric = [column for column in columns if len(frame) and all(isinstance(cell, int) for cell in frame[column])]
    sides: list[CSSDict] = [{"selector": "caption, th, td", "props": "text-align: left"}]
    for column in numeric:
        props = "text-align: right; font-variant-numeric: tabular-nums"
        sides.append({"selector": f".col{columns.index(column)}", "props": props})
    style: Styler = (
        frame.style.hide(axis="index")
        .set_uuid(caption.lower().replace(" ", "-"))
        .set_table_styles(sides)
        .set_caption(caption if len(frame) else f"{caption}: none")
        .format(lambda cell: f"{cell:,}" if isinstance(cell, int) else str(cell), escape="html")
        .map(lambda cell: "color: #d6402f; font-weight: bold" if cell else "", subset=list(alarms))
    )
    return style if len(frame) else style.hide(axis="columns")


def facts(caption: str, data: Mapping[str, Any], names: Mapping[str, str]) -> Styler:
    """A table of two columns without a head: what `names` calls it, and what `data` says, where it says something."""
    rows = [{"fact": name, "is": data[key]} for key, name in names.items() if data.get(key) is not None]
    return table(caption, rows, ["fact", "is"]).hide(axis="columns")


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else printable(value) if isinstance(value, str) else value
