"""Which backups may go: decided from what they say and whether they are whole, never from the time of a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mock2pg.backups.listing import Listed, Verdict
from mock2pg.errors import counted


@dataclass(frozen=True)
class Rule:
    """What is to stay. A backup stays when either of the two holds it; None holds nothing.

    last     so many of the newest that can be restored
    since    all that say that they were taken at this timestamp or later
    damaged  what cannot be restored may go
    """

    last: int | None = None
    since: str | None = None
    damaged: bool = False


@dataclass(frozen=True)
class Fate:
    """What is to become of one backup, and why.

    unjudged  it stays because no key at hand opens it
    """

    listed: Listed
    goes: bool
    reason: str
    unjudged: bool = False


def fates(
    verdicts: Sequence[Verdict], rule: Rule, *, server: str, database: str, schema: str, needed: Collection[str]
) -> list[Fate]:
    """The fate of each, in the order given, which is that of `listed`: newest first.

    server  the system identifier of the server that is asked
    needed  the ids that live can go back to
    """
    found, whole = [], 0
    for verdict in verdicts:
        entry = verdict.listed
        where = (entry.header.get("database"), entry.header.get("schema"))
        elsewhere = entry.header.get("system_identifier") != server
        if entry.id in needed:
            found.append(Fate(entry, False, "live can go back to it"))
        elif entry.kind:
            found.append(Fate(entry, False, f"it is {entry.kind}, which mock2pg did not make"))
        elif verdict.sealed:
            found.append(Fate(entry, False, "encrypted: without its key nobody can say whether it is whole", True))
        elif verdict.refused:
            found.append(Fate(entry, rule.damaged, verdict.refused))
        elif where != (database, schema):
            found.append(Fate(entry, False, "of {}.{}, not of {}.{}".format(*where, database, schema)))
        elif elsewhere:
            found.append(Fate(entry, False, f"of {database}.{schema} on another server"))
        else:
            found.append(_of_whole(entry, whole, rule))
        whole += not verdict.refused and where == (database, schema) and not elsewhere
    return found


def _of_whole(entry: Listed, newer: int, rule: Rule) -> Fate:
    """The fate of one that can be restored, of which there are so many newer ones."""
    if newer == 0:
        return Fate(entry, False, "the newest that can be restored")
    if newer < (rule.last or 0):
        return Fate(entry, False, f"one of the newest {rule.last} that can be restored")
    if rule.since and entry.timestamp >= rule.since:
        return Fate(entry, False, f"taken since {rule.since}")
    return Fate(entry, True, f"{counted(newer, 'newer backup')} can be restored")
