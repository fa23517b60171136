"""The definitions of a schema as pg_dump writes them: read, compared object by object, and executed."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg

from mock2pg.environment import inherited
from mock2pg.errors import BackupFailed
from mock2pg.foreign_errors import scrubbed
from mock2pg.postgres import catalogue, client_programs, distribution, locks, scripts
from mock2pg.postgres.connection import Connection, environment
from mock2pg.postgres.owners_code import OwnersCode
from mock2pg.settings import LOCK_TIMEOUT

_ENTRY = re.compile(r"(?m)^-- Name: (.*); Type: ([A-Z ]+); Schema: ")
_ENTRY_HEAD = re.compile(r"(?m)^(?=--\n-- Name: .*; Type: [A-Z ]+; Schema: )")
_OF_SCHEMA = re.compile(r"--\n-- Name: .*; Type: (SCHEMA|ACL|COMMENT|SECURITY LABEL); Schema: -; ")  # it is in none
_HEAP = "SET default_table_access_method = heap;"
_METHOD = re.compile(r"SET default_table_access_method = .*;")
_ENDING = re.compile(r"(?m)\s*(^SET default_\w+ = .*;\s+)*^--\n(-- PostgreSQL database dump complete\n--\s*)?\Z")
# PostgreSQL's minor releases of November 2026 keep a number in a column's options that each ALTER changes, which a
# pg_dump from before them takes for an option.
_COLUMN_OPTIONS = re.compile(r"(?m)^(ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \()(.*\bpg_attver=.*)\);\n")
_VERSION = re.compile(r"pg_attver=\d+(, )?|, pg_attver=\d+$")


def definitions(
    connection: Connection,
    url: str,
    schema: str,
    program: Path,
    *,
    snapshot: str = "",
    lock_timeout: str = LOCK_TIMEOUT,
    without: Sequence[str] = (),
) -> dict[str, str] | None:
    """The schema's definitions as SQL, before and after the rows; None when `connection` sees no such schema.

    snapshot      the name of the snapshot to read them from, else they are those of now
    lock_timeout  how long pg_dump waits for a table
    without       relations that are left out, with all that belongs to them
    """
    if not catalogue.schema_exists(connection, schema):
        return None
    program = client_programs.pg_dump(program, connection.info.server_version, bool(connection.pgconn.ssl_in_use))
    options = [f"--snapshot={snapshot}"] if snapshot else []
    options.append(f"--lock-wait-timeout={lock_timeout}")
    options += [f"--exclude-table={_pattern(schema)}.{_pattern(name)}" for name in without]
    try:
        return _pg_dump(url, schema, program, options)
    except psycopg.errors.LockNotAvailable as error:
        for text in locks.blockers(connection, connection.info.backend_pid, "LOCK TABLE", reads=True):
            error.add_note(text)
        raise


def entries(found: Mapping[str, str] | None) -> dict[str, str]:
    """The definitions object by object, under what pg_dump calls each: `TABLE orders`, `INDEX by_code`.

    Their order is left out: pg_dump changes it for objects of other schemas.
    """
    parts: dict[str, list[str]] = {}
    for text in (found or {}).values():
        method = _HEAP
        _, *rest = _ENTRY.split(text)
        for name, kind, body in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            own = method if kind in ("TABLE", "MATERIALIZED VIEW") else ""
            ending = _ENDING.search(body)  # none where a function's own text looks like the head of a definition
            parts.setdefault(f"{kind} {name}", []).append(own + body[: ending.start() if ending else None])
            method = [method, *_METHOD.findall(ending[0] if ending else "")][-1]
    return {name: "".join(sorted(bodies)) for name, bodies in parts.items()}


def of_schema(found: Mapping[str, str] | None) -> list[str]:
    """The entries of the schema itself: its owner, comment, grants and labels; not of what is in it."""
    return [text for script in (found or {}).values() for text in _split(script) if _OF_SCHEMA.match(text)]


def without_schema(script: str) -> str:
    """The script without those entries."""
    return "".join(text for text in _split(script) if not _OF_SCHEMA.match(text))


def _split(script: str) -> list[str]:
    """The head of the script, and its entries."""
    return _ENTRY_HEAD.split(script)


def definitions_fingerprint(found: Mapping[str, str] | None) -> str:
    """Return a SHA-256 of the definitions that does not depend on their order."""
    return hashlib.sha256(json.dumps(entries(found), sort_keys=True).encode()).hexdigest()


def changed_entries(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> dict[str, str]:
    """The objects whose definitions are not the same, by what became of each: "added", "removed" or "changed"."""
    was, now = entries(before), entries(after)
    return {
        name: "added" if name not in was else "removed" if name not in now else "changed"
        for name in sorted({*was, *now})
        if was.get(name) != now.get(name)
    }


def define(connection: Connection, script: str, code: OwnersCode) -> None:
    """Execute what pg_dump wrote; the timeouts of the session stay as they are, which it would take away.

    It is written for an empty path. Where a function in it, of an index say, finds nothing on that one, it is executed
    under the path of the owner's code.
    """
    head, first, rest = script.partition("-- Name: ")
    head = re.sub(r"(?m)^(SET \w+_timeout = 0|SELECT pg_catalog\.set_config\('search_path', .*\));\n", "", head)
    script = head + first + rest
    parts = list(scripts.statements(script)) if distribution.is_citus(connection) else [script]
    try:
        with connection.transaction():
            for part in parts:
                connection.execute(part)
    except psycopg.ProgrammingError as error:
        try:
            with connection.transaction(), code.path():
                for part in parts:
                    connection.execute(part)
        except psycopg.ProgrammingError:
            raise error from None


def _pg_dump(url: str, schema: str, program: Path, options: Sequence[str]) -> dict[str, str]:
    """Read the definitions once; pg_restore writes both scripts from the archive, and asks no server."""
    session = inherited() | environment(url, settings=True) | {"PGCLIENTENCODING": "UTF8", "LC_ALL": "C"}
    read = ["--schema-only", "--format=custom", "--compress=0", f"--schema={_pattern(schema)}", *options]
    archive = _run([str(program), *read], session)
    found = {}
    for section in ("pre-data", "post-data"):
        write = [str(client_programs.pg_restore(program)), f"--section={section}", "--file=-"]
        found[section.replace("-", "_")] = _plain(_run(write, session, archive).decode(), schema)
    return found


def _run(command: list[str], session: dict[str, str], given: bytes = b"") -> bytes:
    done = subprocess.run(command, env=session, input=given, capture_output=True, check=False)  # noqa: S603  ours
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace")
        if " was: LOCK TABLE" in said and "permission denied" not in said:
            raise psycopg.errors.LockNotAvailable("pg_dump was not given the lock of a table")
        raise BackupFailed(f"{Path(command[0]).name} failed: {scrubbed(said)}")
    return done.stdout


def _pattern(name: str) -> str:
    """Return a pg_dump pattern that matches only this name."""
    return '"' + name.replace('"', '""') + '"'


def _plain(text: str, schema: str) -> str:
    """pg_dump's script as any server since version 14 takes it, the same for the same definitions."""
    name = re.escape(schema.replace('"', '""'))
    text = re.sub(r"\n\\unrestrict .*\n+\Z", "\n", text)
    head, first, rest = text.partition("-- Name: ")  # below are definitions, whose own texts must not change
    head = re.sub(r"(?m)^(\\restrict .*|SET transaction_timeout = 0;|-- Dumped .*)\n", "", head)
    rest = re.sub(rf'\A(.*\n--\n\n)CREATE SCHEMA ("{name}"|{name});\n', r"\1CREATE SCHEMA IF NOT EXISTS \2;\n", rest)
    return head + first + _COLUMN_OPTIONS.sub(_without_version, rest)


def _without_version(found: re.Match[str]) -> str:
    options = _VERSION.sub("", found[2])
    return f"{found[1]}{options});\n" if options else ""
