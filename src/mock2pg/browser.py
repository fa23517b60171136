"""A person's own browser."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mock2pg.environment import inherited


def opened(page: Path) -> bool:
    """Open a file in the browser; return whether there is one to ask: without a display there is none."""
    variables = inherited("browser")
    if sys.platform != "darwin" and not (variables.get("DISPLAY") or variables.get("WAYLAND_DISPLAY")):
        return False  # one for the terminal would take it
    try:
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", "webbrowser", page.resolve().as_uri()],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True
