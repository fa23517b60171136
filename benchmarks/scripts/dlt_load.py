"""dlt as its documentation has it: one resource per JSON file, into PostgreSQL, nested arrays as tables of their own.

python dlt_load.py URL FOLDER WORKING_FOLDER FORMAT     # insert_values (the default of dlt), or parquet
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import dlt

_CHUNK = 10_000


def rows(file: Path) -> Iterator[list[dict[str, Any]]]:
    """The elements of a JSON array, in lists as dlt prefers them."""
    found = json.loads(file.read_bytes())
    for begin in range(0, len(found), _CHUNK):
        yield found[begin : begin + _CHUNK]


def credentials(url: str) -> dict[str, Any]:
    """The parts of the connection string: dlt takes no `host` from its query, and wants a password."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "drivername": "postgresql",
        "host": parts.hostname or quote(query.get("host", "localhost"), safe=""),  # a folder of sockets, too
        "port": parts.port or int(query.get("port", 5432)),
        "username": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or "none"),
        "database": unquote(parts.path.lstrip("/")),
    }


def main(url: str, folder: str, working_folder: str, file_format: str) -> None:
    pipeline = dlt.pipeline(
        "benchmark",
        destination=dlt.destinations.postgres(credentials=credentials(url)),
        dataset_name="dlt",
        pipelines_dir=working_folder,
    )
    resources = [
        dlt.resource(rows(file), name=file.stem, write_disposition="replace")
        for file in sorted(Path(folder).glob("*.json"))
    ]
    pipeline.run(resources, loader_file_format=file_format).raise_on_failed_jobs()


if __name__ == "__main__":
    main(*sys.argv[1:])
