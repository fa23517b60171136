"""The dbt project: what it declares reaches Python as it is written, and a build that fails says where."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from mock2pg import postgres, resources
from mock2pg.build import Built, DbtProject, dbt_project, sources, target_tables
from mock2pg.contracts import Column, ForeignKey, Table, tables_from
from mock2pg.errors import InternalError, LoadFailed, ProjectError
from mock2pg.spellings import FORMATS
from mock2pg.staged_tables import SourceColumn, SourceTable
from tests.fix_small import small_project

CANARY = "Canary7291"

DECLARED: dict[str, Any] = {
    "sources": [
        {
            "name": "landing",
            "tables": [
                {
                    "name": "parts",
                    "description": "One row per part.",
                    "config": {"meta": {"path": "wholes[].parts[]"}},
                    "columns": [
                        {"name": "id", "data_type": "text", "config": {"meta": {"uuid5": ["whole_id", "own"]}}},
                        {"name": "whole_id", "data_type": "text", "config": {"meta": {"path": "wholes[].id"}}},
                        {"name": "own", "data_type": "text[]", "config": {"meta": {"required": True, "path": "."}}},
                    ],
                },
                {"name": "wholes", "columns": [{"name": "id", "data_type": "text"}]},
            ],
        }
    ]
}


def project_of(folder: Path, declared: object) -> Path:
    file = folder / "models" / "_sources.yml"
    file.parent.mkdir(parents=True)
    file.write_bytes(declared if isinstance(declared, bytes) else yaml.safe_dump(declared).encode())
    return folder


def test_sources_are_read_as_they_are_declared(tmp_path: Path) -> None:
    """Names, types, paths and keys, in the order of the file; the path is the name where none is given."""
    columns = (
        SourceColumn("id", "text", "id", uuid5=("whole_id", "own")),
        SourceColumn("whole_id", "text", "wholes[].id"),
        SourceColumn("own", "text[]", ".", required=True),
    )
    table = SourceTable("parts", "wholes[].parts[]", columns, "One row per part.")
    assert sources(project_of(tmp_path, DECLARED))[0] == table
    assert (table.entity, table.nested) == ("wholes", True)
    assert table.labels == {"id": "id", "whole_id": "wholes[].id", "own": "own"}
    meta = {"path": "theId", "required": True, "blank": True, "unique": True, "references": "wholes.id"}
    wholes = {
        "name": "wholes",
        "config": {"meta": {"not_empty": True}},
        "columns": [{"name": "id", "data_type": "text", "config": {"meta": meta}}],
    }
    column = SourceColumn("id", "text", "theId", required=True, blank=True, unique=True, references=("wholes", "id"))
    project = project_of(tmp_path / "other", {"sources": [{"name": "landing", "tables": [wholes]}]})
    assert sources(project) == (SourceTable("wholes", "wholes", (column,), not_empty=True),)
    assert sources(project)[0].labels == {"id": "theId"}


def spoiled(**changes: object) -> Any:
    """The declaration with a table's or, by `column`, its last column's keys changed; None takes a key out."""
    declared = copy.deepcopy(DECLARED)
    table = declared["sources"][0]["tables"][0]
    place = table["columns"][-1] if changes.pop("column", False) else table
    for key, value in changes.items():
        place.pop(key) if value is None else place.update({key: value})
    return declared


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (b"sources: [", "_sources.yml cannot be read: ParserError"),
        (b"sources: \xff", "_sources.yml cannot be read: UnicodeDecodeError"),
        (b"", "_sources.yml cannot be read: TypeError"),
        ({"version": 2}, "_sources.yml cannot be read: KeyError: 'sources'"),
        ({"sources": None}, "_sources.yml cannot be read: TypeError"),
        ({"sources": [{"tables": ["parts"]}]}, "_sources.yml: a table: cannot be read"),
        (spoiled(config={"meta": {"pth": "a"}}), "_sources.yml: parts: config.meta.pth is not one of path, not_empty"),
        (
            spoiled(column=True, config={"meta": {"requird": True}}),
            "parts.own: config.meta.requird is not one of",
        ),
        (spoiled(column=True, config={"meta": {"place": "own"}}), "rest: the JSON key is its path"),
        (
            spoiled(column=True, config={"meta": {"references": "a.b"}}),
            "parts.own: references a.b, which is not a column",
        ),
        (
            spoiled(column=True, config={"meta": {"references": "parts.whole_id"}}),  # another type
            "parts.own: references parts.whole_id, which is not a column of the type text[] in _sources.yml",
        ),
        (spoiled(columns=None), "_sources.yml: parts: cannot be read: KeyError: 'columns'"),
        (spoiled(columns=["id"]), "_sources.yml: parts: cannot be read: TypeError"),
        (spoiled(column=True, data_type=None), "_sources.yml: parts: cannot be read: KeyError: 'data_type'"),
        (spoiled(column=True, data_type="varchar"), "_sources.yml: parts.own: data_type varchar is not one of text, "),
        (
            spoiled(column=True, data_type="time", config={"meta": {"format": "H:MM"}}),
            "_sources.yml: parts.own: format H:MM is not one of HH:MM, HH:MM:SS, HH:MM:SS.sss",
        ),
        (
            spoiled(column=True, data_type="jsonb", config={"meta": {"format": "text"}}),
            "_sources.yml: parts.own: format text is not known: jsonb has none",
        ),
        (
            spoiled(column=True, name="ID"),
            "_sources.yml: parts: columns whose names differ in case at the most: ID, id",
        ),
        (spoiled(column=True, name="é" * 32), "_sources.yml: parts: the name " + "é" * 32 + " has 64 bytes, and"),
        (spoiled(name="x" * 64), "has 64 bytes, and PostgreSQL keeps 63"),
        (spoiled(column=True, config={"meta": {"uuid5": ["x"]}}), "parts.own: uuid5 takes a list of other columns"),
        (spoiled(column=True, config={"meta": {"uuid5": "id"}}), "parts.own: uuid5 takes a list of other columns"),
        (spoiled(column=True, config={"meta": {"path": "b[].id"}}), "parts.own: path b[].id is in another array"),
        (spoiled(column=True, name=False), "_sources.yml: parts: cannot be read: TypeError: the name False is not a "),
        (spoiled(column=True, name="a\nb"), r'_sources.yml: parts: the name "a\nb" is empty or has characters that'),
        (spoiled(name=""), '_sources.yml: : the name "" is empty or has characters that cannot be printed'),
        (spoiled(column=True, name="_ID"), "_sources.yml: parts._ID: the staged table has a column _id of its own"),
        ({"sources": DECLARED["sources"] * 2}, "_sources.yml: tables whose names differ in case at the most: parts"),
    ],
)
def test_a_fault_in_the_sources_is_named(declared: object, said: str, tmp_path: Path) -> None:
    """The file, and the table and column where there is one."""
    with pytest.raises(ProjectError) as failed:
        sources(project_of(tmp_path, declared))
    assert said in failed.value.message


def test_sources_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A project without a declaration says what is missing."""
    with pytest.raises(ProjectError, match=r"_sources.yml cannot be read: FileNotFoundError"):
        sources(tmp_path)


