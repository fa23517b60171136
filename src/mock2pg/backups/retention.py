"""Retention: which backups to remove, decided by their content and validity, never by the time of a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from mock2pg.backups.listing import Listed, Verified
from mock2pg.log import timestamp
from mock2pg.text import counted


@dataclass(frozen=True)
class RetentionPolicy:
    """The backups to keep. `last` and `since` each keep what they name; None keeps nothing.

    last     keep the N newest that can be restored
    since    keep those taken at this timestamp or later, by their own account
    damaged  remove what cannot be restored
    """

    last: int | None = None
    since: str | None = None
    damaged: bool = False

    @classmethod
    def of(cls, last: int | None, days: float | None = None, *, damaged: bool = False) -> Self:
        """Return the policy that keeps the `last` newest backups and those of the last `days`."""
        since = None if days is None else timestamp(datetime.now(UTC) - timedelta(days=days))
        return cls(last, since, damaged)


@dataclass(frozen=True)
class RetentionDecision:
    """The decision about one backup, and its reason.

    unverified  it is kept because no available key decrypts it
    """

    listed: Listed
    remove: bool
    reason: str
    unverified: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the entry for `--json`."""
        known = {"id": self.listed.id, "timestamp": self.listed.timestamp or None, "bytes": self.listed.bytes}
        return {**known, "remove": self.remove, "reason": self.reason}


def decide(
    entries: Sequence[Verified],
    policy: RetentionPolicy,
    *,
    server: str,
    database: str,
    schema: str,
    needed: Collection[str],
) -> list[RetentionDecision]:
    """Return a decision for each backup, in the given order, which is that of `list_backups`: newest first.

    server  the system identifier of the target server
    needed  the ids that the target schema can be rolled back to
    """
    found, valid = [], 0
    for entry in entries:
        listed = entry.listed
        where = (listed.header.get("database"), listed.header.get("schema"))
        elsewhere = listed.header.get("system_identifier") != server
        if listed.id in needed:
            found.append(RetentionDecision(listed, False, "the target schema can be rolled back to it"))
        elif listed.kind:
            found.append(RetentionDecision(listed, False, f"it is {listed.kind}, which mock2pg did not make"))
        elif entry.no_key:
            found.append(RetentionDecision(listed, False, "encrypted: it cannot be verified without its key", True))
        elif entry.refused:
            found.append(RetentionDecision(listed, policy.damaged, entry.refused))
        elif where != (database, schema):
            found.append(RetentionDecision(listed, False, "of {}.{}, not of {}.{}".format(*where, database, schema)))
        elif elsewhere:
            found.append(RetentionDecision(listed, False, f"of {database}.{schema} on another server"))
        else:
            found.append(_of_valid(listed, valid, policy))
        valid += not entry.refused and where == (database, schema) and not elsewhere
    return found


def _of_valid(listed: Listed, newer: int, policy: RetentionPolicy) -> RetentionDecision:
    """Decide about a backup that can be restored, given the number of newer ones that can."""
    if newer == 0:
        return RetentionDecision(listed, False, "the newest that can be restored")
    if newer < (policy.last or 0):
        return RetentionDecision(listed, False, f"one of the {policy.last} newest that can be restored")
    if policy.since and listed.timestamp >= policy.since:
        return RetentionDecision(listed, False, f"taken since {policy.since}")
    return RetentionDecision(listed, True, f"{counted(newer, 'newer backup')} can be restored")
