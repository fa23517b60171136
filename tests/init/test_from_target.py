"""init --from-target: what an existing database says wins over what the values show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from mock2pg import cli, postgres
from mock2pg.init.conclusions import ConcludedColumn, Conclusions, Doubt, Entity, Reference
from mock2pg.init.target import from_target
from mock2pg.init.target.conversions import Field
from mock2pg.init.target.types import fit
from mock2pg.init.writing import models
from mock2pg.postgres import existing_tables
from mock2pg.postgres.server import Server
from mock2pg.settings import REPOSITORY
from mock2pg.staged_tables import SourceColumn, SourceTable
from tests.citus import double
from tests.fix_postgres import new_database

_ROWS = 10


@pytest.fixture(scope="module")
def existing(server: Server) -> Iterator[postgres.Connection]:
    """A database with tables as Prisma, Django, Supabase and Alembic make them, which no test changes."""
    with new_database(server, "mock2pg_existing") as url, postgres.connect(url, name="test") as connection:
        connection.execute((REPOSITORY / "tests" / "data" / "existing_tables.sql").read_text())  # type: ignore[arg-type]
        yield connection


def entity(
    name: str, path: str, columns: str, *, key: str = "id", references: Sequence[Reference] = (), **given: str
) -> Entity:
    """An entity; a column is `name:type`, `name:type=path`, with `?` behind it where two of ten rows lack it.

    given  format, texts or what they spell of a column: `format_price="text"`, `texts_role="a b"`
    """
    concluded = []
    for word in columns.split(", "):
        spelled, _, at = word.removesuffix("?").partition("=")
        column, _, kind = spelled.partition(":")
        full = not word.endswith("?")
        declared = SourceColumn(column, kind, at or column, required=full, format=given.get(f"format_{column}", ""))
        texts = tuple(given.get(f"texts_{column}", "").split())
        values, quoted = _ROWS if full else _ROWS - 2, given.get(f"quoted_{column}", "")
        concluded.append(
            ConcludedColumn(
                declared, "", _ROWS, values, texts=texts, quoted=quoted, longest=max(map(len, texts), default=0)
            )
        )
    table = SourceTable(name, path, tuple(column.declared for column in concluded))
    return Entity(table, _ROWS, tuple(concluded), tuple(key.split(", ")), "unique in 10 rows", (), tuple(references))


def refers(column: str, parent: str, to: str = "id", held: int = _ROWS, *, cyclic: bool = False) -> Reference:
    return Reference((column,), parent, (to,), held, _ROWS, enforced=held == _ROWS, cyclic=cyclic)


def described(column: ConcludedColumn) -> str:
    """Return one line for each column of a model and its declarations."""
    declared = column.declared
    text = f"{column.name} {declared.data_type}"
    text += f" ({declared.format})" if declared.format else ""
    text += f" as {column.target_type}" if column.data_type else ""
    text += " not null" if declared.required else ""
    text += f" in {'|'.join(column.allowed)}" if column.allowed else ""
    return text + (f": {column.expression or column.constant}" if column.expression or column.constant else "")


def applied(
    connection: postgres.Connection, schema: str, *entities: Entity
) -> tuple[Conclusions, dict[str, list[str]]]:
    """Return the result of `apply`, and the columns of its entities in words."""
    found = from_target.apply(Conclusions(entities, source="db.json"), connection, schema)
    for each in found.entities:
        assert each.table.columns == tuple(c.declared for c in each.columns if not c.constant)
    return found, {each.name: [described(column) for column in each.columns] for each in found.entities}


def said(doubts: Sequence[Doubt]) -> dict[str, str]:
    return {doubt.place: doubt.message for doubt in doubts}


USERS = entity(
    "users", "users[]", "id:integer, email:text, name:text?, role:text, created_at:timestamptz=createdAt,"
    " settings_theme:text=settings.theme, settings_size:integer=settings.size", texts_role="admin in-review user",
)  # fmt: skip
POSTS = entity(
    "posts", "posts[]", "id:integer, title:text, order:integer, price:numeric(4,2), user_id:integer=userId,"
    " starts:time, mood:text, published:boolean?", references=[refers("user_id", "users")],
)  # fmt: skip
TAGS = entity("post_tags", "posts[].tags[]", "post_id:integer=posts[].id, position:integer=[], value:text=.",
              key="post_id, position", references=[refers("post_id", "posts")])  # fmt: skip
CATEGORIES = entity("categories", "categories[]", "id:integer, name:text")
OF_POSTS = entity("post_categories", "posts[].categoryIds[]",
                  "post_id:integer=posts[].id, position:integer=[], category_id:integer=.", key="post_id, position",
                  references=[refers("post_id", "posts"), refers("category_id", "categories")])  # fmt: skip


def test_tables_of_prisma_are_found_and_win(existing: postgres.Connection) -> None:
    """Names, enums, arrays, jsonb, times in UTC and implicit join tables come from the database; text stays text."""
    found, columns = applied(existing, "prisma", USERS, CATEGORIES, POSTS, TAGS, OF_POSTS)
    in_utc = "\"createdAt\" at time zone 'UTC'"
    labels = "case \"role\" when 'admin' then 'ADMIN' when 'in-review' then 'IN_REVIEW' when 'user' then 'USER' end"
    assert columns == {
        "User": [
            "id integer not null", "email text not null", "name text", f"role text not null: {labels}",
            f"createdAt timestamptz as timestamp not null: {in_utc}", "settings jsonb",
            f"updatedAt timestamp not null: {in_utc}",
        ],
        "Category": ["id integer not null", "name text not null"],
        "Post": [
            "id integer not null", "title text not null", "order bigint not null", "price numeric(10,2) not null",
            "authorId integer not null", "starts text not null",
            'published boolean: coalesce("published", false)', "tags text[]",
        ],
        "_CategoryToPost": ["B integer not null", "A integer not null"],
    }  # fmt: skip
    join = found.entities[3]
    assert join.primary_key == ("A", "B")
    assert [(r.columns, r.parent, r.on_delete) for r in join.references] == [
        (("B",), "Post", "cascade"),
        (("A",), "Category", "cascade"),
    ]
    assert found.entities[2].table.left_out == ("mood",)
    assert said(found.left_out) == {
        "posts[]: mood": "no column of Post takes it",
        "posts[].categoryIds[]": "no column of _CategoryToPost takes the position of a row in its array",
    }
    assert said(found.database) == {"_prisma_migrations": "no entity fills it: it is left alone"}
    doubts = said(found.doubts)
    assert set(doubts) == {"User.updatedAt", "Post.authorId", "_CategoryToPost"}
    assert "did not see whether its values are unique" in doubts["_CategoryToPost"]
    assert doubts["Post.authorId"].startswith("taken from user_id, which refers to the same table")


def test_tables_of_django_are_found_by_the_end_of_their_names(existing: postgres.Connection) -> None:
    """The label of the app is no part of an entity's name; a join table that numbers its rows has another key."""
    users = entity("users", "users[]", "id:integer, username:text, active:boolean=isActive, date_joined:timestamptz")
    products = entity(
        "products", "products[]", "id:text, name:text, price:text, seller:integer, stock:integer?",
        references=[refers("seller", "users", held=7)], quoted_id="integer", quoted_price="numeric",
    )  # fmt: skip
    tags = entity("tags", "tags[]", "id:integer, slug:text")
    joins = entity(
        "product_tags", "products[].tags[]", "product_id:text=products[].id, position:integer=[], tag_id:integer=.",
        key="product_id, position", references=[refers("product_id", "products"), refers("tag_id", "tags")],
    )  # fmt: skip
    found, columns = applied(existing, "django", users, tags, products, joins)
    assert columns == {
        "auth_user": [
            "id integer not null", "username text not null", "is_active boolean not null",
            "date_joined timestamptz not null", "password text not null: cast('' as text)",
        ],
        "shop_tag": ["id bigint not null", "slug text not null"],
        "shop_product": [
            "id bigint (text) not null", "name text not null", "price numeric(10,4) (text) not null",
            "seller_id integer not null", "stock integer",
        ],
        "shop_product_tags": ["product_id bigint (text) not null", "tag_id bigint not null"],
    }  # fmt: skip
    assert found.entities[3].primary_key == ("product_id", "tag_id")
    assert [r.enforced for each in found.entities for r in each.references] == [False, True, True]
    doubts = said(found.doubts)
    assert doubts["shop_product.seller_id"].startswith("3 rows of 10 refer to no row of auth_user")
    assert doubts["shop_product.stock"].startswith("it is NOT NULL, and 2 rows of 10 have no value")
    assert doubts["shop_product.price"].endswith("more or fewer than 4 decimals is refused")
    assert said(found.database) == {
        "shop_product_tags.id": "no field fills it: the database numbers new rows",
        "django_migrations": "no entity fills it: it is left alone",
    }