def test_declarations_in_the_old_place_are_not_overlooked(tmp_path: Path) -> None:
    """A project whose declarations are among the staging models is told where they belong now."""
    (tmp_path / "models" / "staging").mkdir(parents=True)
    (tmp_path / "models" / "staging" / "_sources.yml").write_text("sources: []")
    with pytest.raises(ProjectError, match=r"models/staging/_sources.yml is not read any more: .*models/_sources.yml"):
        sources(tmp_path)


TYPES = [*FORMATS, "numeric(10,2)", "text[]", "integer[]", "bigint[]"]
PROVEN = {  # each is proven in tests/test_encoding.py
    ("integer", "double precision"), ("integer", "bigint"), ("integer", "numeric"), ("bigint", "numeric"),
    ("numeric(10,2)", "numeric"), ("date", "timestamp"), ("timestamptz", "timestamp"), ("integer[]", "bigint[]"),
    ("integer[]", "text[]"), ("bigint[]", "text[]"),
    *((own, "text") for own in ("integer", "bigint", "boolean", "numeric", "numeric(10,2)", "date", "time")),
    ("timestamp", "text"), ("timestamptz", "text"), ("uuid", "text"),
}  # fmt: skip
PARTS = SourceTable(
    "parts",
    "parts",
    (
        SourceColumn("id", "text", "id"),
        SourceColumn("whole_id", "text", "wholeId"),
        SourceColumn("code", "text", "x"),
    ),
)


