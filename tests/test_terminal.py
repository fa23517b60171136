"""The last lines of a run, and of the log: never more than what stayed."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mock2pg import settings as settings_module
from mock2pg.backups.names import file_of
from mock2pg.cli.verb import end
from mock2pg.errors import CheckFailed, Interrupted, Mock2pgError, ValidationError, VerifyFailed
from mock2pg.evidence import verify
from mock2pg.foreign_errors import unusable
from mock2pg.report import log_messages, typed
from mock2pg.report.history_lists import history_lines
from mock2pg.report.output import COLUMNS, UNLIMITED, width
from mock2pg.report.result import show
from mock2pg.report.settings_table import settings_table
from mock2pg.report.table import cells, table
from mock2pg.report.terminal import status_lines
from mock2pg.results import MigrationResult, PastRun, Status
from mock2pg.runs import new_run, open_run
from mock2pg.settings import Setting
from mock2pg.step_results import Published, RollbackPreview, StepResult, Verified
from tests.fix_results import result_of
from tests.test_errors import ALL as KINDS

ENTITY = {"read": 586, "refused": 0}
CHANGED = {"before": 0, "after": 2, "inserted": 2, "updated": 0, "deleted": 0, "unchanged": 0}
SAME = {"before": 2, "after": 2, "inserted": 0, "updated": 0, "deleted": 0, "unchanged": 2}
SUMMARY: dict[str, Any] = {
    "stage": {"tables": {"pets": {"rows": 586, "path": "pets", "entity": "pets"}}},
    "check": {"entities": {"pets": ENTITY}},
    "load": {"landed": {"pets": 586}, "added": {"users": 1}},
    "publish": {"tables": {"pets": CHANGED}},
}


def shown(
    error: Mock2pgError | None = None,
    *,
    errors: tuple[ValidationError, ...] = (),
    options: dict[str, bool] | None = None,
    status: str = "",
    **summary: Any,
) -> str:
    """The output of a migration, colours included; None: the step did not run, "failed": it found nothing."""
    found = tuple(
        StepResult(step, "failed") if data == "failed" else result_of(step, data)
        for step, data in (SUMMARY | summary).items()
        if data is not None
    )
    result = MigrationResult(
        error is None, "The verdict.", found, errors, "a-run", Path("nowhere"), error, command="migrate", status=status
    )
    return printed(lambda: show(result, as_json=False), **options or {})


def printed(function: Callable[[], None], *, color: bool = True, **meta: Any) -> str:
    """The output of a command, both streams together."""

    @click.command()
    def command() -> None:
        click.get_current_context().meta.update(meta)
        function()

    return CliRunner().invoke(command, color=color).output


def test_a_success_is_green_and_counts_add_up() -> None:
    """The row that no source has is named beside those that were read."""
    text = shown()
    assert "586 rows read = 586 loaded + 0 refused; 1 row added by a model: users" in text
    assert "2 inserted, 0 updated, 0 deleted" in text
    assert "\x1b[32m✔ The verdict." in text


@pytest.mark.parametrize(
    "told",
    [
        {"check": {"entities": {"pets": {"read": 586, "refused": 202}}}},
        {"backup": {"cautions": ["No restore test."]}},
        {"check": {"entities": {"pets": ENTITY}, "warnings": 1}},
    ],
)
def test_a_success_with_something_to_tell_is_amber(told: dict[str, Any]) -> None:
    """202 refused rows of 586 are no plain success."""
    assert "\x1b[33m⚠ The verdict." in shown(**told)


def test_what_was_undone_is_not_shown_as_if_it_stayed() -> None:
    """No table of changes after a rollback: nothing changed. What may not have been undone is said to be."""
    undone = shown(VerifyFailed("1 row differs"), status="rolled_back", rollback={"tables": {"pets": SAME}})
    assert "✘ Migration failed and was rolled back (VerifyFailed, exit code 10)" in undone
    assert "inserted" not in undone
    left = shown(VerifyFailed("1 row differs"), status="rollback_failed", rollback="failed")
    assert "✘ Migration failed, and so did its rollback (VerifyFailed, exit code 10)" in left
    assert "This run published these changes, and did not undo them:" in left
    assert "2 inserted" in left
    assert "inserted" not in shown(VerifyFailed("1 row differs"), publish="failed")


def test_a_rollback_that_changed_nothing_leads_to_the_backups_of_earlier_runs() -> None:
    """The newest migration changed nothing, and another one is to be undone; any other rollback can be undone."""
    rollback = {"backup_id": "backup-1", "tables": {"pets": SAME}}
    text = shown(publish=None, rollback=rollback)
    assert re.search(r"Next .*mock2pg'? history` lists what each run changed, and the backup that undoes it", text)
    assert "Undo" not in text
    text = shown(publish=None, rollback={**rollback, "tables": {"pets": CHANGED}})
    assert ("Next" in text, "Undo" in text) == (False, True)


def test_a_plan_ends_with_the_line_that_publishes_it() -> None:
    """The source and the options are in it, quoted for a shell."""
    arguments = ["migrate", "my mocks", "--mode", "upsert", "--plan", "runs/x/plan.json"]
    text = shown(publish=None, plan={"tables": {"pets": CHANGED}, "arguments": arguments})
    assert re.search(r"mock2pg'? migrate 'my mocks' --mode upsert --plan runs/x/plan\.json", text)
    assert "2 rows in 1 table: 2 to insert, 0 to update, 0 to delete" in text


def test_a_plan_names_keys_and_columns() -> None:
    """The first keys of each kind, and each column that would change with its number of rows."""
    pets = {"before": 9, "after": 9, "inserted": 1, "updated": 7, "deleted": 1, "columns": {"name": 7, "legs": 1}}
    pets["keys"] = {"inserted": ["x"], "updated": list("abcdefg"), "deleted": ["y"]}
    text = shown(publish=None, plan={"tables": {"pets": pets, "toys": SAME}, "arguments": ["migrate"]})
    assert "\npets: insert x; update a, b, c, d, e, ... in name (7), legs (1); delete y\n" in text
    assert "toys" not in text


def test_a_plan_without_a_difference_has_nothing_to_publish() -> None:
    """A statement of --alter is a difference; rows that are as they should be are none."""
    plan = {"tables": {"pets": SAME}, "arguments": ["migrate", "--plan", "plan.json"]}
    assert "Next" not in shown(publish=None, plan=plan)
    assert "Next" in shown(publish=None, plan={**plan, "statements": {"pets": ["ALTER TABLE pets"]}})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of_a_run", [True, False])
def test_every_failure_answers_the_three_questions(
    kind: type[Mock2pgError], of_a_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure ends with the state of the target tables, the error with its name, code and place, and a command; it
    fits 80 columns, and nothing of a long word is lost."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir("/")
    word = "x" * 100
    error = kind(f"it failed in pets_{word} since the beginning of the world\n  and: elsewhere")
    text = shown(error, publish=None) if of_a_run else printed(lambda: end(error, as_json=False, debug=False))
    lines = re.sub(r"\x1b\[\d+m", "", text).splitlines()
    block = lines[next(number for number, line in enumerate(lines) if line.startswith("✘ ")) :]
    assert block[0].endswith(f" failed ({kind.__name__}, exit code {kind.code})")
    labels = [line.split()[0] for line in block if re.match(r"  [A-Z]", line)]
    assert labels == ["Data", "Cause", "Next"]
    assert max(map(len, lines)) <= 80
    assert word in "".join(line.strip() for line in lines)
    answers = " ".join(line.strip() for line in block)
    hint = re.sub("(un) the command again", r"\1 .* again", re.sub("`mock2pg", "`.*mock2pg", kind.hint))
    assert re.search(hint, answers)
    assert error.state in answers


@pytest.mark.parametrize("more", ["", " by SIGTERM"])
@pytest.mark.parametrize("cause", ["stage was interrupted", "stage: the disk is full", "the disk is full"])
def test_a_cause_names_its_step_once(cause: str, more: str) -> None:
    """Also where the error's own text begins with the step, or says more than that of the step."""
    error = Interrupted(cause + more)
    steps = (StepResult("stage", "failed", error=Interrupted(cause).as_dict()),)
    result = MigrationResult(False, "", steps, (), "a-run", Path("nowhere"), error, command="migrate")
    lines = printed(lambda: show(result, as_json=False), color=False).splitlines()
    at = lines.index(f"  Cause       {'' if cause.startswith('stage') else 'stage: '}{cause}{more}")
    assert lines[at + 1].startswith("  Next")


