"""dbt, imported with the changes of patches.py, with all that a build needs, and with our way of using sessions."""

from mock2pg import patches

patches.before_dbt_is_imported()

import dbt.task.build  # noqa: E402, F401
from dbt.adapters.postgres import PostgresAdapter  # noqa: E402
from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.exceptions import DbtBaseException  # noqa: E402

from mock2pg.build.sessions import Sessions  # noqa: E402

patches.after_dbt_is_imported()
PostgresAdapter.ConnectionManager = Sessions

__all__ = ["DbtBaseException", "Manifest", "dbtRunner"]
