"""DATABASE_URL as applications write it: the part that libpq takes, the schema, and the parameters that do not apply.

Nothing here prints a password, nor any text that may be part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, unquote

from mock2pg.errors import UsageError

EXAMPLE = "postgresql://user:password@host:5432/database"

_LIBPQ = """
    application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation
    gssencmode gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname
    load_balance_hosts max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer
    oauth_scope options passfile password port replication require_auth requirepeer requiressl scram_client_key
    scram_server_key service servicefile ssl_max_protocol_version ssl_min_protocol_version sslcert sslcertmode
    sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation sslpassword sslrootcert sslsni
    target_session_attrs tcp_user_timeout user
"""
# Of Prisma, then of node-postgres, then of Python's and Java's libraries.
_OTHERS = """
    connection_limit pool_timeout pgbouncer socket_timeout statement_cache_size max_idle_connection_lifetime
    max_connection_lifetime sslaccept sslidentity single_use_connections
    max min idletimeoutmillis connectiontimeoutmillis uselibpqcompat
    prepared_statement_cache_size prepare_threshold command_timeout pool_size max_overflow async_fallback
    pool pool_mode workaround supa currentschema preparethreshold reconnect checkout_timeout prepared_statements
    encoding timeout conn_max_age conn_health_checks
"""
LIBPQ = frozenset(_LIBPQ.split())  # what libpq knows, up to version 18
OTHERS = frozenset(_OTHERS.split())  # what other libraries read, and what says nothing about a session of mock2pg
_NUMBERS = ("connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
            "tcp_user_timeout")  # fmt: skip
_OURS = MappingProxyType({"client_encoding": "UTF8", "replication": "false"})  # what every session is, whatever it says
_SSL = MappingProxyType({"true": "require", "1": "require", "false": "disable", "0": "disable"})

_DRIVERS = re.compile(r"(?i)postgres(?:ql)?(?:\+[a-z0-9_]+)?")
_SCHEME = re.compile(r"\s*((?:jdbc:)?[A-Za-z][A-Za-z0-9+.-]*)://|\s*((?:jdbc|file|sqlserver|jdbc:[a-z0-9]+)):")
_KEYWORD = re.compile(r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s\\]|\\.)*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,40}")
_ESCAPES = "write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F and % as %25"


@dataclass(frozen=True)
class ConnectionString:
    """The parts of DATABASE_URL.

    libpq    the connection string that libpq takes, as a URL or as `key=value` text; it may hold a password
    schema   the value of the parameter `schema`, as Prisma writes it
    ignored  the parameters that are accepted and not used, as `name=value`
    """

    libpq: str = field(repr=False)
    schema: str | None = None
    ignored: tuple[str, ...] = ()


def parse(text: str) -> ConnectionString:
    """Read a connection string. Raises UsageError naming what is wrong with it, and how to write it."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _keywords(text)
    name = scheme[1] or scheme[2]
    if scheme[1] is None or not _DRIVERS.fullmatch(name):
        raise _other_scheme(name, text)
    rest = text.strip()[len(scheme[0].strip()) :]
    address, _, query = _split_query(rest)
    authority, slash, database = _split_authority(address)
    _check_credentials(authority)
    _check_hosts(authority)
    kept, schema, ignored = _parameters(query)
    named = {key for key, _ in kept}
    if not database and not named & {"dbname", "service"}:
        raise UsageError("DATABASE_URL names no database", hint=f"Put the name after the host: {EXAMPLE}")
    libpq = f"postgresql://{authority}{slash}{database}"
    if kept:
        libpq += "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in kept)
    return ConnectionString(libpq, schema, tuple(ignored))


