"""The commands of the README, in a copy of the project, as a new user types them."""

from __future__ import annotations

from pathlib import Path

from tests.fix_make import Make


def test_the_readme_from_first_to_last(make: Make) -> None:
    """migrate, verify, roll back to the first backup: no table of ours is left."""
    listed = make()
    assert listed.returncode == 0
    assert "make migrate" in listed.stdout

    first = make("migrate")
    assert first.returncode == 0, first.stderr
    assert "Setting up" not in first.stdout + first.stderr
    assert "🚀 Starting data migration" in first.stderr
    assert "Report: " in first.stdout
    report = Path(first.stdout.rsplit("Report: ")[1].strip())
    assert report.is_file()

    assert make("verify").returncode == 0
    (backup,) = (report.parents[2] / "backups").glob("backup-*.json.zst")
    back = make("rollback", f"ID={backup.name.removesuffix('.json.zst')}")
    assert back.returncode == 0, back.stderr
    listed = make("psql", "ARGS=-c '\\dt public.*'")
    assert listed.returncode == 0, listed.stderr
    assert "(0 rows)" in listed.stdout or "Did not find any" in listed.stdout + listed.stderr
    assert make("rollback").returncode != 0


def test_a_source_arrives_as_it_was_typed(make: Make) -> None:
    """Whatever is in the name of SOURCE, neither make nor a shell reads it."""
    done = make("check-data", "SOURCE=no 'such' $(x) `y` \"$z\" ; \\ folder")
    assert "there is no source at no 'such' $(x) `y` \"$z\" ; \\ folder" in done.stderr
