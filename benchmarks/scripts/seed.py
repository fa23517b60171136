"""A seed script as many projects have one: empties tables and fills them by executemany, in one transaction.

The rows are those of <table>.csv, and the tables have their keys.

    python seed.py URL FOLDER TABLE...     # the tables in the order of their foreign keys
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Placeholder

csv.field_size_limit(1 << 30)
_NULL = r"\N"


def main(url: str, folder: str, *tables: str) -> None:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(SQL("TRUNCATE {}").format(SQL(", ").join(map(Identifier, tables))))
        for table in tables:
            with Path(folder, f"{table}.csv").open(newline="", encoding="utf-8") as file:
                rows = csv.reader(file)
                columns = next(rows)
                statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
                    Identifier(table),
                    SQL(", ").join(map(Identifier, columns)),
                    SQL(", ").join([Placeholder()] * len(columns)),
                )
                cursor.executemany(statement, ([None if value == _NULL else value for value in row] for row in rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
