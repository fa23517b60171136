"""Output to a person's terminal or to a program: the only place that prints."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click

from mock2pg import environment, text

COLUMNS = 80  # of a terminal that does not know its own
UNLIMITED = sys.maxsize  # of a pipe or a file


def quiet() -> bool:
    """Return True when --quiet asks for the verdict alone."""
    return bool(asked("quiet"))


def verbose() -> bool:
    """Return True when --verbose asks for what is left out otherwise."""
    return bool(asked("verbose"))


def asked(name: str) -> Any:
    """Return what the command was given under a name, such as the project; None outside of a command."""
    context = click.get_current_context(silent=True)
    return context.meta.get(name) if context else None


def width(*, err: bool = False) -> int:
    """Return the columns of the terminal, or what COLUMNS says; UNLIMITED where there is none."""
    if columns := environment.columns():
        return columns
    stream = sys.stderr if err else sys.stdout
    with suppress(OSError, ValueError, AttributeError):  # no terminal, a closed stream, one of a test
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS if stream.isatty() else UNLIMITED
    return UNLIMITED


def say(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print one line: what could steer a terminal is escaped, and so are line breaks, which names may hold."""
    click.secho(text.printable(message), fg=fg, err=err, color=environment.colours())


def say_lines(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print a text of several lines, with the same escaped but for the line breaks."""
    click.secho(text.lines(message), fg=fg, err=err, color=environment.colours())


def say_fact(label: str, fact: str) -> None:
    """Print a line with a label. The fact is never broken: it is there to be copied."""
    say(f"  {label:<12}{fact}")


def say_json(value: Any) -> None:
    """Print JSON that is JSON in the encoding of standard output, too."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    click.echo(text.as_json(value, ascii_only=encoding != "utf8"))
