"""The dbt project: the declared sources, the contracts of the target tables, and the build."""

from mock2pg.build.dbt_project import Built, DbtProject
from mock2pg.build.profile import profile
from mock2pg.build.source_tables import sources

__all__ = ["Built", "DbtProject", "profile", "sources"]
