"""The staging database (DuckDB): typed tables out of JSON, their rows as CSV, and the hashes of rows."""

from mock2pg.contracts import HIDDEN
from mock2pg.source.staging.rows import compare, csv_blocks, table_hash, write_hashes
from mock2pg.source.staging.tables import Connection, Refused, opened, quoted, refuse, stage

__all__ = [
    "HIDDEN",
    "Connection",
    "Refused",
    "compare",
    "csv_blocks",
    "opened",
    "quoted",
    "refuse",
    "stage",
    "table_hash",
    "write_hashes",
]
