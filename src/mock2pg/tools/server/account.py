"""Who the embedded server runs as: PostgreSQL refuses root, so for root it is another account."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from mock2pg.errors import DatabaseError
from mock2pg.tools.server.programs import binary, failure, run_program


def owner(home: Path, data: Path) -> tuple[int, int]:
    """Uid and gid of who runs the server: we, or for root, whom PostgreSQL refuses, another."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    if data.exists():
        found = data.stat()
        return found.st_uid, found.st_gid
    for folder in (home, home.parent):  # an ordinary user's project stays theirs
        with suppress(FileNotFoundError, KeyError):  # a uid without a name is of no use to initdb
            uid = folder.stat().st_uid
            if uid != 0:
                return uid, pwd.getpwuid(uid).pw_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def runner(home: Path, uid: int, gid: int) -> Callable[..., str]:
    """`run_program` as the owner, who for root gets no more rights than to reach the home and the programs."""
    if os.geteuid() != 0:
        return run_program
    # without no_setuid_fixup access(2) ignores the capability
    drop = f"setpriv --reuid={uid} --regid={gid} --clear-groups --securebits=+no_setuid_fixup".split()
    ways = [partial(run_program, user=uid, group=gid, extra_groups=[])]
    for right in ("dac_read_search", "dac_override"):  # a container's root often has only the second
        ways.append(partial(run_program, *drop, f"--inh-caps=+{right}", f"--ambient-caps=+{right}"))
    postgres = binary("postgres")
    for run in ways:
        with suppress(OSError, DatabaseError):
            run("sh", "-c", 'cd "$0" && "$1" --version', home, postgres)
            return run
    raise failure(
        f"root cannot run PostgreSQL as user {uid}, who must reach {home} and {postgres}",
        "Run as an ordinary user, or move the project out of private folders.",
    )
