"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from mock2pg.settings import Settings, variable

if TYPE_CHECKING:
    from click.types import OptionHelpExtra


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


class Option(click.Option):
    """An option whose default is described in words."""

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Leave out the parentheses of click around the words."""
        extra = super().get_help_extra(ctx)
        return extra | {"default": self.show_default} if isinstance(self.show_default, str) else extra


class _Source(click.Path):
    """A path that is not empty: `mock2pg migrate "$UNSET"` means no folder, least of all the current one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


def _of_setting(name: str, *flags: str, text: str = "", **given: Any) -> Callable[[Any], Any]:
    """Return an option that takes the place of a setting: its choices, default and, unless given, help are those of the
    setting."""
    field = Settings.model_fields[name]
    if get_origin(field.annotation) is Literal:
        given["type"] = click.Choice(get_args(field.annotation))
    otherwise = f", or {field.default}" if field.default else ""
    return click.option(
        *flags,
        cls=Option,
        help=text or field.description,
        show_default=f"{variable(name)}{otherwise}",
        default=None,
        **given,
    )


_SOURCE = (
    _of_setting("max_refused", "--max-refused", metavar="N|N%"),
    _of_setting("on_error", "--on-error"),
    _of_setting("mode", "--mode"),
    click.argument("source", required=False, type=_Source(path_type=Path, allow_dash=True)),
)
PROJECT = click.option(
    "--project",
    cls=Option,
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    expose_value=False,
    callback=lambda context, _, folder: context.meta.update({"project": folder} if folder else {}),
    help="The project's folder.",
    show_default="MIGRATION_PROJECT, or the nearest project from the current directory upwards",
)
NO_BROWSER = click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
PORT = click.option(
    "--port", cls=Option, type=click.IntRange(0, 65535), default=0, metavar="N", show_default="a free one",
    help="The port on 127.0.0.1.",
)  # fmt: skip
CONFIRM = _of_setting("confirm", "--confirm", metavar="DATABASE")
_LIMITS = (
    _of_setting("alter", "--alter", is_flag=True),
    _of_setting(
        "allow_cascade",
        "--allow-cascade",
        metavar="TABLE",
        multiple=True,
        text="A table that is not migrated, whose rows its ON DELETE may change. May be repeated.",
    ),
    _of_setting(
        "allow_empty",
        "--allow-empty",
        metavar="ENTITY",
        multiple=True,
        text="An entity whose tables may be emptied. May be repeated.",
    ),
    _of_setting("max_deleted", "--max-deleted", metavar="N|N%"),
)
_CHANGES = (
    click.option(
        "--plan",
        "reviewed",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="A plan.json that was reviewed: publish exactly that, or nothing.",
    ),
    CONFIRM,
)


def retention(what: str, setting: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that say which of the backups or runs to keep.

    setting  the variable whose number counts when no option is given
    """
    keep_last = click.option(
        "--keep-last",
        cls=Option,
        type=click.IntRange(1),
        metavar="N",
        show_default=f"{setting} unless --keep-days is given",
        help=f"Keep the N newest {what}.",
    )
    keep_days = click.option(
        "--keep-days", type=click.FloatRange(0), metavar="D", help=f"Keep the {what} of the last D days, too."
    )
    yes = click.option("--yes", is_flag=True, help=f"Remove the {what}; otherwise they are only listed.")
    return lambda function: keep_last(keep_days(yes(function)))
