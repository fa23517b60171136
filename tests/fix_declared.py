"""Projects of a test's own tables, whatever they are called and however they refer to each other."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.fix_small import small_project


@dataclass(frozen=True)
class Entity:
    """One staged table, its landing table and its target table, all of one name.

    columns       name -> type, which ends in `!` where the column is never null
    paths         column -> its path
    meta          column -> more of its config.meta
    foreign_keys  config.meta.foreign_keys of the model
    file          the model's file, where it is not called as the table
    distribution  config.meta.distribution of the model
    """

    name: str
    columns: Mapping[str, str]
    key: Sequence[str] = ("id",)
    path: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)
    meta: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    constraints: Sequence[Mapping[str, Any]] = ()
    foreign_keys: Sequence[Mapping[str, Any]] = ()
    file: str = ""
    distribution: str = ""

    @property
    def source(self) -> dict[str, Any]:
        columns = []
        for name, kind in self.columns.items():
            meta = {"required": True, "blank": True} if kind == "text!" else {"required": kind.endswith("!")}
            meta |= {"path": self.paths[name]} if name in self.paths else {}
            columns.append({"name": name, "data_type": kind.rstrip("!"),
                            "config": {"meta": {**meta, **self.meta.get(name, {})}}})  # fmt: skip
        return {"name": self.name, "columns": columns, "config": {"meta": {"path": self.path} if self.path else {}}}

    @property
    def model(self) -> dict[str, Any]:
        columns = [
            {"name": name, "data_type": kind.rstrip("!"), "constraints": [{"type": "not_null"}] * kind.endswith("!")}
            for name, kind in self.columns.items()
        ]
        meta = {"foreign_keys": list(self.foreign_keys), "distribution": self.distribution}
        config: dict[str, Any] = {"meta": {name: value for name, value in meta.items() if value}}
        if self.file:
            config = {"alias": self.name, "meta": {**config.get("meta", {}), "source": self.name}}
        constraints = [{"type": "primary_key", "columns": list(self.key)}, *self.constraints]
        return {"name": self.file or self.name, "columns": columns, "constraints": constraints, "config": config}


def declared_project(folder: Path, entities: Sequence[Entity]) -> Path:
    """A project of these tables, each the staged rows as they are."""
    small_project(folder)
    models = folder / "dbt_project" / "models"
    shutil.rmtree(models)
    (folder / ".cache").unlink(missing_ok=True)
    models.mkdir()
    for entity in entities:
        name = entity.file or entity.name
        source = f"source('landing', {entity.name!r})"
        (models / f"{name}.sql").write_text(f"select * from {{{{ {source} }}}}", encoding="utf-8")
        (models / f"{name}.yml").write_text(yaml.safe_dump({"models": [entity.model]}), encoding="utf-8")
    landing = {"name": "landing", "schema": "mock2pg_landing", "tables": [entity.source for entity in entities]}
    (models / "_sources.yml").write_text(yaml.safe_dump({"version": 2, "sources": [landing]}), encoding="utf-8")
    return folder
