"""The input and the result of a layout, in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

SPACE = 22  # between two boxes of a layer
NARROW = 10  # between a box and a line that passes it, and between two such lines
MARGIN = 22  # from a box to the first line that turns: room for the end of a line
STEP = 8  # between two parallel lines
WIDTH = 900  # of connected boxes: they become wider only where they would be much higher than wide
PAGE = 1120  # of all: unconnected boxes are beside them while there is room

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    name: str
    width: int
    height: int


@dataclass(frozen=True)
class Link:
    """A reference. Each end is so many pixels below the top of its box."""

    child: str
    child_y: int
    parent: str
    parent_y: int


@dataclass(frozen=True)
class Drawing:
    """boxes  the left upper corner of each, by name
    paths  the corners of each link's line, in the order of the links: from the side of the child to the parent's
    """

    width: int
    height: int
    boxes: dict[str, Point]
    paths: tuple[tuple[Point, ...], ...]


class Net(NamedTuple):
    """All lines to one key from one side. `forward`: the parent is in a layer further left than its children."""

    parent: str
    parent_y: int
    forward: bool


class Pass(NamedTuple):
    """The place of a net in a layer that it passes."""

    net: Net
    layer: int


Item = str | Pass  # what has a place in a layer: a box by its name, or a net that passes


class End(NamedTuple):
    """The point where a line meets an item, `y` pixels below its top."""

    item: Item
    y: int
