"""The command line: help, exit codes, JSON, and no traceback unless it is asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner

import mock2pg
from mock2pg import MigrationService, cli, errors
from mock2pg.cli import verb
from mock2pg.cli.sections import SECTIONS, Sections
from mock2pg.errors import UsageError
from mock2pg.report import output, typed
from mock2pg.settings import Settings, explain, variable


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is found in PATH."""
    monkeypatch.setattr(typed, "_program", lambda: "mock2pg")


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


COMMANDS = list(commands(cli.command))


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    """`--help` and `mock2pg help` say what the command does, show a line to copy, and fit 80 columns but for that."""
    result = CliRunner().invoke(cli.command, [*path, "--help"], terminal_width=80)
    assert result.exit_code == 0
    text, examples = result.output.split("\nExamples:\n")
    assert re.search(rf"^  .*mock2pg {' '.join(path)}", examples, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80
    assert CliRunner().invoke(cli.command, ["help", *path], terminal_width=80).output == result.output


@pytest.mark.parametrize(("path", "command"), COMMANDS)
def test_every_command_speaks_json(path: tuple[str, ...], command: click.Command) -> None:
    """Every command that answers something takes --json, --quiet and --verbose; psql and dbt speak for themselves, a
    group has commands."""
    takes = {option for parameter in command.params for option in parameter.opts}
    silent = path in (("psql",), ("dbt",), ("help",)) or isinstance(command, click.Group)
    assert takes >= {"--json", "-q", "--quiet", "-v", "--verbose", "--debug"} or silent


def test_commands_are_listed_whole_in_the_order_of_use() -> None:
    """Each command is in a section, on one line of 80 columns with its whole sentence."""
    for path, group in [((), cli.command), *((path, command) for path, command in COMMANDS)]:
        if isinstance(group, Sections):
            text = CliRunner().invoke(cli.command, [*path, "--help"], terminal_width=80).output
            for name, command in group.commands.items():
                assert (said := command.get_short_help_str()).endswith("."), name
                assert re.search(rf"^  {name} +{re.escape(said)}$", text, re.MULTILINE), name
    assert tuple(cli.command.sections()) == SECTIONS
    assert [name for name, _ in cli.command.sections()["Migrate"]] == ["init", "check", "plan", "migrate", "verify"]


def test_the_version_is_that_of_all_that_matters() -> None:
    """-V prints the version, and those of Python, PostgreSQL and the packages below it."""
    for option in ("-V", "--version"):
        said = CliRunner().invoke(cli.command, [option]).output.splitlines()
        assert said[0] == f"mock2pg {mock2pg.__version__}"
        assert re.fullmatch(r"Python 3\.\d+\.\d+, PostgreSQL 18\.[\d.]+ \(embedded\)", said[1])
        assert re.match(r"dbt-core 1\.11\.\d+, ", said[2])


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["migrat"], "no such command 'migrat'; did you mean migrate or", "`mock2pg --help`"),
        (["backups", "prun"], "no such command 'prun'", "Run `mock2pg backups --help`: it lists"),
        (["help", "backups", "prun"], "no such command 'prun'; did you mean prune?", "--help`"),
        (["help", "plan", "x"], "`mock2pg plan` has no commands", "`mock2pg plan --help`"),
        (["migrate", "--moed", "upsert"], "no such option '--moed'; did you mean --mode?", "`mock2pg migrate --help`"),
        (
            ["migrate", "--mode", "x"],
            "invalid value for '--mode'",
            "`mock2pg migrate --help`: it explains the command.",
        ),
        (["sample"], "missing option '--out'", "`mock2pg sample --help`"),
        (["plan", "a", "b"], "got unexpected extra argument", "`mock2pg plan --help`"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str], message: str, hint: str) -> None:
    """It has a name and exit code 2 as every other error, names what was meant, and is JSON where that is asked for."""
    said = CliRunner().invoke(cli.command, arguments)
    assert (said.exit_code, said.stdout) == (2, "")
    for text in ("UsageError", message, hint):
        assert text in said.stderr
    if arguments[0] == "help":
        return
    said = CliRunner().invoke(cli.command, [*arguments, "--json"])
    error = json.loads(said.stdout)["error"]
    assert (said.exit_code, error["name"], error["code"]) == (2, "UsageError", 2)
    assert message in error["message"]
    assert hint in error["hint"]


