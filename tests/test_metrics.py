"""Metrics of a run: in its record, on its page, and as Prometheus reads them."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mock2pg import MigrationService
from mock2pg import settings as settings_module
from mock2pg.errors import UsageError
from mock2pg.pipeline.steps import report
from mock2pg.runs import Run, open_run
from mock2pg.settings import Settings
from mock2pg.step_results import Reported
from mock2pg.text import duration
from mock2pg.workers.memory import Together
from tests.fix_published import small_rows
from tests.fix_small import small_document, small_project


def test_a_run_records_what_it_cost(published_small: Settings, tmp_path: Path) -> None:
    """Record, page and Prometheus file have the same numbers, and none of the rows' values."""
    service, rows = MigrationService(published_small), small_rows()
    for row in rows["pets"][:30]:
        row["name"] = f"unheard-of {row['id']}"
    result = service.migrate_all_data(rows)
    assert result.success, result.message
    record = open_run(published_small).record()
    metrics = record["metrics"]
    assert set(metrics["steps"]) >= {"connect", "stage", "check", "load", "preflight", "backup", "publish", "verify"}
    assert metrics["steps"]["publish"]["rows"] == 30
    assert metrics["steps"]["verify"]["rows"] == 144
    for step in ("load", "backup", "publish", "verify"):
        assert metrics["steps"][step]["statements"] > 0, step
        assert 0 < metrics["steps"][step]["database_seconds"] <= metrics["steps"][step]["seconds"] * 4, step  # threads
    assert metrics["wal_bytes"] > 0
    assert metrics["database_seconds"] > 0
    assert "peak_memory_bytes" not in record  # one fact has one place
    slowest = metrics["slowest_statements"]
    assert [each["seconds"] for each in slowest] == sorted((each["seconds"] for each in slowest), reverse=True)
    page = result.report.read_text(encoding="utf-8")
    assert re.search("<h2[^>]*>Metrics</h2>", page)
    out = tmp_path / "mock2pg.prom"
    text = service.metrics(out=out)
    assert out.read_text() == text
    assert stat.S_IMODE(out.stat().st_mode) == 0o644  # node_exporter is somebody else
    found = {
        (sample.name, sample.labels.get("step", sample.labels.get("change", ""))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if (sample.labels["command"], sample.labels["verdict"]) == ("migrate", "succeeded")
    }
    assert found["mock2pg_run_success", ""] == 1
    assert found["mock2pg_run_changed_rows", "updated"] == 30
    assert found["mock2pg_run_wal_bytes", ""] == metrics["wal_bytes"]
    assert found["mock2pg_run_duration_seconds", ""] == record["seconds"]
    assert found["mock2pg_step_rows", "stage"] == 144
    assert "unheard-of" not in json.dumps(metrics) + text + re.sub(r"(?s)<table.*?</table>", "", page)


def test_a_run_that_failed_has_metrics_too(tmp_path: Path) -> None:
    """A number that is not known is left out; without a run that has ended, there is nothing to tell. --out replaces a
    file, and nothing else."""
    settings = settings_module.load(project=tmp_path)
    with pytest.raises(UsageError, match="no run yet"):
        MigrationService(settings).metrics()
    with pytest.raises(UsageError, match="there is no run"):  # a variable of a script that is empty
        MigrationService(settings).metrics("")
    assert not MigrationService(settings).check({"pets": []}).success  # there is no project
    text = MigrationService(settings).metrics()
    assert 'mock2pg_run_success{command="check",verdict="failed"} 0.0' in text
    assert "wal_bytes" not in text
    assert "changed_rows" not in text

    (shared := tmp_path / "shared").mkdir()  # others write here, too
    (theirs := tmp_path / "theirs").write_text("theirs")
    out = shared / "mock2pg.prom"
    (shared / "mock2pg.prom.part").symlink_to(theirs)
    MigrationService(settings).metrics(out=out)
    assert out.read_text() == text
    os.mkfifo(shared / "pipe.prom")
    (shared / "link.prom").symlink_to(theirs)
    for name in ("pipe.prom", "link.prom"):
        with pytest.raises(UsageError, match="is no file, which --out would replace"):
            MigrationService(settings).metrics(out=shared / name)
    assert theirs.read_text() == "theirs"
    assert sorted(os.listdir(shared)) == ["link.prom", "mock2pg.prom", "mock2pg.prom.part", "pipe.prom"]


def test_memory_is_looked_at_of_all_processes_together() -> None:
    """The peak is of a moment; a process that is gone counts nothing, and without /proc it is not known."""
    alone, twice = Together(lambda: [os.getpid()]), Together(lambda: [os.getpid(), os.getpid(), 2**22 + 1])
    for together in (alone, twice):
        together.look()
    assert alone.peak
    assert twice.peak
    assert alone.peak * 3 > twice.peak * 1 > alone.peak
    nobody = Together(lambda: [2**22 + 1])
    nobody.look()
    assert nobody.peak is None


def test_a_run_has_one_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the verdict: the record and the list of runs say what the terminal said."""
    service = MigrationService(settings_module.load(project=small_project(tmp_path)))
    write = report.run

    def slow(run: Run) -> Reported:
        time.sleep(1.2)
        return write(run)

    monkeypatch.setattr(report, "run", slow)
    result = service.check(small_document("Rex"))
    told = duration(open_run(service.settings).record()["seconds"])
    assert f" in {told}:" in result.message
    assert f">{told}<" in (tmp_path / "runs" / "index.html").read_text(encoding="utf-8")