def node(**columns: dict[str, Any]) -> dict[str, Any]:
    """A model as dbt's manifest has it."""
    return {
        "name": "parts",
        "config": {"meta": {}},
        "constraints": [{"type": "primary_key", "columns": ["id"]}],
        "columns": {
            name: {"name": name, "data_type": "text", "constraints": [], **more}
            for name, more in {"id": {}, **columns}.items()
        },
    }


def test_a_column_is_traced_to_the_staged_one() -> None:
    """By its name, or as its YAML says; a change that is made on purpose has a reason beside it."""
    table = target_tables.table(
        node(
            whole_id={"constraints": [{"type": "not_null"}]},
            code={},
            other={"config": {"meta": {"source": "whole_id", "derived": "a reason"}}},
            made={"config": {"meta": {"derived": "another reason"}}},
        ),
        {"parts": PARTS},
    )
    assert table.source == "parts"
    assert table.columns == (
        Column("id", "text", False, "id", None, "text"),
        Column("whole_id", "text", True, "whole_id", None, "text"),
        Column("code", "text", False, "code", None, "text"),
        Column("other", "text", False, "whole_id", "a reason", "text"),
        Column("made", "text", False, None, "another reason"),
    )
    assert [column.name for column in table.compared] == ["id", "whole_id", "code"]
    assert [column.name for column in table.derived] == ["other", "made"]


@pytest.mark.parametrize(
    ("unique", "referred", "key"),
    [(["b", "a"], "other", ("a", "b")), (["a"], "other", ()), (["a", "b"], "made", ())],
)
def test_an_invented_key_has_a_natural_one(unique: list[str], referred: str, key: tuple[str, ...]) -> None:
    """A natural key is unique by its contract, and no other contract refers to the key that is made from it."""
    columns = (SourceColumn("id", "text", "id", uuid5=("a", "b")), *(SourceColumn(n, "text", n) for n in "ab"))
    model = {**node(a={}, b={}), "name": "made"}
    model["constraints"] = [*model["constraints"], {"type": "unique", "columns": unique}]
    made = target_tables.table(model, {"made": SourceTable("made", "made", columns)})
    other = Table("z", (), (), foreign_keys=(ForeignKey(("made",), referred, ("id",)),))
    found = next(table for table in target_tables.ordered([made, other]) if table.name == "made")
    assert (found.natural_key, found.key) == (key, key or ("id",))
    assert [column.name for column in found.compared] == (["a", "b"] if key else ["id", "a", "b"])
    assert found.derived == ()
    assert tables_from([found.as_dict()]) == (found,)


def test_a_column_from_nowhere_is_refused() -> None:
    """A column that is neither staged nor explained is not compared with anything."""
    with pytest.raises(ProjectError, match=r"parts\.nowhere comes from no staged column") as failed:
        target_tables.table(node(nowhere={}), {"parts": PARTS})
    assert "config.meta.derived" in failed.value.hint


def test_a_column_cannot_be_the_databases_and_the_contracts() -> None:
    """A created_at of the JSON would be the created_at that the database fills."""
    meta = {"meta": {"database_columns": {"whole_id": "timestamptz not null default now()"}}}
    with pytest.raises(ProjectError, match=r"^parts\.whole_id is a column of the contract, and one that the database"):
        target_tables.table({**node(whole_id={}), "config": meta}, {"parts": PARTS})


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('Database Error in model a (m/a.sql)\n  syntax error at or near "group"\n  LINE 3: group text',
         'syntax error at or near "group"'),
        ('Database Error in model a (m/a.sql)\n  column "grop" does not exist\n  LINE 3: grop',
         'column "grop" does not exist'),
        ('Database Error in model a (m/a.sql)\n  role "Canary7291" does not exist\n  compiled code at x',
         "role (a value) does not exist in m/a.sql"),
        ('Database Error in model a (m/a.sql)\n  invalid input syntax for type date: "Canary7291"',
         "invalid input syntax for type date: (a value) in m/a.sql"),
        ("Compilation Error in model a (m/a.sql)\n  This model has an enforced contract.\n  | id | TEXT |",
         "Compilation Error in model a (m/a.sql)\n    This model has an enforced contract.\n    | id | TEXT |"),
    ],
)  # fmt: skip
def test_a_model_that_fails_has_a_reason(message: str, reason: str) -> None:
    """A fault of the model's text is quoted from it; a name that is not from there may be a value."""
    node = SimpleNamespace(original_file_path="m/a.sql")
    said = dbt_project._reason(SimpleNamespace(message=message, failures=None, status="error", node=node))
    assert said == reason
    assert CANARY not in said


