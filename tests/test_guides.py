"""The guides in docs/: what they tell a reader to type works, and what they quote is printed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mock2pg import cli

TOP = Path(__file__).parents[1]
DOCS = TOP / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_tutorial_works_as_printed(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line that it prints is typed, in its order, with a project beside the frontend's db.json."""
    text = page("tutorial.md")
    (tmp_path / "frontend").mkdir()
    (tmp_path / "frontend" / "db.json").write_text(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    (tmp_path / "mock2pg").mkdir()
    monkeypatch.chdir(tmp_path / "mock2pg")
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("MIGRATION_SOURCE", "mock_data")
    said = list(typed(commands(text)))
    refused, verified = [output for output, code in said if code]
    assert "posts.json:4:" in refused
    assert any("comments: update 3 in likes (1)" in output for output, _ in said)
    assert "comments: 1 different (key 2) in body (1 row)" in re.sub(r"\s+", " ", verified)


def commands(text: str) -> list[str]:
    """The indented lines of a page, but for those in fences."""
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return re.findall(r"^    (\S.*)$", outside, re.MULTILINE)


def typed(lines: list[str]) -> Iterator[tuple[str, int]]:
    """Type each line: `make` as the command that its target runs, the others in a shell."""
    runner, monkeypatch = CliRunner(), pytest.MonkeyPatch()
    for line in lines:
        may_fail = line.endswith("|| true")
        words = shlex.split(line.removesuffix("|| true"))
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            continue
        if words[0] == "sed":
            *_, script, file = words
            _, old, new, _ = script.split("/")
            changed = Path(file).read_text().replace(old, new)
            assert changed != Path(file).read_text()
            Path(file).write_text(changed)
            continue
        done = runner.invoke(cli.command, arguments(words[1:]))
        assert bool(done.exit_code) == may_fail, (line, done.output)
        yield done.output, done.exit_code
    monkeypatch.undo()


def arguments(words: list[str]) -> list[str]:
    """The words after `mock2pg` for those after `make`."""
    target, given = words[0], dict(word.split("=", 1) for word in words[1:])
    named = [given[name] for name in ("SOURCE", "ID") if name in given]
    named += ["--into", given["INTO"]] if "INTO" in given else []
    return [{"check-data": "check"}.get(target, target), *named, *shlex.split(given.get("ARGS", ""))]


def test_the_messages_of_troubleshooting_are_printed() -> None:
    """Each quoted message is in the source, between the places that are filled in."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in (TOP / "src").rglob("*.py"))
    table = page("troubleshooting.md").partition("## Frequent messages")[2]
    messages = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert len(messages) >= 20
    for message in messages:
        for part in message.split("…"):
            assert part.strip() in source, message