def test_errors_stand_before_one_line_of_warnings_and_the_verdict_is_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 20 errors are listed; what a person needs next does not scroll away."""
    monkeypatch.setenv("COLUMNS", "80")
    errors = tuple(
        ValidationError("pets", str(n), "hat", "is wrong", severity, row=n, file="pets.json", line=n, column=1)
        for severity in ("warning", "critical")
        for n in range(1, 31)
    )
    text = shown(CheckFailed("30 errors", errors), errors=errors, publish=None)
    lines = re.sub(r"\x1b\[\d+m", "", text).splitlines()
    assert lines[0] == "pets.json:1:1 pets[0].hat (id 1): is wrong"
    assert lines[19].startswith("pets.json:20:1 pets[19].hat")
    assert lines[20] == "and 10 more in nowhere/errors.json" or lines[20] == "and 10 more in errors.json"
    assert lines[21].startswith("⚠ 30 warnings: pets.json:1:1 pets[0].hat (id 1): is wrong")
    assert "(and 29 more in the report or the log)" in " ".join(line.strip() for line in lines[21:23])
    assert lines[23] == ""
    assert lines[24] == "✘ Migration failed: 30 errors (CheckFailed, exit code 4)"
    assert lines[26] == "  Cause       pets.json:1:1 pets[0].hat (id 1): is wrong"
    assert lines[-1].startswith("  Next        Correct the listed rows")


def test_only_what_changed_is_shown_unless_it_is_asked_for() -> None:
    """A table that did not change, and a column of zeros, come with --verbose; --quiet is the verdict alone."""
    tables = {"pets": CHANGED, "owners": SAME}
    said = shown(publish={"tables": tables})
    assert re.findall(r"^(\w+) +\S+ +\S+$", said, re.MULTILINE) == ["Table", "pets"]
    assert not re.search("Before|Updated|owners|Unchanged", said)
    every = shown(publish={"tables": tables}, options={"verbose": True})
    assert re.search(r"^Table +Before +Inserted +Unchanged +After$", every, re.MULTILINE)
    assert re.search(r"^owners +2 +0 +2 +2$", every, re.MULTILINE)
    assert shown(publish={"tables": tables}, options={"quiet": True}) == "\x1b[32m✔ The verdict.\x1b[0m\n"
    failed = shown(VerifyFailed("1 row differs"), options={"quiet": True})
    assert failed.startswith("\x1b[31m✘ Migration failed (VerifyFailed, exit code 10)")


def test_a_name_that_is_too_long_for_its_column_goes_on_in_the_next_line() -> None:
    """Numbers keep their columns and separators, and nothing of the name is lost; East Asian letters take two."""
    lines = list(table({"n" * 60: [1_234_567], "名前" * 10: [0]}, ["Table", "Inserted"], 40))
    assert lines[1].endswith("   1,234,567")
    assert max(map(cells, lines)) <= 40
    assert "".join(line.split()[0] for line in lines[1:4]) == "n" * 60


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR, a terminal that is called dumb and a file have plain text; a width of any number is none."""
    result = MigrationResult(True, "The verdict.", (), (), "a-run", Path("nowhere"), command="migrate")
    assert printed(lambda: show(result, as_json=False), color=False) == "✔ The verdict.\n"
    monkeypatch.setenv("COLUMNS", "9" * 5000)
    assert shown().count("\x1b") > 0
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as plain:
            plain.setenv(name, value)
            assert shown().count("\x1b") == 0