@pytest.mark.usefixtures("unchanged_environment")
def test_a_column_may_have_a_name_that_sql_has(database: str, tmp_path: Path) -> None:
    """`group` in a contract, in its keys and in a reference; a model that forgets to quote it is told where.

    A model between the landing table and the target's is not a target table. A model's own index and hook count, and
    the order of its columns does not. The second build is of a schema that has the tables of the first; beside the
    model a data test fails. dbt's own data tests take such a column, too. In the third the columns are not the
    contract's.
    """
    models = small_project(tmp_path) / "dbt_project" / "models"
    between = "{{ config(materialized='ephemeral', contract={'enforced': false}) }}"
    (models / "between.sql").write_text(f"{between} select * from {{{{ source('landing', 'owners') }}}}")
    hooked = "{{ config(indexes=[{'columns': ['name']}], post_hook='comment on table {{ this }} is $$hooked$$') }}"
    (models / "core" / "owners.sql").write_text(f"{hooked} select name, id from {{{{ ref('between') }}}}")
    contract = yaml.safe_load((models / "core" / "pets.yml").read_text())
    told = ["unique", "not_null", {"accepted_values": {"arguments": {"values": ["a"]}}}]
    told.append({"relationships": {"arguments": {"to": "ref('pets')", "field": "group"}}})
    told.append({"unique": {"name": "of_an_expression", "arguments": {"column_name": "lower(id)"}}})
    contract["models"][0]["columns"].append({"name": "group", "data_type": "text", "data_tests": told[:4]})
    contract["models"][0]["data_tests"] = told[4:]
    contract["models"][0]["constraints"][1]["columns"] = ["name", "group"]
    (models / "core" / "pets.yml").write_text(yaml.safe_dump(contract))
    declared = yaml.safe_load((models / "_sources.yml").read_text())
    declared["sources"][0]["tables"][1]["columns"].append({"name": "group", "data_type": "text"})
    (models / "_sources.yml").write_text(yaml.safe_dump(declared))
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(models.parent):
            postgres.scratch.land(connection, table, [], 0)
    connected = connection_of(database)
    dbt = DbtProject(models.parent, tmp_path / "target", connected, tmp_path / "cache")
    assert dbt.tables()[1].uniques == (("name", "group"),)
    assert (built := dbt.build()).models == 2
    assert built.tests == 5
    with postgres.connect(database, name="test") as connection:
        found = connection.execute("""
            SELECT relname, obj_description(oid, 'pg_class'), (SELECT count(*) FROM pg_index WHERE indrelid = c.oid)
            FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'mock2pg_next'::regnamespace ORDER BY 1""")
        assert found.fetchall() == [("owners", "hooked", 2), ("pets", None, 2)]
        connection.execute("""
            CREATE TABLE public.done (tag text);
            CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql
                AS 'BEGIN INSERT INTO public.done VALUES (tg_tag); END';
            CREATE EVENT TRIGGER note ON ddl_command_end EXECUTE FUNCTION public.note()""")
    model = models / "core" / "pets.sql"
    model.write_text(model.read_text().replace("select *", "select id, owner_id, name, legs, group"))
    (models.parent / "tests").mkdir()
    (models.parent / "tests" / "nothing_is_found.sql").write_text("select 1 as found")
    with pytest.raises(LoadFailed) as failed:
        DbtProject(models.parent, tmp_path / "target", connected, tmp_path / "cache").build()
    lines = sorted(failed.value.message.splitlines()[1:])
    assert lines == ["  nothing_is_found: 1 row fails", '  pets: syntax error at or near "group"']
    with postgres.connect(database, name="test") as connection:  # what built the one table: nothing made aside, renamed
        done = [tag for (tag,) in connection.execute("SELECT tag FROM public.done").fetchall()]
        assert done == ["DROP TABLE", "CREATE TABLE", "ALTER TABLE", "CREATE INDEX", "COMMENT"]
    (models / "core" / "owners.sql").write_text("select 1 as name, id from {{ ref('between') }}")
    with pytest.raises(LoadFailed, match="owners: Compilation Error in model owners") as failed:
        DbtProject(models.parent, tmp_path / "target", connected, tmp_path / "cache").build()
    assert "This model has an enforced contract that failed." in failed.value.message
    assert "| name        | INTEGER         | TEXT          | data type mismatch |" in failed.value.message


