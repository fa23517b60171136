"""The layout of an entity-relationship diagram: boxes in layers by reference depth, lines at right angles.

Pure geometry, in the manner of Sugiyama: layers, an order in each with few crossings, positions that straighten the
lines, and tracks for the lines between two layers. Lines that lead to the same key share a trunk. The same input gives
the same drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.pages.diagram.geometry import MARGIN, PAGE, SPACE, Box, Drawing, Link, Point
from mock2pg.pages.diagram.layers import Layers
from mock2pg.pages.diagram.lines import draw

Part = tuple[list[Box], list[Link]]


def lay_out(boxes: Sequence[Box], links: Sequence[Link]) -> Drawing:
    """Place the boxes so that none overlap, and draw each link from its child to its parent.

    Boxes that no link connects are placed apart. Raises KeyError for a link to a box that is not there.
    """
    parts = _connected(boxes, links)
    drawings = [draw(Layers(*part), part[1]) for part in parts]
    corners, width, height = _shelves([(drawing.width, drawing.height) for drawing in drawings])
    places: dict[str, Point] = {}
    paths: dict[Link, tuple[Point, ...]] = {}
    for (_, own), drawing, (x, y) in zip(parts, drawings, corners, strict=True):
        places |= {name: (left + x, top + y) for name, (left, top) in drawing.boxes.items()}
        for link, path in zip(own, drawing.paths, strict=True):
            paths[link] = tuple((left + x, top + y) for left, top in path)
    return Drawing(width, height, places, tuple(paths[link] for link in links))


def _connected(boxes: Sequence[Box], links: Sequence[Link]) -> list[Part]:
    """The boxes that links connect, with these links; most boxes first."""
    part = {box.name: box.name for box in boxes}
    for link in links:
        old, new = part[link.child], part[link.parent]
        part = {name: new if of == old else of for name, of in part.items()}
    groups: dict[str, Part] = {}
    for box in boxes:
        groups.setdefault(part[box.name], ([], []))[0].append(box)
    for link in links:
        groups[part[link.child]][1].append(link)
    return sorted(groups.values(), key=lambda group: -len(group[0]))


def _shelves(sizes: Sequence[tuple[int, int]]) -> tuple[list[Point], int, int]:
    """Places for the parts in rows, one below another where a row has room for both; and the size of all."""
    widest = max([PAGE, *(width for width, _ in sizes)])
    places: list[Point] = []
    columns: list[tuple[int, int, int]] = []  # of the row: left, right, bottom
    top = bottom = right = 0
    for width, height in sizes:
        for number, (left, end, low) in enumerate(columns):
            if left + width <= end and low + 2 * SPACE + height <= bottom:
                places.append((left, low + 2 * SPACE))
                columns[number] = left, end, low + 2 * SPACE + height
                break
        else:
            left = columns[-1][1] + 2 * MARGIN if columns else 0
            if columns and left + width > widest:
                left, top, columns = 0, bottom + 2 * SPACE, []
            places.append((left, top))
            columns.append((left, left + width, top + height))
            right, bottom = max(right, left + width), max(bottom, top + height)
    return places, right, bottom
