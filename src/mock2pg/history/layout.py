"""The tables of schema mock2pg: their version, the steps that upgrade them, and what each version consists of.

`history/0001.sql` makes version 1, and each later file leads from the version before it to its own. The text beside it
lists what is then there; what is not listed, or missing, was not made by mock2pg.
"""

from __future__ import annotations

from importlib import resources

from psycopg import sql

from mock2pg.errors import DatabaseError, SchemaRefused
from mock2pg.postgres import schemas
from mock2pg.postgres.connection import Connection, named, one_row
from mock2pg.text import printable

SCHEMA = "mock2pg"
VERSION = 3  # the highest step
_TABLES = ["runs", "settings", "events", "schema_version"]
_SHOWN = 5
UNDO = f"Undo that, or begin a new history: ALTER SCHEMA {SCHEMA} RENAME TO {SCHEMA}_before."
_INIT_ROLES = "mock2pg init-roles | psql -v ON_ERROR_STOP=1 DATABASE"

# All that decides what our statements do. Indexes and views beside these tables are their owner's to have.
_INVENTORY = """
    WITH t AS (SELECT c.* FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'mock2pg' AND c.relname = ANY (%s))
    SELECT 'table ' || relname || CASE WHEN relkind <> 'r' OR relispartition THEN ' (is none)' ELSE '' END
        || CASE WHEN relrowsecurity THEN ' (row-level security)' ELSE '' END FROM t
    UNION ALL
    SELECT 'column ' || t.relname || '.' || a.attname || ': ' || concat_ws(' ', format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid),
        CASE a.attidentity WHEN 'a' THEN 'identity' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN a.attgenerated <> '' THEN 'generated' END)
    FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT 'constraint of ' || t.relname || ': ' || pg_get_constraintdef(c.oid)
    FROM t JOIN pg_constraint AS c ON c.conrelid = t.oid WHERE c.contype <> 'n'
    UNION ALL
    SELECT 'trigger of ' || t.relname || ': ' || pg_get_triggerdef(g.oid) || ' enabled ' || g.tgenabled::text
    FROM t JOIN pg_trigger AS g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal
    UNION ALL
    SELECT 'rule of ' || t.relname || ': ' || r.rulename FROM t JOIN pg_rewrite AS r ON r.ev_class = t.oid
    UNION ALL
    SELECT 'policy of ' || t.relname || ': ' || p.polname FROM t JOIN pg_policy AS p ON p.polrelid = t.oid
    UNION ALL
    SELECT 'inheritance of ' || t.relname FROM t JOIN pg_inherits AS i ON t.oid IN (i.inhrelid, i.inhparent)
    UNION ALL
    SELECT 'function ' || p.proname || ': ' || concat_ws(' ', md5(p.prosrc), CASE WHEN p.prosecdef THEN 'definer' END,
        array_to_string(p.proconfig, ', '))
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace WHERE n.nspname = 'mock2pg'
    UNION ALL
    SELECT 'sequence ' || c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'mock2pg' AND c.relkind = 'S'"""


def present(connection: Connection) -> bool:
    """Return True when the tables exist, with this version and unchanged; every statement on them asks this first.

    Raises SchemaRefused when they cannot be used as they are.
    """
    found = version(connection)
    if 0 < found < VERSION:
        raise SchemaRefused(
            f"the tables of schema {SCHEMA} have version {found}, and this mock2pg needs version {VERSION}",
            hint="Run `mock2pg plan`: it upgrades them, and nothing else of the target. So do migrate, backup"
            " and rollback.",
        )
    return found == VERSION


