"""The dbt project: the declared sources, the contracts of the target tables, and the build."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from mock2pg.contracts import Column, ForeignKey, SourceColumn, SourceTable, Table
from mock2pg.encoding import KINDS
from mock2pg.errors import InternalError, LoadFailed

_SPELLINGS = {"time without time zone": "time", "int": "integer", "int4": "integer", "float8": "double precision",
              "bool": "boolean", "character varying": "text", "varchar": "text"}  # fmt: skip
_SAFE = re.compile(
    r'violates [a-z -]+ constraint "[^"]*"|could not create unique index "[^"]*"|null value in column "[^"]*"'
    r'|[a-z]+ "[a-z0-9_.]+" does not exist'
)


@dataclass(frozen=True)
class Built:
    """What a build did. models, tests: how many of each ran."""

    models: int
    tests: int


def sources(project: Path) -> tuple[SourceTable, ...]:
    """The source tables of `_sources.yml`, in its order. Raises InternalError naming what is wrong in it."""
    file = project / "models" / "staging" / "_sources.yml"
    try:
        declared = yaml.safe_load(file.read_text(encoding="utf-8"))["sources"]
        return tuple(_source(table) for source in declared for table in source["tables"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InternalError(f"{file.name} cannot be read: {type(error).__name__}: {error}") from error


def _source(table: Mapping[str, Any]) -> SourceTable:
    columns = []
    for column in table["columns"]:
        meta = column.get("config", {}).get("meta", {})
        if column["data_type"] not in KINDS:
            raise InternalError(
                f"_sources.yml: {table['name']}.{column['name']}: data_type {column['data_type']} is not one of "
                + ", ".join(KINDS)
            )
        columns.append(
            SourceColumn(
                name=column["name"],
                data_type=column["data_type"],
                place=str(meta.get("place", column["name"])),
                required=bool(meta.get("required", False)),
                uuid5=tuple(meta.get("uuid5", ())),
            )
        )
    return SourceTable(table["name"], table["config"]["meta"]["path"], tuple(columns), table.get("description", ""))


class DbtProject:
    """dbt in this process, on one database. `target` holds its artefacts, without any value that a database quoted."""

    def __init__(self, project: Path, target: Path, connection: Mapping[str, str], cache: Path) -> None:
        self.project, self.target, self.connection = project, target, connection
        self.parsed = cache / "dbt_partial_parse.msgpack"  # spares two seconds when nothing in the project changed
        self._manifest: Any = None

    def tables(self) -> tuple[Table, ...]:
        """The target tables by their contracts, parents before children."""
        if self._manifest is None:
            known = ["--partial-parse-file-path", str(self.parsed)] if self.parsed.exists() else []
            self._manifest = self._invoke("parse", *known).result
            self._keep_parsed()
        nodes = json.loads((self.target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
        models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
        staged = {table.name: table for table in sources(self.project)}
        found = [
            _table(node, staged)
            for node in models.values()
            if node["config"].get("contract", {}).get("enforced") and node["config"]["materialized"] == "table"
        ]
        return _ordered(found)

    def build(self, *arguments: str) -> Built:
        """Build every model and run every data test. Raises LoadFailed naming what failed."""
        self.tables()
        outcome = self._invoke("build", "--exclude-resource-type", "unit_test", *arguments)
        results = list(getattr(outcome.result, "results", ()))
        for file in self.target.iterdir():  # run_results.json quotes what the database said; the rest nobody reads
            if file.is_file() and file.name != "manifest.json":
                file.unlink()
        failed = [result for result in results if str(result.status) in ("error", "fail", "runtime error")]
        if failed or not outcome.success:
            lines = [f"  {result.node.name}: {_reason(result)}" for result in failed]
            raise LoadFailed("\n".join(["dbt did not build what the contracts say:", *lines]))
        kinds = [str(result.node.resource_type) for result in results]
        return Built(sum(kind.endswith("model") for kind in kinds), sum(kind.endswith("test") for kind in kinds))

    def _keep_parsed(self) -> None:
        fresh = self.target / "partial_parse.msgpack"
        if not fresh.exists():  # dbt found nothing that changed
            return
        self.parsed.parent.mkdir(parents=True, exist_ok=True)
        aside = self.parsed.with_name(f"{self.parsed.name}.{os.getpid()}")
        shutil.move(fresh, aside)
        aside.replace(self.parsed)

    def _invoke(self, command: str, *arguments: str) -> Any:
        from dbt.cli.main import dbtRunner

        options = ["--project-dir", self.project, "--profiles-dir", self.project, "--target-path", self.target,
                   "--log-path", self.target, "--log-level", "none", "--log-level-file", "none", "--no-use-colors",
                   "--no-version-check"]  # fmt: skip
        with _environment(self.connection), redirect_stdout(StringIO()):
            outcome = dbtRunner(manifest=self._manifest).invoke([command, *map(str, options), *arguments])
        if outcome.exception is not None or (command == "parse" and not outcome.success):
            raise InternalError(f"dbt {command} failed: {_first_line(outcome.exception)}") from outcome.exception
        return outcome


def _table(node: Mapping[str, Any], staged: Mapping[str, SourceTable]) -> Table:
    name, meta = node["name"], node["config"].get("meta", {})
    source = staged.get(meta.get("source", name))
    places = {_snake(column.name): column.name for column in source.columns} if source else {}
    columns = []
    for column in node["columns"].values():
        own = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        data_type = _SPELLINGS.get(column["data_type"].lower(), column["data_type"].lower())
        if data_type not in KINDS:
            raise InternalError(f"{name}.{column['name']}: data_type {data_type} is not one of {', '.join(KINDS)}")
        kinds = {constraint["type"] for constraint in column["constraints"]}
        origin = own.get("source", places.get(column["name"]))
        if source and origin is None and not own.get("derived"):
            raise InternalError(
                f"{name}.{column['name']} comes from no staged column",
                hint="Say why in the model's YAML: config.meta.derived, or name the column: config.meta.source.",
            )
        columns.append(
            Column(
                column["name"],
                data_type,
                bool(kinds & {"not_null", "primary_key"}),
                origin,
                own.get("derived"),
            )
        )
    return _constrained(
        Table(
            name=name,
            columns=tuple(columns),
            primary_key=(),
            source=source.name if source else None,
            publish=meta.get("publish", "merge"),
            database_columns=tuple(meta.get("database_columns", {}).items()),
        ),
        node,
    )


def _constrained(table: Table, node: Mapping[str, Any]) -> Table:
    constraints = list(node["constraints"]) + [
        {**constraint, "columns": [column["name"]]}
        for column in node["columns"].values()
        for constraint in column["constraints"]
    ]
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for constraint in constraints:
        by_kind.setdefault(constraint["type"], []).append(constraint)
    keys = by_kind.get("primary_key", [])
    if len(keys) != 1:
        raise InternalError(f"{table.name}: its contract needs one primary key")
    return Table(
        **{
            **{name: getattr(table, name) for name in table.__dataclass_fields__},
            "primary_key": tuple(keys[0]["columns"]),
            "uniques": tuple(tuple(unique["columns"]) for unique in by_kind.get("unique", ())),
            "checks": tuple(
                (check.get("name") or f"{table.name}_check{n}", check["expression"])
                for n, check in enumerate(by_kind.get("check", ()), 1)
            ),
            "foreign_keys": tuple(
                ForeignKey(
                    tuple(key["columns"]),
                    _referred(key["to"]),
                    tuple(key["to_columns"]),
                    key.get("expression") or node["config"].get("meta", {}).get("on_delete", ""),
                )
                for key in by_kind.get("foreign_key", ())
            ),
        }
    )


def _referred(to: str) -> str:
    """The table that a reference names: `ref('a_table')` when parsed, `"db"."schema"."a_table"` when compiled."""
    found = re.search(r"""ref\(\s*['"]([^'"]+)['"]\s*\)""", to)
    return found[1] if found else to.rpartition(".")[2].strip('"')


def _ordered(tables: Sequence[Table]) -> tuple[Table, ...]:
    waiting, ordered = sorted(tables, key=lambda table: table.name), list[Table]()
    while waiting:
        names = {table.name for table in waiting}
        ready = [t for t in waiting if not {key.parent for key in t.foreign_keys} - {t.name} & names] or waiting[:1]
        ordered += ready
        waiting = [table for table in waiting if table not in ready]
    return tuple(ordered)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _reason(result: Any) -> str:
    """Why a node failed, out of what cannot be a value of the data."""
    found = _SAFE.search(str(result.message or ""))
    if found:
        return found[0]
    if result.failures:
        return f"{result.failures} rows fail"
    return f"{result.status!s} in {result.node.original_file_path}"


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().split("\n", 1)[0] if error else "see the model files"


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """dbt's profile reads the environment; ours is put back as it was."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
