"""A process that migrates over and over and prints, after each time, what it holds: as JSON, one line each.

python -m tests.fix_repeated URL PROJECT TIMES
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks import processes

from mock2pg import MigrationService, postgres
from mock2pg import settings as settings_module
from tests.fix_small import small_document

_SESSIONS = """
    SELECT coalesce(application_name, '') FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND application_name <> 'mock2pg test' ORDER BY 1"""
_NAMES = "SELECT nspname FROM pg_namespace UNION ALL SELECT datname FROM pg_database ORDER BY 1"


def held(settings: settings_module.Settings) -> dict[str, Any]:
    """The counts of a process that a leak would raise."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(60)  # what is loaded ahead on a busy machine; one that stays would be counted
    gc.collect()
    with postgres.connect(settings.url, name="test") as connection:
        sessions = [name for (name,) in connection.execute(_SESSIONS).fetchall()]
        names = [name for (name,) in connection.execute(_NAMES).fetchall()]
    tree = list(processes.tree(os.getpid()))
    cache = settings.project / ".cache"
    return {
        "sessions": sessions,
        "schemas and databases": names,
        "files open": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in tree),
        "processes": len(tree),
        "threads": threading.active_count(),
        "temporary files": sorted(os.listdir(tempfile.gettempdir())),
        "files in .cache": sum(len(files) for _, _, files in os.walk(cache, followlinks=True)),
        "objects": len(gc.get_objects()),
        "memory": processes.memory(tree),
    }


def main(url: str, project: str, times: str) -> None:
    settings = settings_module.load(project=Path(project), database_url=url, max_deleted="100%")
    service = MigrationService(settings)
    for number in range(int(times)):
        # a row stays, a row changes, one is new and one is gone
        document = small_document("Rex", f"Tom:{number % 5}", f"pet {number}")
        result = service.migrate_all_data(document)
        assert result.success, result.message
        print(json.dumps(held(settings)), flush=True)  # noqa: T201  for the test


if __name__ == "__main__":
    main(*sys.argv[1:])
