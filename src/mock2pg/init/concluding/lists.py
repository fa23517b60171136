"""Arrays of plain values: array columns, or tables of references."""

from __future__ import annotations

from mock2pg.init.concluding.drafts import Column, TableDraft, rename
from mock2pg.init.concluding.keys import conclude_key
from mock2pg.init.concluding.naming import free_for_table, singular, snake
from mock2pg.init.concluding.references import name_of_element, refers_to
from mock2pg.init.concluding.tables import child_name, inherited, marks, own_column, refer_to_parent
from mock2pg.init.concluding.types import Typed


def conclude_lists(table: TableDraft, tables: list[TableDraft]) -> None:
    """Make a table of each array of scalars that refer to another table, and an array column of any other."""
    for column in list(table.columns):
        if column.field is None or column.field.lists is None:
            continue
        elements = _as_table(table, column, tables)
        value = elements.columns[0]
        link = refers_to(elements, value, tables) if value.values else None
        if link is None:
            _as_array(table, column, elements)
            continue
        table.columns.remove(column)
        around = inherited(elements)
        name = name_of_element(link)
        if name in {column.name for column in around}:
            name = singular(snake(str(column.field.path[-1])))
            name = name if name.endswith(f"_{link.parent_columns[0]}") else f"{name}_{link.parent_columns[0]}"
        rename(value, name, elements, [elements])
        conclude_key(elements, around, list(marks(elements)))
        refer_to_parent(elements)
        tables.append(elements)


def _as_array(table: TableDraft, column: Column, elements: TableDraft) -> None:
    """Make an array column of a list whose elements refer to nothing."""
    typed = elements.columns[0].typed
    evidence = f"arrays of {len(elements.rows):,} values in all: {typed.evidence}"
    column.typed = Typed(f"{typed.data_type}[]", evidence, typed.format, typed.doubts)
    table.doubts += [(f"{table.name}.{column.name}", message) for _, message in elements.doubts]


def _as_table(table: TableDraft, column: Column, tables: list[TableDraft]) -> TableDraft:
    """Return the table that a list would become: the elements, each a row."""
    assert column.field is not None  # noqa: S101
    draft = column.field.lists
    rows = next(child for child in table.rows.children if child.draft is draft)
    name = free_for_table(child_name(table, column.field.path), {other.name.casefold() for other in tables})
    found = TableDraft(name, rows, table, {**table.ancestors, id(rows): table.rows})
    value = own_column(found, rows.draft.fields[0])
    value.name = snake("_".join(str(step) for step in column.field.path[-1:])) or "value"
    found.columns.append(value)
    return found
