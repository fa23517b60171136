"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def source(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of commands that read a source."""
    for option in _SOURCE:
        function = option(function)
    return function


def limits(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that allow deletions in the target tables."""
    for option in _LIMITS:
        function = option(function)
    return function


def changes(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `migrate` for target tables that an application uses."""
    for option in _CHANGES:
        function = option(function)
    return function


def form(*choices: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the option for the output format."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to print what was found.",
    )


class _Source(click.Path):
    """A path that is not empty: `mock2pg migrate "$UNSET"` means no folder, least of all the current one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


_SOURCE = (
    click.option(
        "--mode",
        type=click.Choice(["replace", "upsert"]),
        help="Make the target hold exactly the source, or delete nothing and leave alone what is not in it.",
    ),
    click.option("--max-refused", metavar="N|N%", help="With quarantine: the most rows to leave out."),
    click.option(
        "--on-error",
        type=click.Choice(["refuse", "quarantine"]),
        help="Rows that break a rule: refuse the input, or leave them out.",
    ),
    click.argument("source", required=False, type=_Source(path_type=Path, allow_dash=True)),
)
PROJECT = click.option(
    "--project",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    expose_value=False,
    callback=lambda context, _, folder: context.meta.update({"project": folder} if folder else {}),
    help="The project. Else the current directory, or the nearest one above it that is a project.",
)
CONFIRM = click.option("--confirm", metavar="DATABASE", help="The database to change, when it is on another machine.")
_LIMITS = (
    click.option(
        "--alter",
        is_flag=True,
        default=None,
        help="Alter tables that a migration created, where their contract changed.",
    ),
    click.option("--max-deleted", metavar="N|N%", help="The most rows of one table to delete."),
    click.option("--allow-empty", metavar="ENTITY", multiple=True, help="Its tables may be emptied. May be repeated."),
    click.option(
        "--allow-cascade",
        metavar="TABLE",
        multiple=True,
        help="A table that is not migrated, whose rows its ON DELETE may change. May be repeated.",
    ),
)
_CHANGES = (
    CONFIRM,
    click.option(
        "--plan", "reviewed", type=click.Path(path_type=Path), help="A plan.json: publish just that, or nothing."
    ),
)