def test_a_session_serves_the_next_model_as_a_new_one(database: str, tmp_path: Path) -> None:
    """A model sees no setting, role or temporary table of the one before; a session that is lost is opened again."""
    folder = small_project(tmp_path) / "dbt_project"
    (folder / "profiles.yml").write_text(resources.PROFILES.read_text().replace("threads: 2", "threads: 1"))
    state = (
        "select pg_backend_pid(), current_setting('work_mem'), current_user::text, to_regclass('pg_temp.mine')::text"
    )
    left = ["set work_mem = '77MB'", "create temporary table mine (a int)", "set role pg_monitor"]
    hooks = {"owners": [f"create table public.seen as {state}", *left], "pets": [f"insert into public.seen {state}"]}
    for model, statements in hooks.items():
        file = folder / "models" / "core" / f"{model}.sql"
        file.write_text(f"{{{{ config(post_hook={statements}) }}}} {file.read_text()}")
    project = DbtProject(folder, tmp_path / "target", connection_of(database), tmp_path / "cache")
    with postgres.connect(database, name="test") as connection:
        postgres.scratch.recreate(connection)
        for table in sources(folder):
            postgres.scratch.land(connection, table, [], 0)
        assert project.build().models == 2
        first, second = connection.execute("SELECT * FROM public.seen").fetchall()
        assert first == second
        assert first[1:] == ("4MB", "postgres", None)
        connection.execute("DROP TABLE public.seen")
    (folder / "tests").mkdir()
    for name, query in {"a": "1", "lost": "pg_terminate_backend(pg_backend_pid())", "z": "1"}.items():
        (folder / "tests" / f"{name}.sql").write_text(f"select {query} as found where {name == 'lost'}")
    with pytest.raises(LoadFailed) as failed:
        project.build()
    assert [line.split(":")[0] for line in failed.value.message.splitlines()[1:]] == ["  lost"]


def keyed(**constraint: Any) -> dict[str, Any]:
    """A model with one more constraint."""
    return {**node(whole_id={}), "constraints": [*node()["constraints"], constraint]}


def told(**meta: Any) -> dict[str, Any]:
    return {**node(), "config": {"meta": meta}}


def referring(**key: Any) -> dict[str, Any]:
    """A model that refers to itself by config.meta."""
    key = {"columns": ["id"], "to": "parts", "to_columns": ["id"], **key}
    return {**node(whole_id={}), "config": {"meta": {"foreign_keys": [key]}}}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (node(whole_id={"data_type": "money"}), "parts.whole_id: data_type money is not one of text, "),
        (node(whole_id={"data_type": None}), "parts.whole_id: data_type none is not one of text, "),
        ({**node(), "constraints": []}, "parts: its contract needs one primary key"),
        (keyed(type="unique", columns=[]), "parts: its unique constraint names no column: it needs columns of the "),
        (keyed(type="unique", columns=["gone"]), "parts: its unique constraint names gone: it needs columns of the "),
        (keyed(type="foreign_key", columns=["id"], to=None), "parts: its contract cannot be read: TypeError"),
        (told(source="wholes"), "parts: config.meta.source names wholes, which is not a table of _sources.yml"),
        (
            told(foreign_keys=[{"column": "id"}]),
            "parts: config.meta.foreign_keys: column is not one of name, columns, ",
        ),
        (told(foreign_keys=[{"columns": ["id"]}]), "parts: its contract cannot be read: KeyError: 'to_columns'"),
        (told(foreign_keys={"columns": ["id"]}), "parts: config.meta.foreign_keys: it is a list of keys, each with li"),
        (referring(columns="id"), "parts: config.meta.foreign_keys: it is a list of keys, each with lists of columns"),
        (referring(on_delete="vanish"), "parts: config.meta.foreign_keys: on_delete is vanish, which is not one of no"),
        (referring(columns=["gone"]), "parts: config.meta.foreign_keys: columns (gone) refer to to_columns (id): it"),
        (referring(to_columns=["id", "id"]), "parts: config.meta.foreign_keys: columns (id) refer to to_columns (id, "),
        (referring(to="gone"), "parts: config.meta.foreign_keys: gone is not a target table"),
        (
            referring(to_columns=["whole_id"]),
            "parts: config.meta.foreign_keys: (whole_id) is not a primary or unique key",
        ),
        (told(distribution="gone"), "parts: config.meta.distribution is gone, which is neither reference nor a column"),
        ({**node(), "alias": "mock2pg_gone_1"}, "mock2pg_gone_1: names of tables that begin with mock2pg_ are mock2pg"),
        (told(publish="merg"), "parts: config.meta.publish is merg, which is not one of merge, ensure"),
        (told(database_columns=["a"]), "parts: its contract cannot be read: ValueError"),
        (told(database_columns={"a": 5}), "parts.a: its definition in config.meta.database_columns is no text"),
        (node(code={"meta": {"derived": True}}), "parts.code: config.meta.derived is True, and no text that says why"),
        (
            node(made={"meta": {"source": "gone"}}),
            "parts.made: config.meta.source names gone, which is not a column of the staged table parts",
        ),
    ],
)
def test_a_fault_in_a_contract_is_named(model: dict[str, Any], said: str) -> None:
    """The table, and the column where there is one."""
    model["config"] |= {"contract": {"enforced": True}, "materialized": "table"}
    with pytest.raises(ProjectError) as failed:
        target_tables.contracts([model], [PARTS])
    assert failed.value.message.startswith(said)