def test_tables_of_supabase_keep_their_uuids_and_defaults(existing: postgres.Connection) -> None:
    """A default is left to the database, a reference to the own table stays one, and an unknown entity is created."""
    profiles = entity("profiles", "profiles[]", "id:uuid, username:text, bio:text")
    todos = entity(
        "todos", "todos[]", "id:integer, user_id:uuid=userId, task:text, is_complete:boolean?, parent_id:integer?,"
        " due:timestamptz", references=[refers("user_id", "profiles"), refers("parent_id", "todos", cyclic=True)],
    )  # fmt: skip
    notes = entity("notes", "notes[]", "id:integer, todo_id:integer", references=[refers("todo_id", "todos")])
    found, columns = applied(existing, "supabase", profiles, todos, notes)
    assert columns == {
        "profiles": ["id uuid not null", "username text"],
        "todos": [
            "id bigint not null", "user_id uuid not null", "task text", "is_complete boolean", "parent_id bigint",
            "due timestamptz as date: (\"due\" at time zone 'UTC')::date",
        ],
        "notes": ["id integer not null", "todo_id bigint not null"],
    }  # fmt: skip
    assert [(r.parent, r.cyclic, r.enforced) for r in found.entities[1].references] == [
        ("profiles", False, True),
        ("todos", True, True),
    ]
    assert said(found.database) == {
        "profiles.created_at": "no field fills it: new rows get now()",
        "todos.inserted_at": "no field fills it: new rows get timezone('utc'::text, now())",
        "notes": "no table of the schema supabase has its name: it is created",
    }


