"""The sample: its models, suites and rows, in a project folder of the test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mock2pg.settings import REPOSITORY
from tests.fix_small import shared_cache

Document = dict[str, Any]


def new_project(parent: Path) -> Path:
    """A folder that links to the sample's models, suites and rows; runs and backups are apart."""
    folder = parent / "a project"
    folder.mkdir()
    for name in ("dbt_project", "expectations", "notebooks", "mock_data"):
        (folder / name).symlink_to(REPOSITORY / name, target_is_directory=True)
    (folder / ".cache").symlink_to(shared_cache(parent.parent, "sample"), target_is_directory=True)
    return folder


def sample() -> Document:
    """The sample as one dict, the caller's to spoil."""
    return {file.stem: json.loads(file.read_bytes()) for file in sorted((REPOSITORY / "mock_data").glob("*.json"))}
