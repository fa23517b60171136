"""Conclude from every value of a document: tables, columns, types, keys and references, each with its evidence."""

from __future__ import annotations

from pathlib import Path

from mock2pg import private
from mock2pg.errors import SourceError
from mock2pg.init.concluding.closed_sets import allowed
from mock2pg.init.concluding.collect import Rows, collect, odd_places
from mock2pg.init.concluding.drafts import Column, Link, TableDraft
from mock2pg.init.concluding.keys import conclude_key, conclude_uniques
from mock2pg.init.concluding.layout import lay_out
from mock2pg.init.concluding.lists import conclude_lists
from mock2pg.init.concluding.naming import free_for_table, of_tables, singular, snake
from mock2pg.init.concluding.references import conclude_references, ordered
from mock2pg.init.concluding.tables import child_name, inherited, marks, own_columns, refer_to_parent
from mock2pg.init.concluding.types import quoted
from mock2pg.init.conclusions import ConcludedColumn, Conclusions, Doubt, Entity, Reference
from mock2pg.init.reading.maps import is_map, is_row
from mock2pg.init.reading.roots import Root, read
from mock2pg.init.reading.shapes import Shape
from mock2pg.init.reading.spelled import EMPTY
from mock2pg.init.reading.troubles import troubles
from mock2pg.json_paths import Mark, written
from mock2pg.source.documents import Unpacking, spool
from mock2pg.source.documents.files import named_after
from mock2pg.staged_tables import SourceColumn, SourceTable
from mock2pg.text import counted

_MOST = 1000  # keys at the top, each of which is a table


def conclude(
    source: Path, *, unpacking: Unpacking = spool.UNPACKING, name: str = "", label: str = "", alone: bool = True
) -> Conclusions:
    """Read every value of a source and say what its tables are.

    source  a folder of JSON and NDJSON files, one JSON document of any shape, `-` or a named pipe
    name    what the project's files call it; by default its file name
    label   what errors call it; by default its path
    alone   a document is read again by its file's name: as a whole it may be one map, or one row

    Raises UsageError when there is no such source, SourceError when it is not JSON or holds nothing.
    """
    with private.folder() as folder:
        roots = read(source, folder, unpacking, label)
        stem = named_after(source) if alone and source.is_file() else ""
        return concluded(roots, name or (source.name if source.name != "-" else "standard input"), stem)


def concluded(roots: list[Root], name: str = "", stem: str = "") -> Conclusions:
    """Return what the roots of a source show; those of a document `stem` may be one map, or one row, together."""
    shapes: dict[str, Shape] = {}
    for root in roots:
        shapes[root.key] = Shape()
        shapes[root.key].see(root.value)
    whole = ""
    if stem and roots and [root.key for root in roots] != [stem]:
        together = _together(roots, shapes)
        if (all(shape.objects_only for shape in shapes.values()) and is_map(together)) or is_row(together):
            whole, shapes = stem, {stem: together}
            roots = [Root(stem, {root.key: root.value for root in roots}, any(root.suspect for root in roots))]
    if len(roots) > _MOST:
        raise SourceError(
            f"{name} has {len(roots):,} keys at the top: each would be a table, and init makes {_MOST:,} at the most",
            hint='If they are the keys of a map, put it under a key of its own: {"texts": {...}}.',
        )
    refused = [
        Doubt(root.key, sentence)
        for root in roots
        if root.suspect or shapes[root.key].has_repeated
        for sentence in troubles(root)
    ]
    found = collect(lay_out(shapes), {root.key: root.value for root in roots})
    tables: list[TableDraft] = []
    names = of_tables(root.key for root in roots)
    words = frozenset(map(singular, names.values()))
    for rows in found:
        _table(rows, None, {}, tables, names, words)
    for table in list(tables):
        conclude_lists(table, tables)
    for table in tables:
        conclude_references(table, tables)
    _widen(tables)
    in_order, circles = ordered(tables)
    return Conclusions(
        tuple(_entity(table, circles) for table in in_order),
        (
            *(Doubt(*doubt) for table in in_order for doubt in (*table.doubts, *_column_doubts(table))),
            *refused,
        ),
        tuple(Doubt(*left) for table in in_order for left in _left_out(table)),
        source=name,
        whole=whole,
    )


def _together(roots: list[Root], shapes: dict[str, Shape]) -> Shape:
    """The shape of the document that the roots are the members of."""
    found = Shape()
    found.kinds[dict], found.members = 1, shapes
    found.named = sum(isinstance(root.value, dict) and str(root.value.get("id")) == root.key for root in roots)
    return found