def test_tables_of_alembic_keep_their_domains_and_circles(existing: postgres.Connection) -> None:
    """Domains are read as what they are over, names of the table in front of a column's do not count, and a column that
    nobody can fill is a doubt."""
    departments = entity(
        "departments", "departments[]", "code:text, title:integer, head:integer?", key="code",
        references=[refers("head", "employees", "id", cyclic=True)],
    )  # fmt: skip
    employees = entity(
        "employees", "employees[]", "id:integer, full_name:text=FullName, reports_to:integer=ReportsTo?,"
        " department_code:text=department, salary:numeric(8,2), hired:timestamptz",
        references=[refers("reports_to", "employees", cyclic=True), refers("department_code", "departments", "code")],
    )  # fmt: skip
    found, columns = applied(existing, "alembic", departments, employees)
    assert columns == {
        "departments": ["code text not null", "title integer as text not null", "head integer"],
        "employees": [
            "employee_id integer not null", "full_name text not null", "reports_to integer", "department text not null",
            "salary double precision", "hired timestamptz as timestamp not null: \"hired\" at time zone 'UTC'",
        ],
    }  # fmt: skip
    assert [(r.columns, r.parent_columns, r.on_delete) for each in found.entities for r in each.references] == [
        (("head",), ("employee_id",), "set null"),
        (("reports_to",), ("employee_id",), ""),
        (("department",), ("code",), ""),
    ]
    assert "no constant is right" in said(found.doubts)["employees.secret"]
    assert said(found.database)["employees.initials"] == "no field fills it: the database computes it"


