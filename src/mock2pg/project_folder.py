"""The folder of the project, where none is named."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from mock2pg.errors import UsageError

REPOSITORY = Path(__file__).resolve().parents[2]  # where this is a checkout; an installed package has none

_MARK = Path("dbt_project", "dbt_project.yml")
# What of a project runs, or says what runs and where: notebooks and models, rules, settings.
_PARTS = (".", ".env", "pyproject.toml", "dbt_project", _MARK, "expectations", "notebooks")


def discovered() -> Path:
    """Return the current directory or its nearest parent that is a project, or else the checkout that this runs from.

    Raises UsageError where there is none, and for one that is not this user's: what is in it runs with our rights, and
    anyone may put a project above a directory of others, as in /tmp. A project that is named is trusted.
    """
    here = None
    with suppress(OSError):  # a directory that is gone
        here = Path.cwd()
    for folder in (here, *here.parents) if here else ():
        if os.path.lexists(folder / _MARK):
            if folder != REPOSITORY:  # whose owner's code runs already
                _refuse_foreign(folder)
            return folder
    if Path(__file__).parent == REPOSITORY / "src" / "mock2pg" and (REPOSITORY / _MARK).exists():
        return REPOSITORY
    raise UsageError(
        "there is no mock2pg project in the current directory, nor in one above it",
        hint="Run `mock2pg init SOURCE --into FOLDER` to make one of your JSON, or name one with `--project FOLDER`.",
    )


def _refuse_foreign(folder: Path) -> None:
    for place in (folder / part for part in _PARTS):
        there = [place.lstat()] if os.path.lexists(place) else []
        there += [place.stat()] if place.exists() else []
        if not all(map(_trusted, there)):
            raise UsageError(
                f"the project in {folder} is not used unless it is named: {place} is another user's, or others may"
                " write it",
                hint=f"If you trust it, name it: `--project {folder}`. The code of a project runs with your rights.",
            )


def _trusted(found: os.stat_result) -> bool:
    """Return True for what is this user's; or root's, if nobody else may write it."""
    alone = stat.S_ISLNK(found.st_mode) or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid == os.geteuid() or (found.st_uid == 0 and alone)
