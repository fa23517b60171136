"""A project that init made, as a user types it: make and its targets."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mock2pg import MigrationService
from mock2pg.init import init
from mock2pg.pipeline import named_source

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
def make(tmp_path: Path) -> Make:
    """`make` in a new project, with nothing of this process's environment but where programs are."""
    (tmp_path / "shop.json").write_text(json.dumps(SHOP))
    project = init(tmp_path / "shop.json", tmp_path / "my shop").project
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *words], cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_its_makefile_takes_what_it_knows_and_nothing_else(make: Make) -> None:
    """`make` lists the targets; a word or a variable that nothing reads is an error that says what to type."""
    listed = make().stdout
    targets = "migrate plan check-data verify backup backups rollback status history report watch test psql update"
    for target in targets.split():
        assert f"\n  {target} " in listed
    for target, command in (("migrate", "migrate"), ("verify", "verify"), ("test", "test-migration")):
        assert re.search(rf'-I -m mock2pg;.* exec "\$@" {command} *$', make("-n", target).stdout, re.MULTILINE)
    assert max(map(len, listed.splitlines())) <= 80
    assert "There is no target `../x`" in make("migrate", "../x").stderr
    assert "no variable FOO" in make("migrate", "FOO=1").stderr
    assert "make update SOURCE=" in make("update").stderr
    refused = make("check-data", "SOURCE=not there")
    assert refused.returncode != 0
    assert "there is no source at not there" in refused.stderr


def test_the_source_of_a_project_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyproject.toml names it, for make and for mock2pg, also where it is one document; .env wins."""
    for name, document, source in (
        ("shop", SHOP, "mock_data"),
        ("the site's", {"a": [], "A": []}, "mock_data/the_site_s.json"),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        project = init(tmp_path / f"{name}.json", tmp_path / f"of {name}").project
        monkeypatch.setenv("DATABASE_URL", "postgresql://h/db")
        (found,) = [one for one in MigrationService(project=project).explain_settings() if one.name == "source"]
        assert (found.value, found.origin) == (source, "pyproject.toml")
        assert named_source.named(MigrationService(project=project).settings, None) == project / source
        (project / ".env").write_text("MIGRATION_SOURCE=elsewhere\n")
        assert MigrationService(project=project).settings.source_path == project / "elsewhere"


def test_the_makefile_finds_mock2pg(tmp_path: Path) -> None:
    """The one that made the project comes first, then that of .venv, then that on the PATH; words keep their spaces."""
    (tmp_path / "shop.json").write_text(json.dumps(SHOP))
    project = init(tmp_path / "shop.json", tmp_path / "my shop").project

    def program(file: Path, name: str) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\nprintf "%s|" {name} "$@"\n')
        file.chmod(0o755)
        return file

    def said() -> str:
        environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        words = ["make", "-s", "check-data", "SOURCE=a b's $x", "ARGS=--json"]
        return subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, check=True).stdout

    program(tmp_path / "bin" / "mock2pg", "path")
    made_by = program(tmp_path / "a $made #by" / "python", "made")
    (project / "local.mk").write_text("MADE_BY := " + str(made_by).replace("$", "$$").replace("#", "\\#") + "\n")
    assert said() == "made|-I|-m|mock2pg|check|a b's $x|--json|"
    (project / "local.mk").unlink()
    assert said() == "path|check|a b's $x|--json|"
    for name in ("mock2pg", "python"):
        program(project / ".venv" / "bin" / name, "venv")
    assert said() == "venv|-I|-m|mock2pg|check|a b's $x|--json|"
