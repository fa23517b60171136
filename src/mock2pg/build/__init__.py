"""The dbt project: the declared sources, the contracts of the target tables, and the build.

dbt runs in a process of its own, which loads it while the rules are judged.
"""

from __future__ import annotations

from mock2pg import workers
from mock2pg.build.dbt_project import Built, DbtProject
from mock2pg.build.kept_manifest import project_hash
from mock2pg.build.profile import profile, profiles_dir
from mock2pg.build.source_tables import sources
from mock2pg.contracts import Table

__all__ = ["Built", "DbtProject", "build", "profile", "profiles_dir", "project_hash", "sources", "tables"]


def tables(project: DbtProject) -> tuple[Table, ...]:
    """The target tables by their contracts, parents before children. Raises ProjectError."""
    found: tuple[Table, ...] = workers.call(workers.DBT, "mock2pg.build.dbt_project:DbtProject.tables", project)
    return found


def build(project: DbtProject) -> Built:
    """Build every model and run every data test. Raises LoadFailed naming what failed, or did not run."""
    built: Built = workers.call(workers.DBT, "mock2pg.build.dbt_project:DbtProject.build", project)
    return built
