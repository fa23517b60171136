"""Retention: which backups and which runs to remove, decided by what they say, never by the time of a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from mock2pg.backups.listing import Verified
from mock2pg.log import timestamp
from mock2pg.text import counted


@dataclass(frozen=True)
class RetentionPolicy:
    """The backups or runs to keep. `last` and `since` each keep what they name; None keeps nothing.

    last     keep the N newest
    since    keep those of this timestamp or later, by their own account
    damaged  remove backups that cannot be restored
    """

    last: int | None = None
    since: str | None = None
    damaged: bool = False

    @classmethod
    def of(cls, last: int | None, days: float | None = None, *, damaged: bool = False) -> Self:
        """Return the policy that keeps the `last` newest and those of the last `days`."""
        since = None if days is None else timestamp(datetime.now(UTC) - timedelta(days=days))
        return cls(last, since, damaged)

    @property
    def keeps_nothing(self) -> bool:
        return (self.last, self.since) == (None, None)

    def decide(self, newer: int, at: str, noun: str, which: str) -> tuple[bool, str]:
        """Return whether to remove one that may be removed, and why.

        newer  how many newer ones count
        at     its timestamp
        which  what makes one count: `can be restored`
        """
        if newer == 0:
            return False, f"the newest that {which}"
        if newer < (self.last or 0):
            return False, f"one of the {self.last} newest that {which}"
        if self.since and at >= self.since:
            return False, f"from {self.since} or later"
        return True, f"{counted(newer, f'newer {noun}')} {which}"


@dataclass(frozen=True)
class RetentionDecision:
    """The decision about one backup or run, and its reason.

    path        its file or folder
    timestamp   empty when it is not known
    unverified  it is kept because no available key decrypts it
    """

    id: str
    path: Path
    timestamp: str
    bytes: int
    remove: bool
    reason: str
    unverified: bool = False

    def as_dict(self) -> dict[str, object]:
        """Return the entry for `--json`."""
        known = {"id": self.id, "timestamp": self.timestamp or None, "bytes": self.bytes}
        return {**known, "remove": self.remove, "reason": self.reason}


def decide(
    entries: Sequence[Verified],
    policy: RetentionPolicy,
    *,
    server: str,
    database: str,
    schema: str,
    needed: Collection[str],
    named: Mapping[str, str],
) -> list[RetentionDecision]:
    """Return a decision for each backup, in the given order, which is that of `list_backups`: newest first.

    server  the system identifier of the target server
    needed  the ids that the target schema can be rolled back to
    named   id -> timestamp of the newest migration before which the target schema was in that state
    """
    found, valid = [], 0
    for entry in entries:
        listed = entry.listed
        where = (listed.header.get("database"), listed.header.get("schema"))
        elsewhere = listed.header.get("system_identifier") != server
        remove, reason = False, ""
        if listed.id in needed:
            reason = "the target schema can be rolled back to it"
        elif listed.kind:
            reason = f"it is {listed.kind}, which mock2pg did not make"
        elif entry.no_key:
            reason = "encrypted: it cannot be verified without its key"
        elif entry.refused:
            remove, reason = policy.damaged, entry.refused
        elif where != (database, schema):
            reason = "of {}.{}, not of {}.{}".format(*where, database, schema)
        elif elsewhere:
            reason = f"of {database}.{schema} on another server"
        else:
            remove, reason = policy.decide(valid, listed.timestamp, "backup", "can be restored")
            if remove and policy.since and named.get(listed.id, "") >= policy.since:
                remove, reason = False, f"the state before a migration of {policy.since} or later"
        unverified = entry.no_key and listed.id not in needed and not listed.kind
        found.append(
            RetentionDecision(listed.id, listed.file, listed.timestamp, listed.bytes, remove, reason, unverified)
        )
        valid += not entry.refused and where == (database, schema) and not elsewhere
    return found
