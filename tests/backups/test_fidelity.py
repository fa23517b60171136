"""A backup restores each value as it was, whatever its type: the dumps before and after are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from mock2pg import postgres
from mock2pg.postgres.server import Server
from tests.fix_postgres import new_database
from tests.fix_restore import Trial, back_up, dumped, execute, go_back

DIGITS = "9" * 500 + "." + "1234567890" * 50

# Of each type, values that a careless way through JSON would change; neighbours may compare as equal.
TYPES: dict[str, tuple[str, ...]] = {
    "numeric": ("1.00", "1.0", DIGITS, f"-{DIGITS}", "'NaN'", "'Infinity'", "'-Infinity'", "0", "0.000", "1e-300"),
    "numeric(9,2)": ("'NaN'", "0"), "numeric(3,-2)": ("12300", "0"), "bigint": ("9007199254740993", "-1"),
    "smallint": ("-32768", "32767"), "boolean": ("true", "false"),
    "double precision": ("'-0'", "0", "'NaN'", "'Infinity'", "'-Infinity'", "5e-324", "1.7976931348623157e308",
                         "0.1::float8 + 0.2", "2.2250738585072014e-308"),
    "real": ("'1e-45'", "'NaN'", "3.4028235e38", "'-0'", "0.1", "'-Infinity'"),
    "money": ("1.5", "2", "'-92233720368547758.08'"), "oid": ("4294967295", "1"),
    "text": ("e'\\x01\\x02\\n\\r\\t\\\\\"''{}[],'", "''", "'\\.'", "'NULL'", "'null'", "e'\\u2028\\u0085'", "e'\\r\\n'",
             "'é'", "'é'", "repeat('x', 100000)"),
    "varchar(3)": ("'é  '", "'é'"), "char(5)": ("'a'", "'b'", "''"), "bpchar": ("'a  '", "'a'", "'a '"),
    "name": ("'a'", "'Ünï'"), '"char"': ("'a'", "''", "'\\377'"),
    "bytea": ("'\\x00ff'", "'\\x00'", "''", "decode(repeat('00ff5c', 20000), 'hex')"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"),
    "date": ("'0044-03-15 BC'", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'1582-10-10'"),
    "time": ("'24:00'", "'00:00'", "'23:59:59.999999'"), "time(0)": ("'23:59:59.9'", "'0:00'"),
    "timetz": ("'10:00+02'", "'08:00+00'", "'00:00:00.000001-15:59:59'"),
    "timestamp": ("'294276-12-31 23:59:59.999999'", "'4713-11-24 BC'", "'infinity'"),
    "timestamp(3)": ("'-infinity'", "'2026-01-01'"),
    "timestamptz": ("'0044-03-15 BC'", "'infinity'", "'-infinity'", "'294276-12-31 23:59:59.999999+00'",
                    "'4714-11-24 00:00:00+00 BC'", "'2026-03-29 02:30:00 Europe/Berlin'"),
    "interval": ("'30 days'", "'1 month'", "'-1 month +1 day -00:00:00.000001'", "'-178000000 years'", "'720 hours'",
                 "'2147483647 days'", "'0'"),
    "interval minute to second(2)": ("'1:02.345'", "'0'"),
    "json": ("'{\"a\": 1,  \"a\":2}'", "'{\"a\":1}'", "'null'", "'\"\\u0000\"'", "'  1.0 '", "'[]'"),
    "jsonb": ("'{\"a\": [1.0, null]}'", "'{\"a\": [1, null]}'", "'null'", "'\"null\"'", "'1e400'", "'{}'"),
    "json[]": ("'{\"null\",NULL}'", "'{\"1 \"}'"), "jsonb[]": ("'{\"1.0\"}'", "'{\"1\"}'", "'{\"null\",NULL}'"),
    "jsonpath": ("'$.a'", "'$.b'"),
    "text[]": ("'{a,NULL,\"NULL\",\"\"}'", "'[0:3]={a,NULL,NULL,\"\"}'", "'{}'", "'{\"a,b\",\"{}\",\"\\\\\"}'"),
    "integer[]": ("'{{1,2},{3,NULL}}'", "'{}'", "'[-1:0][5:6]={{1,2},{3,4}}'", "'{{{1},{2}}}'"),
    "numeric[]": ("'{1.0,NaN}'", "'{1.00,NaN}'"), "bytea[]": ("array['\\x00'::bytea, NULL]", "'{}'"),
    "box[]": ("'{(1,1),(0,0);(2,2),(1,1)}'", "'{}'"), "timestamptz[]": ("'{infinity,0044-03-15 BC}'", "'{NULL}'"),
    "inet": ("'1.2.3.4/24'", "'1.2.3.4'", "'::ffff:1.2.3.4/96'"), "cidr": ("'10.0.0.0/8'", "'10.0.0.0/16'", "'::/0'"),
    "macaddr": ("'08:00:2b:01:02:03'", "'00:00:00:00:00:00'"),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'", "'00:00:00:00:00:00:00:00'"),
    "bit(3)": ("b'001'", "b'100'"), "bit varying": ("b'01'", "b'1'", "b''"), "bit varying(4)": ("b'0110'", "b''"),
    "point": ("'(1,2)'", "'(1,3)'", "'(NaN,-Infinity)'", "'(5e-324,-0)'"), "line": ("'{1,2,3}'", "'{1,2,4}'"),
    "lseg": ("'[(1,2),(3,4)]'", "'[(3,4),(1,2)]'"), "box": ("'((1,2),(0,0))'", "'((2,1),(0,0))'"),
    "path": ("'[(0,0),(1,1)]'", "'((0,0),(1,1))'"), "polygon": ("'((0,0),(1,1),(0,1))'", "'((0,1),(0,0),(1,1))'"),
    "circle": ("'<(1,2),3>'", "'<(1,2),0>'"), "pg_lsn": ("'FFFFFFFF/FFFFFFFF'", "'0/0'"),
    "xid8": ("'18446744073709551615'", "'0'"), "tid": ("'(0,1)'", "'(4294967295,65535)'"),
    "tsvector": ("'a b:2'", "'a'", "'a:1A,2B ''it''''s'''"), "tsquery": ("'a & b'", "'a <-> !b:*A'"),
    "int4range": ("'empty'", "'[1,2)'", "'(,)'"), "numrange": ("'[1.0,2]'", "'[1.00,2]'", "'(1,)'"),
    "tstzrange": ("'[-infinity,infinity]'", "'(,2026-01-01)'"), "daterange": ("'[0044-03-15 BC,infinity)'", "'empty'"),
    "nummultirange": ("'{[1.0,2]}'", "'{[1,2]}'", "'{}'"), "int8multirange": ("'{[1,2),[5,)}'", "'{}'"),
    "regclass": ("'pg_class'", "'pg_type'"), "regtype": ("'public.mood'", "'int'"),
    "regrole": ("'pg_monitor'", "'postgres'"),
    "public.mood": ("'glad'", "'so so'", "''"), "public.mood[]": ("'{glad,\"so so\"}'", "'{}'", "'{NULL,\"\"}'"),
    "public.feeling": ("'glad'", "''"),
    "public.tags": ("'{a}'", "'{}'"), "public.tags[]": ("array['{a,b}'::public.tags]", "'{}'"),
    "public.pair": ("'(1,\"x, y\")'", "'(1,)'", "'(,)'", "'(1,\"\")'"), "public.pair[]": ("'{\"(1,)\",NULL}'", "'{}'"),
    "public.nest": ("'(\"(1,\\\\\"\\\\\"\\\\\"\\\\\")\",\"{\"\"(2,b)\"\"}\",1.0,null)'", "'(,,1.00,\"\"\"null\"\"\")'"),
    "public.both": ("'(1,a)'", "'(2,)'"), "public.document": ("'{\"a\": 1.0}'", "'null'"),
    "public.span": ("'[1.5,2]'", "'empty'", "'[-0,0]'"), "public.positive": ("5", "6"), "public.strict": ("7", "8"),
    "public.padded": ("'a '", "'a'"),
}  # fmt: skip
OWN_TYPES = """
    CREATE TYPE public.mood AS ENUM ('so so', 'glad', '');
    CREATE TYPE public.pair AS (x integer, y text);
    CREATE TYPE public.nest AS (p public.pair, ps public.pair[], n numeric, j jsonb);
    CREATE TYPE public.span AS RANGE (subtype = float8);
    CREATE DOMAIN public.feeling AS public.mood;
    CREATE DOMAIN public.tags AS text[] CHECK (cardinality(VALUE) < 9);
    CREATE DOMAIN public.both AS public.pair CHECK ((VALUE).x > 0);
    CREATE DOMAIN public.document AS jsonb;
    CREATE DOMAIN public.padded AS bpchar;
    CREATE DOMAIN public.positive AS integer CHECK (VALUE > 0);
    CREATE DOMAIN public.strict AS public.positive CHECK (VALUE < 9)"""
# Types that not every server has: how to get at them, and their values.
MORE_TYPES = {
    "public.hstore": ("CREATE EXTENSION hstore SCHEMA public", ('\'a=>1, "b c"=>NULL, d=>""\'', "''", "'a=>NULL'")),
    "public.vector": ("CREATE EXTENSION vector SCHEMA public", ("'[1,2.5,-0]'", "'[0.1]'", "'[3.4028235e+38]'")),
    "public.citext": ("CREATE EXTENSION citext SCHEMA public", ("'Ab'", "'aB'", "'ab'")),
    "public.ltree": ("CREATE EXTENSION ltree SCHEMA public", ("'a.b'", "''")),
    "public.cube": ("CREATE EXTENSION cube SCHEMA public", ("'(1,2),(3,4)'", "'(0.1)'")),
    "xml": ("SELECT '<a/>'::xml", ("'<a b=\"1\"> x </a>'", "'text <b/>'", "''")),
}


def installed(connection: postgres.Connection) -> dict[str, tuple[str, ...]]:
    """The types of MORE_TYPES that this server has, made ready."""
    found = {}
    for name, (statement, values) in MORE_TYPES.items():
        try:
            connection.execute(statement)  # type: ignore[call-overload]
            found[name] = values
        except psycopg.errors.FeatureNotSupported:
            continue
    return found


@pytest.mark.parametrize(("change", "way"), [("", "merge"), (";\nALTER TABLE public.t ADD more int", "recreate")])
def test_values_of_every_type_come_back(change: str, way: str, trial: Trial, connection: postgres.Connection) -> None:
    """Also where PostgreSQL calls the changed value equal, and where there is no equality at all."""
    types = {**installed(connection), **TYPES}
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(types))
    length = max(map(len, types.values()))
    rows = [
        ", ".join(values[number % len(values)] for values in types.values()) for number in range(length + 1)
    ]  # one more, to be changed into
    nulls = ", ".join(["NULL"] * len(types))
    setup = f"{OWN_TYPES};\nCREATE TABLE public.t (id int PRIMARY KEY, {columns});\n" + ";\n".join(
        f"INSERT INTO public.t VALUES ({number}, {row})" for number, row in enumerate([*rows[:-1], nulls, nulls])
    )
    changes = ";\n".join(
        f"UPDATE public.t SET ({', '.join(f'c{n}' for n in range(len(types)))}) = ROW({row}) WHERE id = {number}"
        for number, row in enumerate([*rows[1:], rows[0]])
    )
    trial(setup, f"{changes};\nDELETE FROM public.t WHERE id = {length + 1};\n"
          f"INSERT INTO public.t VALUES (99, {rows[0]}){change}", way)  # fmt: skip


def test_text_of_every_plane_of_unicode_comes_back(trial: Trial, connection: postgres.Connection) -> None:
    """Every character that PostgreSQL can hold, one by one and all in one text; names of tables and columns too."""
    setup = """
        CREATE TABLE public."t 𝔘 é" ("c 漢 '" int PRIMARY KEY, v text NOT NULL);
        INSERT INTO public."t 𝔘 é" SELECT n, string_agg(chr(c), '' ORDER BY c)
        FROM generate_series(0, 16) AS n, generate_series(greatest(n * 65536, 1), n * 65536 + 65535) AS c
        WHERE c NOT BETWEEN 55296 AND 57343 GROUP BY n"""
    trial(setup, """UPDATE public."t 𝔘 é" SET v = reverse(v)""", "merge")
    row = connection.execute('SELECT sum(length(v)) FROM public."t 𝔘 é"').fetchone()
    assert row == (0x110000 - 0x800 - 1,)


def test_a_cast_to_text_that_loses_something_is_not_used(trial: Trial) -> None:
    """A backup holds the text of a type's own output function; where a merge cannot see a difference, the
    comparison at its end does."""
    setup = """
        CREATE SCHEMA app;
        CREATE TYPE app.shade AS ENUM ('dark', 'light');
        CREATE FUNCTION app.shown(app.shade) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'a shade' $$;
        CREATE FUNCTION app.read(text) RETURNS app.shade LANGUAGE sql IMMUTABLE AS $$ SELECT 'dark'::app.shade $$;
        CREATE CAST (app.shade AS text) WITH FUNCTION app.shown(app.shade);
        CREATE CAST (text AS app.shade) WITH FUNCTION app.read(text);
        CREATE TABLE public.t (id int PRIMARY KEY, v app.shade);
        INSERT INTO public.t VALUES (1, 'dark'), (2, 'light')"""
    trial(setup, "UPDATE public.t SET v = 'light'", "recreate")


# What a schema may be besides tables with rows: setup, change, the way that leads back.
ODD = {
    "a view that was not filled": (
        "CREATE TABLE public.t (id int PRIMARY KEY);\n"
        "CREATE MATERIALIZED VIEW public.empty AS SELECT id FROM public.t WITH NO DATA;\n"
        "CREATE MATERIALIZED VIEW public.full AS SELECT id FROM public.t WITH DATA",
        "REFRESH MATERIALIZED VIEW public.empty;\nREFRESH MATERIALIZED VIEW public.full WITH NO DATA", "merge"),
    "grants and a comment on the schema": (
        "GRANT CREATE ON SCHEMA public TO pg_monitor;\nCOMMENT ON SCHEMA public IS 'ours'",
        "GRANT ALL ON SCHEMA public TO pg_read_all_data;\nREVOKE ALL ON SCHEMA public FROM PUBLIC, pg_monitor;\n"
        "COMMENT ON SCHEMA public IS NULL;\nALTER SCHEMA public OWNER TO pg_monitor", "recreate"),
    "a schema that was as it is when it is new": (
        "SELECT 1",
        "GRANT CREATE ON SCHEMA public TO pg_monitor WITH GRANT OPTION;\nCOMMENT ON SCHEMA public IS 'theirs';\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE pg_monitor IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;\n"
        "CREATE TABLE public.more ()", "recreate"),
    "default privileges in all schemas": (
        "CREATE TABLE public.t (id int);\nCREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        "CREATE TYPE public.mood AS ENUM ('glad');\nCREATE SEQUENCE public.s;\n"
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO pg_monitor WITH GRANT OPTION;\n"
        "ALTER DEFAULT PRIVILEGES REVOKE INSERT ON TABLES FROM CURRENT_USER;\n"
        "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO PUBLIC;\n"
        "ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;\n"
        "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM PUBLIC;\nCREATE TABLE public.u (id int)",
        "ALTER TABLE public.t ADD more int", "recreate"),
    "a partition of a table elsewhere": (
        "CREATE SCHEMA app;\nCREATE TABLE app.whole (id int, v text) PARTITION BY RANGE (id);\n"
        "CREATE TABLE public.low PARTITION OF app.whole (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (10);\n"
        "CREATE TABLE app.high PARTITION OF app.whole DEFAULT;\nINSERT INTO app.whole VALUES (1, 'a'), (20, 'b')",
        "UPDATE app.whole SET v = 'c' WHERE id = 1", "merge"),
    "the same, made anew": (
        "CREATE SCHEMA app;\nCREATE TABLE app.whole (id int, v text) PARTITION BY RANGE (id);\n"
        "CREATE TABLE public.low PARTITION OF app.whole FOR VALUES FROM (0) TO (10);\n"
        "INSERT INTO app.whole VALUES (1, 'a'), (2, 'b')",
        "DELETE FROM app.whole;\nALTER TABLE public.low ADD CHECK (id < 10)", "recreate"),
    "partitions of partitions, with columns in another order and dropped ones": (
        "CREATE TABLE public.p (gone int, id int, v text, PRIMARY KEY (id, v)) PARTITION BY LIST (v);\n"
        "ALTER TABLE public.p DROP COLUMN gone;\nCREATE TABLE public.a (v text NOT NULL, also int, id int NOT NULL);\n"
        "ALTER TABLE public.a DROP COLUMN also;\nALTER TABLE public.p ATTACH PARTITION public.a FOR VALUES IN ('a');\n"
        "CREATE TABLE public.b PARTITION OF public.p FOR VALUES IN ('b') PARTITION BY HASH (id);\n"
        "CREATE TABLE public.b0 PARTITION OF public.b FOR VALUES WITH (MODULUS 2, REMAINDER 0);\n"
        "CREATE TABLE public.b1 PARTITION OF public.b FOR VALUES WITH (MODULUS 2, REMAINDER 1);\n"
        "INSERT INTO public.p VALUES (1, 'a'), (2, 'b'), (3, 'b')",
        "UPDATE public.p SET v = 'b' WHERE id = 1;\nDELETE FROM public.p WHERE id = 3", "merge"),
    "tables that inherit": (
        "CREATE TABLE public.t (id int, v text DEFAULT 't');\nCREATE TABLE public.u (w text) INHERITS (public.t);\n"
        "ALTER TABLE public.u ALTER v SET DEFAULT 'u';\nCREATE TABLE public.x (id int, y int);\n"
        "CREATE TABLE public.both () INHERITS (public.u, public.x);\nINSERT INTO public.t VALUES (1), (1);\n"
        "INSERT INTO public.u VALUES (2);\nINSERT INTO public.both VALUES (3, 'v', 'w', 4)",
        "UPDATE public.t SET v = 'x';\nDELETE FROM public.x;\nALTER TABLE public.x ADD more int", "recreate"),
    "an extension's own objects": (
        "CREATE EXTENSION hstore SCHEMA public;\nCREATE SEQUENCE public.mine;\n"
        "CREATE TABLE public.t (id int PRIMARY KEY, h public.hstore DEFAULT ''::public.hstore, hs public.hstore[]);\n"
        "INSERT INTO public.t VALUES (1, 'a=>1', array['b=>NULL'::public.hstore])",
        "UPDATE public.t SET h = '', hs = NULL;\nALTER TABLE public.t ADD more public.hstore", "recreate"),
    "what reads and refers to other schemas": (
        "CREATE SCHEMA app;\nCREATE TABLE app.t (id int PRIMARY KEY);\nINSERT INTO app.t VALUES (1);\n"
        "CREATE TABLE public.t (id int PRIMARY KEY REFERENCES app.t);\nINSERT INTO public.t VALUES (1);\n"
        "CREATE VIEW public.v AS SELECT * FROM app.t JOIN public.t USING (id)",
        "DELETE FROM public.t;\nDROP VIEW public.v", "recreate"),
    "constraints that the rows do not keep": (
        "CREATE TABLE public.t (id int PRIMARY KEY, n int, up int);\n"
        "INSERT INTO public.t VALUES (1, -1, 7), (2, 1, 2);\n"
        "ALTER TABLE public.t ADD CHECK (n > 0) NOT VALID, ADD FOREIGN KEY (up) REFERENCES public.t NOT VALID",
        "DELETE FROM public.t", "recreate"),
    "row-level security for the owner too, storage options and roles": (
        "CREATE UNLOGGED TABLE public.t (id int PRIMARY KEY, v text COMPRESSION pglz, w text) WITH (fillfactor = 70);\n"
        "INSERT INTO public.t VALUES (1, 'a', 'b');\nALTER TABLE public.t ENABLE ROW LEVEL SECURITY;\n"
        "ALTER TABLE public.t FORCE ROW LEVEL SECURITY;\nCREATE POLICY none ON public.t AS RESTRICTIVE USING (false);\n"
        "ALTER TABLE public.t ALTER v SET STORAGE EXTERNAL, ALTER w SET STATISTICS 7, REPLICA IDENTITY FULL,"
        " CLUSTER ON t_pkey, OWNER TO pg_monitor",
        "UPDATE public.t SET v = 'c'", "merge"),
    "identity and generated columns": (
        "CREATE SEQUENCE public.s AS smallint INCREMENT -1 START -5 MINVALUE -10 MAXVALUE -1;\n"
        "CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY (START 7 INCREMENT 5) PRIMARY KEY,"
        " s smallint DEFAULT nextval('public.s'), v text, low text GENERATED ALWAYS AS (lower(v)) STORED);\n"
        "INSERT INTO public.t (v) VALUES ('A'), ('B');\nALTER TABLE public.t ALTER id RESTART WITH 3",
        "INSERT INTO public.t (v) VALUES ('C');\nUPDATE public.t SET v = 'D'", "merge"),
    "names that need quotes": (
        'CREATE TABLE public."select" ("from" int, "a.b" text, "%s {} $1" text, "' + "é" * 31 + '" int,'
        ' PRIMARY KEY ("from", "a.b"));\nINSERT INTO public."select" VALUES (1, \'x\', \'y\', 2);\n'
        'CREATE SEQUENCE public."Ä ""s""";\nSELECT nextval(\'public."Ä ""s"""\')',
        'UPDATE public."select" SET "%s {} $1" = NULL;\nSELECT nextval(\'public."Ä ""s"""\')', "merge"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_odd_schemas_come_back(what: str, trial: Trial) -> None:
    """Whatever else a schema is made of, it is as it was."""
    trial(*ODD[what])


# --- values at random ---------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
).map(json.dumps).filter(lambda text: "\\u0000" not in text)  # fmt: skip
NUMBER = st.from_regex(r"-?[0-9]{1,300}(\.[0-9]{1,300})?", fullmatch=True) | st.sampled_from(["NaN", "Infinity"])
MOMENT = st.datetimes().map(str) | st.sampled_from(["infinity", "-infinity", "4713-11-24 BC", "294276-12-31 12:00"])
SPAN = st.tuples(*[st.integers(-2000000, 2000000)] * 3).map("{0[0]} months {0[1]} days {0[2]}.000001 seconds".format)


