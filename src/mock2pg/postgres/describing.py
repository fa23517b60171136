"""Describe a database's error by its condition and by names in the catalogue; never by a value."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import conninfo

from mock2pg.foreign_errors import scrubbed

Row = TypeVar("Row")

# Where a function of the database says an error in its own words: PL/pgSQL, and the other languages.
_OF_FUNCTIONS = {
    "exec_stmt_raise",
    "exec_stmt_assert",
    "PLy_elog_impl",
    "pltcl_elog",
    "plperl_util_elog",
    "do_util_elog",
}
_OWN_CONTEXTS = ("COPY ", "JSON data", "while ", "unnamed portal", "portal ", "parallel worker",
                 'SQL function "mock2pg_statement"')  # fmt: skip
_HIDING = ("canceling statement due to lock timeout", "failure on connection marked as essential")
_QUOTED = re.compile(r'"([^"\n]*)"')
_DEFINES = re.compile(r"\s*(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX)\b")
_FUNCTION = re.compile(r'function (?:"?[^"(\n]*"?\.)?"?([^"(.\n]+)"?\(')
# PostgreSQL writes a value after a colon, or as a number, where it has no quotes: `date field value out of range: ...`
_BARE = re.compile(r"""("[^"]*")|(?<=: ).+|(?<![\w(,])-?\d[\w.:-]*""")
_OF_VALUES = ("22", "42", "54")  # how a SQLSTATE begins: data, names that are looked up, limits
_OF_NAMES = ("08", "28", "3D", "3F", "42")  # servers, roles, databases, schemas, and all else that has a name
_OF_SHARD = re.compile(r"(.+)_([0-9]{6,18})")
_SHARDS = "SELECT shardid::text FROM pg_catalog.pg_dist_shard WHERE shardid = ANY (%s)"
_KNOWN = """
SELECT name FROM unnest(%s::text[]) AS name WHERE EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relname = name OR nspname || '.' || relname = name
    UNION ALL SELECT FROM pg_attribute WHERE attname = name AND NOT attisdropped
    UNION ALL SELECT FROM pg_constraint WHERE conname = name
    UNION ALL SELECT FROM pg_type WHERE typname = name
    UNION ALL SELECT FROM pg_proc WHERE proname = name
    UNION ALL SELECT FROM pg_trigger WHERE tgname = name
    UNION ALL SELECT FROM pg_namespace WHERE nspname = name
    UNION ALL SELECT FROM pg_database WHERE datname = name
    UNION ALL SELECT FROM pg_roles WHERE rolname = name
)"""


class Session(psycopg.Connection[Row]):
    """A connection whose errors know where they come from, so that the names in them can be looked up.

    url         where that is; known once there was an error, as the connection may be closed when it is described
    reads_rows  False while no statement does: what an error has in the place of a name is one then
    patience    seconds for the answer to a statement while the session is set up; None afterwards: any time
    """

    url, reads_rows = "", True
    patience: float | None = None

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        try:
            return super().wait(_within(gen, self.patience) if self.patience else gen, *args, **options)
        except psycopg.Error as error:
            error.__dict__ |= {"session": self, "of_rows": self.reads_rows}
            if self.patience:  # nothing is asked where there may be no session at all
                raise
            with suppress(psycopg.Error):  # it is lost
                self.url = conninfo.make_conninfo(self.info.dsn, password=self.info.password or None)
            raise

    def __exit__(self, *raised: Any) -> None:
        try:
            super().__exit__(*raised)
        finally:  # an interrupt may have come before that has closed it
            self.close()


def _within(gen: Any, seconds: float) -> Generator[Any, Any, Any]:
    """Run what psycopg waits for, which looks up several times a second. Raises ConnectionTimeout."""
    deadline, ready = time.monotonic() + seconds, None
    while True:
        try:
            waiting = gen.send(ready)
        except StopIteration as end:
            return end.value
        ready = yield waiting
        if not ready and time.monotonic() > deadline:
            raise psycopg.errors.ConnectionTimeout(f"no answer in {seconds:g} s")


