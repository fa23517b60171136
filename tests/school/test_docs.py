"""The examples of the pages work on the sample."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mock2pg import postgres
from mock2pg.settings import REPOSITORY
from tests.test_docs import page


def test_the_walk_through_and_the_example_of_the_api_work(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Following docs/adding-an-entity.md gives one table more, by the very program in docs/python-api.md."""
    for name in ("dbt_project", "expectations", "notebooks", "mock_data"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("target", "logs"))
    blocks = r"^`([\w/.]+)`( \(append\))?\n\n```\w+\n(.*?)^```$"
    files = re.findall(blocks, page("adding-an-entity.md"), re.MULTILINE | re.DOTALL)
    lines = [text.count("\n") for place, _, text in files if not place.startswith("mock_data/")]
    assert f"{len(lines)} files, {sum(lines)} lines" in page("adding-an-entity.md")
    for place, append, text in files:
        file = tmp_path / place
        assert file.exists() == bool(append), place
        file.write_text((file.read_text(encoding="utf-8") if append else "") + text, encoding="utf-8")

    monkeypatch.setenv("MIGRATION_PROJECT", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("MIGRATION_SOURCE", "mock_data")
    program = re.findall(r"^```python\n(.*?)^```$", page("python-api.md"), re.MULTILINE | re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(program, "docs/python-api.md", "exec"), names)

    assert "The target is what was published: True" in capsys.readouterr().out
    with postgres.connect(database, name="test") as connection:
        rows = connection.execute("SELECT id, class_id, pinned FROM public.announcements ORDER BY id").fetchall()
    assert rows == [("1", "2", True), ("2", "1", False)]
    derived = [(column["table"], column["column"]) for column in names["result"].summary["load"]["derived"]]
    assert ("announcements", "pinned") in derived
