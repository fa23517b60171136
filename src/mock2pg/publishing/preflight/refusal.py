"""The error that lists every finding."""

from __future__ import annotations

from collections.abc import Sequence

from mock2pg.errors import PreflightFailed
from mock2pg.step_results import Conflicts, Finding
from mock2pg.text import counted


def refuse(findings: Sequence[Finding], schema: str) -> None:
    """Raise PreflightFailed with all of them; do nothing when there are none."""
    if not findings:
        return
    lines = [
        f"{counted(len(findings), 'conflict')} prevent{'s' if len(findings) == 1 else ''} publishing into {schema}:"
    ]
    error = PreflightFailed("\n".join([*lines, *(f"  {finding}" for finding in findings)]))
    error.found = Conflicts(findings=tuple(findings))
    raise error