FITS = [
    # the column, the type of the field and its format; what is declared, and what the contract and the model say
    ("text", "timestamptz", "", "text"),
    ("varchar(9)", "uuid", "", "text"),
    ("varchar(3)", "text", "", "text, doubtful"),
    ("text", "integer", "text", "text"),
    ("text", "numeric", "", "numeric as text"),
    ("text", "double precision", "", 'double precision as text: {x}::text, derived'),
    ("text", "text[]", "", "text[] as text: to_jsonb({x})::text, derived"),
    ("smallint", "integer", "", "integer"),
    ("smallint", "bigint", "", "bigint, doubtful"),
    ("bigint", "integer", "", "bigint"),
    ("integer", "bigint", "", "bigint, doubtful"),
    ("integer", "numeric", "", "numeric, doubtful"),
    ("integer", "boolean", "", "boolean as integer: {x}::integer, derived"),
    ("boolean", "integer", "", "integer as boolean: {x} <> 0, derived, doubtful"),
    ("numeric(6,2)", "numeric", "", "numeric(6,2)"),
    ("numeric(6,2)", "numeric(5,3)", "", "numeric(5,3), doubtful"),
    ("numeric(6,2)", "integer", "", "numeric(6,2)"),
    ("numeric(6,2)", "double precision", "", "numeric(6,2)"),
    ("numeric", "bigint", "text", "numeric text"),
    ("double precision", "numeric", "", "double precision"),
    ("real", "numeric", "", "numeric as double precision: {x}::real::double precision, derived, doubtful"),
    ("real", "integer", "", "double precision"),
    ("double precision", "numeric", "text",
     "numeric text as double precision: {x}::double precision, derived, doubtful"),
    ("numeric(6,2)", "text", "", "text, doubtful"),
    ("numeric(6,2)", "numeric", "text", "numeric(6,2) text, doubtful"),
    ("uuid", "text", "", "text, doubtful"),
    ("inet", "text", "", "text"),
    ("timestamp(3)", "timestamptz", "", "timestamptz as timestamp: {x} at time zone 'UTC'"),
    ("timestamp(0)", "timestamptz", "", "timestamptz as timestamp: {x} at time zone 'UTC', doubtful"),
    ("timestamptz", "timestamptz", "YYYY-MM-DDTHH:MM:SSZ", "timestamptz YYYY-MM-DDTHH:MM:SSZ"),
    ("timestamptz(0)", "timestamptz", "", "timestamptz, doubtful"),
    ("timestamptz", "timestamp", "", "timestamp as timestamptz: {x} at time zone 'UTC', derived"),
    ("timestamptz", "date", "", "date as timestamptz: {x}::timestamp at time zone 'UTC', derived"),
    ("timestamp", "date", "", "date as timestamp: {x}::timestamp"),
    ("date", "timestamptz", "", "timestamptz as date: ({x} at time zone 'UTC')::date, derived, doubtful"),
    ("date", "integer", "", "integer, doubtful"),
    ("jsonb", "text", "", "jsonb"),
    ("json", "text[]", "", "jsonb"),
    ("jsonb[]", "text[]", "", "text[], doubtful"),
    ("varchar(9)[]", "text[]", "", "text[]"),
    ("bigint[]", "integer[]", "", "bigint[]"),
    ("timestamp[]", "timestamptz[]", "", "timestamptz[], doubtful"),
    ("integer", "text[]", "", "text[], doubtful"),
    ('prisma."Role"', "text", "", "text: case {x} when 'a-dmin' then 'ADMIN' when 'user' then 'USER' end, derived"),
    ('prisma."Role"[]', "text[]", "", "text[], doubtful"),
    ('prisma."Role"', "integer", "", "integer, doubtful"),
    ("alembic.code", "text", "", "text, doubtful"),
]  # fmt: skip


def test_each_type_takes_what_it_holds_exactly(existing: postgres.Connection) -> None:
    """A value keeps its type where the column holds it; what changes it is derived, and what may change it doubtful."""
    columns = ", ".join(f"c{number} {column}" for number, (column, *_) in enumerate(FITS))
    with existing.transaction(force_rollback=True):
        existing.execute(f"CREATE SCHEMA fits; CREATE TABLE fits.t ({columns})")  # type: ignore[arg-type]
        (table,) = existing_tables.read(existing, "fits")
    found = []
    for (kind, staged, form, _), column in zip(FITS, table.columns, strict=True):
        each = fit(Field(staged, form, ("a-dmin", "user"), "", longest=9 if "code" not in kind else 10), column)
        text = f"{each.data_type} {each.format}".rstrip()
        text += f" as {each.contract}" if each.contract not in ("", each.data_type) else ""
        text += f": {each.expression}" if each.expression else ""
        text += ", derived" if each.derived else ""
        found.append((kind, staged, form, text + (", doubtful" if each.doubt else "")))
    assert found == FITS


