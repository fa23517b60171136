"""DATABASE_URL in every common form: what is taken, what is listed, and what is refused with the way to write it."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import conninfo, pq

from mock2pg import settings as settings_module
from mock2pg.connection_string import LIBPQ, parse
from mock2pg.errors import UsageError

SECRET = "Canary7291"

TAKEN = {
    f"postgresql://u:{SECRET}@h/db": {"host": "h", "dbname": "db"},
    f"postgres://u:{SECRET}@h:5433/db": {"host": "h", "port": "5433"},
    f"postgresql+psycopg://u:{SECRET}@h/db": {"host": "h", "dbname": "db"},
    f"postgres+asyncpg://u:{SECRET}@h/db?ssl=true": {"sslmode": "require"},
    f"postgresql://u:{SECRET}%40%2F%23x@h/db": {"password": f"{SECRET}@/#x"},
    f"postgresql://u:{SECRET}#x?y@h/db": {"password": f"{SECRET}#x?y"},  # libpq takes them as they are
    f"postgresql://u:{SECRET}@[::1]:5432/db": {"host": "::1", "port": "5432"},
    f"postgresql://u:{SECRET}@h:1,g:2/db?target_session_attrs=read-write": {"host": "h,g", "port": "1,2"},
    "postgresql:///db?host=/tmp/x@y&port=5432": {"host": "/tmp/x@y", "dbname": "db"},
    "postgresql://h:5432/my@db": {"host": "h", "dbname": "my@db"},
    "host=h dbname='my db'": {"dbname": "my db"},
    f"host=h dbname=db password='{SECRET} connect_timeout=x'": {"password": f"{SECRET} connect_timeout=x"},
    "postgresql://h/db?connect_timeout=5&keepalives=1": {"connect_timeout": "5", "keepalives": "1"},
    "postgresql:///db?host=h,g&port=1,": {"port": "1,"},
    "service=app": {"service": "app"},
}
REFUSED = {
    f"mysql://u:{SECRET}@h/db": "begins with mysql:",
    f"mongodb+srv://u:{SECRET}@h/db": "begins with mongodb+srv:",
    "file:./dev.db": "begins with file:",
    f"jdbc:postgresql://h:5432/db?user=me&password={SECRET}": "postgresql://me:PASSWORD@h:5432/db",
    f"postgresql://u:{SECRET}@x@h/db": "unescaped @ is in the password",
    f"postgresql://u:{SECRET}/x@h/db": "unescaped / is in the password",
    f"postgresql://u:12/{SECRET}@h/db": "unescaped / is in the password",
    f"postgresql://u:%{SECRET[1:]}zz@h/db": "unescaped % is in the user or password",
    f"postgresql://u:%00{SECRET}@h/db": "unescaped % is in the user or password",
    f"postgresql://u:{SECRET}@h": "names no database",
    f"postgresql://u:{SECRET}@h/?sslmode=require": "names no database",
    f"host=h password={SECRET}": "names no database",
    f"postgresql://u:{SECRET}@h:abc/db": "the port 'abc' is not a number",
    f"postgresql://u:{SECRET}@h:99999/db": "the port '99999' is not a number",
    f"postgresql://u:{SECRET}/db": "the port is not a number",  # it may be the password
    f"postgresql://u:{SECRET}@[::1/db": "closing bracket",
    f"postgresql://u:{SECRET}@h/db?ssl_mode=require": "the parameter ssl_mode is not known",
    f"postgresql://u:{SECRET}@h/db?connect_timeout=x": "the parameter connect_timeout 'x' is not a whole number",
    f"postgresql://u:{SECRET}@h/db?keepalives_idle=5.5": "the parameter keepalives_idle '5.5' is not a whole number",
    f"postgresql://u:{SECRET}@h/db?tcp_user_timeout=": "the parameter tcp_user_timeout '' is not a whole number",
    f"postgresql://h/db?connect_timeout=1@{SECRET}": "the parameter connect_timeout is not a whole number",
    f"postgresql://u:{SECRET}@/db?host=h&port=abc": "the port 'abc' is not a number from 1 to 65535",
    f"host=h dbname=db connect_timeout=x password={SECRET}": "the parameter connect_timeout 'x' is not a whole number",
    SECRET: "neither a URL nor key=value text",
}


@pytest.mark.parametrize("text", TAKEN)
def test_every_form_that_libpq_can_use_is_taken(text: str) -> None:
    """Other drivers' names for the same URL, several hosts, sockets, and what a password may hold."""
    found = conninfo.conninfo_to_dict(parse(text).libpq)
    assert TAKEN[text].items() <= found.items()
    assert SECRET not in repr(parse(text))


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_meant_is_refused_by_name(text: str) -> None:
    """The scheme, port, parameter or character is named with the way to write it, and never the password."""
    with pytest.raises(UsageError) as refused:
        parse(text)
    said = f"{refused.value.message} {refused.value.hint}"
    assert REFUSED[text] in said
    assert SECRET not in said


def test_no_parameter_of_libpq_is_unknown() -> None:
    """A newer libpq has more of them: then this list grows."""
    assert {option.keyword.decode() for option in pq.Conninfo.get_defaults()} <= LIBPQ


def test_a_url_of_prisma_names_the_schema(tmp_path: Path) -> None:
    """`schema` is the target schema unless MIGRATION_SCHEMA says otherwise; the rest is accepted, listed and unused."""
    url = f"postgresql://u:{SECRET}@h/db?schema=app&connection_limit=5&pool_timeout=10&pgbouncer=true&sslmode=require"
    settings = settings_module.load(project=tmp_path, database_url=url)
    assert (settings.target_schema, settings.url) == ("app", f"postgresql://u:{SECRET}@h/db?sslmode=require")
    assert settings.target.ignored == ("connection_limit=5", "pool_timeout=10", "pgbouncer=true")
    encoded = parse("postgresql://h/db?client_encoding=zz&replication=1")  # every session is UTF8, and an ordinary one
    assert (encoded.libpq, encoded.ignored) == ("postgresql://h/db", ("client_encoding=zz", "replication=1"))
    known = conninfo.conninfo_to_dict(parse("host=h dbname=db client_encoding=zz").libpq)
    assert known == {"host": "h", "dbname": "db", "client_encoding": "UTF8"}
    assert settings_module.load(project=tmp_path, database_url=url, target_schema="b").target_schema == "b"
    with pytest.raises(UsageError, match="a setting is not valid: MIGRATION_SCHEMA"):
        settings_module.load(project=tmp_path, database_url="postgresql://h/db?schema=pg_catalog")
