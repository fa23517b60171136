"""dbt in this process: parses the project, builds the models and runs their tests."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from mock2pg import environment, patches, progress
from mock2pg.build import kept_manifest, kept_parts, lost_columns, plain_models, target_tables
from mock2pg.build.profile import PROVIDED, profiles_dir
from mock2pg.build.source_tables import sources
from mock2pg.contracts import ForeignKey, Table, key_groups
from mock2pg.errors import InternalError, LoadFailed, ProjectError
from mock2pg.foreign_errors import scrubbed
from mock2pg.text import counted

_SAFE = re.compile(
    r'violates [a-z -]+ constraint "[^"]*"|could not create unique index "[^"]*"|null value in column "[^"]*"'
)
_PARSED = re.compile(r'syntax error at or near "[^"\n]*"|[a-z]+ "?[\w.]+"? does not exist')
_EXTRACT = re.compile(r"^ *(?:\d+ +\|.*|-+)\n", re.MULTILINE)  # lines of a file, around an error of YAML
# a contract without its model is no table; of a key that is twice in a mapping, one would silently win
_ERRORS = json.dumps({"error": ["NoNodeForYamlKey", "DuplicateYAMLKeysDeprecation"]})
_SHOWN = 12  # lines of what dbt says of a model


@dataclass(frozen=True)
class Built:
    """The result of a build.

    models   how many were built
    tests    how many ran and hold
    queries  the compiled SQL of each model, by the name of its table
    circular by the name of a table: its foreign keys that are not built, because dbt knows no circles
    plain    the compiled SQL of models and data tests, of a project of which dbt makes the same each time; else None
    """

    models: int
    tests: int
    queries: Mapping[str, str] = field(default_factory=dict, compare=False)
    circular: Mapping[str, tuple[ForeignKey, ...]] = field(default_factory=dict)
    plain: tuple[str, ...] | None = field(default=None, compare=False)


class DbtProject:
    """dbt in this process, on one database. `target` holds its artefacts, without any value that a database quoted.

    mode  "upsert" builds part of the rows: what the others refer to may be in the target tables
    """

    def __init__(
        self, project: Path, target: Path, connection: Mapping[str, str], cache: Path, *, mode: str = "replace"
    ) -> None:
        self.project, self.target, self.connection, self.mode = project, target, {**PROVIDED, **connection}, mode
        self.cache = cache
        self.parsed = cache / f"dbt_partial_parse_{mode}.msgpack"  # what of a changed project is not parsed again
        self._manifest: Any = None
        self._kept = False
        self._circular: Mapping[str, tuple[ForeignKey, ...]] = {}

    def tables(self) -> tuple[Table, ...]:
        """The target tables by their contracts, parents before children. Raises ProjectError."""
        if self._manifest is None:
            self._manifest = self._read()
        manifest = json.loads((self.target / "manifest.json").read_text(encoding="utf-8"))
        _refuse_unread(manifest)
        _refuse_circles(manifest)
        models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
        staged = sources(self.project)
        tables = target_tables.contracts(models, staged)
        lost_columns.refuse(models, tables, staged)
        self._circular = target_tables.circular(models)
        return tables

    def build(self) -> Built:
        """Build every model and run every data test. Raises LoadFailed naming what failed, or did not run."""
        self.tables()
        from mock2pg.build.patched_dbt import Sessions

        Sessions.reporter = progress.reporter()
        # the manifest is written already, and nothing else is read; of what exists, no model asks
        spared = ("--no-write-json", "--no-populate-cache")
        outcome = self._invoke("build", "--exclude-resource-type", "unit_test", *spared)
        self._manifest = None  # dbt cannot build it twice
        results = list(getattr(outcome.result, "results", ()))
        for file in self.target.iterdir():  # run_results.json quotes the database's messages; the rest nobody reads
            if file.is_file() and file.name != "manifest.json":
                file.unlink()
        failed = [result for result in results if str(result.status) in ("error", "fail", "runtime error")]
        if failed or not outcome.success:
            lines = [f"  {result.node.name}: {_reason(result)}" for result in failed]
            raise LoadFailed("\n".join(["dbt did not build what the contracts say:", *lines]))
        ran = {result.node.unique_id: result for result in results if str(result.status) != "skipped"}
        manifest = json.loads((self.target / "manifest.json").read_text(encoding="utf-8"))
        if missing := sorted(_expected(manifest) - set(ran)):
            lines = [f"  {key.split('.')[2]}" for key in missing]
            raise LoadFailed("\n".join(["dbt did not build or test all that the project declares:", *lines]))
        models = [result.node for result in ran.values() if str(result.node.resource_type).endswith("model")]
        passed = sum(str(result.status) == "pass" for result in ran.values())
        queries = {str(node.alias): str(node.compiled_code) for node in models}
        plain = (
            plain_models.queries(result.node for result in ran.values()) if plain_models.are_plain(manifest) else None
        )
        return Built(len(models), passed, queries, self._circular, plain)

    def _read(self) -> Any:
        """Return dbt's Manifest, kept or parsed, and write manifest.json."""
        document = self.target / "manifest.json"
        file = self._file()
        kept = kept_manifest.load(file) if file else None
        self._kept = kept is not None
        if kept:
            self.target.mkdir(parents=True, exist_ok=True)
            document.write_bytes(kept.document)
            return kept.manifest
        known = ["--partial-parse-file-path", str(self.parsed)] if self.parsed.exists() else []
        manifest = self._invoke("parse", "--warn-error-options", _ERRORS, *known).result
        self._keep_parsed()
        if file and file == self._file():  # nobody wrote into the project meanwhile
            kept_manifest.keep(file, kept_manifest.Kept(document.read_bytes(), manifest))
        return manifest

    def _file(self) -> Path | None:
        return kept_manifest.file_of(self.cache, self.project, self.connection, f"{self.mode} {_ERRORS}")

    def _keep_parsed(self) -> None:
        fresh = self.target / "partial_parse.msgpack"
        if not fresh.exists():  # dbt found nothing that changed
            return
        aside = self.parsed.with_name(f"{self.parsed.name}.{os.getpid()}")
        try:
            self.parsed.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fresh, aside)
            aside.replace(self.parsed)
        except OSError:  # a full disk or a folder of somebody else's: the next run parses again
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def _invoke(self, command: str, *arguments: str) -> Any:
        from mock2pg.build.patched_dbt import DbtBaseException, dbtRunner

        options = ["--project-dir", self.project, "--profiles-dir", profiles_dir(self.project), "--target-path",
                   self.target, "--log-path", self.target, "--log-level", "none", "--log-level-file", "none",
                   "--no-use-colors", "--no-version-check", "--vars", json.dumps({"mode": self.mode})]  # fmt: skip
        patches.known_to_be_valid = self._kept
        with environment.ours(**self.connection), redirect_stdout(StringIO()):
            outcome = dbtRunner(manifest=self._manifest).invoke([command, *map(str, options), *arguments])
        patches.known_to_be_valid = False
        kept_parts.keep()
        if isinstance(outcome.exception, KeyboardInterrupt):
            raise outcome.exception
        if command == "parse" and isinstance(outcome.exception, DbtBaseException):
            said = _EXTRACT.sub("", str(outcome.exception))  # of profiles.yml, too, where a password may be
            raise ProjectError(f"dbt cannot read the project: {_lines(said)}") from outcome.exception
        if outcome.exception is not None or (command == "parse" and not outcome.success):
            raise InternalError(f"dbt {command} failed: {_first_line(outcome.exception)}") from outcome.exception
        return outcome


