"""The review: INIT.md and what the terminal shows. A person confirms, edits or deletes what was concluded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mock2pg.init.conclusions import ConcludedColumn, Conclusions, Doubt, Entity
from mock2pg.init.writing.declarations import described
from mock2pg.report.listings import Column, table
from mock2pg.text import counted, printable

_SHOWN = 3  # doubts in the terminal
_SUMMARY = (
    Column("Table", least=12),
    Column("Rows", right=True),
    Column("Columns", right=True),
    Column("Key", least=12),
)

_HEAD = """\
# What init concluded

From {source}: {rows} in {tables}. Every value was read, none is quoted here. Each conclusion is in a file that is
yours to edit; `make check-data` and `make plan` show what an edit does. No command reads this page.
"""


def page(conclusions: Conclusions) -> str:
    """Return INIT.md."""
    entities = conclusions.entities
    rows = counted(sum(entity.rows for entity in entities), "row")
    head = _HEAD.format(source=_cell(conclusions.source or "the source"), rows=rows,
                        tables=counted(len(entities), "table"))  # fmt: skip
    parts = [head, _listed("Doubtful", "Nothing is doubtful.", conclusions.doubts)]
    parts.append(_listed("Left out", "Nothing is left out: every value has a column.", conclusions.left_out))
    if conclusions.database:
        parts.append(_listed("Left to the database", "", conclusions.database))
    parts += ["## Tables\n", _overview(entities), "## Diagram\n", diagram(entities)]
    return "\n".join([*parts, *map(_entity, entities)])


def diagram(entities: Sequence[Entity]) -> str:
    """Return the entity-relationship diagram, whatever the names are."""
    nodes = {entity.name: f"t{number}" for number, entity in enumerate(entities, start=1)}
    lines = ["```mermaid", "erDiagram"]
    for entity in entities:
        lines.append(f'    {nodes[entity.name]}["{_mermaid(entity.name)}"] {{')
        lines += [f"        {_attribute(entity, column)}" for column in entity.columns]
        lines.append("    }")
    for entity in entities:
        for key in entity.references:
            if key.parent in nodes:
                line = "--" if key.enforced else ".."
                label = _mermaid(", ".join(key.columns))
                lines.append(f'    {nodes[key.parent]} ||{line}o{{ {nodes[entity.name]} : "{label}"')
    return "\n".join([*lines, "```", ""])


def summary(conclusions: Conclusions, width: int) -> list[str]:
    """Return what the terminal shows: lines of at most so many columns."""
    entities = conclusions.entities
    rows = [(e.name, f"{e.rows:,}", f"{len(e.columns):,}", ", ".join(e.primary_key)) for e in entities]
    lines = table(_SUMMARY, rows, width)
    references = [key for entity in entities for key in entity.references]
    enforced = sum(key.enforced for key in references)
    closed = sum(bool(column.allowed) for entity in entities for column in entity.columns)
    lines.append(
        f"{counted(len(entities), 'table')}, {counted(sum(e.rows for e in entities), 'row')},"
        f" {counted(sum(len(e.columns) for e in entities), 'column')}, {counted(enforced, 'foreign key')},"
        f" {counted(len(references) - enforced + closed, 'rule')}"
    )
    for found, one, more in (
        (conclusions.doubts, "doubt", "doubts"),
        (conclusions.left_out, "value left out", "values left out"),
        (conclusions.database, "note on what is left to the database", "notes on what is left to the database"),
    ):
        if found:
            lines.append(f"{len(found):,} {one if len(found) == 1 else more}:")
            lines += [_cut(f"  {doubt.place}: {doubt.message}", width) for doubt in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"  and {len(found) - _SHOWN:,} more in INIT.md")
    return lines


def _overview(entities: Iterable[Entity]) -> str:
    rows = [
        [_codes([e.name]), _codes([e.table.path]), f"{e.rows:,}", _codes(e.primary_key), _cell(e.key_evidence)]
        for e in entities
    ]
    return _table(["table", "from", "rows", "primary key", "why"], rows)


def _entity(entity: Entity) -> str:
    number = "" if entity.table.single and entity.rows == 1 else f" {counted(entity.rows, 'row')}."
    parts = [f"## {_cell(entity.name)}\n", f"{_cell(described(entity.table))}{number}\n"]
    parts.append(
        _table(["column", "type", "from", "values", "rules", "why"], [_row(entity, c) for c in entity.columns])
    )
    if entity.references:
        rows = [
            [
                _codes(key.columns),
                f"{_codes([key.parent])} ({_codes(key.parent_columns)})",
                key.evidence,
                _reference(key.enforced, key.cyclic, key.on_delete),
            ]
            for key in entity.references
        ]
        parts.append(_table(["reference", "to", "found", "becomes"], rows))
    return "\n".join(parts)


def _reference(enforced: bool, cyclic: bool, on_delete: str) -> str:
    if not enforced:
        return "a rule that warns: not every row has one"
    action = f", on delete {on_delete}" if on_delete else ""
    return f"a foreign key{action}{', circular: `foreign_keys` in the contract' if cyclic else ''}"


def _row(entity: Entity, column: ConcludedColumn) -> list[str]:
    declared = column.declared
    rules = [
        "primary key" if column.name in entity.primary_key else "",
        "required" if declared.required else "",
        "may be blank" if declared.blank else "",
        "unique" if declared.unique or (column.name,) in entity.uniques else "",
        f"one of {counted(len(column.allowed), 'value')}" if column.allowed else "",
        f"written {declared.format}" if declared.format else "",
        f"changed: {_cell(column.derived)}" if column.derived else "",
    ]
    origin = "the rest" if declared.rest else "UUIDv5" if declared.uuid5 else "" if column.constant else declared.path
    return [
        f"`{_code(column.name)}`",
        column.target_type,
        f"`{_code(origin)}`" if origin else "no field",
        f"{column.values:,} of {column.rows:,}",
        ", ".join(filter(None, rules)),
        _cell(column.evidence),
    ]


def _listed(title: str, none: str, found: Sequence[Doubt]) -> str:
    lines = [f"- `{_code(doubt.place)}`: {_cell(doubt.message)}" for doubt in found] or [none]
    return "\n".join([f"## {title}\n", *lines, ""])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    """The text in a cell of a Markdown table. What Markdown takes as it is, `a_b` and `a[0]`, needs no backslash."""
    return re.sub(r"([|\\`*<]|(?<!\w)_|_(?!\w)|\[(?!\d*\](?![(\[:])))", r"\\\1", printable(text))


def _code(text: str) -> str:
    """The text between backticks in such a cell."""
    return printable(text).replace("`", "'").replace("|", "\\|")


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{_code(name)}`" for name in names)


def _attribute(entity: Entity, column: ConcludedColumn) -> str:
    """A line of a table in the diagram, whose names take letters, digits and underscores only."""
    name = re.sub(r"\W+", "_", column.name, flags=re.ASCII)
    name = name if re.match("[A-Za-z]", name) else f"c{name}"
    kind = re.sub(r"\(.*\)", "", column.target_type).replace(" ", "_").replace("[]", "_list")
    foreign = any(column.name in key.columns and key.enforced for key in entity.references)
    marks = ", ".join(filter(None, ["PK" if column.name in entity.primary_key else "", "FK" if foreign else ""]))
    said = f' "{_mermaid(column.name)}"' if name != column.name else ""
    return f"{kind} {name}{f' {marks}' if marks else ''}{said}"


def _mermaid(text: str) -> str:
    return printable(text).replace('"', "'").replace("{", "(").replace("}", ")").replace("%", "％").replace("\\", "/")


def _cut(text: str, width: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"
