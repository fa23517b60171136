"""The command line: help, exit codes, JSON, and no traceback unless it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mock2pg import cli, errors
from mock2pg.settings import Settings


@pytest.fixture
def runner(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs commands in this process, on the test's own project and database."""
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command in commands(cli.command)])
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    """`--help` says what the command does and shows one line to copy."""
    result = CliRunner().invoke(cli.command, [*path, "--help"])
    assert result.exit_code == 0
    assert f"Example: mock2pg {' '.join(path)}" in " ".join(result.output.split())


@pytest.mark.parametrize(("path", "command"), [(path, command) for path, command in commands(cli.command)])
def test_every_command_speaks_json(path: tuple[str, ...], command: click.Command) -> None:
    """Every command that answers something takes --json; psql and dbt speak for themselves, a group has commands."""
    takes = any("--json" in parameter.opts for parameter in command.params)
    assert takes or path in (("psql",), ("dbt",)) or isinstance(command, click.Group)


def test_a_missing_source_is_a_usage_error(runner: CliRunner) -> None:
    """A usage error says what, where and what to do; exit code 2; no traceback."""
    result = runner.invoke(cli.command, ["migrate", "nowhere"])
    assert result.exit_code == 2
    assert "there is no source at nowhere" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("verb", ["migrate", "plan"])
def test_the_sample_does_not_replace_a_target_that_is_named(verb: str, runner: CliRunner, settings: Settings) -> None:
    """With DATABASE_URL the source is named, too, on the command line or as a setting; an empty path names nothing."""
    environment: dict[str, str | None] = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "MIGRATION_SOURCE": None}
    for arguments, said in (([], "no source is named"), ([""], "the path is empty")):
        result = runner.invoke(cli.command, [verb, *arguments], env=environment)
        assert result.exit_code == 2
        assert said in result.output
    assert "SOURCE=PATH" in runner.invoke(cli.command, [verb], env=environment).output
    assert not settings.runs_dir.exists()


def test_rollback_to_nothing_named(runner: CliRunner) -> None:
    """`make rollback` without an ID says how to name one."""
    result = runner.invoke(cli.command, ["rollback", ""])
    assert result.exit_code == 2
    assert "ID=" in result.output


def test_verify_before_any_migration(runner: CliRunner) -> None:
    """There is nothing to prove yet, which is an answer with a name and a code."""
    result = runner.invoke(cli.command, ["verify", "--json"])
    assert result.exit_code == errors.NothingPublished.code
    assert json.loads(result.stdout)["error"]["name"] == "NothingPublished"


def test_an_unreachable_server_is_named_without_its_password(runner: CliRunner, tmp_path: Path) -> None:
    """A wrong DATABASE_URL is said in one line, and the password is not in it."""
    result = runner.invoke(
        cli.command, ["verify"], env={"DATABASE_URL": "postgresql://someone:hunter2@127.0.0.1:1/none"}
    )
    assert result.exit_code == errors.DatabaseError.code
    assert "cannot connect" in result.output
    assert "hunter2" not in result.output
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"hunter2" in file.read_bytes()]


def test_a_second_run_is_told_who_holds_the_lock(runner: CliRunner, settings: Settings) -> None:
    """While one run holds the database, another is refused and told which."""
    from mock2pg import postgres

    with postgres.advisory_lock(settings.url, "run the-first-one"):
        result = runner.invoke(cli.command, ["backup"])
    assert result.exit_code == errors.AlreadyRunning.code
    assert "the-first-one" in result.output


def test_backups_are_listed_newest_first(runner: CliRunner) -> None:
    """`backups` says so when there is none, and lists what `backup` made."""
    assert "no backup yet" in runner.invoke(cli.command, ["backups"]).output
    assert runner.invoke(cli.command, ["backup"]).exit_code == 0
    listed = json.loads(runner.invoke(cli.command, ["backups", "--json"]).stdout)
    assert [entry["schema"] for entry in listed] == ["public"]


def test_sample_makes_data(runner: CliRunner, settings: Settings, tmp_path: Path) -> None:
    """`sample` writes one file per entity, where there are recipes, and refuses a folder that holds something."""
    result = runner.invoke(cli.command, ["sample", "--out", str(tmp_path / "made")])
    assert (result.exit_code, "there are no recipes in" in result.output) == (2, True)
    (recipes := settings.project / "mock_data" / "sample").mkdir()
    (recipes / "_macros.sql").write_text("create macro sparse(object, n) as to_json(object)")
    for entity in ("boats", "sails"):
        (recipes / f"{entity}.sql").write_text("select n as id from range(getvariable('rows') // 2) as t(n)")
    result = runner.invoke(cli.command, ["sample", "--rows", "200", "--out", str(tmp_path / "made")])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "made").glob("*.json"))) == 2
    again = runner.invoke(cli.command, ["sample", "--rows", "200", "--out", str(tmp_path / "made")])
    assert again.exit_code == 2


def test_an_unforeseen_error_shows_its_kind_only(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours has a name and code 70; its own text, which might hold a value, is for --debug alone."""
    from mock2pg.service import MigrationService

    def fail(*_: object) -> None:
        raise RuntimeError("a secret value")

    monkeypatch.setattr(MigrationService, "backups", fail)
    result = runner.invoke(cli.command, ["backups"])
    assert result.exit_code == 70
    assert "RuntimeError" in result.output
    assert "secret" not in result.output