def quoted(texts: list[str | None]) -> str:
    """An array as PostgreSQL reads one."""
    each = ("NULL" if t is None else '"' + t.replace("\\", "\\\\").replace('"', '\\"') + '"' for t in texts)
    return "{" + ",".join(each) + "}"


VALUES: dict[str, st.SearchStrategy[str]] = {
    "numeric": NUMBER,
    "double precision": st.floats().map(repr),
    "real": st.floats(width=32).map(repr),
    "text": TEXT,
    "bpchar": TEXT,
    "bytea": st.binary().map(lambda value: "\\x" + value.hex()),
    "timestamp": MOMENT,
    "timestamptz": MOMENT,
    "date": MOMENT,
    "interval": SPAN,
    "time": st.times().map(str),
    "json": JSON.map(lambda text: f" {text}\n"),
    "jsonb": JSON,
    "jsonb[]": st.lists(st.none() | JSON, max_size=3).map(quoted),
    "text[]": st.lists(st.none() | TEXT, max_size=3).map(quoted),
    "numeric[]": st.lists(st.none() | NUMBER, max_size=3).map(quoted),
    "public.pair": st.tuples(st.integers(-9, 9), st.none() | TEXT).map(
        lambda pair: "(" + str(pair[0]) + "," + ("" if pair[1] is None else quoted([pair[1]])[1:-1]) + ")"
    ),
    "numrange": st.tuples(st.integers(0, 9), st.integers(9, 19)).map("[{0[0]}.0,{0[1]}.00)".format),
    "bit varying": st.text("01", max_size=70),
    "uuid": st.uuids().map(str),
    "inet": st.ip_addresses().map(str),
}
Rows = list[tuple[str | None, ...]]
ROW = st.tuples(*[st.none() | values for values in VALUES.values()])
SCHEMAS = count(1)


