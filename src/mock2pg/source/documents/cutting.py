"""The source's values on their way to rows: each declared array, map and object becomes a file of its own."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import msgspec

from mock2pg.json_paths import Mark
from mock2pg.source.documents.arrays import Arrays, Bytes
from mock2pg.source.documents.faults import DECLARED_ARRAYS, Faults, named
from mock2pg.source.documents.json_text import joined, kind_of, members_of, repeated, rows_of, without
from mock2pg.source.documents.locations import address
from mock2pg.source.documents.scanner import Lines, key_before, pointer
from mock2pg.source_shape import Container, SourceShape

_WANTED = {
    Mark.ELEMENT: "an array of rows",
    Mark.MEMBER: "an object whose members are the rows",
    None: "an object that is one row",
}


@dataclass(frozen=True)
class Source:
    """A text that is cut.

    text   as it is mapped; None: it is that of a Python dict, in which no lines are counted
    name   of the file that holds it
    label  what errors call it
    alone  it holds the value of one key, not an object of them
    """

    text: mmap.mmap | None
    name: str
    label: str | None
    alone: bool = False
    base: int = 0

    @cached_property
    def lines(self) -> Lines | None:
        return None if self.text is None else Lines(self.text)

    @property
    def location(self) -> dict[str, Any]:
        """The fields of an ArrayLocation that are those of all of it."""
        return {"text": self.name, "counted": self.text is not None, "file": self.label}

    def offset(self, raw: Bytes | msgspec.Raw) -> int:
        return address(raw) - (self.base if self.text is None else address(self.text))

    def keys(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """The keys that lead there from the top of the file."""
        return keys[1:] if self.alone else keys

    def place(self, keys: tuple[str, ...], raw: msgspec.Raw, *, at_key: bool = False) -> dict[str, Any]:
        """The fields of a fault about a value, or about its key."""
        at = self.offset(raw)
        if at_key and self.text is not None and self.keys(keys):
            at = key_before(self.text, at)
        return {"file": self.label, "pointer": pointer(self.keys(keys)), "at": at, "lines": self.lines}


@dataclass
class _Node:
    """A declared key of the source, or the source itself."""

    members: dict[str, _Node] = field(default_factory=dict)
    container: Container | None = None
    constant: bool = False
    left_out: bool = False

    def at(self, keys: tuple[str, ...]) -> _Node:
        found = self
        for key in keys:
            found = found.members.setdefault(key, _Node())
        return found


class Cutting:
    """The declared arrays, maps and objects, and what the source has of them.

    constants  keys -> the JSON text of a single value that columns of many rows take
    """

    def __init__(self, shape: SourceShape, arrays: Arrays, faults: Faults) -> None:
        self.shape, self.arrays, self.faults = shape, arrays, faults
        self.constants: dict[tuple[str, ...], str] = {}
        self._top = _Node()
        for container in shape.containers:
            self._top.at(container.keys).container = container
        for keys in shape.constants:
            self._top.at(keys).constant = True
        for keys in shape.left_out:
            self._top.at(keys).left_out = True

    @property
    def whole(self) -> bool:
        """Return whether the source itself is declared as a row."""
        return self._top.container is not None

    @property
    def fits(self) -> bool:
        """Return whether the source has anything that is declared."""
        return self.whole or not self.faults.roots.isdisjoint(self._top.members)

    def array(self, root: str) -> Container | None:
        """The array that is declared as the value of a key of the source; None when something else is."""
        node = self._top.members.get(root)
        found = node.container if node else None
        return found if found and found.mark is Mark.ELEMENT else None

    def wanted(self, root: str) -> str:
        node = self._top.members[root]
        return _WANTED[node.container.mark] if node.container else "an object"

    def declared(
        self, root: str, there: Collection[str], rows: Callable[[], int | None] = lambda: None, **place: Any
    ) -> bool:
        """Return whether a key of the source is declared; when it is not, add a fault."""
        if root in self._top.members:
            return True
        others = [key for key in self._top.members if key not in there]
        self.faults.undeclared((root,), others, rows, **place)
        return False

    def root(self, root: str, raw: msgspec.Raw, source: Source) -> None:
        """Cut the value of one declared key of the source."""
        self._value(self._top.members[root], (root,), raw, source)

    def source(self, raw: msgspec.Raw, source: Source) -> None:
        """Cut a source that is one object."""
        self._value(self._top, (), raw, source)

    def _value(
        self, node: _Node, keys: tuple[str, ...], raw: msgspec.Raw, source: Source, *, in_row: bool = False
    ) -> None:
        """Cut a value; `in_row`: it is inside a row, whose own declarations say what is in it."""
        if node.constant:
            self.constants[keys] = bytes(raw).decode()
        if node.left_out:
            return
        if node.container is not None:
            self._cut(node.container, raw, source)
        if node.members and kind_of(raw) != "n":
            self._inside(node, keys, raw, source, in_row=in_row or node.container is not None)

    def _inside(self, node: _Node, keys: tuple[str, ...], raw: msgspec.Raw, source: Source, *, in_row: bool) -> None:
        if kind_of(raw) != "{":
            if not in_row:
                self.faults.unfit(named(keys), "an object", **source.place(keys, raw))
            self.faults.unreadable(keys)
            return
        members = members_of(raw)
        if not keys:
            self.faults.roots.update(members)
        for key, value in members.items():
            inner = (*keys, key)
            if key in node.members:
                self._value(node.members[key], inner, value, source, in_row=in_row)
            elif not in_row:
                others = [name for name in node.members if name not in members]
                place = source.place(inner, value, at_key=True)
                self.faults.undeclared(inner, others, partial(rows_of, value), **place)
        for key in repeated(raw, members):
            if key in node.members:  # or it is a fault already
                place = source.place((*keys, key), members[key], at_key=True)
                where = "in the document" if not keys else "in one object"
                self.faults.add(DECLARED_ARRAYS, f"appears twice {where}", named((*keys, key)), **place)

    def _cut(self, container: Container, raw: msgspec.Raw, source: Source) -> None:
        entity, kind = container.entity, kind_of(raw)
        if kind == "n" and container.optional:
            return  # as if it were absent
        self.faults.known.add(entity)
        if kind != {Mark.ELEMENT: "[", Mark.MEMBER: "{"}.get(container.mark, kind):  # type: ignore[arg-type]
            self.faults.unfit(entity, _WANTED[container.mark], **source.place(container.keys, raw))
            return
        if self.arrays.place(entity).name == source.name:  # all of the file
            self.arrays.keep(entity, memoryview(raw), keys=source.keys(container.keys), **source.location)
            return
        if container.mark is Mark.ELEMENT:
            self.arrays.write(entity, memoryview(raw))
        elif container.mark is None:
            self.arrays.write(entity, b"[", *without(raw, container.apart), b"]")
        else:
            members = members_of(raw)
            if twice := repeated(raw, members):
                place = source.place((*container.keys, twice[0]), members[twice[0]], at_key=True)
                self.faults.add(DECLARED_ARRAYS, "has a key that appears twice", entity, **place)
                return
            self.arrays.write(entity, *joined(members.values()))
            self.arrays.keys(entity, members)
        self.arrays.keep(
            entity,
            memoryview(raw),
            offset=source.offset(raw),
            length=memoryview(raw).nbytes,
            keys=source.keys(container.keys),
            mark=container.mark.value if container.mark else "",
            **source.location,
        )