def test_what_is_not_certain_is_a_doubt_and_a_new_table(existing: postgres.Connection) -> None:
    """Two tables for one entity, two entities for one table and a name that a view has: each is named, none taken."""
    with existing.transaction(force_rollback=True):
        existing.execute("""
            CREATE SCHEMA odd; CREATE TABLE odd.shop_item (id int PRIMARY KEY, name text, odd_one int);
            CREATE TABLE odd.blog_item (id int PRIMARY KEY, name text); CREATE TABLE odd."Person" (id int PRIMARY KEY);
            CREATE TABLE odd.friends (id int, a int REFERENCES odd."Person", b int REFERENCES odd."Person");
            CREATE VIEW odd.news AS SELECT 1 AS id;
            CREATE TABLE odd.order_lines (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sku text, UNIQUE (sku));
            CREATE TABLE odd.flags (id text PRIMARY KEY, "ID" text); CREATE TABLE odd.mock2pg_runs (id int PRIMARY KEY);
            CREATE TABLE odd.ordernote (id int PRIMARY KEY, text text, line int NOT NULL REFERENCES odd.order_lines)""")
        items = entity("items", "items[]", "id:integer, name:text")
        one, other = entity("person", "a.person[]", "id:integer"), entity("people", "people[]", "id:integer")
        news, friends = entity("news", "news[]", "id:integer"), entity("friends", "friends[]", "one:integer", key="one")
        lines = entity("order_lines", "order_lines[]", "line_id:integer, sku:text", key="sku",
                       references=[refers("line_id", "items")])  # fmt: skip
        flags = entity("flags", "flags{}", "other:text=ID, key:text={}", key="key")
        notes = entity("order_notes", "order_notes[]", "id:integer, text:text, sku:text",
                       references=[refers("sku", "order_lines", "sku")])  # fmt: skip
        runs = entity("_mock2pg_runs", "mock2pg_runs[]", "id:integer")
        found, columns = applied(existing, "odd", items, one, other, news, friends, lines, flags, notes, runs)
    taken = ["order_lines", "flags", "ordernote"]
    assert list(columns) == ["items", "person", "people", "news", "friends", *taken, "_mock2pg_runs"]
    assert said(found.database)["mock2pg_runs"] == "no entity fills it: it is left alone"  # no model may have the name
    assert columns["ordernote"] == ["id integer not null", "text text"]  # sku is another key of the line than its id
    assert (columns["order_lines"], columns["flags"]) == (["sku text not null"], ["id text not null"])
    doubts = said(found.doubts)
    assert doubts["items"].startswith("it may be the table blog_item, shop_item of the database: name the model")
    assert doubts["person"].startswith("it may be the table Person of the database; so may people: ")
    assert doubts["news"].startswith("a view, sequence or index of the database has this name")
    assert doubts["friends"].startswith("its rows are identified by one, and the table has no column for one: add it")
    assert said(found.database)["friends.a"] == "no field fills it: new rows get NULL"
    assert columns["friends"] == ["one integer not null"]


def test_what_refers_to_a_table_tells_which_it_is(existing: postgres.Connection) -> None:
    """Django's auth_user has little of the source's users, but orders refer to it; a join of a table with itself."""
    with existing.transaction(force_rollback=True):
        existing.execute("""
            CREATE SCHEMA own; CREATE TABLE own.auth_user (id int PRIMARY KEY, password text);
            CREATE TABLE own.shop_order (id int PRIMARY KEY, user_id int NOT NULL REFERENCES own.auth_user);
            CREATE TABLE own.shop_order_related (id serial PRIMARY KEY,
                from_order_id int NOT NULL REFERENCES own.shop_order,
                to_order_id int NOT NULL REFERENCES own.shop_order, UNIQUE (from_order_id, to_order_id))""")
        users = entity("users", "users[]", "id:integer, first:text, last:text, city:text")
        orders = entity("orders", "orders[]", "id:integer, user_id:integer=userId",
                        references=[refers("user_id", "users")])  # fmt: skip
        related = entity("order_related", "orders[].related[]", "order_id:integer=orders[].id, related_id:integer=.",
                         key="order_id, related_id",
                         references=[refers("related_id", "orders"), refers("order_id", "orders")])  # fmt: skip
        found, columns = applied(existing, "own", users, orders, related)
    assert columns["auth_user"] == ["id integer not null"]
    assert columns["shop_order_related"] == ["from_order_id integer not null", "to_order_id integer not null"]
    assert said(found.database)["shop_order_related.id"] == "no field fills it: the database numbers new rows"
    assert set(said(found.doubts)) >= {"auth_user", "shop_order_related.to_order_id"}


