"""The dbt project: the declared sources, the contracts of the target tables, and the build."""

from mock2pg.tools.dbt_project.build import Built, DbtProject
from mock2pg.tools.dbt_project.source_tables import sources

__all__ = ["Built", "DbtProject", "sources"]
