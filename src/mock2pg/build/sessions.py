"""Sessions of dbt that serve one model after the other."""

from __future__ import annotations

import time
from typing import Any

from dbt.adapters.postgres.connections import PostgresConnectionManager
from psycopg2.extensions import STATUS_READY  # type: ignore[import-untyped]

from mock2pg import progress


class Sessions(PostgresConnectionManager):  # type: ignore[misc]  # dbt has no types here
    """Keep a thread's session for its next model, in the state of a new one, until dbt closes all.

    dbt opens one for each model. A role is set when a session is opened, so with one each model gets its own again.

    reporter  is told which model a thread begins
    """

    reporter: progress.Reporter | None = None

    def set_connection_name(self, name: str | None = None) -> Any:
        if self.reporter and (name or "").startswith(("model.", "test.")):
            self.reporter.detail(f"dbt {_node(str(name))}")
        return super().set_connection_name(name)

    def add_query(self, *arguments: Any, **named: Any) -> Any:
        began = time.perf_counter()
        try:
            return super().add_query(*arguments, **named)
        finally:
            if self.reporter and (connection := self.get_if_exists()):
                seconds = time.perf_counter() - began
                self.reporter.statements.add(seconds, lambda: f"dbt: {_node(str(connection.name))}")

    def release(self) -> None:
        connection = self.get_if_exists()
        handle = connection.handle if connection is not None and connection.state == "open" else None
        if handle is None or handle.closed or connection.credentials.role:
            super().release()
            return
        if handle.status == STATUS_READY:  # nothing was asked since
            return
        try:
            handle.rollback()
            connection.transaction_open = False
            handle.autocommit = True
            with handle.cursor() as cursor:
                cursor.execute("DISCARD ALL")
            handle.autocommit = False
        except Exception:  # of a session that was lost
            super().release()


def _node(name: str) -> str:
    """`model pets` of `model.mock2pg.pets`."""
    kind, _, node = name.partition(".")
    return f"{kind} {node.split('.')[1]}" if "." in node else name