def test_a_contract_takes_other_spellings_of_a_type() -> None:
    """They are the same type; and a column may come from a staged one of another name."""
    model = node(made={"data_type": "VARCHAR", "meta": {"source": "code"}})
    table = target_tables.table(model, {"parts": PARTS})
    assert (table.columns[1].data_type, table.columns[1].source) == ("text", "code")


def test_values_that_change_their_type_are_proven_or_refused() -> None:
    """Before anything is built: each column with both types, unless its YAML says why the value changes."""
    staged = SourceTable("parts", "parts", tuple(SourceColumn(name, name, name) for name in TYPES))
    derived = {"time_made": {"data_type": "time", "meta": {"source": "text", "derived": "a reason"}}}
    pairs = {f"{own} {to}": {"data_type": to, "meta": {"source": own}} for own in TYPES for to in TYPES}
    model = node(**pairs, **derived)
    model["columns"]["id"]["meta"] = {"derived": "made up"}
    model["config"] |= {"contract": {"enforced": True}, "materialized": "table"}
    with pytest.raises(ProjectError) as failed:
        target_tables.contracts([model], [staged])
    head, *lines = failed.value.message.splitlines()
    assert head == "values that change their type cannot be proven to arrive unchanged:"
    assert lines == [
        f"  parts.{own} {to}: {own} in _sources.yml (parts.{own}), {to} in the contract"
        for own in TYPES
        for to in TYPES
        if own != to and (own, to) not in PROVEN
    ]
    assert "Declare the contract's type in _sources.yml" in failed.value.hint
    assert "config.meta.derived" in failed.value.hint


def test_constraints_of_columns_count_as_those_of_the_table() -> None:
    """A constraint may be anywhere in a contract; a reference names its table before and after compiling."""
    checks = [{"type": "check", "expression": "id <> ''"}, {"type": "unique"}]
    keys = [
        {"type": "foreign_key", "to": to, "to_columns": ["id"], "columns": ["id"], "expression": "on delete cascade"}
        for to in ("ref('wholes')", '"db"."schema"."wholes"')
    ]
    model = node(id={"constraints": checks})
    model["constraints"] += keys
    table = target_tables.table(model, {"parts": PARTS})
    assert table.checks == (("parts_check1", "id <> ''"),)
    assert table.uniques == (("id",),)
    assert set(table.foreign_keys) == {ForeignKey(("id",), "wholes", ("id",), "on delete cascade")}


def connection_of(database: str) -> dict[str, str]:
    """The environment that the profile reads."""
    found = postgres.environment(database)
    names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "DBNAME": "PGDATABASE"}
    connected = {f"MOCK2PG_{name}": found[variable] for name, variable in names.items()}
    return connected | {"DBT_ENV_SECRET_MOCK2PG_PASSWORD": CANARY}


