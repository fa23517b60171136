"""Publishing and planning: what is reviewed is what is published, and no more is deleted than is allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from mock2pg.backups import snapshot
from mock2pg.errors import PreflightFailed, PublishFailed, TargetChanged, UsageError
from mock2pg.pipeline import step as steps
from mock2pg.pipeline.target import confirm
from mock2pg.runs import Run
from mock2pg.settings import Settings
from mock2pg.step_results import StepResult
from tests.fix_published import small_rows
from tests.fix_small import Document, small_document, small_project


def fingerprint(settings: Settings) -> list[Any]:
    """Rows and their physical versions: a row that was written again, even with the same values, shows."""
    with postgres.connect(settings.url, name="test", read_only=True) as connection:
        names = postgres.catalogue.tables(connection, "public")
        query = " UNION ALL ".join(f"SELECT '{name}', id, xmin::text, ctid::text FROM public.{name}" for name in names)
        return connection.execute(query + " ORDER BY 1, 2").fetchall()  # type: ignore[arg-type]


def changed(document: Document) -> Document:
    """One row different, one gone, one new, in two tables."""
    document["owners"][0]["name"] = "changed"
    document["pets"].pop()
    document["owners"].append({"id": "new", "name": "new"})
    return document


def test_a_plan_says_what_would_change_and_writes_nothing(published_small: Settings) -> None:
    """Per table the numbers, the keys and the lock; the target is not written, and no scratch schema stays."""
    document, before = small_rows(), fingerprint(published_small)
    gone = document["pets"][-1]["id"]
    changed(document)["owners"][0]["name"] = "CANARY-7291"
    result = MigrationService(published_small).plan(document)
    assert result.success
    tables = result.summary["plan"]["tables"]
    numbers = {name: (t["inserted"], t["updated"], t["deleted"]) for name, t in tables.items()}
    assert numbers == {"owners": (1, 1, 0), "pets": (0, 0, 1)}
    assert tables["owners"]["keys"] == {"inserted": ["new"], "updated": [document["owners"][0]["id"]], "deleted": []}
    assert tables["pets"]["keys"]["deleted"] == [gone]
    assert [tables[name]["columns"] for name in ("owners", "pets")] == [{"name": 1}, {}]
    assert {t["lock"] for t in tables.values()} == {"SHARE ROW EXCLUSIVE"}
    assert fingerprint(published_small) == before
    with postgres.connect(published_small.url, name="test") as connection:
        assert not postgres.catalogue.schema_exists(connection, postgres.scratch.NEXT)
    assert "CANARY" not in (result.report.parent / "plan.json").read_text()
    page = result.report.read_text()
    assert page.count("he target tables were only read.") == 1
    assert " in <b>name</b> (1)" in page
    same = MigrationService(published_small).plan(small_rows())
    assert {table["lock"] for table in same.summary["plan"]["tables"].values()} == {""}


def test_a_plan_for_an_empty_database_names_every_table(database: str, tmp_path: Path) -> None:
    """Tables that are not there would be created, with all their rows."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    result = MigrationService(settings).plan(small_rows())
    tables = result.summary["plan"]["tables"]
    assert all(table["created"] and table["lock"] == "ACCESS EXCLUSIVE" for table in tables.values())
    assert tables["pets"]["inserted"] == len(small_rows()["pets"])
    assert len(tables["pets"]["keys"]["inserted"]) == 20
    with postgres.connect(settings.url, name="test") as connection:
        assert postgres.catalogue.tables(connection, "public") == []


def test_what_was_reviewed_is_published_or_nothing(published_small: Settings) -> None:
    """Another input is refused at once; the same is published; after that the target is not what was reviewed."""
    settings, service, document = published_small, MigrationService(published_small), changed(small_rows())
    planned = service.plan(document)
    reviewed = planned.report.parent / "plan.json"
    before = fingerprint(settings)

    other = service.migrate_all_data(small_rows(), reviewed=reviewed)
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
        " table owners, table pets changed"
    )
    assert fingerprint(settings) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"run_id": "x"}'])
def test_a_file_that_is_no_plan_is_refused_before_a_run(content: str, settings: Settings, tmp_path: Path) -> None:
    """A wrong path or file is an error of the one who typed it."""
    (file := tmp_path / "plan.json").write_text(content)
    for path in (file, tmp_path / "nothing"):
        with pytest.raises(UsageError, match="is not a plan"):
            MigrationService(settings).migrate_all_data({}, reviewed=path)
    assert not settings.runs_dir.exists()


def test_more_deletions_than_allowed_stop_the_run(published_small: Settings) -> None:
    """A source that was cut short: neither half of a table of more than 100 rows goes, nor all rows of any."""
    before, document = fingerprint(published_small), small_rows()
    document["pets"] = document["pets"][:60]
    cut = MigrationService(published_small).migrate_all_data(document)
    emptied = MigrationService(published_small).migrate_all_data({**document, "pets": []})
    for result, what in ((cut, "would lose 72 of 132 rows"), (emptied, "would be emptied of 132 rows")):
        assert isinstance(result.error, PreflightFailed)
        (finding,) = result.summary["preflight"]["findings"]
        assert (finding["table"], finding["what"]) == ("pets", what)
        assert "backup" not in result.summary
    assert emptied.error is not None
    assert "--allow-empty pets" in emptied.error.message
    assert fingerprint(published_small) == before