@pytest.fixture(scope="module")
def one_database(server: Server) -> Iterator[str]:
    """A database for all examples; each takes a schema of its own."""
    with new_database(server, "mock2pg_random") as url:
        execute(url, "CREATE TYPE public.pair AS (x integer, y text)")
        yield url


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],  # an example costs a second: too much for shrinking one
)
@given(before=st.lists(ROW, min_size=1, max_size=15), after=st.lists(ROW, min_size=1, max_size=15))
def test_values_at_random_come_back(
    before: Rows, after: Rows, one_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the rows hold and are changed to, in whatever number, with a key and without one."""
    schema = f"s{next(SCHEMAS)}"
    kinds = [sql.SQL(kind) for kind in VALUES]  # type: ignore[arg-type]
    columns = sql.SQL(", ").join(sql.SQL("c{} {}").format(n, kind) for n, kind in enumerate(kinds))
    casts = sql.SQL(", ").join(sql.SQL("%s::text::{}").format(kind) for kind in kinds)
    with postgres.connect(one_database, name="test") as connection:

        def fill(rows: Rows) -> None:
            for table in ("keyed", "bare"):
                home = sql.Identifier(schema, table)
                connection.execute(sql.SQL("DELETE FROM {}").format(home))
                for number, row in enumerate(rows):
                    insert = sql.SQL("INSERT INTO {} VALUES ({}, {})").format(home, number, casts)
                    connection.execute(insert, row)

        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for table, key in (("keyed", "PRIMARY KEY"), ("bare", "")):
            create = sql.SQL("CREATE TABLE {} (id int {}, {})")
            connection.execute(create.format(sql.Identifier(schema, table), sql.SQL(key), columns))
        fill(before)
        dumped_before = dumped(one_database)
        backup = back_up(one_database, tmp_path_factory.mktemp("backups"), schema)
        fill(after)
        restored = go_back(one_database, backup, schema)
        assert dumped(one_database) == dumped_before
        assert {table.after for table in restored.tables.values()} == {len(before)}
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
