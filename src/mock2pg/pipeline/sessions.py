"""The sessions of a run on its target."""

from __future__ import annotations

from mock2pg import postgres
from mock2pg.runs import Run


def session(run: Run, purpose: str, *, read_only: bool = False) -> postgres.Connection:
    """Open a session that waits for locks as the settings say, and that others see by its purpose and the run."""
    settings = run.settings
    return postgres.connect(
        settings.url, name=f"{purpose} {run.id}", read_only=read_only, lock_timeout=settings.lock_timeout
    )