def test_losses_that_are_meant_go_through(published_small: Settings) -> None:
    """A higher limit, an entity that is named, and a table of the application's own that is named."""
    settings, document = published_small, small_rows()
    with postgres.connect(settings.url, name="test") as connection:
        connection.execute("CREATE TABLE public.pins (of text REFERENCES public.pets ON DELETE CASCADE)")
        connection.execute("INSERT INTO public.pins VALUES (%s)", [document["pets"][-1]["id"]])
    document["pets"] = document["pets"][:60]
    meant = settings.model_copy(update={"max_deleted": "55%"})
    result = MigrationService(meant).migrate_all_data(document)
    assert isinstance(result.error, PreflightFailed)
    (finding,) = result.summary["preflight"]["findings"]  # not the limit
    assert "1 row of public.pins (pins_of_fkey)" in finding["what"]

    meant = settings.model_copy(update={"allow_empty": "other, pets", "allow_cascade": "pins"})
    result = MigrationService(meant).migrate_all_data({**document, "pets": []})
    assert result.success, result.message
    table = result.summary["publish"]["tables"]["pets"]
    assert (table["deleted"], table["after"]) == (132, 0)
    with postgres.connect(settings.url, name="test") as connection:
        assert connection.execute("SELECT count(*) FROM public.pins").fetchone() == (0,)


def test_a_database_on_another_machine_is_called_by_its_name(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its name, or with another, nothing is changed; asked for, it may be typed. Reading needs none."""
    monkeypatch.setattr(postgres, "host", lambda connection: "db.example")
    with postgres.connect(published_small.url, name="test") as connection:
        name = postgres.describe_database(connection)["name"]
    before = fingerprint(published_small)
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "another"

    for service in (
        MigrationService(published_small),
        MigrationService(published_small.model_copy(update={"confirm": "another"}), ask=answer),
        MigrationService(published_small, ask=answer),
    ):
        result = service.migrate_all_data(changed(small_rows()))
        assert isinstance(result.error, UsageError)
        told = ", and the answer is not its name" * bool(questions)
        assert result.error.message == f"the database {name} is on db.example, not on this machine{told}"
        assert f"--confirm {name}" in result.error.hint
    assert questions == [f"the database {name} is on db.example, not on this machine. Type its name to change it"]
    assert fingerprint(published_small) == before
    assert MigrationService(published_small, ask=lambda _: name).migrate_all_data(small_rows()).success
    confirm(published_small.model_copy(update={"confirm": name}), name, "db.example")


@pytest.mark.parametrize(
    ("statement", "passes"),
    [
        ("UPDATE public.pets SET legs = 7 WHERE id = 'pet 131'", False),
        ("UPDATE public.owners SET name = name", True),
    ],
)
def test_what_was_written_since_the_backup_is_not_lost(
    statement: str, passes: bool, published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that would be deleted or overwritten, and that no backup holds, stops the run."""
    document = small_rows()
    document["pets"].pop()
    service, execute = MigrationService(published_small), steps.run_recorded

    def busy(step: steps.Step[Any], run: Run, *, warn: Any, **parameters: Any) -> StepResult:
        here = replace(step, notebook=False)  # without a notebook, which takes longer
        result = execute(here, run, warn=warn, **parameters)
        if step.name == "backup":
            with postgres.connect(published_small.url, name="an application") as connection:
                connection.execute(statement)  # type: ignore[arg-type]
        return result

    monkeypatch.setattr(steps, "run_recorded", busy)
    result = service.migrate_all_data(document)
    assert result.success is passes
    if not passes:
        assert isinstance(result.error, PublishFailed)
        assert "others changed the target tables after the backup was taken: pets" in result.error.message


def test_what_the_catalogue_shows_stops_the_run_before_dbt_builds(database: str, tmp_path: Path) -> None:
    """All conflicts of all tables come back in one run, which built nothing and took no backup. A plan builds, so that
    what the rows show is in the one list, too."""
    settings = settings_module.load(project=small_project(tmp_path), database_url=database)
    with postgres.connect(database, name="test") as connection:
        connection.execute(
            "CREATE TABLE public.owners (id text PRIMARY KEY, name text CHECK (name <> 'Bob'), mail text NOT NULL);"
            "CREATE TABLE public.pets (id text PRIMARY KEY, owner_id text, kind text NOT NULL)"
        )
    service = MigrationService(settings)
    result = service.migrate_all_data(small_document("Rex"))
    assert isinstance(result.error, PreflightFailed)
    assert [(finding["table"], finding["what"].split(" is ")[0]) for finding in result.summary["load"]["findings"]] == [
        ("pets", "column name"), ("pets", "column legs"), ("owners", "column mail"), ("pets", "column kind"),
    ]  # fmt: skip
    assert not {"preflight", "backup"} & set(result.summary)
    assert not any((settings.runs_dir / result.run_id).glob("hashes/*"))
    planned = service.plan(small_document("Rex"))
    assert [finding["what"].split(" is ")[0] for finding in planned.summary["preflight"]["findings"]] == [
        "column name", "column legs", "column mail", "column kind",
        "check owners_name_check would be violated by 1 row (Bob)",
    ]  # fmt: skip


def test_where_nothing_is_written_a_later_write_of_others_is_not_taken_for_ours(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of theirs, written between the backup and a publication of nothing, keeps the run from being undone."""
    save, service = snapshot.save, MigrationService(published_small)
    with postgres.connect(published_small.url, name="test") as connection:
        connection.execute("ALTER TABLE public.owners ADD theirs text")

        def interrupted(*arguments: Any) -> Any:
            saved = save(*arguments)
            connection.execute("UPDATE public.owners SET theirs = 'new' WHERE id = 'owner 1'")
            return saved

        monkeypatch.setattr(snapshot, "save", interrupted)
        result = service.migrate_all_data(small_rows())
        monkeypatch.undo()
    assert result.success, result.message
    refused = service.rollback(result.summary["backup"]["backup_id"])
    assert isinstance(refused.error, TargetChanged)
    assert "owners: changed in columns or rows that run" in refused.error.message
