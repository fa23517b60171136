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
import dbt_common.dataclass_schema, dbt_common.events.base_types as events

imported = counts["compile"]
count(inspect, "stack")
count(events, "ParseDict")
count(dbt_common.dataclass_schema, "build_json_schema")
url, project = sys.argv[1], Path(sys.argv[2])
connected = build.profile(postgres.environment(url, settings=True), "public")

def built():
    for name in counts:
        counts[name] = 0
    done = build.DbtProject(project / "dbt_project", project / "target", connected, project / "cache").build()
    return [done.models, done.tests, *[counts[name] for name in ("stack", "ParseDict", "build_json_schema")]]

fresh, kept = built(), built()
print(json.dumps([imported, fresh, kept, multiprocessing.resource_tracker._resource_tracker._pid]))
"""


def test_dbt_does_not_do_what_nobody_asks_for(database: str, tmp_path: Path) -> None:
    """No converter of an unused type, no search of the stack, no message that nobody reads, no semaphore process.

    The schemas of its settings are made for a project that it reads for the first time, and for no other.
    """
    project = small_project(tmp_path) / "dbt_project"
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(project):
            postgres.scratch.land(connection, table, [], 0)
    command = [sys.executable, "-c", DBT, database, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    compiled, fresh, kept, process = json.loads(done.stdout)
    assert compiled < 10  # of 1,247
    assert (fresh[:4], kept, process) == ([2, 0, 0, 0], [2, 0, 0, 0, 0], None)
    assert fresh[4] > 0
