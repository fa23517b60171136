"""Place boxes in layers, in an order and at heights with few crossings and straight lines."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from math import floor, sqrt
from operator import itemgetter
from statistics import fmean, median

from mock2pg.contracts import key_groups
from mock2pg.pages.diagram.geometry import MARGIN, NARROW, SPACE, WIDTH, Box, End, Item, Link, Net, Pass

_SWEEPS = 8


class Layers:
    """The layers of connected boxes, from left to right, parents before children.

    columns  the items of each layer, from top to bottom
    gaps     to the right of each layer, for each net there: its ends to the left and to the right
    tops     the upper edge of each item
    """

    def __init__(self, boxes: Sequence[Box], links: Sequence[Link]) -> None:
        self.boxes = {box.name: box for box in boxes}
        self.layer = _assigned(self.boxes, links)
        self.columns: list[list[Item]] = [[] for _ in range(max(self.layer.values()) + 1)]
        for name, layer in self.layer.items():
            self.columns[layer].append(name)
        self.gaps: list[dict[Net, tuple[list[End], list[End]]]] = [{} for _ in self.columns]
        for net, own in _nets(links, self.layer).items():
            self._add(net, own)
        self._lines = [
            [(left, right) for lefts, rights in gap.values() for left, right in product(lefts, rights)]
            for gap in self.gaps
        ]
        self._near: dict[Item, tuple[list[tuple[int, End]], list[tuple[int, End]]]]
        self._near = {item: ([], []) for column in self.columns for item in column}
        for left, right in (line for gap in self._lines for line in gap):
            self._near[right.item][0].append((right.y, left))
            self._near[left.item][1].append((left.y, right))
        self._order()
        self.tops = self._placed()

    def height(self, item: Item) -> int:
        """The height of a box; a net that passes has none."""
        return self.boxes[item].height if isinstance(item, str) else 0

    def lower(self, layer: int, item: Item, pixels: int) -> None:
        """Move an item down, with those below it."""
        column = self.columns[layer]
        for below in column[column.index(item) :]:
            self.tops[below] += pixels

    def _add(self, net: Net, links: Sequence[Link]) -> None:
        """Give a net its ends in each gap, and a place in each layer that it passes."""
        at = self.layer[net.parent]
        others = {self.layer[link.child] for link in links}
        first, last = (at, max(others)) if net.forward else (min(others), at)
        for layer in range(first, last + 1):
            if first < layer < last:
                self.columns[layer].append(Pass(net, layer))
            own = [End(link.child, link.child_y) for link in links if self.layer[link.child] == layer]
            parent = [End(net.parent, net.parent_y)] if layer == at else []
            passing = [End(Pass(net, layer), 0)] if first < layer < last else []
            if net.forward:
                left, right = [*parent, *passing, *(own if layer == at else [])], [*passing, *own]
            else:
                left, right = [*passing, *own], [*passing, *parent]
            if layer < last or (len(left) > 1 and layer == at):
                self.gaps[layer].setdefault(net, ([], []))[0].extend(left)
            if layer > first:
                self.gaps[layer - 1][net][1].extend(right)

    # the order: by the mean place of the neighbours, from left to right and back; then by exchange of neighbours

    def _order(self) -> None:
        best, least = [list(column) for column in self.columns], self._crossings()
        for sweep in range(_SWEEPS):
            if not least:
                break
            numbers = range(len(self.columns))
            for number in numbers if sweep % 2 == 0 else reversed(numbers):
                self._sort(number, side=sweep % 2)
            for number in numbers:
                self._exchange(number)
            if (found := self._crossings()) < least:
                best, least = [list(column) for column in self.columns], found
        self.columns = best

    def _places(self) -> dict[Item, int]:
        return {item: place for column in self.columns for place, item in enumerate(column)}

    def _of(self, end: End, places: dict[Item, int]) -> float:
        return places[end.item] + end.y / (self.height(end.item) + 1)

    def _crossings(self) -> int:
        places, found = self._places(), 0
        for gap in self._lines:
            passed: list[float] = []
            for _, right in sorted((self._of(left, places), self._of(right, places)) for left, right in gap):
                found += len(passed) - bisect_right(passed, right)
                insort(passed, right)
        return found

    def _sort(self, number: int, side: int) -> None:
        places = self._places()
        wanted = {}
        for item in self.columns[number]:
            near = [self._of(end, places) for _, end in self._near[item][side]]
            wanted[item] = fmean(near) if near else float(places[item])
        self.columns[number].sort(key=wanted.__getitem__)

    def _exchange(self, number: int) -> None:
        column, places = self.columns[number], self._places()
        ends = {
            item: [sorted(self._of(end, places) for _, end in side) for side in self._near[item]] for item in column
        }
        for _ in range(len(column)):
            better = False
            for at, (upper, lower) in enumerate(pairwise(column)):
                now, then = _crossed(ends[upper], ends[lower]), _crossed(ends[lower], ends[upper])
                if then < now:
                    column[at : at + 2] = lower, upper
                    better = True
                    break
            if not better:
                return

    # the height: each item where its lines are straight, as far as the order and the space between them allow

    def _placed(self) -> dict[Item, int]:
        tops: dict[Item, float] = {}
        lengths = [self._offsets(column)[-1] + self.height(column[-1]) for column in self.columns]
        for column, length in zip(self.columns, lengths, strict=True):
            above = (max(lengths) - length) / 2
            tops |= {item: above + offset for item, offset in zip(column, self._offsets(column), strict=True)}
        numbers = range(len(self.columns))
        for sweep in range(2 * _SWEEPS):
            for number in numbers if sweep % 2 == 0 else reversed(numbers):
                column, offsets = self.columns[number], self._offsets(self.columns[number])
                wanted = []
                for item, offset in zip(column, offsets, strict=True):
                    near = [tops[end.item] + end.y - y for side in self._near[item] for y, end in side]
                    weight = (1 if isinstance(item, str) else 4) * (len(near) or 0.1)
                    wanted.append(((median(near) if near else tops[item]) - offset, weight))
                tops |= {item: top + offset for item, top, offset in zip(column, _rising(wanted), offsets, strict=True)}
        return self._closed({item: floor(top) for item, top in tops.items()})

    def _closed(self, tops: dict[Item, int]) -> dict[Item, int]:
        """Return the heights without those where all layers are empty."""
        found: dict[Item, int] = {}
        end, moved = 0, -min(tops.values())
        for item, top in sorted(tops.items(), key=itemgetter(1)):
            moved -= max(0, top + moved - end - SPACE)
            found[item] = top + moved
            end = max(end, found[item] + self.height(item))
        return found

    def _offsets(self, column: Sequence[Item]) -> list[int]:
        """The upper edges of the items of a layer when they are as close as they may be."""
        found = [0]
        for upper, lower in pairwise(column):
            space = SPACE if isinstance(upper, str) and isinstance(lower, str) else NARROW
            found.append(found[-1] + self.height(upper) + space)
        return found


def _assigned(boxes: dict[str, Box], links: Sequence[Link]) -> dict[str, int]:
    """The layer of each box: right of its parents, as far left as there is room, then closer to its children.

    Of a circle, the references against the order of its boxes lead to the right.
    """
    names = list(boxes)
    parents = {name: {link.parent for link in links if link.child == name} for name in names}
    order = [name for group in key_groups(names, parents) for name in group]
    rank = {name: number for number, name in enumerate(order)}
    before: dict[str, set[str]] = {name: set() for name in names}
    after: dict[str, set[str]] = {name: set() for name in names}
    for link in links:
        if link.child != link.parent:
            left, right = sorted((link.child, link.parent), key=rank.__getitem__)
            before[right].add(left)
            after[left].add(right)
    room = _room(list(boxes.values()))
    layer: dict[str, int] = {}
    used: dict[int, int] = {}
    for name in order:
        height = boxes[name].height + SPACE
        at = max((layer[other] + 1 for other in before[name]), default=0)
        while used.get(at, 0) and used.get(at, 0) + height > room:
            at += 1
        layer[name], used[at] = at, used.get(at, 0) + height
    for name in reversed(order):
        height = boxes[name].height + SPACE
        nearest = min((layer[other] for other in after[name]), default=0)
        closer = range(nearest - 1, layer[name], -1) if len(before[name]) <= 1 else ()
        if to := next((at for at in closer if used.get(at, 0) + height <= room), None):
            used[layer[name]] -= height
            layer[name], used[to] = to, used.get(to, 0) + height
    kept = {at: number for number, at in enumerate(sorted(set(layer.values())))}
    return {name: kept[layer[name]] for name in names}


def _room(boxes: Sequence[Box]) -> float:
    """The height of a layer beyond which another one begins."""
    area = sum((box.width + 3 * MARGIN) * (box.height + SPACE) for box in boxes)
    return max(min(1.7 * area / WIDTH, 1.7 * WIDTH), 1.2 * sqrt(area / 1.5), *(box.height + SPACE for box in boxes))


def _nets(links: Sequence[Link], layer: dict[str, int]) -> dict[Net, list[Link]]:
    nets: dict[Net, list[Link]] = {}
    for link in links:
        net = Net(link.parent, link.parent_y, layer[link.parent] <= layer[link.child])
        nets.setdefault(net, []).append(link)
    return nets


def _crossed(upper: Sequence[Sequence[float]], lower: Sequence[Sequence[float]]) -> int:
    """The crossings of the lines of two items, on both sides, when one is above the other."""
    sides = zip(upper, lower, strict=True)
    return sum(one > other for above, below in sides for one, other in product(above, below))


def _rising(wanted: Sequence[tuple[float, float]]) -> Iterator[float]:
    """The values next to those wanted, by weight, of which none is less than the one before."""
    blocks: list[list[float]] = []  # sum of value * weight, weight, number
    for value, weight in wanted:
        blocks.append([value * weight, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, weight_, number = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + weight_, blocks[-1][2] + number]
    for total, weight, number in blocks:
        yield from [total / weight] * int(number)
