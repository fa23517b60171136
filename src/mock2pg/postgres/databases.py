"""Databases: their names and servers, made and dropped."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import psycopg
from psycopg import conninfo, sql

from mock2pg.errors import DatabaseError, UsageError
from mock2pg.postgres.connection import Connection, connect, named, one_row

_SETUP_LOCK = 0x6D6F636C  # the advisory lock of who makes a database


def database_url(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    return conninfo.make_conninfo(url, dbname=database)


def database_name(url: str) -> str:
    """The name of the database that a connection string names. Raises UsageError when it names none."""
    try:
        name = conninfo.conninfo_to_dict(url).get("dbname")
    except psycopg.ProgrammingError:
        name = None  # the driver's text quotes the URL
    if not name:
        raise UsageError("DATABASE_URL names no database", hint="End it in /NAME: postgresql://me@host/app")
    return str(name)


def describe_database(connection: Connection) -> dict[str, str]:
    """name, server_version and system_identifier of the database; the last tells one server from another.

    Raises UsageError for what mock2pg cannot work with.
    """
    with named(DatabaseError, "cannot ask the server what it is"):
        name, version, number, encoding, may_identify = one_row(
            connection,
            "SELECT current_database(), current_setting('server_version'), current_setting('server_version_num')::int,"
            " current_setting('server_encoding'), has_function_privilege('pg_control_system()', 'EXECUTE')",
        )
        identifier = f"{connection.info.host}:{connection.info.port}"  # what is left where the role may not ask
        if may_identify:
            (identifier,) = one_row(connection, "SELECT system_identifier::text FROM pg_control_system()")
    if number < 140000:
        raise UsageError(f"the server is PostgreSQL {version}", hint="Use a server of PostgreSQL 14 or later.")
    if encoding != "UTF8":
        raise UsageError(
            f"the database {name} is encoded in {encoding}",
            hint="Create a database with ENCODING 'UTF8', the encoding of JSON.",
        )
    return {"name": name, "server_version": version.split(" ")[0], "system_identifier": identifier}


def host(connection: Connection) -> str:
    """Return the server's host when it is not this machine; empty for a socket and for a loopback address."""
    address = connection.info.hostaddr
    if not address:  # a socket
        return ""
    return "" if ip_address(address).is_loopback else connection.info.host or address


def wal_position(connection: Connection) -> int | None:
    """Return how many bytes of WAL the server has written; None when the role may not ask, or the server is gone."""
    with suppress(psycopg.Error):
        return int(one_row(connection, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")[0])
    return None


def ensure_database(url: str, database: str) -> None:
    """Create the database unless it is there."""
    with (
        connect(url, name="setup", lock_timeout="1min") as connection,  # another first run may be making it
        named(DatabaseError, f"cannot create the database {database}"),
    ):
        connection.execute("SELECT pg_advisory_lock(%s)", [_SETUP_LOCK])  # two first runs at once
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone()
        if found is None:
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(database))
            )


def drop_database(url: str, database: str) -> None:
    """Drop the database, whoever is connected to it."""
    with (
        connect(url, name="setup") as connection,
        named(DatabaseError, f"cannot drop the database {database}"),
    ):
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
