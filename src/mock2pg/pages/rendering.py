"""Jinja: the pages that a run leaves behind, and the parts of them that notebooks show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock2pg.text import counted, duration, lines, printable

if TYPE_CHECKING:
    from jinja2 import Environment

_ROOMS = ("pages", "report", "checks", "watch")  # a template is found by its name alone
_HEADING = re.compile(r"<h2(?: id=\"([^\"]*)\")?([^>]*)>(.*?)</h2>", re.DOTALL)


class Shown(str):
    """HTML that a notebook shows; where HTML is not shown, its text."""

    def __html__(self) -> str:
        return str(self)

    _repr_html_ = __html__

    def __repr__(self) -> str:
        text = re.sub(r"</?(?:code|kbd)>", "`", self)
        lines = re.sub(r"</(?:caption|tr|p|div)>", "\n", re.sub(r"\s+", " ", text)).splitlines()
        texts = (" ".join(re.sub(r"<[^>]*>|&nbsp;", " ", line).split()) for line in lines)
        return unescape("\n".join(filter(None, texts)))


def shown(template: str, **names: Any) -> Shown:
    """Return a template of ours with these names, for a notebook or for a part of a page."""
    return Shown(render(template, **names))


def render(template: str, **names: Any) -> str:
    """A template of ours with these names; every text is escaped, and a name that is missing is an error.

    links  the RunLinks of a page of a run
    """
    return _environment().get_template(template).render(**{"links": None, **names})


def compile_templates(*names: str) -> None:
    """Compile templates, so that it need not be done when one is rendered; without names, all of them."""
    for name in names or _environment().list_templates():
        _environment().get_template(name)


@cache
def _environment() -> Environment:
    """Return the environment that keeps the templates: compiling one costs more than filling it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parents[1] / room / "templates" for room in _ROOMS]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["seconds"] = duration
    environment.filters["counted"] = counted
    environment.filters["moment"] = moment
    environment.filters["cell"] = _cell
    environment.filters["text"] = "".join  # a notebook keeps a text as one, or as its lines
    environment.filters["markdown"] = _markdown
    environment.filters["code"] = _code
    environment.filters["sections"] = _sections
    environment.filters["caption"] = _caption
    return environment


def _shown(value: Any) -> Any:
    """Escape what could turn the direction of writing in a text; markup is ours, and is kept."""
    return lines(value) if type(value) is str else value


def _cell(value: Any) -> str:
    """A value of a table, on one line; numbers by name as `name (2)`."""
    if isinstance(value, dict):
        value = [f"{name} ({number:,})" for name, number in value.items()]
    if isinstance(value, list | tuple):
        return printable(", ".join(map(str, value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else printable(str(value))


def _markdown(text: str) -> str:
    from mistune import create_markdown

    return str(create_markdown(plugins=["table"])(text))


def _code(text: str) -> Shown:
    """Return a text as HTML in which `commands` are code."""
    return Shown(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(lines(text))))


def _caption(html: str) -> Shown:
    """Return the words of a table's caption."""
    found = re.search(r"<caption[^>]*>(.*?)</caption>", html, re.DOTALL)
    return Shown(re.sub(r"<[^>]*>", "", found[1]).strip() if found else "Table")


@dataclass(frozen=True)
class _Sections:
    """The content of a page, and the headings of its sections by their anchors."""

    html: Shown
    headings: Mapping[str, Shown]


def _sections(content: str) -> _Sections:
    """Give every heading of a section an anchor."""
    headings: dict[str, Shown] = {}

    def anchored(heading: re.Match[str]) -> str:
        words = re.sub(r"<[^>]*>", "", heading[3])
        name = heading[1] or re.sub(r"\W+", "-", unescape(words).lower()).strip("-") or "section"
        anchor = name if name not in headings else f"{name}-{len(headings)}"
        headings[anchor] = Shown(words)
        return f'<h2 id="{anchor}"{heading[2]}>{heading[3]}</h2>'

    return _Sections(Shown(_HEADING.sub(anchored, content)), headings)


def moment(timestamp: str | None) -> str:
    """`2026-11-22T10:30:00.000Z` as a person reads it: `2026-11-22 10:30:00 UTC`."""
    return f"{timestamp[:10]} {timestamp[11:19]} UTC" if timestamp else "-"
