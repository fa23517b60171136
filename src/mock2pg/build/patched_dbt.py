"""dbt, imported with the changes of patches.py, and with all that a build needs."""

from mock2pg import patches

patches.before_dbt_is_imported()

import dbt.adapters.postgres  # noqa: E402
import dbt.task.build  # noqa: E402, F401
from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.exceptions import DbtBaseException  # noqa: E402

patches.after_dbt_is_imported()

__all__ = ["DbtBaseException", "Manifest", "dbtRunner"]