def version(connection: Connection, *, reading: bool | None = None) -> int:
    """The version of the tables; 0 when there are none.

    reading  nothing will be written: a role that is no superuser may read what another has made. None: as the session

    Raises SchemaRefused when they are another role's, of a later version, or not as mock2pg made them.
    """
    there, recorded, versioned, readable, superuser = one_row(
        connection,
        "SELECT to_regnamespace('mock2pg') IS NOT NULL, bool_or(c.relname = 'runs'), bool_or(c.relname ="
        " 'schema_version'), coalesce(bool_and(has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege("
        "c.relnamespace, 'USAGE') AND c.relkind = 'r' AND NOT c.relrowsecurity)"
        " FILTER (WHERE c.relname = 'schema_version'), false), (SELECT rolsuper FROM pg_roles WHERE rolname ="
        " current_user) FROM pg_class AS c WHERE c.relnamespace = to_regnamespace('mock2pg')",
    )
    if not there:
        return 0
    if superuser or not (connection.read_only if reading is None else reading):
        schemas.refuse_foreign(connection, [SCHEMA])
    if not recorded:
        return 0
    found = 1
    if versioned:
        query = "SELECT max(version) FROM ONLY mock2pg.schema_version"
        found = (one_row(connection, query)[0] if readable else None) or VERSION
    if found > VERSION:
        raise SchemaRefused(
            f"the tables of schema {SCHEMA} have version {found}, and this mock2pg knows none later than {VERSION}",
            hint="Use the mock2pg that upgraded them, or a later one.",
        )
    _refuse_damaged(connection, found)
    return int(found)


def create(connection: Connection) -> None:
    """Make the tables, which may need a right that the role lacks."""
    if connection.execute("SELECT to_regnamespace('mock2pg') IS NULL").fetchone() == (True,):
        connection.execute("CREATE SCHEMA mock2pg")
        schemas.close_to_others(connection, SCHEMA)
    for number in range(1, VERSION + 1):
        connection.execute(step(number))


def upgrade(connection: Connection, lock_timeout: str) -> int | None:
    """Upgrade tables of an earlier version, in one transaction; returns that version, or None when there was none.

    Raises SchemaRefused when the role may not, with what their owner can run.
    """
    if not 0 < version(connection) < VERSION:
        return None
    owner, may = one_row(
        connection,
        "SELECT pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace,"
        " 'CREATE') FROM pg_class AS c WHERE c.oid = 'mock2pg.runs'::regclass",
    )
    if not may:
        raise SchemaRefused(
            f"the tables of schema {SCHEMA} have an earlier version, and only {owner} may upgrade them",
            hint=f"As {owner}, run `{_INIT_ROLES}`.",
        )
    with named(DatabaseError, f"cannot upgrade the tables of schema {SCHEMA}"), connection.transaction():
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
        connection.execute("LOCK TABLE mock2pg.runs IN ACCESS EXCLUSIVE MODE")
        before = version(connection)  # another may have upgraded them meanwhile
        for number in range(before + 1, VERSION + 1):
            connection.execute(step(number))
    return before if before < VERSION else None


def step(number: int) -> sql.SQL:
    """The SQL that leads to a version from the one before it."""
    return sql.SQL(_read(f"{number:04}.sql"))


def inventory(connection: Connection) -> set[str]:
    """Return a description of the tables, one line per object."""
    return {line for (line,) in connection.execute(_INVENTORY, [_TABLES]).fetchall()}


def _refuse_damaged(connection: Connection, found: int) -> None:
    expected, there = set(_read(f"{found:04}.txt").splitlines()), inventory(connection)
    faults = [f"not expected: {printable(line)}" for line in sorted(there - expected, key=_tables_first)]
    faults += [f"missing: {line}" for line in sorted(expected - there, key=_tables_first)]
    if faults:
        more = f", and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise SchemaRefused(
            f"the tables of schema {SCHEMA} are not as mock2pg made them: {'; '.join(faults[:_SHOWN])}{more}",
            hint=UNDO,
        )


def _tables_first(line: str) -> tuple[bool, str]:
    return not line.startswith("table "), line


def _read(name: str) -> str:
    return resources.files("mock2pg.history").joinpath(name).read_text(encoding="utf-8")
