"""Builds that are not made again: when another build would give the tables that are published, and when not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mock2pg import MigrationService, build, history, postgres, workers
from mock2pg import settings as settings_module
from mock2pg.build import kept_manifest
from mock2pg.errors import PublishFailed, VerifyFailed
from mock2pg.history import HistoryRow
from mock2pg.pipeline import known_build, migrate
from mock2pg.pipeline.step import run_in_process
from mock2pg.pipeline.steps.verify import verifying
from mock2pg.publishing import others_code
from mock2pg.runs import Run, new_run, open_run
from mock2pg.settings import Settings
from mock2pg.step_results import Connected, Difference, Loaded, Published, Staged, Verified
from tests.fix_published import small_rows
from tests.fix_small import model_alone, small_document, small_project

OWNERS = Path("models", "core", "owners.sql")


def execute(settings: Settings, statement: str) -> None:
    with postgres.connect(settings.url, name="test") as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def begun(settings: Settings, published: Run) -> Run:
    """A run of the same input, whose first steps have passed."""
    run = new_run(settings)
    for name in ("connect", "stage"):
        result = published.result(name)
        assert result is not None
        if isinstance(result.found, Staged):
            found = replace(result.found, project_sha256=known_build.project_sha256(settings))
            result = replace(result, found=found)
        run.save(result)
    return run


def known(run: Run) -> bool:
    with postgres.connect(run.settings.url, name="test") as connection:
        return known_build.of(run, connection) is not None


def append(settings: Settings, file: Path, text: str) -> None:
    place = settings.dbt_dir / file
    place.parent.mkdir(exist_ok=True)
    with place.open("a", encoding="utf-8") as opened:
        opened.write(text)


def _load_without_notebooks(run: Run, *, with_notebooks: bool) -> None:
    assert not with_notebooks  # they wait until the check has given its memory back


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[workers.Kind]:
    """The kinds of workers that are ended, where every number of rows counts as many."""
    kinds = list[workers.Kind]()
    monkeypatch.setattr(workers, "MANY_ROWS", 0)
    monkeypatch.setattr(migrate, "load_ahead", _load_without_notebooks)
    monkeypatch.setattr(workers, "end_waiting", lambda *given: kinds.extend(given))
    return kinds


def test_the_same_input_is_not_built_again(published_small: Settings, ended: list[workers.Kind]) -> None:
    """Nothing is landed and dbt builds nothing; every step says of the tables what it says after a build.

    Of many rows, the workers that have done their part give their memory back.
    """
    settings, service = published_small, MigrationService(published_small)
    first = open_run(settings)
    result = service.migrate_all_data(small_rows())
    assert result.success, result.message
    assert ended == [workers.RULES, workers.DBT]
    run = Run(result.run_id, settings)
    was, loaded = first.require(Loaded), run.require(Loaded)
    assert loaded.built_by == first.id
    assert loaded.summary == f"{was.summary}; not built again: unchanged since run {first.id}"
    assert replace(loaded, summary=was.summary, built_by="", target_oids=was.target_oids) == was
    for name in ("contracts.json", "dbt/manifest.json"):
        assert (run.folder / name).read_bytes() == (first.folder / name).read_bytes()
    assert result.summary["publish"]["tables"] == {
        name: {"before": rows, "after": rows, "inserted": 0, "updated": 0, "deleted": 0, "created": False,
               "unchanged": rows}
        for name, rows in was.built.items()
    }  # fmt: skip
    assert list(result.summary["publish"]["tables"]) == ["owners", "pets"]
    with postgres.connect(settings.url, name="test") as connection:
        rows = [history.of(connection, each.id, "migrate") for each in (first, run)]
    before, after = [row for row in rows if row]
    assert after.findings
    assert before.findings
    assert after.findings.build == before.findings.build
    hashes = ("hash", "content")
    assert [[table[each] for each in hashes] for table in after.tables.values()] == [
        [table[each] for each in hashes] for table in before.tables.values()
    ]
    assert service.validate_migration()
    again = service.migrate_all_data(small_rows())
    assert again.summary["load"]["built_by"] == run.id


def test_what_others_changed_is_built_and_published_again(published_small: Settings, ended: list[workers.Kind]) -> None:
    """The backup shows that the target tables are no longer as they were published."""
    execute(published_small, "UPDATE public.owners SET name = 'others' WHERE id = (SELECT min(id) FROM public.owners)")
    execute(published_small, "DELETE FROM public.pets WHERE id = (SELECT min(id) FROM public.pets)")
    result = MigrationService(published_small).migrate_all_data(small_rows())
    assert result.success, result.message
    assert result.summary["load"]["built_by"] == ""
    assert ended == [workers.RULES, workers.DBT] * 2  # of what was known, and of the build
    changes = {name: (t["inserted"], t["updated"]) for name, t in result.summary["publish"]["tables"].items()}
    assert changes == {"owners": (0, 1), "pets": (1, 0)}


def test_what_others_change_after_the_backup_stops_publishing(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target tables are compared once more in the transaction that publishes."""
    refuse = others_code.refuse_planted

    def write(*arguments: Any) -> None:
        execute(
            published_small, "UPDATE public.owners SET name = 'others' WHERE id = (SELECT min(id) FROM public.owners)"
        )
        refuse(*arguments)

    monkeypatch.setattr(others_code, "refuse_planted", write)
    result = MigrationService(published_small).migrate_all_data(small_rows())
    assert isinstance(result.error, PublishFailed)
    assert result.error.message == "others changed the target tables after the backup was taken: owners"


