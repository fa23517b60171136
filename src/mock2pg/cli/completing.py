"""The values that a shell completes: ids of backups and of runs, newest first, from the names of their files."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import click

from mock2pg import settings
from mock2pg.errors import Mock2pgError

_MOST = 50  # ids: more are a list that nobody reads


def backup_ids(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of backups that begin so."""
    return _beginning(_names(context, "backups_dir", r"(backup-[0-9A-Za-z-]+)\.json.*"), incomplete)


def backup_ids_or_latest(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return `latest`, and the ids of backups that begin so."""
    return _beginning(["latest"], incomplete) + backup_ids(context, parameter, incomplete)


def run_ids(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the ids of runs that begin so."""
    return _beginning(_names(context, "runs_dir", r"([0-9]{4}-[0-9A-Za-z-]+)"), incomplete)


def commands(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the commands below those that are given to `mock2pg help`."""
    found: click.Command | None = context.find_root().command
    for name in context.params.get("command") or ():
        found = found.get_command(context, name) if isinstance(found, click.Group) else None
    return _beginning(found.list_commands(context) if isinstance(found, click.Group) else [], incomplete)


def _names(context: click.Context, folder: str, pattern: str) -> list[str]:
    """Return the ids in the names of a folder of the project, newest first; nothing where there is no project."""
    with suppress(Mock2pgError, OSError):
        given = {name: value for name, value in context.meta.items() if name == "project"}
        place: Path = getattr(settings.load(**given), folder)
        found = (re.fullmatch(pattern, file.name) for file in place.iterdir())
        return sorted({name[1] for name in found if name}, reverse=True)
    return []


def _beginning(values: list[str], incomplete: str) -> list[str]:
    return [value for value in values if value.startswith(incomplete)][:_MOST]
