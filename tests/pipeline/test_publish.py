"""Publishing and planning: what is reviewed is what is published, and no more is deleted than is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.errors import PreflightFailed, PublishFailed, UsageError
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.target import confirm
from mock2pg.runs import Run, StepResult
from mock2pg.settings import Settings
from tests.fix_project import Document, sample
from tests.fix_small import small_document, small_project


def fingerprint(settings: Settings) -> list[Any]:
    """Rows and their physical versions: a row that was written again, even with the same values, shows."""
    with postgres.connect(settings.url, name="test", read_only=True) as connection:
        names = postgres.catalogue.tables(connection, "public")
        query = " UNION ALL ".join(f"SELECT '{name}', id, xmin::text, ctid::text FROM public.{name}" for name in names)
        return connection.execute(query + " ORDER BY 1, 2").fetchall()  # type: ignore[arg-type]


def changed(document: Document) -> Document:
    document["students"][0]["phone"] = "changed"
    document["classNotes"].pop()
    document["meetings"].append({**document["meetings"][0], "id": "new"})
    return document


def test_a_plan_says_what_would_change_and_writes_nothing(published: Settings, document: Document) -> None:
    """Per table the numbers, the keys and the lock; live is not written, and no scratch schema stays."""
    before = fingerprint(published)
    gone = document["classNotes"][-1]["id"]
    changed(document)["students"][0]["phone"] = "CANARY-7291"
    result = MigrationService(published).plan(document)
    assert result.success
    tables = result.summary["plan"]["tables"]
    numbers = {name: (t["inserted"], t["updated"], t["deleted"]) for name, t in tables.items()}
    assert {name for name, n in numbers.items() if any(n)} == {"students", "class_notes", "meetings"}
    assert tables["students"]["keys"] == {"inserted": [], "updated": [document["students"][0]["id"]], "deleted": []}
    assert tables["class_notes"]["keys"]["deleted"] == [gone]
    assert tables["meetings"]["keys"]["inserted"] == ["new"]
    assert {t["lock"] for name, t in tables.items() if any(numbers[name])} == {"SHARE ROW EXCLUSIVE"}
    assert {t["lock"] for name, t in tables.items() if not any(numbers[name])} == {""}
    assert fingerprint(published) == before
    with postgres.connect(published.url, name="test") as connection:
        assert not postgres.catalogue.schema_exists(connection, postgres.scratch.NEXT)
    assert "CANARY" not in (result.report.parent / "plan.json").read_text()
    assert "The target tables were only read." in result.report.read_text()


def test_a_plan_for_an_empty_database_names_every_table(settings: Settings, document: Document) -> None:
    """Tables that are not there would be created, with all their rows."""
    result = MigrationService(settings).plan(document)
    tables = result.summary["plan"]["tables"]
    assert all(table["created"] and table["lock"] == "ACCESS EXCLUSIVE" for table in tables.values())
    assert tables["students"]["inserted"] == len(document["students"])
    assert len(tables["homework_submissions"]["keys"]["inserted"]) == 20
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []


def test_what_was_reviewed_is_published_or_nothing(published: Settings, document: Document) -> None:
    """Another input is refused at once; the same is published; a second time live is no longer what was reviewed."""
    settings, service = published, MigrationService(published)
    planned = service.plan(changed(document))
    reviewed = planned.report.parent / "plan.json"
    before = fingerprint(settings)

    other = service.migrate_all_data(sample(), reviewed=reviewed)
    assert isinstance(other.error, PublishFailed)
    assert other.error.message.endswith(f"reviewed in run {planned.run_id}: the input changed")
    assert "backup" not in other.summary
    assert fingerprint(settings) == before

    assert service.migrate_all_data(document, reviewed=reviewed).success
    before = fingerprint(settings)
    late = service.migrate_all_data(document, reviewed=reviewed)
    assert isinstance(late.error, PublishFailed)
    assert late.error.message == (
        f"the difference is no longer the one that was reviewed in run {planned.run_id}:"
        " table class_notes, table meetings, table students changed"
    )
    assert fingerprint(settings) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"run_id": "x"}'])
def test_a_file_that_is_no_plan_is_refused_before_a_run(content: str, settings: Settings, tmp_path: Path) -> None:
    """A wrong path or file is an error of the one who typed it."""
    (file := tmp_path / "plan.json").write_text(content)
    for path in (file, tmp_path / "nothing"):
        with pytest.raises(UsageError, match="is no plan"):
            MigrationService(settings).migrate_all_data({}, reviewed=path)
    assert not settings.runs_dir.exists()


def test_more_deletions_than_allowed_stop_the_run(published: Settings, document: Document) -> None:
    """A source that was cut short: neither half of a table of more than 100 rows goes, nor all rows of a small one."""
    before = fingerprint(published)
    document["homeworkSubmissions"] = document["homeworkSubmissions"][:60]
    document["scheduleExceptions"] = []
    result = MigrationService(published).migrate_all_data(document)
    assert isinstance(result.error, PreflightFailed)
    assert [(finding["table"], finding["what"]) for finding in result.summary["preflight"]["findings"]] == [
        ("homework_submissions", "would lose 72 of 132 rows"),
        ("schedule_exceptions", "would be emptied of 9 rows"),
    ]
    assert "--allow-empty scheduleExceptions" in result.error.message
    assert "backup" not in result.summary
    assert fingerprint(published) == before


def test_losses_that_are_meant_go_through(published: Settings, document: Document) -> None:
    """A higher limit, an entity that is named, and a table of the application's own that is named."""
    settings, gone = published, document["homeworkSubmissions"][-1]["id"]
    with postgres.connect(settings.url, name="test") as connection:
        connection.execute(
            "CREATE TABLE public.pins (of text REFERENCES public.homework_submissions ON DELETE CASCADE)"
        )
        connection.execute("INSERT INTO public.pins VALUES (%s)", [gone])
    document["homeworkSubmissions"] = document["homeworkSubmissions"][:60]
    document["scheduleExceptions"] = []
    meant = settings.model_copy(update={"max_deleted": "55%", "allow_empty": "other, scheduleExceptions"})
    result = MigrationService(meant).migrate_all_data(document)
    assert isinstance(result.error, PreflightFailed)
    assert "1 row of public.pins (pins_of_fkey)" in result.error.message

    result = MigrationService(meant.model_copy(update={"allow_cascade": "pins"})).migrate_all_data(document)
    assert result.success, result.message
    assert result.summary["publish"]["tables"]["homework_submissions"]["deleted"] == 72
    assert result.summary["publish"]["tables"]["schedule_exceptions"]["after"] == 0
    with postgres.connect(settings.url, name="test") as connection:
        assert connection.execute("SELECT count(*) FROM public.pins").fetchone() == (0,)


