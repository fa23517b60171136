"""Jinja: the pages that a run leaves behind."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock2pg.text import counted, duration, lines

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **names: Any) -> str:
    """A template of ours with these names; every text is escaped, and a name that is missing is an error."""
    return _environment().get_template(template).render(**names)


@cache
def _environment() -> Environment:
    """What reads and keeps the templates: to compile one costs more than to fill it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
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
    return environment


def _shown(value: Any) -> Any:
    """A text with what could turn the direction of writing escaped; markup is ours, and stays."""
    return lines(value) if type(value) is str else value


def moment(timestamp: str | None) -> str:
    """`2026-11-22T10:30:00.000Z` as a person reads it: `2026-11-22 10:30:00 UTC`."""
    return f"{timestamp[:10]} {timestamp[11:19]} UTC" if timestamp else "-"
