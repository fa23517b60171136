"""The lines between the layers: each net has a track of its own between two layers, where it turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mock2pg.pages.diagram.geometry import MARGIN, STEP, Drawing, End, Link, Net, Pass, Point
from mock2pg.pages.diagram.layers import Layers

_NEAR = 4  # pixels between two lines that a reader takes for one
_ONE = 50  # the crossings that such lines count for
_TRIES = 30


def draw(layers: Layers, links: Sequence[Link]) -> Drawing:
    """Give the boxes of the layers their places, and each link its line."""
    gaps = [_apart(layers, number) for number in range(len(layers.columns))]
    lefts, turns, right = [], [], 0
    for column, (tracks, many) in zip(layers.columns, gaps, strict=True):
        lefts.append(right)
        right += max((layers.boxes[item].width for item in column if isinstance(item, str)), default=0)
        turns.append({net: right + MARGIN + STEP * track for net, track in tracks.items()})
        if many or len(lefts) < len(gaps):
            right += 2 * MARGIN + STEP * max(many - 1, 0)
    boxes = {name: (lefts[layer], layers.tops[name]) for name, layer in layers.layer.items()}
    height = max(top + layers.height(item) for item, top in layers.tops.items())
    paths = tuple(_path(layers, turns, boxes, link) for link in links)
    return Drawing(right, height, boxes, paths)


def _apart(layers: Layers, number: int) -> tuple[dict[Net, int], int]:
    """The tracks to the right of a layer. What is in the next layer is lowered where two lines would be one."""
    for _ in range(_TRIES):
        spans = {net: _span(layers, *ends) for net, ends in layers.gaps[number].items()}
        tracks, many = _tracks(spans)
        together = next(_together(spans, tracks), None)
        if together is None:
            break
        net, place = together
        layers.lower(number + 1, layers.gaps[number][net][1][place].item, _NEAR)
    return tracks, many


def _together(spans: dict[Net, _Span], tracks: dict[Net, int]) -> Iterator[tuple[Net, int]]:
    """Each net, and which of its right ends, that is on a line with a left end of another that goes as far."""
    for net, span in spans.items():
        for other, beside in spans.items():
            if net != other and (tracks[net] >= tracks[other] or not span.turns or not beside.turns):
                for place, y in enumerate(span.rights):
                    if any(abs(y - left) < _NEAR for left in beside.lefts):
                        yield net, place


@dataclass(frozen=True)
class _Span:
    """A net between two layers: where its ends are to the left and to the right."""

    lefts: tuple[int, ...]
    rights: tuple[int, ...]

    @property
    def ends(self) -> tuple[int, int]:
        every = self.lefts + self.rights
        return min(every), max(every)

    @property
    def turns(self) -> bool:
        return not self.rights or self.ends[0] < self.ends[1]


def _span(layers: Layers, lefts: Sequence[End], rights: Sequence[End]) -> _Span:
    left, right = ([layers.tops[end.item] + end.y for end in side] for side in (lefts, rights))
    return _Span(tuple(left), tuple(right))


def _tracks(spans: dict[Net, _Span]) -> tuple[dict[Net, int], int]:
    """The track of each net, from the left, so that few lines cross; and the number of tracks.

    Nets that are above one another share a track.
    """
    order: list[Net] = []
    turning = [net for net, span in spans.items() if span.turns]
    for net in turning * 2:  # once to begin with, once more when all the others are there
        rest = [other for other in order if other != net]
        before = [_crossings(spans[other], spans[net]) for other in rest]
        after = [_crossings(spans[net], spans[other]) for other in rest]
        costs = [sum(before[:place]) + sum(after[place:]) for place in range(len(rest) + 1)]
        rest.insert(costs.index(min(costs)), net)
        order = rest
    tracks: dict[Net, int] = {}
    for net in order:
        low, high = spans[net].ends
        beside = (
            track
            for other, track in tracks.items()
            if spans[other].ends[0] <= high + STEP and low <= spans[other].ends[1] + STEP
        )
        tracks[net] = max(beside, default=-1) + 1
    return dict.fromkeys(spans, 0) | tracks, max(tracks.values(), default=-1) + 1


def _crossings(left: _Span, right: _Span) -> int:
    """The crossings of two nets, one of which turns further to the left."""
    (low, high), (from_, to) = left.ends, right.ends
    crossed = sum(from_ < y < to for y in left.rights) + sum(low < y < high for y in right.lefts)
    return crossed + _ONE * sum(abs(y - other) < _NEAR for y in left.rights for other in right.lefts)


def _path(layers: Layers, turns: Sequence[dict[Net, int]], boxes: dict[str, Point], link: Link) -> tuple[Point, ...]:
    """The corners of a link's line, from the side of the child to the side of its parent."""
    child, parent = layers.layer[link.child], layers.layer[link.parent]
    net = Net(link.parent, link.parent_y, parent <= child)
    y, end = boxes[link.child][1] + link.child_y, boxes[link.parent][1] + link.parent_y
    to_left = parent < child
    points = [(boxes[link.child][0] + (0 if to_left else layers.boxes[link.child].width), y)]
    gaps = range(child - 1, parent - 1, -1) if to_left else range(child, max(parent, child + 1))
    for gap in gaps:
        following = gap if to_left else gap + 1
        last = following == parent or child == parent
        next_y = end if last else layers.tops[Pass(net, following)]
        if next_y != y or child == parent:
            points += [(turns[gap][net], y), (turns[gap][net], next_y)]
        y = next_y
    at_right = parent <= child
    points.append((boxes[link.parent][0] + (layers.boxes[link.parent].width if at_right else 0), end))
    return tuple(points)