def test_a_database_on_another_machine_is_called_by_its_name(
    published: Settings, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its name, or with another, nothing is changed; asked for, it may be typed. Reading needs none."""
    monkeypatch.setattr(postgres, "host", lambda connection: "db.example")
    with postgres.connect(published.url, name="test") as connection:
        name = postgres.describe_database(connection)["name"]
    before = fingerprint(published)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "another"

    for service in (
        MigrationService(published),
        MigrationService(published.model_copy(update={"confirm": "another"}), ask=answer),
        MigrationService(published, ask=answer),
    ):
        result = service.migrate_all_data(changed(sample()))
        assert isinstance(result.error, UsageError)
        assert result.error.message == f"the database {name} is on db.example, not on this machine"
        assert f"--confirm {name}" in result.error.hint
    assert questions == [f"the database {name} is on db.example, not on this machine. Type its name to change it"]
    assert fingerprint(published) == before
    assert MigrationService(published, ask=lambda _: name).migrate_all_data(document).success
    confirm(published.model_copy(update={"confirm": name}), name, "db.example")


@pytest.mark.parametrize(
    ("statement", "passes"),
    [
        ("UPDATE public.pets SET legs = 7 WHERE id = 'gone'", False),
        ("INSERT INTO public.pets (id, name, legs, owner_id) VALUES ('theirs', 'theirs', 1, 'Ann')", False),
        ("UPDATE public.owners SET name = name", True),
    ],
)
def test_what_was_written_since_the_backup_is_not_lost(
    statement: str, passes: bool, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that would be deleted or overwritten, and that no backup holds, stops the run."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    service, execute = MigrationService(settings), steps.run_recorded
    assert service.migrate_all_data(small_document("stays", "gone")).success

    def busy(step: steps.Step, run: Run, *, warn: Any, **parameters: Any) -> StepResult:
        here = steps.Step(step.name)  # without a notebook, which takes longer
        result = execute(here, run, warn=warn, **parameters)
        if step.name == "backup":
            with postgres.connect(database, name="an application") as connection:
                connection.execute(statement)  # type: ignore[arg-type]
        return result

    monkeypatch.setattr(steps, "run_recorded", busy)
    result = service.migrate_all_data(small_document("stays:5"))
    assert result.success is passes
    if not passes:
        assert isinstance(result.error, PublishFailed)
        assert "live was written since the backup was taken, which does not hold that: pets" in result.error.message


def test_what_the_catalogue_shows_stops_the_run_before_dbt_builds(database: str, tmp_path: Path) -> None:
    """All conflicts of all tables come back in one run, which built nothing and took no backup."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    with postgres.connect(database, name="test") as connection:
        connection.execute(
            "CREATE TABLE public.owners (id text PRIMARY KEY, name text, mail text NOT NULL);"
            "CREATE TABLE public.pets (id text PRIMARY KEY, owner_id text, kind text NOT NULL)"
        )
    result = MigrationService(settings).migrate_all_data(small_document("Rex"))
    assert isinstance(result.error, PreflightFailed)
    assert [(finding["table"], finding["what"].split(" is ")[0]) for finding in result.summary["load"]["findings"]] == [
        ("pets", "column name"), ("pets", "column legs"), ("owners", "column mail"), ("pets", "column kind"),
    ]  # fmt: skip
    assert not {"preflight", "backup"} & set(result.summary)
    assert not any((settings.runs_dir / result.run_id).glob("hashes/*"))
