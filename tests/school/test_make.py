"""The commands of the README, in a copy of the project, as a new user types them."""

from __future__ import annotations

import re
from pathlib import Path

from mock2pg.settings import REPOSITORY
from tests.fix_make import Make


def plain(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run: ids and durations."""
    text = "\n".join(lines)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z", "ID", text)
    text = re.sub(r"[\d.,]+ (ms|s)\b|\d+ min \d+ s", "TIME", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def test_the_readme_from_first_to_last(make: Make) -> None:
    """Each run prints what README shows; a rollback to the first backup leaves no table of ours."""
    listed = make()
    assert listed.returncode == 0
    assert re.search(r"^  migrate +\w", listed.stdout, re.MULTILINE)

    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    first, second, third = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    classes = make.copy / "mock_data" / "classes.json"
    sound = classes.read_text(encoding="utf-8")
    for transcript, data in (
        (first, sound),
        (second, sound),
        (third, re.sub(r'("capacity": )\d+', r"\g<1>0", sound, count=1)),
    ):
        classes.write_text(data, encoding="utf-8")
        shown = make.on_terminal("migrate")
        rest = iter(plain(shown))
        for line in plain([line for line in transcript.splitlines() if not line.startswith(("Setting up", "…"))]):
            assert line in rest, (line, plain(shown))  # in this order
    classes.write_text(sound, encoding="utf-8")

    report = Path(make("report").stdout.strip())
    assert report.is_file()
    backup = min(file.name for file in (make.copy / "backups").glob("backup-*.json.zst"))
    back = make("rollback", f"ID={backup.removesuffix('.json.zst')}")
    assert back.returncode == 0, back.stderr
    listed = make("psql", "ARGS=-c '\\dt public.*'")
    assert listed.returncode == 0, listed.stderr
    assert "(0 rows)" in listed.stdout or "Did not find any" in listed.stdout + listed.stderr
    assert make("rollback").returncode != 0


def test_a_source_arrives_as_it_was_typed(make: Make) -> None:
    """Whatever is in the name of SOURCE, neither make nor a shell reads it."""
    done = make("check-data", "SOURCE=no 'such' $(x) `y` \"$z\" ; \\ folder")
    assert "there is no source at no 'such' $(x) `y` \"$z\" ; \\ folder" in done.stderr
