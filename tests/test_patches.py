"""The changes to private parts of libraries: each has its effect, and the libraries still are what it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mock2pg import postgres
from mock2pg.build import sources
from mock2pg.settings import REPOSITORY
from tests.fix_small import small_project

DBT = """
import inspect, json, multiprocessing.resource_tracker, sys
from pathlib import Path

counts = {}

def count(module, name):
    called = getattr(module, name)
    def counted(*arguments, **named):
        counts[name] += 1
        return called(*arguments, **named)
    counts[name] = 0
    setattr(module, name, counted)

import mashumaro.core.meta.code.builder as builder
count(builder.CodeBuilder, "compile")
from mock2pg import build, postgres
from mock2pg.build import patched_dbt
import dbt_common.clients.jinja, dbt_common.dataclass_schema, dbt_common.events.base_types as events

imported = counts["compile"]
count(inspect, "stack")
count(events, "ParseDict")
count(dbt_common.dataclass_schema, "build_json_schema")
count(dbt_common.clients.jinja.MacroFuzzParser, "parse")
url, project = sys.argv[1], Path(sys.argv[2])
sys.pycache_prefix = str(project / "bytecode")
connected = build.profile(postgres.environment(url, settings=True), "public")

def built(cache):
    for name in counts:
        counts[name] = 0
    done = build.DbtProject(project / "dbt_project", project / cache, connected, project / cache).build()
    manifest = (project / cache / "manifest.json").read_text()
    named = [done.models, done.tests, *[counts[name] for name in ("stack", "ParseDict", "build_json_schema", "parse")]]
    return named, {**json.loads(manifest, object_hook=lambda each: {**each, "created_at": 0}), "metadata": None}

(fresh, manifest), (kept, _) = built("cache"), built("cache")
patched_dbt.kept_parts.forget()
other, same = built("another")
tracker = multiprocessing.resource_tracker._resource_tracker
print(json.dumps([imported, fresh, kept, other, same == manifest, tracker._pid]))
"""


def test_dbt_does_not_do_what_nobody_asks_for(database: str, tmp_path: Path) -> None:
    """No converter of an unused type, no search of the stack, no message that nobody reads, no semaphore process.

    The schemas of its settings are made, and its own macros read, for the first project, and for no other: what is
    read of that is the same.
    """
    project = small_project(tmp_path) / "dbt_project"
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(project):
            postgres.scratch.land(connection, table, [], 0)
    command = [sys.executable, "-c", DBT, database, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    compiled, fresh, kept, other, same, process = json.loads(done.stdout)
    assert compiled < 10  # of 1,247
    assert (fresh[:4], kept[:5], process) == ([2, 0, 0, 0], [2, 0, 0, 0, 0], None)
    assert (other[:5], same) == ([2, 0, 0, 0, 0], True)
    assert fresh[4] > 0
    assert other[5] < fresh[5] / 5
    (file,) = (tmp_path / "bytecode").rglob("dbt_parts_*")
    assert file.stat().st_mode & 0o777 == 0o600
