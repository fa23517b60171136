"""The machine and the versions that figures depend on; no name and no path of the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

from benchmarks.figures import MIB
from mock2pg import postgres

_OURS = ("dbt-core", "duckdb", "great-expectations", "papermill", "psycopg")
_PEERS = ("dlt", "adbc-driver-postgresql", "pyarrow", "psycopg", "sling-linux-amd64")


def describe(url: str, peers: Path | None) -> dict[str, str]:
    """Return the facts that RESULTS.md begins with, by heading."""
    with postgres.connect(url, name="benchmark") as connection:
        server = postgres.describe_database(connection)["server_version"]
    found = {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / MIB / 1024:,.0f} GiB",
        "System": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "PostgreSQL": f"{server}",
        "mock2pg": f"{version('mock2pg')}, revision {revision()}; "
        + ", ".join(f"{name} {version(name)}" for name in _OURS),
    }
    if peers is not None:
        found["Peers"] = ", ".join(f"{name} {number}" for name, number in _versions(peers).items())
    return found


def revision(tree: Path | None = None) -> str:
    """The revision of a tree as git names it, with a + where files are changed."""
    here = tree or Path(__file__).parent
    try:
        named = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return named.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _versions(peers: Path) -> dict[str, str]:
    """The versions of the peers' packages, of another environment than this process's."""
    folders = [str(folder) for folder in peers.glob("lib/python*/site-packages")]
    known = {found.name.lower(): found.version for found in distributions(path=folders)}
    return {name: known[name] for name in _PEERS if name in known}