def test_a_terminal_that_does_not_know_its_width_has_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of `docker exec -t` or of `script` without a terminal of their own, which has 0 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)
    _, end = os.openpty()
    with open(end, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert width() == COLUMNS


def test_a_pipe_and_a_file_have_no_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut or folded for a terminal that is not there: tables and settings. COLUMNS gives a width."""
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "n" * 300
    pipe = os.pipe()
    for target in (pipe[1], tmp_path / "a file"):
        with open(target, "w") as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            assert width() == UNLIMITED
    os.close(pipe[0])
    assert [line.split()[0] for line in table({name: [1]}, ["Table", "Inserted"], UNLIMITED)] == ["Table", name]
    setting = Setting("a_setting", "A_SETTING", name, "", "environment", "A sentence of many words. " * 20)
    assert len(settings_table([setting], UNLIMITED).splitlines()) == 3
    monkeypatch.setenv("COLUMNS", "40")
    assert width() == 40


def test_a_hint_names_commands_as_they_are_typed_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of make where make runs the command and has the target; else of mock2pg, by its path where PATH has it not."""
    monkeypatch.chdir(tmp_path)
    hint = "Run the command again, or `mock2pg check 'my mocks' --mode upsert`, or `mock2pg doctor`."
    ours = shlex.quote(str(Path(sys.executable).with_name("mock2pg")))
    said: list[str] = []

    def say(**given: Any) -> str:
        printed(lambda: said.append(typed.typed(hint)), **given)
        return said[-1]

    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"`{ours} doctor`" in say()
    (tmp_path / "mock2pg").write_text("#!/bin/sh\n")
    (tmp_path / "mock2pg").chmod(0o755)
    assert say() == hint
    again = say(arguments=("migrate", "a b"), project="shop")
    assert again.startswith(
        "Run `mock2pg migrate 'a b'` again, or `mock2pg check 'my mocks' --mode upsert --project shop`"
    )
    monkeypatch.setenv("MAKELEVEL", "1")
    (tmp_path / "Makefile").write_text("migrate: # it\n\ncheck-data:\n")
    assert say(arguments=("migrate", "a b")) == (
        "Run `make migrate 'SOURCE=a b'` again, or `make check-data 'SOURCE=my mocks' 'ARGS=--mode upsert'`,"
        " or `mock2pg doctor`."
    )
    added = "Add `--max-deleted 5` or `--debug`."
    assert printed(lambda: said.append(typed.typed(added)), arguments=("migrate", "a b")) is not None
    assert said.pop() == "Add `'ARGS=--max-deleted 5'` or `ARGS=--debug`."
    printed(lambda: said.append(typed.typed(added)), arguments=("migrate", "a b", "--mode", "upsert"))
    assert said.pop() == added
    assert say(arguments=("psql", "-c", "SELECT 'a value'")).startswith("Run the command again")


@pytest.mark.parametrize("name", ["a`b.json", "a`b'c.json", "old | new.json"])
def test_a_hint_with_a_name_that_looks_like_its_end_is_shown_as_it_is(name: str) -> None:
    """A file may be called so: the command that names it is complete, and telling what failed does not fail."""
    hint = f"`mock2pg plan {shlex.quote(name)}` shows each change."
    assert typed.typed(hint) == typed.on_page(hint) == hint


def test_a_command_to_paste_names_the_variables_that_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that lead to the database and are in no file, with the database and without its password."""
    monkeypatch.setenv("MIGRATION_PROJECT", str(tmp_path))
    outputs = (lambda: shown(), lambda: shown(VerifyFailed("1 row differs"), publish=None))
    assert not any("as for this command" in output() for output in outputs)
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:sesame@db.example/shop")
    for output in outputs:
        assert "Set DATABASE_URL (postgresql://app@db.example/shop) as for this command." in output()
    monkeypatch.setenv("MIGRATION_SCHEMA", "till")
    assert "/shop) and MIGRATION_SCHEMA (till) as for this command." in shown()
    assert "as for this command" not in shown(CheckFailed("1 row is invalid"), publish=None)
    for name in ("DATABASE_URL", "MIGRATION_SCHEMA"):
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://app:sesame@db.example/shop\n")
    assert "as for this command" not in shown()


def test_a_migration_that_changed_nothing_is_not_called_migrated() -> None:
    """Its verdict says that it was verified, and that nothing changed."""
    same = log_messages.verdict("migrate", "succeeded", None, "backup-1", None, unchanged=True, seconds=3.8)
    assert same == "Verified in 3.8 s; nothing changed: the target tables hold this input."
    text = shown(publish=None, rollback={"tables": {"pets": SAME}})
    assert "Undo" not in text


def test_a_rollback_ends_with_the_line_that_undoes_it_and_its_preview_with_the_one_that_does_it() -> None:
    """As a migration does; a preview that would change nothing has no next command, and one that would undo what
    others wrote has the option without which a rollback refuses."""
    assert re.search(r"Undo +\S*mock2pg'? rollback latest", shown(publish=None, rollback={"tables": {"pets": CHANGED}}))
    for restored, written, options in ((2, {}, ""), (2, {"pets": "1 row"}, " --discard-changes"), (0, {}, None)):
        changes = {"pets": {"restored": restored, "removed": 0, "changed": 0}}
        found = {"changes": changes, "written_since": written}
        preview = result_of("rollback", found, kind="RollbackPreview")
        result = MigrationResult(
            True, "Compared.", (preview,), (), "a-run", Path("nowhere"), None, command="rollback --show"
        )
        text = printed(lambda result=result: show(result, as_json=False), color=False)
        next_line = re.search(r"Next +\S*mock2pg'? rollback backup-1(.*)\n", text)
        assert (next_line and next_line[1]) == options


def test_the_log_says_migrated_only_of_what_was_verified_and_changed() -> None:
    """Publishing is not yet a migration, and an unchanged table was not migrated."""

    def published(**tables: dict[str, Any]) -> Published:
        return result_of("publish", {"tables": tables}, summary="2 inserted").of(Published)

    publish = published(pets=CHANGED, owners=SAME)
    verify = result_of("verify", summary="4 rows").of(Verified)
    assert log_messages.of_step(publish, publish) == ["Published, not verified yet: 2 inserted"]
    lines = ["Verified: 4 rows", "Migrated pets: 2 inserted", "owners: unchanged"]
    assert log_messages.of_step(verify, publish) == lines
    assert "Nothing changed, as the row hashes prove" in log_messages.of_step(verify, published(owners=SAME))[1]
    made = published(owners={**SAME, "created": True})
    assert log_messages.of_step(verify, made)[1] == "Migrated owners: created, without rows"
    assert log_messages.of_step(verify) == lines[:1]


def test_a_table_is_named_once_with_all_that_belongs_to_it() -> None:
    """A log of a rollback names each object that it drops on its own; parts of it are counted beside it."""
    parts = dict.fromkeys(("CONSTRAINT pets pets_pkey", "INDEX by_name"), "TABLE pets")
    added = dict.fromkeys((*parts, "INDEX of_owners", "TABLE pets"), "added") | {"VIEW seen": "removed"}
    found = RollbackPreview(
        backup_id="b",
        summary="It would",
        definitions_changed=added,
        definitions_within=parts | {"ACL VIEW seen": "VIEW seen"},
    )
    assert log_messages.of_step(found) == [
        "It would",
        "   INDEX of_owners: added since the backup",
        "   TABLE pets: added since the backup, with 2 definitions of its own",
        "   VIEW seen: removed since the backup, with 1 definition of its own",
    ]


def test_a_run_ends_with_a_duration() -> None:
    """In units that a person reads."""
    assert log_messages.verdict("migrate", "succeeded", None, None, None, seconds=72.4) == (
        "Migrated and verified in 1 min 12 s."
    )
    failed = log_messages.of_end("plan", "1 row", 4.21, VerifyFailed("x"))
    assert failed == "Plan failed after 4.2 s: 1 row (VerifyFailed, exit code 10)"


def test_a_name_cannot_make_a_line_of_its_own() -> None:
    """A line break in the name of a database, a role or a file is escaped, or the rest of it is indented."""
    name = "a\n✔ Migrated and verified."
    status = Status(name, name, None, "now", "migrate", name, name, False, (name,), refused=name)
    run = PastRun(datetime.now(UTC), name, name, name, name, name, 1, name, name, name, name)
    texts = [status_lines(status), history_lines([run], 200), shown(VerifyFailed(f"it fails: {name}", hint=name))]
    for text in texts:
        assert "Migrated and verified." in text
        assert not any(line.startswith("✔") for line in text.splitlines())


def test_an_id_that_is_given_is_cut(tmp_path: Path) -> None:
    """Of a run, a backup and a path, however long."""
    settings = settings_module.load(project=tmp_path)
    new_run(settings).write("record.json", {})
    endless = "\x1b[31m" + "x" * 10_000
    for refused in (
        lambda: open_run(settings, endless),
        lambda: file_of(tmp_path, endless),
        lambda: verify(settings, endless, every=False, known=()),
    ):
        with pytest.raises(Mock2pgError) as caught:
            refused()
        assert len(caught.value.message) < 300
        assert r"\x1b[31mxxx" in caught.value.message
    assert len(unusable(OSError(36, "File name too long", endless), "stage").message) < 300
