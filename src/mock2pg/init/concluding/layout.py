"""Divide a document into tables and columns, by its shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mock2pg.init.reading.maps import WIDEST, is_map
from mock2pg.init.reading.profile import Json, Values
from mock2pg.init.reading.shapes import Shape, merged
from mock2pg.init.reading.troubles import is_text
from mock2pg.json_paths import Mark, Step

Path = tuple[Step, ...]

_DEEPEST = 4  # keys in the path of a flattened column
_COLUMNS = 250  # of one table; the rest of a wider row is kept in one jsonb column


@dataclass
class Field:
    """A value of a row that is to become a column.

    path    from the row
    values  what was found in it: of a list, what its elements are
    lists   the rows of an array of scalars, which becomes a column or a table of its own
    doubt   why it is kept as jsonb, where a person might expect otherwise
    """

    path: Path
    shape: Shape
    values: Values | Json
    lists: Draft | None = None
    doubt: str = ""
    rest: bool = False


@dataclass
class Draft:
    """A table to be.

    path    from the source
    parent  the table of the rows that its own are in
    single  what is at the path is one row
    scalar  its rows are no objects
    rows    objects among them
    keyless members of a map around it that are empty, so that their key is in no row
    """

    path: Path
    parent: Draft | None = None
    single: bool = False
    optional: bool = False
    scalar: bool = False
    rows: int = 0
    keyless: int = 0
    fields: list[Field] = field(default_factory=list)
    children: list[Draft] = field(default_factory=list)

    @property
    def steps(self) -> Path:
        """The path from a row of the parent, or from the value of the root key."""
        return self.path[len(self.parent.path) :] if self.parent else self.path[1:]

    def tables(self) -> Iterator[Draft]:
        """This table and those within, parents first."""
        yield self
        for child in self.children:
            yield from child.tables()


def lay_out(roots: dict[str, Shape]) -> list[Draft]:
    """Return the outermost tables, with those within as their children."""
    found: list[Draft] = []
    for key, shape in roots.items():
        if is_text(key):
            _place((key,), shape, None, found)
    return found


def _place(path: Path, shape: Shape, parent: Draft | None, found: list[Draft]) -> None:
    """Make tables of what is at a path outside of any row, or of an array or a map in a row."""
    optional = shape.kinds[type(None)] > 0 or (parent is not None and shape.kinds.total() < parent.rows)
    if shape.arrays_only:
        keyless = shape.empty if path[-1] is Mark.MEMBER else 0
        _rows((*path, Mark.ELEMENT), shape.element or Shape(), parent, found, optional, keyless)
    elif shape.objects_only and is_map(shape):
        of_members = [*shape.members.values(), *([shape.others] if shape.others else [])]
        keyless = shape.empty if path[-1] is Mark.MEMBER else 0
        _rows((*path, Mark.MEMBER), merged(of_members), parent, found, optional, keyless)
    elif shape.objects_only and parent is None and _only_tables(shape):
        for key, member in shape.members.items():
            if is_text(key):
                _place((*path, key), member, None, found)
    elif shape.objects_only and shape.members:
        _fill(_new(Draft(path, parent, single=True, optional=optional), shape.values, found), (), shape)
    else:
        draft = _new(Draft(path, parent, single=True, optional=optional, scalar=True), shape.values, found)
        _value(draft, (), shape)


def _only_tables(shape: Shape) -> bool:
    return bool(shape.members) and all(
        member.arrays_only or (member.objects_only and (is_map(member) or _only_tables(member)))
        for member in shape.members.values()
    )


def _rows(path: Path, shape: Shape, parent: Draft | None, found: list[Draft], optional: bool, keyless: int = 0) -> None:
    """Make a table whose rows have a shape, or those that are inside it."""
    rows = shape.kinds.total()
    objects = shape.kinds[dict]
    if path[-1] is Mark.MEMBER and rows and (shape.arrays_only or (shape.objects_only and is_map(shape))):
        _place(path, shape, parent, found)
        return
    draft = _new(Draft(path, parent, optional=optional, keyless=keyless), objects or rows, found)
    if objects and objects >= 0.9 * rows and (shape.members or shape.others):
        _fill(draft, (), shape)
    elif objects == rows:  # none, or each is empty
        draft.fields.append(Field((), shape, Json(), rest=True))
    else:
        draft.scalar = True
        _value(draft, (), shape)


def _new(draft: Draft, rows: int, found: list[Draft]) -> Draft:
    draft.rows = rows
    found.append(draft)
    return draft


def _fill(draft: Draft, prefix: Path, shape: Shape) -> None:
    """Make columns, and tables within, of the members of an object."""
    members = shape.members
    wide = shape.others is not None or len(members) > _COLUMNS
    if wide:
        most = sorted(members, key=lambda key: -members[key].kinds.total())[:_COLUMNS]
        members = {key: member for key, member in members.items() if key in set(most)}
    for key, member in members.items():
        if is_text(key):
            _member(draft, (*prefix, key), member)
    if wide:
        draft.fields.append(Field((), shape, Json(), rest=True))


def _member(draft: Draft, at: Path, shape: Shape) -> None:
    if shape.plain:
        _value(draft, at, shape)
    elif shape.objects_only and is_map(shape):
        _place((*draft.path, *at), shape, draft, draft.children)
    elif shape.objects_only and _is_stable(shape, at):
        _fill(draft, at, shape)
    elif shape.arrays_only and shape.element and shape.element.kinds:
        _array(draft, at, shape, shape.element)
    else:
        _json(draft, at, shape)


def _array(draft: Draft, at: Path, shape: Shape, element: Shape) -> None:
    if element.objects_only and element.members:
        _place((*draft.path, *at), shape, draft, draft.children)
    elif element.plain and type(None) not in element.kinds and len(element.found) == 1:
        lists = Draft((*draft.path, *at, Mark.ELEMENT), draft, scalar=True, optional=shape.values < draft.rows)
        lists.fields.append(Field((), element, Values()))
        draft.fields.append(Field(at, shape, Json(), lists=lists))
    else:
        _json(draft, at, shape)


def _value(draft: Draft, at: Path, shape: Shape) -> None:
    if shape.plain:
        draft.fields.append(Field(at, shape, Values()))
    else:
        _json(draft, at, shape)


def _json(draft: Draft, at: Path, shape: Shape) -> None:
    draft.fields.append(Field(at, shape, Json()))


def _is_stable(shape: Shape, at: Path) -> bool:
    members = shape.members
    if not members or len(members) > WIDEST or len(at) > _DEEPEST:
        return False
    presence = sum(member.kinds.total() for member in members.values()) / (len(members) * shape.kinds[dict])
    return len(members) <= 12 or presence >= 0.5