def unreachable(folder: Path) -> dict[str, str]:
    """A server that nobody started."""
    connected = {"MOCK2PG_HOST": str(folder), "MOCK2PG_PORT": "1", "MOCK2PG_USER": "u", "MOCK2PG_DBNAME": "d"}
    return connected | {"DBT_ENV_SECRET_MOCK2PG_PASSWORD": CANARY}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def unchanged_environment() -> Iterator[None]:
    """dbt's profile reads the environment, and nobody else is to see what is put there."""
    before = environment()
    yield
    assert environment() == before


def test_a_test_that_did_not_run_is_no_test_that_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that the manifest declares and dbt left out is named; counted are the tests that ran and hold."""
    kinds = {"model.p.a": "model", "model.p.inline": "model", "test.p.b.1": "test", "test.p.c.2": "test"}
    nodes = {
        key: {"resource_type": kind, "config": {"materialized": "ephemeral" if "inline" in key else kind}}
        for key, kind in kinds.items()
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}))

    def built(**statuses: str) -> SimpleNamespace:
        keys, query = {"a": "model.p.a", "b": "test.p.b.1", "c": "test.p.c.2"}, {"compiled_code": "select 1"}
        nodes = {
            name: SimpleNamespace(unique_id=key, resource_type=kinds[key], name=name, alias=name, **query)
            for name, key in keys.items()
        }
        ran = [SimpleNamespace(status=status, node=nodes[name]) for name, status in statuses.items()]
        return SimpleNamespace(success=True, result=SimpleNamespace(results=ran))

    project = DbtProject(tmp_path, tmp_path, {}, tmp_path)
    monkeypatch.setattr(DbtProject, "tables", lambda self: ())
    for left_out in ({"a": "success", "b": "pass"}, {"a": "success", "b": "pass", "c": "skipped"}):
        monkeypatch.setattr(DbtProject, "_invoke", lambda *_, found=left_out: built(**found))
        with pytest.raises(LoadFailed, match=r"did not build or test all.*\n  c$"):
            project.build()
    monkeypatch.setattr(DbtProject, "_invoke", lambda *_: built(a="success", b="pass", c="warn"))
    found = project.build()
    assert (found, found.queries) == (Built(models=1, tests=1), {"a": "select 1"})


def test_an_unreachable_database_is_a_failure_with_a_name(tmp_path: Path) -> None:
    """Nobody answers: dbt's own words are kept, the password is not."""
    folder = small_project(tmp_path) / "dbt_project"
    project = DbtProject(folder, tmp_path / "target", unreachable(tmp_path), tmp_path / "cache")
    with pytest.raises((InternalError, LoadFailed)) as failed:
        project.build()
    assert CANARY not in str(failed.value.as_dict())


def test_tables_stand_after_those_they_refer_to() -> None:
    """By name among equals, and in a circle as good as may be."""
    names = {"a": ["b"], "b": [], "c": ["a", "c"], "x": ["y"], "y": ["x"]}
    tables = [Table(name, (), (), foreign_keys=tuple(ForeignKey((), to, ()) for to in names[name])) for name in "cabxy"]
    ordered = [table.name for table in target_tables.ordered(tables)]
    assert ordered[:3] == ["b", "a", "c"]
    assert sorted(ordered[3:]) == ["x", "y"]


def test_a_circle_of_references_is_declared_beside_the_constraints() -> None:
    """By the name of a model or of a table; it is a foreign key like the others."""
    models = []
    for name, to in (("employees", "shops"), ("shops", "Employee")):
        key = {"name": "any", "columns": ["to_id"], "to": to, "to_columns": ["id"], "on_delete": "SET NULL"}
        model = {**node(to_id={}), "name": name, "alias": {"employees": "Employee"}.get(name, name)}
        model["config"] = {"meta": {"foreign_keys": [key]}, "contract": {"enforced": True}, "materialized": "table"}
        models.append(model)
    found = target_tables.contracts(models, [])
    assert {(table.name, *table.foreign_keys) for table in found} == {
        ("Employee", ForeignKey(("to_id",), "shops", ("id",), "on delete set null")),
        ("shops", ForeignKey(("to_id",), "Employee", ("id",), "on delete set null")),
    }
    with pytest.raises(ProjectError, match="target tables whose names differ in case at the most: Employee, employee"):
        target_tables.contracts([models[0], {**models[1], "alias": "employee"}], [])


