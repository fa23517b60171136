"""Transactions: of one snapshot; tried again when what stopped one may pass, where a lost COMMIT is looked up."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TypeVar

import psycopg
import tenacity
from psycopg import errors, sql

from mock2pg.errors import NEVER_A_MIX, DatabaseError, PublishFailed
from mock2pg.postgres import prepared_transactions
from mock2pg.postgres.abandoned_sessions import end_sessions
from mock2pg.postgres.connection import Connection, connect, one_row
from mock2pg.postgres.describing import condition, described
from mock2pg.postgres.distribution import spell_alike
from mock2pg.settings import LOCK_TIMEOUT

T = TypeVar("T")

_PASSING = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)
_WAIT = tenacity.wait_random_exponential(multiplier=0.5, max=8)  # seconds, at random up to a limit that doubles


class _NotCommittedError(Exception):
    """The connection was lost during COMMIT, and the history says that nothing was committed."""


@contextmanager
def repeatable_read(connection: Connection) -> Iterator[None]:
    """Open a REPEATABLE READ transaction: every query in it sees the same snapshot."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        spell_alike(connection)
        yield


def export_snapshot(connection: Connection) -> str:
    """Return the name of the transaction's snapshot, for `in_snapshot`."""
    return str(one_row(connection, "SELECT pg_export_snapshot()")[0])


@contextmanager
def in_snapshot(connection: Connection, name: str) -> Iterator[None]:
    """Open a transaction whose queries see the snapshot that another one exported, and has not ended yet."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction():
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name)))
        yield


def transact(
    url: str,
    name: str,
    body: Callable[[Connection], T],
    *,
    committed: Callable[[Connection], bool],
    attempts: int,
    tell: Callable[[int, str], None],
    lock_timeout: str = LOCK_TIMEOUT,
    over_nodes: bool = False,
) -> T:
    """Run `body` in a transaction of its own; again, after a pause, when a lock that was not given, a deadlock, a
    conflict or a lost connection stopped it.

    committed  asked on a new connection when the connection was lost during COMMIT
    attempts   in all
    tell       is given the number of each attempt that failed and will be made again, and its error
    lock_timeout  of each attempt, as PostgreSQL writes durations
    over_nodes    a COMMIT that does not return is given up once it is committed: a node may keep it waiting for ever;
        after one that was lost, attempts go on until Citus has rolled back what nodes have prepared of it

    Raises the error of the last attempt, or PublishFailed when the server cannot be asked what became of a COMMIT.
    """

    patience = 0.0

    def once() -> T:
        nonlocal patience
        committing = False
        try:
            with connect(url, name=name, lock_timeout=lock_timeout) as connection:
                if patience:
                    prepared_transactions.recover(connection)
                with ExitStack() as end, connection.transaction():
                    result = body(connection)
                    committing = True
                    if over_nodes:
                        end.enter_context(_given_up(connection, partial(_is_committed, url, name, committed)))
        except psycopg.OperationalError as error:
            if not committing or not is_lost(error):
                raise
            if not _was_committed(url, name, committed, attempts):
                patience = prepared_transactions.PATIENCE if over_nodes and attempts > 1 else 0.0
                raise _NotCommittedError from error
        return result

    try:
        return retried(once, attempts=attempts, tell=tell, patience=lambda: patience)
    except _NotCommittedError as error:
        lost = error.__cause__ or error
    raise lost


PATIENCE = 60.0  # seconds; a server that crashed or is exchanged is back by then


def retried(
    body: Callable[[], T],
    *,
    attempts: int,
    tell: Callable[[int, str], None],
    patience: Callable[[], float] = lambda: 0.0,
) -> T:
    """Run `body`; again, after a pause, when what stopped it may pass. Raises the error of the last attempt.

    tell      is given the number of an attempt, and what stopped it
    patience  returns the seconds for which more attempts than those are made
    """

    def is_over(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number >= attempts and (state.seconds_since_start or 0.0) >= patience()

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        tell(state.attempt_number, _stopped_by(error))

    trying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        wait=_WAIT,
        stop=is_over,
        before_sleep=before_sleep,
        reraise=True,
    )
    return trying(body)


def _stopped_by(error: BaseException | None) -> str:
    """Return what stopped an attempt: a condition of PostgreSQL, by the name that its manual has for it."""
    if isinstance(error, _NotCommittedError):
        return "connection failure during COMMIT"
    if not isinstance(error, psycopg.Error) or (is_lost(error) and error.sqlstate is None):
        return "connection failure"
    blocked = f": {described(error)}" if isinstance(error, errors.LockNotAvailable) else ""
    return f"{condition(error)}{blocked}"


def is_lost(error: BaseException | None) -> bool:
    """Return True when the connection was refused, lost, or ended by the server (SQLSTATE 08... and 57P..)."""
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    )


def may_pass(error: BaseException) -> bool:
    """Return True for an error after which a retry makes sense; no other error is retried."""
    return (
        isinstance(error, (*_PASSING, _NotCommittedError))
        or is_lost(error)
        or (isinstance(error, DatabaseError) and is_lost(error.__cause__))  # the server is still starting
    )


@contextmanager
def _given_up(connection: Connection, is_committed: Callable[[], bool]) -> Iterator[None]:
    """Cut the connection when the block, a COMMIT, takes longer than the patience and its transaction is committed."""
    returned = threading.Event()

    def watch() -> None:
        while not returned.wait(PATIENCE):
            with suppress(DatabaseError, psycopg.Error, OSError):
                if is_committed():
                    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
                        ours.shutdown(socket.SHUT_RDWR)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        returned.set()
        watching.join()


def _is_committed(url: str, name: str, committed: Callable[[Connection], bool]) -> bool:
    with connect(url, name=f"{name}, after its COMMIT", read_only=True) as connection:
        return committed(connection)


def _was_committed(url: str, name: str, committed: Callable[[Connection], bool], attempts: int) -> bool:
    def ask() -> bool:
        if _is_committed(url, name, committed):
            return True
        with connect(url, name=f"{name}, after a lost COMMIT", read_only=True) as connection:
            end_sessions(connection, name)  # the server may be at the COMMIT still
            return committed(connection)

    try:
        return retried(ask, attempts=attempts, tell=lambda *_: None)
    except (DatabaseError, psycopg.Error) as error:
        raise PublishFailed(
            "the connection was lost during COMMIT, and the server cannot be asked what became of it",
            state=NEVER_A_MIX,
            hint="Run `mock2pg verify` when the server is back: it reports which run the target tables hold.",
        ) from error