@contextmanager
def without_rows(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Have the names that errors quote shown, also those that the catalogue lacks: the block only defines objects."""
    connection.__dict__["reads_rows"] = False
    try:
        yield
    finally:
        connection.__dict__["reads_rows"] = True


@contextmanager
def setting_up(connection: psycopg.Connection[Any], patience: float) -> Iterator[None]:
    """Have each answer within so many seconds: a pooler that lets clients log in may have no session for them."""
    connection.__dict__["patience"] = patience
    with without_rows(connection):
        yield
    connection.__dict__["patience"] = None


def described(error: psycopg.Error) -> str:
    """A database error by its condition and the objects it names, never with a value.

    A function, a cast to regclass or RAISE ... USING puts whatever it likes where PostgreSQL puts a name. So a name is
    shown when it is in a statement of ours, when the catalogue has it, or when no row is read and the error is about
    names.
    """
    if is_lock_timeout(error):
        return "; ".join(["a lock was not given in time", *getattr(error, "__notes__", ())])
    diagnosis, session = error.diag, error.__dict__.get("session")
    named: list[str] = []
    text = scrubbed(diagnosis.message_primary or str(error))
    if session is None:  # the driver's own
        return text + _state(error)
    if _in_function(error):
        text = _of_function(error, session)
    elif error.sqlstate == "42883" and not diagnosis.statement_position:
        text = condition(error)  # PostgreSQL writes what it did not find without quotes
    elif not (diagnosis.statement_position or _is_of_names(error)):  # else it was found while our statement was parsed
        named = _QUOTED.findall(text)
    fields = {
        "table": diagnosis.table_name,
        "column": diagnosis.column_name,
        "constraint": diagnosis.constraint_name,
    }
    shards = _shards(session, [*named, *filter(None, fields.values())])
    named = [shards.get(name, name) for name in named]
    fields = {word: shards.get(name or "", name) for word, name in fields.items()}

    def without_shards(message: str) -> str:
        return _QUOTED.sub(lambda found: f'"{shards.get(found[1], found[1])}"', message) if shards else message

    text = without_shards(text)
    known = _known(session, [*named, *filter(None, fields.values())])
    if _DEFINES.match(error.__dict__.get("statement", "")) and not _in_function(error):
        known |= set(filter(None, fields.values()))  # made in this transaction, which other sessions do not see
    if (unknown := next((name for name in named if name not in known), None)) is not None:
        message = without_shards(str(diagnosis.message_primary))  # a value may hold quotes itself: the last one ends it
        start, end = message.partition(f'"{unknown}"')[0], message.rpartition('"')[2]
        text = scrubbed(f"{start}(a value){end}")
    if not (diagnosis.statement_position or _in_function(error)) and (error.sqlstate or "").startswith(_OF_VALUES):
        text = _BARE.sub(lambda found: found[1] or "(a value)", text)
    where = [f"{word} {name}" for word, name in fields.items() if name in known]
    return ", ".join([text, *where]) + _state(error)


def is_lock_timeout(error: BaseException) -> bool:
    """Return True when a lock was not granted in time."""
    return isinstance(error, psycopg.errors.LockNotAvailable) and not is_raised(error)


def hides_lock_timeout(error: psycopg.Error) -> bool:
    """Return True when Citus may have made another error of a lock that was not granted on a node."""
    message = error.diag.message_primary or ""
    return error.sqlstate == "XX000" and message.startswith(_HIDING) and not is_raised(error)


def is_raised(error: psycopg.Error) -> bool:
    """Return True when a function raised it, with any SQLSTATE."""
    return error.diag.source_function in _OF_FUNCTIONS


def _is_of_names(error: psycopg.Error) -> bool:
    """Return True where no row was read, and the error is about an object that is missing or there already."""
    return not error.__dict__.get("of_rows", True) and (error.sqlstate or "").startswith(_OF_NAMES)


def _in_function(error: psycopg.Error) -> bool:
    """Return True when code of the database's owner raised it: all other contexts are known."""
    lines = (error.diag.context or "").split("\n")
    return is_raised(error) or any(line and not line.startswith(_OWN_CONTEXTS) for line in lines)


def _of_function(error: psycopg.Error, session: Session[Any]) -> str:
    """Describe a function's error without its own text, which may hold values."""
    raised = "raised an exception" if is_raised(error) else f"failed: {condition(error)}"
    found = _FUNCTION.search(error.diag.context or "")
    if found is None or not _known(session, [found[1]]):
        return f"a function in the database {raised}"
    return f'the function "{found[1]}" {raised}'


def condition(error: psycopg.Error) -> str:
    """`undefined table`, as PostgreSQL's manual calls it."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()


def _state(error: psycopg.Error) -> str:
    return f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""


def _shards(session: Session[Any], names: Collection[str]) -> dict[str, str]:
    """Return what tables and constraints are called without the number of a shard, which Citus adds on its nodes."""
    numbered = {name: found for name in names if (found := _OF_SHARD.fullmatch(name))}
    if not session.__dict__.get("citus") or not numbered:
        return {}
    numbers = _asked(session, _SHARDS, [int(found[2]) for found in numbered.values()])
    return {name: found[1] for name, found in numbered.items() if found[2] in numbers}


def _known(session: Session[Any], names: Collection[str]) -> set[str]:
    """Those of the names that the database's catalogue has; none when it cannot be asked."""
    return _asked(session, _KNOWN, list(names))


def _asked(session: Session[Any], query: LiteralString, given: list[Any]) -> set[str]:
    if not given or not session.url:
        return set()
    try:
        asking: Session[Any] = Session.connect(session.url, autocommit=True, connect_timeout=5, client_encoding="UTF8")
        with asking as connection:
            asking.patience = 5
            connection.execute("SET search_path TO pg_catalog, pg_temp")  # before anything is looked up in it
            connection.execute("SET statement_timeout TO '5s'")
            return {name for (name,) in connection.execute(query, [given])}
    except (psycopg.Error, UnicodeError):
        return set()
