"""Fixtures target in fix_<topic>.py; this file only collects them and keeps the caller's environment out."""

from __future__ import annotations

import os
import signal

import pytest

from mock2pg import leaving

leaving.collect_seldom()  # as the command does
# nohup ignores the one, a shell's background the other, and commands that are tested would do so, too
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# settings, and what output depends on
_FROM_OUTSIDE = ("COLUMNS", "DEBUG", "GITHUB_WORKSPACE", "MAKELEVEL", "NO_COLOR")

pytest_plugins = [
    "tests.fix_browser",
    "tests.fix_make",
    "tests.fix_merge",
    "tests.fix_notebooks",
    "tests.fix_postgres",
    "tests.fix_project",
    "tests.fix_published",
    "tests.fix_receivers",
    "tests.fix_restore",
    "tests.fix_stage",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=1, help="How often tests/test_load.py migrates and rolls back.")
    parser.addoption("--at-once", type=int, default=1, help="How many of tests/test_load.py there are.")
    parser.addoption("--times", type=int, default=4, help="How often tests/test_repeated.py migrates.")
    parser.addoption("--documents", type=int, default=2, help="How many random documents are migrated.")
    parser.addoption("--moments", type=int, default=5, help="At how many moments tests/test_crash_safety.py strikes.")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> None:
    """No test may reach a database, a project or a log that the caller's environment names."""
    for name in list(os.environ):
        if name.startswith(("MIGRATION_", "DATABASE_URL", "PG", "DBT_")) or name in _FROM_OUTSIDE:
            del os.environ[name]
    os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")  # servers of tests are here
    if os.environ.get("TERM") == "dumb":  # which has no colours
        del os.environ["TERM"]
