"""Files that every project uses and none has to keep: dbt's macros and profile, and the notebooks."""

from pathlib import Path

_HERE = Path(__file__).resolve().parent

MACROS = _HERE / "dbt_macros"
NOTEBOOKS = _HERE / "notebooks"
PROFILES = _HERE / "profiles.yml"