def test_an_option_before_its_command_is_told_to_follow_it() -> None:
    """`mock2pg --quiet status` has no such option, and the hint says that it comes after the command."""
    said = CliRunner().invoke(cli.command, ["--quiet", "status"])
    assert (said.exit_code, "Options of a command follow its name" in said.stderr) == (2, True)
    assert "follow its name" not in CliRunner().invoke(cli.command, ["status", "--quit"]).stderr


def test_a_question_that_is_not_answered_interrupts() -> None:
    """Ctrl-C and Ctrl-D at a question are Ctrl-C: exit code 130, and no fault of mock2pg."""

    @click.command()
    @verb.verb
    def status(as_json: bool) -> None:
        verb.asked("the database is far away. Type its name")

    said = CliRunner().invoke(status, [], input="")
    assert said.stderr.startswith("the database is far away.\nType its name: \n")  # what follows begins a line
    assert (said.exit_code, "Interrupted" in said.stderr) == (errors.Interrupted.code, True)


@pytest.mark.parametrize("arguments", [["-q", "-v"], ["--quiet", "verify"], ["verify", "--verbose"], ["verify"]])
def test_what_prints_can_ask_how_much(arguments: list[str], runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """--quiet and --verbose of a command, and of the group that it is in, are known where output is printed."""
    asked: list[bool] = []
    monkeypatch.setattr("mock2pg.cli.going_back.say", lambda _: asked.extend((output.quiet(), output.verbose())))
    assert runner.invoke(cli.command, ["backups", *arguments]).exit_code == 0
    given = {argument.lstrip("-")[0] for argument in arguments if argument.startswith("-")}
    assert asked == ["q" in given, "v" in given]


def test_settings_are_a_table_of_80_columns(
    runner: CliRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each setting has its value and origin on a line, folded where it is long, and its meaning below; no secret."""
    monkeypatch.setenv("COLUMNS", "80")
    key = f"age1{'q' * 58}"
    given = {"DATABASE_URL": "postgresql://app:hunter2@db/shop?schema=x", "MIGRATION_BACKUP_RECIPIENT": f"{key}, {key}"}
    said = runner.invoke(cli.command, ["settings"], env=given).output
    assert max(map(len, said.splitlines())) <= 80
    assert "hunter2" not in said
    assert re.search(r"^DATABASE_URL +postgresql://app@db/shop +environment$", said, re.MULTILINE)
    assert re.search(r"^MIGRATION_BACKUP_KEEP +unset +default$", said, re.MULTILINE)
    assert "".join(said.replace(" environment\n", "\n").split()).count(key) == 2  # folded
    words = " ".join(said.split())
    for setting in explain(project=settings.project):
        assert re.search(rf"^{setting.variable} ", said, re.MULTILINE)
        assert setting.description in words
    assert f"[default: {Settings.model_fields['source'].default}]" in words
    quiet = runner.invoke(cli.command, ["settings", "-q"], env=given).output
    assert "[default" not in quiet
    found = json.loads(runner.invoke(cli.command, ["settings", "--json"], env=given).stdout)
    assert [entry["name"] for entry in found] == list(Settings.model_fields)
    assert {"name", "variable", "value", "default", "origin", "description"} == set(found[0])
    service = mock2pg.MigrationService(settings, database_url="ignored")
    assert {(one.name, one.origin) for one in service.explain_settings()} == {
        (n, "flag") for n in Settings.model_fields
    }


@pytest.mark.parametrize("name", ["migrate", "plan", "check", "load", "rollback"])
def test_a_flag_wins_over_the_setting_that_it_stands_for(
    name: str, runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every flag of a command that has a setting's name reaches the settings, before the environment."""
    flags = {
        "mode": ("upsert", "replace"), "on_error": ("quarantine", "refuse"), "max_refused": ("7", "8"),
        "max_deleted": ("7", "8"), "allow_empty": ("pets", "owners"), "allow_cascade": ("pins", "tags"),
        "confirm": ("one", "two"), "alter": ("true", "false"),
    }  # fmt: skip
    given = {parameter.name: parameter for parameter in cli.command.commands[name].params}
    taken = [flag for flag in flags if flag in given]
    others = {"source", "debug", "project"}  # an argument, the flag for tracebacks, and one with a test of its own
    assert {*given} & {*Settings.model_fields} - others == {*taken}
    arguments = []
    for flag in taken:
        monkeypatch.setenv(variable(flag), flags[flag][1])
        arguments += [given[flag].opts[0]] + ([flags[flag][0]] if flag != "alter" else [])
    found: dict[str, object] = {}

    def service(**overrides: object) -> None:
        ours = {flag: value for flag, value in overrides.items() if flag in flags}
        found.update({setting.name: (str(setting.value).lower(), setting.origin) for setting in explain(**ours)})
        raise UsageError("looked at")

    monkeypatch.setattr("mock2pg.service.MigrationService", service)
    assert "looked at" in runner.invoke(cli.command, [name, *arguments, "latest"]).output
    assert {flag: found[flag] for flag in taken} == {flag: (flags[flag][0], "flag") for flag in taken}


@pytest.mark.parametrize("verb", ["migrate", "plan", "load", "check"])
def test_a_missing_source_is_a_usage_error_and_no_run(verb: str, runner: CliRunner, settings: Settings) -> None:
    """Named or set, it is refused with exit code 2 and no traceback before a run begins; so is what is no source."""
    for arguments, environment in (([verb, "nowhere"], {}), ([verb], {"MIGRATION_SOURCE": "nowhere"})):
        result = runner.invoke(cli.command, arguments, env=environment)
        assert result.exit_code == 2
        assert "there is no source at " in result.output
        assert "nowhere" in result.output
        assert "Traceback" not in result.output
    with pytest.raises(UsageError, match="the source is of type list"):
        MigrationService(settings).check([])  # type: ignore[arg-type]
    assert not settings.runs_dir.exists()


@pytest.mark.parametrize("verb", ["migrate", "plan", "load"])
def test_the_sample_does_not_replace_a_target_that_is_named(verb: str, runner: CliRunner, settings: Settings) -> None:
    """With DATABASE_URL the source is named, too, on the command line or as a setting; an empty path names nothing."""
    environment: dict[str, str | None] = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "MIGRATION_SOURCE": None}
    for arguments, said in (([], "no source is named"), ([""], "the path is empty")):
        result = runner.invoke(cli.command, [verb, *arguments], env=environment)
        assert result.exit_code == 2
        assert said in result.output
    assert f"`mock2pg {verb} PATH`" in runner.invoke(cli.command, [verb], env=environment).output
    assert not settings.runs_dir.exists()


def test_rollback_to_nothing_named(runner: CliRunner) -> None:
    """`rollback` without an id says how to name one."""
    result = runner.invoke(cli.command, ["rollback", ""])
    assert result.exit_code == 2
    assert "`mock2pg rollback latest`" in result.output


def test_verify_before_any_migration(runner: CliRunner) -> None:
    """There is nothing to prove yet, which is an answer with a name and a code; a real target needs a named source."""
    for source, first in (
        ({}, "`mock2pg migrate` first"),
        ({"MIGRATION_SOURCE": None}, "`mock2pg migrate PATH` first"),
    ):
        result = runner.invoke(cli.command, ["verify", "--json"], env=source)
        assert result.exit_code == errors.NothingPublished.code
        error = json.loads(result.stdout)["error"]
        assert (error["name"], error["hint"]) == ("NothingPublished", f"Run {first}.")


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


def test_a_report_is_opened_where_there_is_a_display(
    runner: CliRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`open` prints the path in any case, never waits for the browser, and is none the worse for one that fails."""
    run = MigrationService(settings).check({"owners": [], "pets": []})
    monkeypatch.setattr(subprocess, "Popen", Mock(side_effect=OSError))
    for display in ({"DISPLAY": "", "WAYLAND_DISPLAY": ""}, {"DISPLAY": ":7"}):
        shown = runner.invoke(cli.command, ["open"], env=display)
        assert (shown.exit_code, shown.stdout) == (0, f"{run.report}\n")
    monkeypatch.setattr(subprocess, "Popen", started := Mock())
    shown = runner.invoke(cli.command, ["open", run.run_id, "--json"], env={"DISPLAY": ":7"})
    assert json.loads(shown.stdout) == {"success": True, "report": str(run.report), "opened": True}
    assert started.call_args.args[0][-1] == run.report.as_uri()
    assert not started.return_value.method_calls  # nobody waits
    shown = runner.invoke(cli.command, ["open", "--all"], env={"DISPLAY": ":7"})
    assert shown.stdout == f"{settings.runs_dir / 'index.html'}\n"
    assert runner.invoke(cli.command, ["open", "--all", run.run_id]).exit_code == 2


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


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("mi", ["migrate"]),
        ("backups ", ["verify", "prune"]),
        ("help server st", ["start", "stop", "status"]),
        ("migrate --mode ", ["replace", "upsert"]),
        ("migrate --on", ["--on-error"]),
        ("rollback ", ["latest", "backup-2026-02", "backup-2026-01"]),
        ("rollback --project elsewhere ", ["latest"]),
        ("rollback --before ", ["2026-01-01T00-00-00-000Z"]),
        ("backups verify backup-2026-01", ["backup-2026-01"]),
        ("verify-evidence 2", ["2026-01-01T00-00-00-000Z"]),
        ("report 3", []),
    ],
)
def test_a_shell_completes_commands_options_and_ids(
    line: str, completed: list[str], runner: CliRunner, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands in the order of use, and the ids of backups and runs, newest first; without a project there are none."""
    monkeypatch.chdir(settings.project)
    Path("elsewhere").mkdir()
    for name in ("backups/backup-2026-01.json.zst", "backups/backup-2026-02.json.zst.age", "backups/.gitkeep"):
        (settings.project / name).parent.mkdir(exist_ok=True)
        (settings.project / name).touch()
    (settings.project / "runs" / "2026-01-01T00-00-00-000Z").mkdir(parents=True)
    (settings.project / "runs" / "latest").symlink_to("2026-01-01T00-00-00-000Z")
    words = f"mock2pg {line}"
    given = {"_MOCK2PG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    said = runner.invoke(cli.command, [], env=given)
    assert said.stdout.split() == [f"plain,{value}" for value in completed]
    zsh = runner.invoke(cli.command, [], env={**given, "_MOCK2PG_COMPLETE": "zsh_complete"}).stdout
    assert zsh.splitlines()[1::3] == completed
    assert "..." not in zsh


def test_bash_completes_what_is_typed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script that `_MOCK2PG_COMPLETE=bash_source mock2pg` prints works in bash; zsh and fish have theirs."""
    script = """eval "$(_MOCK2PG_COMPLETE=bash_source mock2pg)"
        COMP_WORDS=(mock2pg rollback la); COMP_CWORD=2; _mock2pg_completion mock2pg; echo "${COMPREPLY[@]}"
        complete -p mock2pg"""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": path, "HOME": os.environ["HOME"]}, cwd=settings.project,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "latest", done.stderr
    assert "_mock2pg_completion mock2pg" in done.stdout
    for shell, begins in (("zsh", "#compdef mock2pg"), ("fish", "function _mock2pg_completion")):
        monkeypatch.setenv("_MOCK2PG_COMPLETE", f"{shell}_source")
        assert CliRunner().invoke(cli.command, []).stdout.startswith(begins)
