"""Backup files: one JSON document that is written and read row by row, with a checksum at its end.

    {"format": "mock2pg-backup/2",
    "timestamp": ..., "database": ..., "schema": ..., "server_version": ...,
    "taken_by": {"run_id": ..., "command": ...}, "published_run": ..., "newest": ...,
    "definitions": {"pre_data": SQL, "post_data": SQL} or null when there was no schema,
    "sequences": {name: {"last_value": n, "is_called": bool}}, "unfilled": [a view that could not be read],
    "data": {
    "a_table": [
    {a row},
    {a row}
    ]
    },
    "tables": {name: {"rows": n, "sha256": ..., "content": content hash}},
    "checksum": "sha256:..."}

One row a line. A table's SHA-256 is that of its lines, from the one with its name to its last row. The checksum is the
SHA-256 of every byte before the line that holds it, so a file that was reformatted, cut short or edited does not hold.

The document may be packed (gzip, zstd), and what comes of that may be encrypted (age): never the other way round.
"""

from mock2pg.backups.described import Described, described
from mock2pg.backups.document import FORMAT
from mock2pg.backups.encryption import new_key
from mock2pg.backups.listing import Listed, Verified, list_backups, remove_unfinished, unfinished, verify
from mock2pg.backups.names import valid_id
from mock2pg.backups.reading import Backup, open_backup, opened_before, read_to_end, reopened, reread, rows
from mock2pg.backups.retention import RetentionDecision, RetentionPolicy, decide
from mock2pg.backups.writing import Writer

__all__ = [
    "FORMAT",
    "Backup",
    "Described",
    "Listed",
    "RetentionDecision",
    "RetentionPolicy",
    "Verified",
    "Writer",
    "decide",
    "described",
    "list_backups",
    "new_key",
    "open_backup",
    "opened_before",
    "read_to_end",
    "remove_unfinished",
    "reopened",
    "reread",
    "rows",
    "unfinished",
    "valid_id",
    "verify",
]
