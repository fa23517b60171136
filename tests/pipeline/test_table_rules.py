"""Rules about the target tables: they judge what dbt built, before anything is published."""

from __future__ import annotations

import json
from pathlib import Path

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import LoadFailed
from tests.fix_small import small_document, small_project


def test_a_rule_over_several_tables_stops_the_run(tmp_path: Path, database: str) -> None:
    """It fails the load with the row's key, and Data Docs show it; of an upsert, whose other rows are not built, it is
    not judged; a project without such rules has no Data Docs of them."""
    project = small_project(tmp_path)
    settings = settings_module.load(project=project, database_url=database, mode="replace")
    document = small_document("Rex", "Tom", "Mia")  # Ann has two
    loaded = MigrationService(settings).load(document)
    assert loaded.success, loaded.message
    assert loaded.summary["load"]["rules"] == 0
    assert not (settings.runs_dir / loaded.run_id / "data_docs" / "built").exists()

    pets = "SELECT owner_id, count(*) AS number FROM pets GROUP BY owner_id"
    rule = {
        "type": "unexpected_rows_expectation",
        "kwargs": {
            "unexpected_rows_query": f"SELECT o.* FROM {{batch}} AS o JOIN ({pets}) AS p ON p.owner_id = o.id"
            " WHERE p.number > 1"
        },
        "description": "An owner has one pet.",
        "severity": "critical",
        "meta": {"rule": "one_pet", "field": "id", "message": "must have one pet"},
    }
    (project / "expectations" / "tables").mkdir()
    (project / "expectations" / "tables" / "owners.json").write_text(json.dumps({"expectations": [rule]}))
    failed = MigrationService(settings).load(document)
    assert isinstance(failed.error, LoadFailed)
    assert failed.error.message == "the built tables break their rules:\n  owners.id: must have one pet (id Ann)"
    docs = settings.runs_dir / failed.run_id / "data_docs" / "built"
    page = next(docs.rglob("rules.html")).read_text()
    assert "An owner has one pet." in page
    assert "<li><code>owners.id (id Ann)</code>: must have one pet</li>" in page
    assert f"1 of {len(document['owners'])} rows" in page

    upserted = MigrationService(settings.model_copy(update={"mode": "upsert"})).load(document)
    assert upserted.success, upserted.message
    assert upserted.summary["load"]["rules"] == 0