def _expected(manifest: Mapping[str, Any]) -> set[str]:
    """The models and the data tests that the project declares, whatever a selector or a flag leaves out."""
    return {
        key
        for key, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "test") and node["config"].get("materialized") != "ephemeral"
    }


def _refuse_unread(manifest: Mapping[str, Any]) -> None:
    """Raise ProjectError for a declared table whose rows would go nowhere: no model reads it."""
    unread = [
        source["name"]
        for key, source in manifest["sources"].items()
        if not any(child.startswith("model.") for child in manifest["child_map"][key])
    ]
    if unread:
        raise ProjectError(
            f"no model reads {', '.join(sorted(unread))} of _sources.yml, so the rows would go nowhere",
            hint="Write a model for each, or take them out of _sources.yml.",
        )


def _refuse_circles(manifest: Mapping[str, Any]) -> None:
    """Raise ProjectError for models of which dbt could build none first."""
    above = {key: set(parents) for key, parents in manifest["parent_map"].items()}
    for group in key_groups(list(above), above):
        if len(group) > 1 or group[0] in above[group[0]]:
            names = ", ".join(sorted(key.split(".", 2)[2] for key in group))
            circle = "these refer to each other" if len(group) > 1 else "this one refers to itself"
            raise ProjectError(
                f"dbt cannot build {names}: a model is built after those it refers to, and {circle}",
                hint="Declare a foreign key to the own table or in a circle as config.meta.foreign_keys in the model's"
                " YAML, not as a constraint with ref(): see docs/adding-an-entity.md.",
            )


def _reason(result: Any) -> str:
    """Return why a node failed, out of what cannot be a row value.

    What PostgreSQL finds while it parses is about the model's own text, and it then quotes the LINE. What is no error
    of the database is about the project.
    """
    message = str(result.message or "").strip()
    found = _SAFE.search(message) or ("\n  LINE " in message and _PARSED.search(message))
    if found:
        return str(found[0])
    if result.failures:
        return counted(result.failures, "row") + (" fails" if result.failures == 1 else " fail")
    kind, _, text = message.partition("\n")
    if kind.startswith("Database Error"):
        told = re.sub(r'"[^"]*"', "(a value)", scrubbed(text))
        return f"{told} in {result.node.original_file_path}"
    return _lines(message) or f"{result.status!s} in {result.node.original_file_path}"


def _lines(message: str) -> str:
    """The first lines of what dbt says of the project."""
    return "\n    ".join(line.strip() for line in message.splitlines()[:_SHOWN] if line.strip())


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().split("\n", 1)[0] if error else "see the model files"
