"""A project that init made, as a user types it: make migrate, make verify, make test."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mock2pg.init import init

Make = Callable[..., subprocess.CompletedProcess[str]]
SHOP = {
    "customers": [
        {"id": 1, "name": "Ann", "createdAt": "2026-01-05T10:00:00.000Z"},
        {"id": 2, "name": "Bob", "createdAt": "2026-01-06T11:30:00.000Z"},
    ],
    "orders": [
        {"id": "o1", "customerId": 1, "date": "2026-02-01", "total": 12.5},
        {"id": "o2", "customerId": 2, "date": "2026-02-02", "total": 3},
    ],
}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """`make` in a new project, with nothing of this process's environment but where programs are."""
    (tmp_path / "shop.json").write_text(json.dumps(SHOP))
    project = init(tmp_path / "shop.json", tmp_path / "my shop").project
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *words], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    yield run
    if not (project / ".postgres").exists():
        return
    python = (project / "local.mk").read_text().partition(":= ")[2].strip()
    subprocess.run([python, "-I", "-m", "mock2pg", "server", "stop"], cwd=project, env=environment, check=True)


def test_a_new_project_works_as_printed(make: Make) -> None:
    """It migrates into a server of its own without an edit, verifies, and its own test passes every scenario."""
    migrated = make("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert "4 rows read = 4 loaded + 0 refused" in migrated.stdout
    verified = make("verify")
    assert (verified.returncode, "hold what was published" in verified.stdout) == (0, True), verified.stderr
    tested = make("test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.count("✔") >= 16
    assert "rollback" in tested.stdout


def test_its_makefile_takes_what_it_knows_and_nothing_else(make: Make) -> None:
    """`make` lists the targets; a word or a variable that nothing reads is an error that says what to type."""
    listed = make().stdout
    targets = "migrate plan check-data verify backup backups rollback status history test report psql"
    for target in targets.split():
        assert f"  make {target} " in listed
    assert "There is no target `../x`" in make("migrate", "../x").stderr
    assert "no variable FOO" in make("migrate", "FOO=1").stderr
    refused = make("check-data", "SOURCE=not there")
    assert refused.returncode != 0
    assert "there is no source at not there" in refused.stdout
