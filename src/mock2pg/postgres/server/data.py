"""The data of the embedded server: made by initdb, and opened to the users that may connect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mock2pg.postgres.server import account

# a locale that PostgreSQL brings along: text sorts alike on every machine
_LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# the kernel says who calls; who is not in the map is refused, whatever role they ask for
_HBA = "local all all peer map=mock2pg\nlocal replication all peer map=mock2pg\n"


def initialise(data: Path, runs: account.Account, alive: int, *, sync: bool) -> None:
    """Make the data aside, then rename it: killed half way, nothing half is left in its place."""
    maker = account.for_initdb(runs)
    aside = data.with_suffix(".new")
    if aside.exists():
        shutil.rmtree(aside)
    account.make_private(aside, maker.uid, maker.gid)
    options = ("-U", "postgres", "--auth=reject", *_LOCALE, *(() if sync else ("--no-sync",)), "-D", maker.place(aside))
    # initdb inherits the lock too: if we are killed, the next start waits until it writes no more
    maker.run(aside, "initdb", *options, hold=alive)
    aside.rename(data)


def let_in(data: Path, users: Sequence[str], owner: tuple[int, int]) -> None:
    """Say who may connect, in place of what an older version or initdb said."""
    ident = "".join(f'mock2pg "{user}" all\n' for user in users)
    for name, text in (("pg_hba.conf", _HBA), ("pg_ident.conf", ident)):
        aside = data / f"{name}.new"
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchown(descriptor, *owner)
            file.write(text)
        aside.replace(data / name)
