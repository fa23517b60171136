"""The most memory that the processes of a run held."""

from __future__ import annotations

import resource
import sys

_peaks: dict[str, int] = {}


def own_peak() -> int:
    """The most that this process held at any time, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def note(purpose: str, peak: int) -> None:
    """Take what a worker of that purpose held at most."""
    _peaks[purpose] = max(peak, _peaks.get(purpose, 0))


def all_peaks() -> int:
    """The peaks of this process and of its workers together: no more was held at any time."""
    return own_peak() + sum(_peaks.values())
