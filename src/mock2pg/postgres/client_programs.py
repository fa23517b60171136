"""pg_dump: the bundled one, or one of this machine where that cannot speak to the server."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mock2pg.environment import inherited
from mock2pg.errors import BackupFailed

# Where packages put the programs of each version.
_PLACES = (
    "/usr/lib/postgresql/*/bin/pg_dump",
    "/usr/pgsql-*/bin/pg_dump",
    "/opt/homebrew/opt/*/bin/pg_dump",
    "/usr/local/opt/*/bin/pg_dump",
)


@lru_cache(maxsize=8)
def pg_dump(bundled: Path, server_version: int, tls: bool) -> Path:
    """A pg_dump of the server's major version or later that speaks TLS if need be. Raises BackupFailed."""
    major, reasons = server_version // 10000, []
    for program in _candidates(bundled):
        version = _version(program)
        if version < major:
            reasons.append(f"{_called(program, bundled)} is of version {version or 'unknown'}")
        elif not pg_restore(program).exists():
            reasons.append(f"{_called(program, bundled)} has no pg_restore beside it")
        elif tls and not _speaks_tls(program):
            reasons.append(f"{_called(program, bundled)} speaks no TLS")
        else:
            return program
    need = f"the server is PostgreSQL {major}{' and is reached with TLS' if tls else ''}"
    raise BackupFailed(
        f"no pg_dump can read it: {need}; {', '.join(reasons)}",
        hint=f"Install PostgreSQL's client programs of version {major} or later (postgresql-client) on this machine.",
    )


def pg_restore(pg_dump: Path) -> Path:
    """The program of the same version, which reads what pg_dump wrote."""
    return pg_dump.with_name("pg_restore")


def _candidates(bundled: Path) -> Iterator[Path]:
    yield bundled
    own = shutil.which("pg_dump")
    found = [Path(own)] if own else []
    for place in _PLACES:
        found += sorted(Path("/").glob(place[1:]), reverse=True)
    yield from dict.fromkeys(found)


def _version(program: Path) -> int:
    found = re.search(r"\(PostgreSQL\) (\d+)", _said(program, "--version"))
    return int(found[1]) if found else 0


def _speaks_tls(program: Path) -> bool:
    """Asked of itself: libpq refuses the option before it looks for a server."""
    return "not compiled in" not in _said(program, "--dbname=host=/nonexistent dbname=none sslmode=require")


def _said(program: Path, option: str) -> str:
    done = subprocess.run(  # noqa: S603  a program of PostgreSQL's, its arguments are ours
        [str(program), option], env=inherited(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return done.stdout + done.stderr


def _called(program: Path, bundled: Path) -> str:
    return "the bundled one" if program == bundled else str(program)