def test_a_run_that_changed_nothing_leaves_what_others_write_before_verify(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails, and undoes nothing: the next migration publishes the input again."""
    read, others = verifying._read, ["UPDATE public.owners SET name = 'others' WHERE id = 'owner 0'"]

    def written(*arguments: Any) -> Verified:
        if others:
            execute(published_small, others.pop())
        return read(*arguments)

    monkeypatch.setattr(verifying, "_read", written)
    service = MigrationService(published_small)
    result = service.migrate_all_data(small_rows())
    assert isinstance(result.error, VerifyFailed)
    assert "owners: 1 different (key owner 0) in name (1 row)" in result.error.message
    assert result.target_state.startswith("This run changed nothing in the target tables, and undid nothing")
    assert "`mock2pg plan` shows each change" in result.error.hint
    assert "rollback" not in result.summary
    result = service.migrate_all_data(small_rows())
    assert result.success, result.message
    assert result.summary["publish"]["tables"]["owners"]["updated"] == 1


def test_what_others_write_after_the_backup_is_compared_with_what_was_built(tmp_path: Path, database: str) -> None:
    """Not with what the target tables held when the run looked; of an ensured table every key must be there, and rows
    of others stay."""
    project = small_project(tmp_path)
    model_alone(project, "labels")
    owners = project / "dbt_project" / OWNERS.with_suffix(".yml")
    owners.write_text(owners.read_text() + "  config: {meta: {publish: ensure}}\n")
    settings, document = settings_module.load(project=project, database_url=database), small_document("Rex")
    assert MigrationService(settings).migrate_all_data(document).success
    run = new_run(settings, document)
    run_in_process("connect", run, {"command": "migrate"})
    for name in ("stage", "check", "backup"):
        run_in_process(name, run)

    def published(*others: str) -> Published:
        for statement in others:
            execute(settings, statement)
        run_in_process("load", run)
        assert run.require(Loaded).built_by
        run_in_process("preflight", run)
        return run_in_process("publish", run).of(Published)

    with pytest.raises(PublishFailed, match=r"others changed the target tables after the backup was taken: labels$"):
        published("UPDATE public.labels SET name = 'others'")
    with pytest.raises(PublishFailed, match=r": owners$"):
        published("UPDATE public.labels SET name = 'k'", "UPDATE public.owners SET id = 'others' WHERE id = 'Bob'")
    found = published("INSERT INTO public.owners VALUES ('Bob', 'others')")
    assert found.tables["owners"] == Difference(3, 3, 0, 0, 0)
    run_in_process("verify", run)
    built = MigrationService(settings).migrate_all_data(document)
    assert (built.error, built.summary["load"]["built_by"]) == (None, "")


FILES: dict[str, Callable[[Settings], None]] = {
    "the text of a model": lambda settings: append(settings, OWNERS, " "),
    "a contract": lambda settings: append(settings, OWNERS.with_suffix(".yml"), "\n"),
    "a source": lambda settings: append(settings, Path("models", "_sources.yml"), "\n"),
    "a macro": lambda settings: append(settings, Path("macros", "new.sql"), "{% macro new() %}{% endmacro %}"),
    "a seed": lambda settings: append(settings, Path("seeds", "new.csv"), "a,b"),
    "a variable": lambda settings: append(settings, Path("dbt_project.yml"), "  other: replace\n"),
    "a rule": lambda settings: append(settings, Path("..", "expectations", "pets.json"), "{}"),
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "another mode": {"mode": "upsert"},
    "--alter": {"alter": True},
    "other treatment of invalid rows": {"on_error": "quarantine"},
    "other treatment of undeclared fields": {"unknown_fields": "warn"},
    "another schema": {"target_schema": "other"},
}
STAGED: dict[str, dict[str, Any]] = {
    "another input": {"sha256": "0"},
    "another single value": {"rest_sha256": "0"},
    "an unknown project": {"project_sha256": None},
}
CONNECTED: dict[str, dict[str, Any]] = {
    "another server": {"system_identifier": "1"},
    "another version of it": {"server_version": "14.1"},
    "another database": {"name": "other"},
    "a cluster": {"citus": True},
}


def rows_of_history(row: HistoryRow) -> dict[str, HistoryRow | None]:
    findings = row.findings
    assert findings is not None
    owners = {**row.tables["owners"], "after": 13}
    return {
        "no history row": None,
        "a row of an earlier version": replace(row, findings=replace(findings, build=None)),
        "a row of an even earlier version": replace(row, findings=None),
        "a rollback": replace(row, command="rollback"),
        "a rollback to before": replace(row, published_run="another"),
        "rows that were not built": replace(row, tables={**row.tables, "owners": owners}),
        "keys that were kept": replace(row, findings=replace(findings, kept_keys={"pets": 1})),
        "a table that is gone": replace(row, tables={**row.tables, "gone": {"after": 1}}),
    }


def test_a_build_is_made_when_anything_else_may_come_out(
    published_small: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project, the settings, the input, the server, the history and every version must be those of then."""
    settings, first, taken = published_small, open_run(published_small), list[str]()

    def look(what: str, run: Run, *, expected: bool = False) -> None:
        if known(run) != expected:
            taken.append(what)

    look("the same", begun(settings, first), expected=True)
    for what, change in FILES.items():
        before = {file: file.read_bytes() for file in settings.project.glob("*/**/*") if file.is_file()}
        change(settings)
        look(what, begun(settings, first))
        for file in [each for each in settings.dbt_dir.rglob("*") if each.is_file() and each not in before]:
            file.unlink()
        (settings.expectations_dir / "pets.json").unlink(missing_ok=True)
        for file, content in before.items():
            if file.read_bytes() != content:
                file.write_bytes(content)
    for what, changed in SETTINGS.items():
        look(what, begun(settings.model_copy(update=changed), first))
    for what, fields in STAGED.items():
        run = begun(settings, first)
        result = run.result("stage")
        assert result is not None
        run.save(replace(result, found=replace(run.require(Staged), **fields)))
        look(what, run)
    for what, fields in CONNECTED.items():
        run = begun(settings, first)
        result, found = run.result("connect"), run.require(Connected)
        assert result is not None
        run.save(replace(result, found=replace(found, database=replace(found.database, **fields))))
        look(what, run)
    for what, *patch in (
        ("mock2pg", known_build, "VERSION", "0"),
        ("a checkout", known_build, "_own_files", list),
        ("duckdb", known_build, "version", lambda _: "0"),
        ("dbt", kept_manifest, "version", lambda _: "0"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(*patch)
            look(what, begun(settings, first))
    run = begun(settings, first)
    append(settings, OWNERS, " ")
    look("a project that is changed after staging", run)
    (settings.dbt_dir / OWNERS).write_text((settings.dbt_dir / OWNERS).read_text().rstrip(" "))
    look("the same again", begun(settings, first), expected=True)
    with postgres.connect(settings.url, name="test") as connection:
        row = history.newest(connection, settings.target_schema)
    assert row is not None
    for what, other in rows_of_history(row).items():
        with monkeypatch.context() as patched:
            patched.setattr(history, "newest", lambda *_, other=other: other)
            look(what, begun(settings, first))
    manifest = first.folder / "dbt" / "manifest.json"
    manifest.write_text("{}")
    look("another manifest.json", begun(settings, first))
    manifest.unlink()
    look("no manifest.json", begun(settings, first))
    assert taken == []


def test_only_a_build_that_follows_from_input_and_project_is_recorded(published_small: Settings) -> None:
    """A project with hooks, say, a model that reads the clock, a circle of references and a changed project are not."""
    settings, first = published_small, open_run(published_small)
    run, plain = begun(settings, first), build.Built(2, 0, plain=("SELECT 1 AS id",))
    with postgres.connect(settings.url, name="test") as connection:
        postgres.scratch.recreate(connection)
        cases = {
            "plain": (plain, True),
            "with hooks": (replace(plain, plain=None), False),
            "of the clock": (replace(plain, plain=("SELECT now() AS id",)), False),
            "a circle": (replace(plain, circular={"pets": ()}), False),
        }
        recorded = {
            what: known_build.record(run, connection, built, (), {}) is not None for what, (built, _) in cases.items()
        }
        assert recorded == {what: expected for what, (_, expected) in cases.items()}
        append(settings, OWNERS, " ")
        assert known_build.record(run, connection, plain, (), {}) is None
        postgres.scratch.drop(connection)
