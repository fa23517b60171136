"""No value of the data in any output: marked values go in, then every byte that came out is searched."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mock2pg import cli, postgres
from mock2pg.runs import all_runs
from mock2pg.settings import Settings
from mock2pg.watch import state
from tests.fix_receivers import Receiver

MARK = "CANARY"
KEPT = {"id", "color", "status", "participantType", "meetingType", "testType", "type"}  # keys and closed sets


def marked(value: Any, key: str = "") -> Any:
    """The document with the mark in every free text, references and closed sets left as they are."""
    if isinstance(value, dict):
        return {name: marked(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [marked(item, key) for item in value]
    free = isinstance(value, str) and key not in KEPT and not key.endswith(("Id", "Date", "Time")) and key != "date"
    if not free or key in ("enrolledStudents", "participants"):
        return value
    return f"{MARK}.{value}" if key == "email" else f"{value} {MARK}"


# Statements and commands in turn, in a process that loads everything once; what a command exits with is noted.
SESSION = """
import json, sys
from mock2pg import cli, postgres
from mock2pg.settings import load
for act in json.load(open(sys.argv[1])):
    if isinstance(act, str):
        with postgres.connect(load().url, name="test") as connection:
            connection.execute(act)
        continue
    try:
        cli.command(act, prog_name="mock2pg")
    except SystemExit as end:
        with open(sys.argv[2], "a") as codes:
            print(act[0], end.code or 0, file=codes)
"""


def session(settings: Settings, folder: Path, *acts: str | list[str], **environment: str) -> tuple[list[str], bytes]:
    """Commands, and SQL between them: what each exited with, and every byte that was printed."""
    script, codes = folder / "session.json", folder / "codes"
    script.write_text(json.dumps(acts))
    done = subprocess.run(
        [sys.executable, "-c", SESSION, script, codes],
        env={**os.environ, **settings.environment(), "DEBUG": "migration:*", **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return codes.read_text().splitlines(), done.stdout + done.stderr


def in_process(settings: Settings, *arguments: str, **environment: str) -> Result:
    """Run it without a process of its own: enough for what is printed in another form."""
    loud = {**settings.environment(), "DEBUG": "migration:*", **environment}
    return CliRunner().invoke(cli.command, arguments, env=loud)


def leaks(folder: Path) -> list[str]:
    """Files that hold the mark. The backups hold the data on purpose; they are 0600 in a 0700 folder."""
    return [
        str(file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and MARK.encode() in file.read_bytes() and file.parent.name != "backups"
    ]


@pytest.fixture
def source(tmp_path: Path, document: dict[str, Any]) -> Path:
    document = marked(document)
    document["meetings"][0]["participants"].append(f"{MARK} Person")
    file = tmp_path / "source.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


LOOKS = [("metrics",), ("history", "--json"), ("runs",), ("backups",), ("status",), ("settings",), ("report", "--all")]


def test_no_value_leaves_a_run(settings: Settings, source: Path, tmp_path: Path, webhook: Receiver) -> None:
    """Logs, terminal, notebooks, Data Docs, dbt artefacts, hashes, report and notifications hold counts, names and keys
    only: of runs that succeed, and of rows that break rules, a target that differs, a constraint, and a traceback.
    """
    document = json.loads(source.read_text())
    document["students"][0]["email"] = f"{MARK} is no address"
    document["students"][1]["enrollmentDate"] = f"{MARK} is no date"
    document["classes"][0]["capacity"] = MARK
    document["tests"][0]["classId"] = MARK
    document["meetings"][0]["status"] = MARK
    document["meetings"][1][f"{MARK} is no key"] = MARK
    (bad := source.with_name("bad.json")).write_text(json.dumps(document))
    (not_json := source.with_name("not.json")).write_text(f'{{"students": [{{"name": "{MARK}"}} {MARK}]}}')
    document = json.loads(source.read_text())
    document["students"][0]["phone"] = document["students"][1]["phone"] = f"{MARK} twice"
    (twice := source.with_name("twice.json")).write_text(json.dumps(document))

    codes, printed = session(
        settings,
        tmp_path,
        ["migrate", str(source)],
        "DO $$BEGIN ASSERT (SELECT count(*) > 0 FROM public.students WHERE name LIKE '%CANARY'); END$$",
        ["migrate", str(bad), "--debug"],
        f"UPDATE public.students SET phone = '{MARK} 2' WHERE id = '1'",
        "CREATE UNIQUE INDEX ON public.students ((1)) WHERE id IN ('1')",
        ["verify", "--debug"],
        f"CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN RAISE WARNING '%', NEW.phone; RAISE EXCEPTION '{MARK} %', NEW.phone USING DETAIL = '{MARK}',"
        " CONSTRAINT = NEW.name, TABLE = NEW.phone, COLUMN = NEW.phone, DATATYPE = NEW.phone, SCHEMA = NEW.phone;"
        " END$$",
        "CREATE TRIGGER no BEFORE UPDATE ON public.students FOR EACH ROW EXECUTE FUNCTION public.no()",
        ["migrate", str(twice), "--debug"],
        MIGRATION_NOTIFY_URLS=webhook.url,
    )
    assert codes == ["migrate 0", "migrate 4", "verify 10", "migrate 9"], printed.decode()
    assert b'the function "no" raised an exception' in printed
    assert b" in execute\n" in printed  # of a traceback
    assert webhook.titles[:2] == ["mock2pg migrate: started", "mock2pg migrate: succeeded"]
    assert MARK.encode() not in b"".join(webhook.raw) + printed
    assert b"hook-secret" not in printed

    quarantine = {"MIGRATION_ON_ERROR": "quarantine", "MIGRATION_UNKNOWN_FIELDS": "warn"}
    with postgres.connect(settings.url, name="test") as connection:
        connection.execute("CREATE UNIQUE INDEX ON public.students (phone)")
    for arguments, code, environment in (
        *((look, 0, {}) for look in LOOKS),
        (("migrate", str(not_json), "--debug"), 3, {}),
        (("migrate", str(twice), "--debug"), 15, {}),
        (("verify", "--json"), 10, {}),
        (("verify", "--format", "junit"), 10, {}),
        (("check", str(bad), "--format", "junit", "--debug"), 4, {}),
        (("check", str(bad), "--format", "github", "--max-refused", "90%", "--debug"), 0, quarantine),
    ):
        said = in_process(settings, *arguments, **environment)
        assert said.exit_code == code, said.output
        assert MARK not in said.output
    assert list(settings.runs_dir.glob("*/refused.jsonl"))
    watched = [
        state.listed(settings.runs_dir),
        *(state.of_run(settings.runs_dir, run.id) for run in all_runs(settings)),
    ]
    assert MARK not in json.dumps(watched)
    assert leaks(settings.project) == []