def test_models_that_dbt_could_build_in_no_order_are_named() -> None:
    """Before anything is built, with the declaration that takes such a reference."""
    nodes = {"model.p.a": ["model.p.b"], "model.p.b": ["model.p.a"], "model.p.c": ["model.p.a"], "model.p.d": []}
    with pytest.raises(
        ProjectError, match="dbt cannot build a, b: a model is built after those it refers to"
    ) as failed:
        dbt_project._refuse_circles({"parent_map": nodes})
    assert "config.meta.foreign_keys" in failed.value.hint
    with pytest.raises(ProjectError, match=r"dbt cannot build d: .* refers to itself"):
        dbt_project._refuse_circles({"parent_map": {"model.p.d": ["model.p.d"]}})
    dbt_project._refuse_circles({"parent_map": {"model.p.d": [], "test.p.d": ["model.p.d"]}})


@pytest.mark.usefixtures("unchanged_environment")
def test_no_declared_row_goes_nowhere(tmp_path: Path) -> None:
    """A model that is not there, or that is no table, is named, and so is a staged table that no model reads."""
    models = small_project(tmp_path) / "dbt_project" / "models"
    project = DbtProject(models.parent, tmp_path / "target", unreachable(tmp_path), tmp_path / "cache")
    pets = models / "core" / "pets.sql"
    written = pets.read_text()
    pets.write_text("{{ config(materialized='view') }}\n" + written)
    with pytest.raises(ProjectError, match="pets: a model with an enforced contract is materialized as a table"):
        project.tables()
    pets.unlink()
    with pytest.raises(ProjectError, match="pets"):
        DbtProject(models.parent, tmp_path / "target", unreachable(tmp_path), tmp_path / "cache").tables()
    (models / "core" / "pets.yml").unlink()
    with pytest.raises(ProjectError, match=r"no model reads pets of _sources\.yml"):
        DbtProject(models.parent, tmp_path / "target", unreachable(tmp_path), tmp_path / "cache").tables()


def test_a_project_that_dbt_cannot_read_is_a_mistake_in_it(tmp_path: Path) -> None:
    """The message of dbt is shown, with the file that it names, and no line of that file: it may hold a password."""
    models = small_project(tmp_path) / "dbt_project" / "models"
    project = DbtProject(models.parent, tmp_path / "target", unreachable(tmp_path), tmp_path / "cache")
    (models / "core" / "pets.sql").write_text("select * from {{ ref('nowhere') }}")
    with pytest.raises(ProjectError) as failed:
        project.tables()
    assert "(models/core/pets.sql) depends on a node named 'nowhere' which was not found" in failed.value.message
    profiles = models.parent / "profiles.yml"
    profiles.write_text(f"{resources.PROFILES.read_text()}\npassword: secret7291\nx: [")
    with pytest.raises(ProjectError) as failed:
        project.tables()
    assert "trying to read your profiles.yml file" in failed.value.message
    assert "secret7291" not in failed.value.message


@pytest.mark.usefixtures("unchanged_environment")
def test_a_distribution_is_declared_for_a_folder_or_a_model(tmp_path: Path) -> None:
    """A model's own declaration counts before its folder's; a second `config` would replace it, and is refused."""
    models = small_project(tmp_path) / "dbt_project" / "models"
    main, pets = models.parent / "dbt_project.yml", models / "core" / "pets.yml"
    main.write_text(main.read_text().replace("vars:", "    core: {+meta: {distribution: reference}}\nvars:"))
    contract = pets.read_text().replace("- columns:", "- config: {meta: {distribution: owner_id}}\n  columns:", 1)
    pets.write_text(contract)
    connected = unreachable(tmp_path)
    tables = DbtProject(models.parent, tmp_path / "target", connected, tmp_path / "cache").tables()
    assert {table.name: table.distribution for table in tables} == {"owners": "reference", "pets": "owner_id"}
    assert {len(table.database_columns) for table in tables} == {1}, "the meta of the project is kept"
    pets.write_text(contract.replace("  columns:", "  config: {meta: {publish: ensure}}\n  columns:", 1))
    with pytest.raises(ProjectError, match=r"Duplicate key 'config' .*line 3, column 3.*\n.*models/core/pets\.yml"):
        DbtProject(models.parent, tmp_path / "target", connected, tmp_path / "cache").tables()
