"""The staging database (DuckDB): typed tables out of JSON, their rows as CSV, and the hashes of rows."""

from mock2pg.source.staging.database import Connection, opened, quoted
from mock2pg.source.staging.refusing import Refused, enclosing, enclosing_rows, refuse
from mock2pg.source.staging.rows import compare, csv_blocks, table_hash, write_hashes
from mock2pg.source.staging.tables import stage
from mock2pg.staged_tables import HIDDEN

__all__ = [
    "HIDDEN",
    "Connection",
    "Refused",
    "compare",
    "csv_blocks",
    "enclosing",
    "enclosing_rows",
    "opened",
    "quoted",
    "refuse",
    "stage",
    "table_hash",
    "write_hashes",
]
