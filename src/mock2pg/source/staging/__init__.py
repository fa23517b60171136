"""The staging database (DuckDB): typed tables out of JSON, their rows as CSV, and the hashes of rows."""

from mock2pg.source.staging.database import Connection, opened, quoted
from mock2pg.source.staging.refusing import Refused, enclosing, enclosing_rows, refuse
from mock2pg.source.staging.row_hashes import (
    compare,
    different_columns,
    different_keys,
    refuse_other_keys,
    table_hash,
    write_hashes,
)
from mock2pg.source.staging.rows import csv_blocks
from mock2pg.source.staging.tables import stage
from mock2pg.staged_tables import HIDDEN

__all__ = [
    "HIDDEN",
    "Connection",
    "Refused",
    "compare",
    "csv_blocks",
    "different_columns",
    "different_keys",
    "enclosing",
    "enclosing_rows",
    "opened",
    "quoted",
    "refuse",
    "refuse_other_keys",
    "stage",
    "table_hash",
    "write_hashes",
]
