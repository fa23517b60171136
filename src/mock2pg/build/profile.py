"""The environment that the dbt project and its profile read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mock2pg import resources

# The longest that one model waits for another: two references to one table are made in turn, and many rows take time.
_MODELS_WAIT = "10min"

PROVIDED = {"MOCK2PG_MACROS": str(resources.MACROS)}


def profiles_dir(project: Path) -> Path:
    """Return the folder of profiles.yml: the dbt project's own, or else the package's."""
    return project if (project / "profiles.yml").is_file() else resources.PROFILES.parent


def profile(session: Mapping[str, str], schema: str) -> dict[str, str]:
    """Return the variables of profiles.yml for a session. dbt never prints a DBT_ENV_SECRET_ value.

    session  libpq's variables, as `postgres.environment` gives them
    schema   where the published tables are
    """
    return {
        **PROVIDED,
        **session,  # what the profile does not name, certificates for one, libpq reads itself
        # Nothing is looked up where others may create: an operator of theirs in public would run with our rights.
        "PGOPTIONS": (
            f"{session.get('PGOPTIONS', '')} -c lock_timeout={_MODELS_WAIT} -c search_path=pg_catalog,pg_temp".strip()
        ),
        "MOCK2PG_HOST": session["PGHOST"],
        "MOCK2PG_PORT": session["PGPORT"],
        "MOCK2PG_USER": session["PGUSER"],
        "MOCK2PG_DBNAME": session["PGDATABASE"],
        "MOCK2PG_SSLMODE": session.get("PGSSLMODE", "prefer"),
        "DBT_ENV_SECRET_MOCK2PG_PASSWORD": session.get("PGPASSWORD", ""),
        "MOCK2PG_SCHEMA": schema,
    }
