"""A session that reads or writes one row of each table over and over, until its standard input ends.

    python sessions.py URL read|write TABLE...

Then it prints one JSON object: how often it was answered, and when and how long it waited where that was over 1 ms.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import psycopg
from psycopg.sql import SQL, Identifier

_STATEMENTS = {
    "read": SQL("SELECT * FROM public.{} WHERE id = '1'"),
    "write": SQL("UPDATE public.{} SET id = id WHERE id = '1'"),
}
_PAUSE, _LONG = 0.001, 0.001


def main(url: str, act: str, *tables: str) -> None:
    ended = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    answers, longest, waits = 0, 0.0, []
    with psycopg.connect(url, autocommit=True, application_name=f"benchmark {act}") as connection:
        statements = [_STATEMENTS[act].format(Identifier(table)) for table in tables]
        print("ready", flush=True)
        while not ended.is_set():
            for statement in statements:
                at, began = time.time(), time.perf_counter()
                connection.execute(statement)
                took = time.perf_counter() - began
                answers, longest = answers + 1, max(longest, took)
                if took > _LONG:
                    waits.append([at, took])
                time.sleep(_PAUSE)
    print(json.dumps({"answers": answers, "longest": longest, "waits": waits}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