def test_the_command_reads_the_database_that_the_environment_names(
    existing: postgres.Connection, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without DATABASE_URL it says what to set and writes nothing; with it, what to set in the project."""
    (tmp_path / "db.json").write_text('{"departments": [{"code": "A", "title": "Office"}]}')
    words = ["init", str(tmp_path / "db.json"), "--into", str(tmp_path / "shop"), "--from-target"]
    refused = CliRunner().invoke(cli.command, words)
    assert refused.exit_code == 2
    assert "DATABASE_URL is not set" in refused.output
    assert not (tmp_path / "shop").exists()
    monkeypatch.setenv("DATABASE_URL", server.url(existing.info.dbname))
    assert "the schema public has no table" in CliRunner().invoke(cli.command, words).output
    monkeypatch.setenv("MIGRATION_SCHEMA", "alembic")
    done = CliRunner().invoke(cli.command, words)
    assert done.exit_code == 0, done.output
    assert "Set DATABASE_URL and MIGRATION_SCHEMA=alembic there, too" in done.output
    assert "3 notes on what is left to the database" in done.output
    review = (tmp_path / "shop" / "INIT.md").read_text()
    assert "## Left to the database" in review
    assert "- `employees`: no entity fills it: it is left alone" in review


def test_a_distributed_schema_declares_its_distribution(database: str) -> None:
    """Keys are those of the source: the database has them with the distribution column, which Citus wants in each."""
    double.install(database)
    with postgres.connect(database, name="test") as connection:
        connection.execute("""
            SET LOCAL search_path = public;
            CREATE TABLE public.plans (id int PRIMARY KEY, name text NOT NULL);
            CREATE TABLE public.shops (id int, tenant int NOT NULL, plan_id int REFERENCES plans, slug text NOT NULL,
                PRIMARY KEY (id, tenant), UNIQUE (slug, tenant));
            CREATE TABLE public.orders (id int, tenant int NOT NULL, shop_id int NOT NULL, PRIMARY KEY (id, tenant),
                FOREIGN KEY (shop_id, tenant) REFERENCES shops (id, tenant) ON DELETE CASCADE);
            CREATE TABLE public.notes (id int, tenant int NOT NULL, text text NOT NULL, PRIMARY KEY (id, tenant));
            SELECT create_reference_table('public.plans');
            SELECT create_distributed_table('public.' || name, 'tenant')
            FROM unnest(ARRAY['shops', 'orders', 'notes']) AS name;
        """)
        found, _ = applied(
            connection,
            "public",
            entity("plans", "plans", "id:integer, name:text"),
            entity("shops", "shops", "id:integer, tenant:integer, plan_id:integer=planId, slug:text",
                   references=[refers("plan_id", "plans")]),
            entity("orders", "orders", "id:integer, tenant:integer, shop_id:integer=shopId",
                   references=[refers("shop_id", "shops")]),
            entity("notes", "notes", "id:integer, text:text"),
        )  # fmt: skip
    made = {each.name: each for each in found.entities}
    assert {name: each.distribution for name, each in made.items()} == {
        "plans": "reference", "shops": "tenant", "orders": "tenant", "notes": "",
    }  # fmt: skip
    assert {each.primary_key for each in made.values()} == {("id",)}
    assert made["orders"].references[0].parent_columns == ("id",)
    assert made["orders"].references[0].on_delete == "cascade"
    assert "distribution: tenant" in models.contract(made["orders"], {name: name for name in made})
    assert "distribution" not in models.contract(made["notes"], {name: name for name in made})
    (told,) = [str(doubt.message) for doubt in found.doubts if "distributed" in doubt.message]
    assert told.startswith("its rows are distributed by tenant, which no field of the source fills")
