"""A command that serves the page of a run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from mock2pg.settings import Settings


def begin(settings: Settings, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """Start a command that serves a page, and wait for the page's address."""
    given = {**os.environ, **settings.environment()}
    process = subprocess.Popen(
        [sys.executable, "-m", "mock2pg", *arguments],
        env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr
    line = process.stderr.readline()
    found = re.fullmatch(r"Watch at (http://127\.0\.0\.1:\d+/[\w-]{32}/)\n", line)
    assert found, line + process.stderr.read()
    return process, found[1]