def _table(
    rows: Rows,
    parent: TableDraft | None,
    ancestors: dict[int, Rows],
    tables: list[TableDraft],
    names: dict[str, str],
    words: frozenset[str],
) -> None:
    """Make the table of these rows, and then those within; `words` are the names in the singular."""
    draft = rows.draft
    if parent is None:
        root, *inner = [step for step in draft.path if isinstance(step, str) and not isinstance(step, Mark)]
        keys = [names[root], *map(snake, inner)]
        own = [key for key in keys if key] or ["rows"]
        taken = {table.name.casefold() for table in tables}
        name = own[-1] if own[-1] not in taken else "_".join(own)
    else:
        taken = {table.name.casefold() for table in tables}
        name = child_name(parent, draft.steps)
    table = TableDraft(free_for_table(name, taken), rows, parent, ancestors)
    own_columns(table)
    conclude_key(table, inherited(table), list(marks(table)), words - {table.word})
    conclude_uniques(table)
    refer_to_parent(table)
    if rows.odd:
        of, places = len(rows) + rows.odd_rows, odd_places(rows, ancestors)
        table.doubt(f"{rows.odd_rows:,} of {of:,} are not objects: the migration refuses them ({places})")
    tables.append(table)
    lists = {id(field.lists) for field in draft.fields if field.lists}
    for child in rows.children:
        if id(child.draft) not in lists:
            _table(child, table, {**ancestors, id(child): rows}, tables, names, words)


def _widen(tables: list[TableDraft]) -> None:
    """Give both ends of a reference one type: integer and bigint are compared, and declared, as bigint."""
    changed = True
    while changed:
        changed = False
        for table in tables:
            for link in table.links:
                ends = [table.column(name) for name in link.columns]
                theirs = [link.parent.column(name) for name in link.parent_columns]
                for own, other in zip(ends, theirs, strict=True):
                    if {own.typed.data_type, other.typed.data_type} == {"integer", "bigint"}:
                        for end in (own, other):
                            end.typed = type(end.typed)("bigint", end.typed.evidence, end.typed.format)
                        changed = True


def _left_out(table: TableDraft) -> list[tuple[str, str]]:
    """The keys of a map that are in no row, because nothing is under them."""
    draft = table.rows.draft
    if not draft.keyless:
        return []
    around = written(draft.path[:-1])
    return [(around, f"{counted(draft.keyless, 'member')} of the map without rows: the key is in no table")]


def _column_doubts(table: TableDraft) -> list[tuple[str, str]]:
    """Return the doubts about types; a key or a reference may look like a number."""
    referring = {name for link in table.links for name in link.columns} | set(table.key)
    return [
        (f"{table.name}.{column.name}", doubt)
        for column in table.columns
        for doubt in column.typed.doubts
        if not (column.name in referring and "look like numbers" in doubt)
    ]


def _entity(table: TableDraft, circles: list[set[str]]) -> Entity:
    draft = table.rows.draft
    columns = tuple(_column(table, column) for column in table.columns)
    declared = SourceTable(
        name=table.name,
        path=_table_path(table),
        columns=tuple(column.declared for column in columns),
        single=draft.single,
        optional=draft.optional,
        unique=(table.key,) if len(table.key) > 1 else (),
    )
    references = tuple(_reference(table, link, circles) for link in table.links)
    return Entity(declared, len(table.rows), columns, table.key, table.key_evidence, tuple(table.uniques), references)


def _table_path(table: TableDraft) -> str:
    path = table.path
    if path[-1] is Mark.ELEMENT and len(path) == 2:
        path = path[:-1]
    return written(path)


def _reference(table: TableDraft, link: Link, circles: list[set[str]]) -> Reference:
    cyclic = link.parent is table or any({table.name, link.parent.name} <= circle for circle in circles)
    return Reference(
        link.columns,
        link.parent.name,
        link.parent_columns,
        link.held,
        link.of,
        link.enforced,
        cyclic and link.enforced,
        "cascade" if link.structural else "",
    )


def _column(table: TableDraft, column: Column) -> ConcludedColumn:
    typed = column.typed
    required = column.kind != "rest" and (column.required or column.name in table.key or column.kind == "parent")
    link = next((link for link in table.links if link.columns == (column.name,) and link.enforced), None)
    declared = SourceColumn(
        name=column.name,
        data_type=typed.data_type,
        path=column.path,
        required=required,
        blank=required and typed.data_type == "text" and bool(column.profile and column.profile.blank),
        unique=table.key == (column.name,) or (column.name,) in table.uniques,
        references=(link.parent.name, link.parent_columns[0]) if link and not link.structural else None,
        format=typed.format,
        rest=column.kind == "rest",
    )
    profile = column.profile
    return ConcludedColumn(
        declared,
        typed.evidence,
        column.rows,
        column.values,
        allowed(table, column),
        tuple(sorted(profile.counts)) if profile and profile.counts and typed.data_type == "text" else (),
        profile.longest if profile else 0,
        quoted(profile) if profile else "",
        bool(profile and profile.spellings[EMPTY]),
    )
