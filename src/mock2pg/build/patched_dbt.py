"""dbt, imported with the changes of patches.py, with all that a build needs, and with our way of using sessions and of
quoting names: dbt's own leaves a quotation mark inside a name as it is."""

from mock2pg import patches

patches.before_dbt_is_imported()

import dbt.task.build  # noqa: E402, F401
from dbt.adapters.postgres import PostgresAdapter  # noqa: E402
from dbt.adapters.postgres.relation import PostgresRelation  # noqa: E402
from dbt.cli.main import dbtRunner  # noqa: E402
from dbt.contracts.graph.manifest import Manifest  # noqa: E402
from dbt_common.exceptions import DbtBaseException  # noqa: E402

from mock2pg.build import kept_parts  # noqa: E402
from mock2pg.build.sessions import Sessions  # noqa: E402

patches.after_dbt_is_imported(kept_parts)
PostgresAdapter.ConnectionManager = Sessions


def _quoted(_: object, name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


PostgresAdapter.quote = classmethod(_quoted)
PostgresRelation.quoted = _quoted

__all__ = ["DbtBaseException", "Manifest", "Sessions", "dbtRunner"]
