"""The stage of the benchmarks: a server and a project of their own, which are removed afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mock2pg import postgres
from mock2pg import settings as settings_module
from mock2pg.postgres.server import Server
from mock2pg.settings import REPOSITORY, Settings


@contextmanager
def stage() -> Iterator[Settings]:
    """The settings of a project as this one, with an empty database."""
    home = Path(tempfile.mkdtemp(prefix="mock2pg-benchmark-"))
    home.chmod(0o755)
    server, project = Server(home / "server", keep=False), home / "project"
    try:
        postgres.ensure_database(server.start(), "benchmark")
        project.mkdir()
        for name in ("dbt_project", "expectations", "notebooks"):
            (project / name).symlink_to(REPOSITORY / name, target_is_directory=True)
        yield settings_module.load(project=project, database_url=server.url("benchmark"), max_deleted="100%")
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
