"""Output to a person's terminal or to a program: the only place that prints."""

from __future__ import annotations

import sys
from typing import Any

import click

from mock2pg import text


def quiet() -> bool:
    """Return True when --quiet asks for the verdict alone."""
    return _asked("quiet")


def verbose() -> bool:
    """Return True when --verbose asks for what is left out otherwise."""
    return _asked("verbose")


def _asked(option: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(option))


def say(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print one line: what could steer a terminal is escaped, and so are line breaks, which names may hold."""
    click.secho(text.printable(message), fg=fg, err=err)


def say_lines(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print a text of several lines, with the same escaped but for the line breaks."""
    click.secho(text.lines(message), fg=fg, err=err)


def say_error(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print an error's message or hint: all lines but the first are indented, so that none can be taken for ours."""
    say_lines(text.indented(message), fg=fg, err=err)


def say_json(value: Any) -> None:
    """Print JSON that is JSON in the encoding of standard output, too."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    click.echo(text.as_json(value, ascii_only=encoding != "utf8"))
