"""A picture of the migrations into nothing: a panel for each size, a bar for each subject, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.figures import Figure, seconds

_WIDTH, _NAMES, _NUMBERS, _ROW = 760, 190, 150, 22
_OURS, _OTHERS = "#2f74c0", "#9aa4af"

Panel = tuple[str, Sequence[tuple[str, Figure]]]


def draw(title: str, panels: Sequence[Panel], ours: str) -> str:
    """Bars from zero, each panel on a scale of its own; a thin line from the smallest to the largest measurement."""
    parts, top = [], 44
    for heading, rows in panels:
        parts.append(_text(12, top, heading, "font-weight='bold'"))
        top += 10
        most = max((figure.most for _, figure in rows), default=0) or 1
        scale = (_WIDTH - _NAMES - _NUMBERS) / most
        for name, figure in rows:
            parts += _bar(name, figure, top, scale, _OURS if name == ours else _OTHERS)
            top += _ROW
        top += 26
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {top}' width='{_WIDTH}' height='{top}' "
        f"font-family='sans-serif' font-size='13' role='img' aria-label='{escape(title, quote=True)}'>"
    )
    frame = f"<rect width='{_WIDTH}' height='{top}' fill='white'/>"
    return "\n".join([head, frame, _text(12, 20, title, "font-size='15'"), *parts, "</svg>"]) + "\n"


def _bar(name: str, figure: Figure, top: int, scale: float, colour: str) -> list[str]:
    middle = top + _ROW / 2
    left, right = _NAMES + figure.least * scale, _NAMES + figure.most * scale
    return [
        _text(_NAMES - 8, middle + 4, name, "text-anchor='end'"),
        f"<rect x='{_NAMES}' y='{top + 3}' width='{max(figure.median * scale, 1):.1f}' height='{_ROW - 6}' "
        f"fill='{colour}'/>",
        f"<line x1='{left:.1f}' x2='{right:.1f}' y1='{middle}' y2='{middle}' stroke='#222'/>",
        _text(right + 6, middle + 4, f"{seconds(figure.median)} s", ""),
    ]


def _text(x: float, y: float, text: str, more: str) -> str:
    return f"<text x='{x:.1f}' y='{y:.1f}' fill='#222' {more}>{escape(text)}</text>"