def schema_of(text: str) -> str | None:
    """The schema that a connection string names, or None; what else is wrong with it is left to `parse`."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return None
    parameters = dict(parse_qsl(_split_query(text)[2]))
    return parameters.get("schema") or None


def shown(text: str) -> str | None:
    """Return user, host, port and database as a URL that libpq reads, or the service; None for a text that might hide
    a password there.

    Raises UsageError as `parse` does.
    """
    libpq = parse(text).libpq
    if _SCHEME.match(libpq) is None:
        named = {name: re.sub(r"\\(.)", r"\1", value.strip("'")) for name, value in _KEYWORD.findall(libpq)}
    else:
        address, _, query = _split_query(libpq.removeprefix("postgresql://"))
        authority, _, database = _split_authority(address)
        credentials, _, hosts = authority.rpartition("@")
        named = {"user": unquote(credentials.partition(":")[0]), "host": hosts, "dbname": unquote(database)}
        named |= dict(_pairs(query))
    if any("@" in named.get(part, "") for part in ("host", "hostaddr", "dbname", "service")):
        return None
    if service := named.get("service"):
        return f"service={service}"
    user, database = (quote(named.get(part, ""), safe="") for part in ("user", "dbname"))
    host, port = named.get("host") or named.get("hostaddr") or "", named.get("port") or ""
    if host.startswith("/"):  # the folder of a socket, which a URL has no other place for
        given = {"host": quote(host, safe="/,"), "port": port}
        parameters = "&".join(f"{name}={value}" for name, value in given.items() if value)
        return f"postgresql://{user and user + '@'}/{database}?{parameters}"
    bare = [f"[{each}]" if each.count(":") > 1 and "[" not in each else each for each in host.split(",")]
    return f"postgresql://{user and user + '@'}{','.join(bare)}{port and ':' + port}/{database}"


def _split_query(text: str) -> tuple[str, str, str]:
    """The text before and after the question mark that begins the parameters: the first one behind the last `@`."""
    at = text.rfind("@", 0, _parameters_at(text))
    mark = text.find("?", at + 1)
    return (text, "", "") if mark < 0 else (text[:mark], "?", text[mark + 1 :])


def _parameters_at(text: str) -> int:
    """Return the last offset where parameters can begin: a value of theirs may hold an `@`."""
    found = re.search(r"\?[A-Za-z_]+=", text)
    return found.start() if found else len(text)


def _split_authority(address: str) -> tuple[str, str, str]:
    """user:password@hosts, `/`, database. Raises UsageError for a `/` that must be part of the password."""
    authority, slash, database = address.partition("/")
    if "@" in database and "@" not in authority and ":" in authority:
        port = authority.rpartition(":")[2]
        if not port.isdigit() or "/" in database:
            raise _unescaped("/")
    return authority, slash, database


def _check_credentials(authority: str) -> None:
    credentials, at, _ = authority.rpartition("@")
    if at and "@" in credentials:
        raise _unescaped("@")
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", authority):
        raise _unescaped("%")


def _check_hosts(authority: str) -> None:
    """Raise UsageError for a port that is no number; it is shown only where it cannot be a password."""
    _, at, hosts = authority.rpartition("@")
    for host in hosts.split(","):
        bracket = host.rpartition("]")[2] if host.startswith("[") else host
        if host.startswith("[") and "]" not in host:
            raise UsageError("DATABASE_URL: the IPv6 address has no closing bracket", hint=f"Write it as {EXAMPLE}")
        port = bracket.partition(":")[2]
        if ":" not in bracket or not port:
            continue
        if not _is_port(port):
            shown = f" {unquote(port)!r}" if at else ""
            hint = "Write the port as a number from 1 to 65535" if at else "Put an @ before the host if it is missing"
            raise UsageError(
                f"DATABASE_URL: the port{shown} is not a number from 1 to 65535",
                hint=f"{hint}: {EXAMPLE}",
            )


def _parameters(query: str) -> tuple[list[tuple[str, str]], str | None, list[str]]:
    """Return what libpq takes, the schema, and what is not used. Raises UsageError for an unknown parameter."""
    kept: list[tuple[str, str]] = []
    ignored, schema = [], None
    for name, value in _pairs(query):
        if name == "schema":
            schema = value or None
        elif name == "ssl" and value:
            kept.append(("sslmode", _SSL.get(value.lower(), value)))
        elif name in LIBPQ - _OURS.keys():
            _check_number(name, value, shown="@" not in query)
            kept.append((name, value))
        elif name in _OURS or name.lower() in OTHERS or name.lower().partition(".")[0] in OTHERS:
            ignored.append(f"{name}={value}")
        else:
            shown = f" {name}" if _NAME.fullmatch(name) and "@" not in query else ""
            raise UsageError(
                f"DATABASE_URL: the parameter{shown} is not known",
                hint=f"If a ? or & belongs to the password, {_ESCAPES}. PostgreSQL's documentation lists the"
                " parameters under libpq, Parameter Key Words.",
            )
    return kept, schema, ignored


def _check_number(name: str, value: str, *, shown: bool) -> None:
    """Raise UsageError for a parameter that libpq takes as a number, and that is none.

    shown  the value cannot be a part of the password
    """
    given = f" {value!r}" if shown else ""
    if name in _NUMBERS and not re.fullmatch(r"\s*[+-]?[0-9]{1,9}\s*", value):
        raise UsageError(
            f"DATABASE_URL: the parameter {name}{given} is not a whole number",
            hint=f"Write it as {name}=10, or leave it out.",
        )
    if name == "port" and not all(port == "" or _is_port(port) for port in value.split(",")):
        raise UsageError(
            f"DATABASE_URL: the port{given} is not a number from 1 to 65535", hint="Write it as port=5432."
        )


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 65536


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        yield unquote(name), unquote(value)


def _keywords(text: str) -> ConnectionString:
    """Accept libpq's `key=value` text, which only libpq can read, or report why it cannot be such text."""
    if "=" not in text:
        raise UsageError("DATABASE_URL is neither a URL nor key=value text", hint=f"Write it as {EXAMPLE}")
    if not re.search(r"\b(dbname|service)\s*=", text):
        raise UsageError("DATABASE_URL names no database", hint="Add dbname=NAME.")
    for name, value in _KEYWORD.findall(text):
        _check_number(name, value.strip("'"), shown=True)
    ignored = re.findall(rf"\b({'|'.join(_OURS)})\s*=", text)
    ours = "".join(f" {name}={_OURS[name]}" for name in ignored)  # the last one counts
    return ConnectionString(text + ours, None, tuple(ignored))


def _other_scheme(name: str, text: str) -> UsageError:
    hint = f"Write DATABASE_URL as {EXAMPLE}; mock2pg migrates into PostgreSQL."
    found = re.match(r"(?i)\s*jdbc:postgresql://([^/?]*)/?([^?]*)\??(.*)", text, re.DOTALL)
    if found and "@" not in found[1]:
        given: Mapping[str, str] = dict(_pairs(found[3]))
        credentials = quote(given.get("user", "user"), safe="")
        credentials += ":PASSWORD" if "password" in given else ""
        return UsageError(
            "DATABASE_URL is a JDBC URL, and mock2pg takes those of libpq",
            hint=f"Write it as postgresql://{credentials}@{found[1]}/{found[2]}, with the password in its place.",
        )
    return UsageError(f"DATABASE_URL begins with {name}:, which is not PostgreSQL's", hint=hint)


def _unescaped(character: str) -> UsageError:
    where = "user or password" if character == "%" else "password"
    return UsageError(
        f"DATABASE_URL: an unescaped {character} is in the {where}",
        hint=f"Escape it: in the user and the password {_ESCAPES}.",
    )
