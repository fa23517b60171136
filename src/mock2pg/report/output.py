"""What goes to a person's terminal or to a program: the only place that prints."""

from __future__ import annotations

import sys
from typing import Any

import click

from mock2pg import text


def say(message: str, *, fg: str | None = None, err: bool = False) -> None:
    """Print lines, with what could steer a terminal escaped."""
    click.secho(text.lines(message), fg=fg, err=err)


def say_json(value: Any) -> None:
    """Print JSON that is JSON in the encoding of standard output, too."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    click.echo(text.as_json(value, ascii_only=encoding != "utf8"))
