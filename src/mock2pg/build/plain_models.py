"""Projects of which dbt makes the same statements each time: their Jinja names tables and settings, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mock2pg import resources

_TEXT = r"""(?:'[^'{}]*'|"[^"{}]*")"""
_TABLE = rf"(?:ref|source|var)\(\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*\)"
_CONFIG = rf"config\((?:\s*\w+\s*=\s*(?:{_TEXT}|true|false)\s*,?)*\s*\)"
_PLAIN = re.compile(rf"\{{#.*?#\}}|\{{\{{-?\s*(?:{_TABLE}|{_CONFIG})\s*-?\}}\}}", re.DOTALL)
_OURS = ("dbt", "dbt_postgres")
_TESTS = ("unique", "not_null", "accepted_values", "relationships")
_START = "{{ refuse_to_build_published() }}"
_MADE = ("table", "view", "ephemeral")


def are_plain(manifest: Mapping[str, Any]) -> bool:
    """Return True for dbt's manifest.json of a project without hooks, macros, seeds or snapshots of its own, whose
    models ask Jinja for tables and variables alone, and whose files are all in its folder.
    """
    macros = all(_is_provided(macro) for macro in manifest.get("macros", {}).values())
    nodes, project = manifest["nodes"].values(), manifest.get("metadata", {}).get("project_name")
    within = all(_is_within(project, node) for node in (*nodes, *manifest.get("sources", {}).values()))
    return macros and within and not manifest.get("functions") and all(map(_is_plain, nodes))


def queries(nodes: Iterable[Any]) -> tuple[str, ...]:
    """Return what dbt compiled of the models that it has built and of the data tests that it ran."""
    return tuple(str(node.compiled_code) for node in nodes if str(node.resource_type).endswith(("model", "test")))


def _is_within(project: Any, node: Mapping[str, Any]) -> bool:
    """Return whether files of the project's folder declare it: changes of a file elsewhere would go unnoticed."""
    places = (node.get("original_file_path") or "/", (node.get("patch_path") or "").rpartition("://")[2])
    paths = [Path(place) for place in places]
    return node.get("package_name") == project and not any(path.is_absolute() or ".." in path.parts for path in paths)


def _is_plain(node: Mapping[str, Any]) -> bool:
    config = node["config"]
    if config.get("pre-hook") or config.get("post-hook") or config.get("sql_header"):
        return False
    code = str(node.get("raw_code", ""))
    match node["resource_type"]:
        case "model":
            plain = node.get("language") == "sql" and config["materialized"] in _MADE
            return plain and not re.search(r"\{[{%#]", _PLAIN.sub("", code))
        case "test":
            test = node.get("test_metadata") or {}
            return test.get("namespace") is None and test.get("name") in _TESTS
        case "operation":
            return code.strip() == _START
    return False


def _is_provided(macro: Mapping[str, Any]) -> bool:
    path = Path(macro["original_file_path"])
    return macro["package_name"] in _OURS or (path.is_absolute() and path.is_relative_to(resources.MACROS))
