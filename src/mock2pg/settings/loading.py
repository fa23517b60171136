"""The settings of this process. Precedence: argument, environment, .env, [tool.mock2pg] of pyproject.toml, default.

Nothing else reads the environment.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from mock2pg import env_file
from mock2pg.connection_string import schema_of, shown
from mock2pg.errors import UsageError
from mock2pg.project_folder import discovered
from mock2pg.settings import project_file
from mock2pg.settings.describing import default, meaning, plain
from mock2pg.settings.record import COMPLETE, Settings, variable


@dataclass(frozen=True)
class Setting:
    """One setting, for a person.

    value    None where it is unset; of a secret only that it is set, of DATABASE_URL all but the password
    default  in words where it is found
    origin   flag, environment, .env:LINE, pyproject.toml, DATABASE_URL (its `?schema=`) or default
    """

    name: str
    variable: str
    value: str | int | None
    default: str | int | None
    origin: str
    description: str


def load(**overrides: object) -> Settings:
    """The settings of this process. `overrides` are fields by name.

    Raises UsageError naming every variable whose value is not valid, and every one that mock2pg does not have.
    """
    return _resolved(overrides)[0]


def explain(**overrides: object) -> list[Setting]:
    """Return every setting with its value and where that comes from. Raises UsageError as `load` does.

    overrides  fields by name, as for `load`: their origin is `flag`
    """
    settings, origins = _resolved(overrides)
    return [
        Setting(
            name=field,
            variable=variable(field),
            value=_shown(field, getattr(settings, field)),
            default=default(field),
            origin=origins[field],
            description=meaning(field),
        )
        for field in Settings.model_fields
    ]


def _shown(field: str, value: object) -> str | int | None:
    if not isinstance(value, SecretStr):
        return plain(value)
    if field != "database_url":
        return "set"
    try:
        return shown(value.get_secret_value()) or "set"
    except UsageError as error:
        return f"not valid: {error.message}"


def _resolved(overrides: Mapping[str, object]) -> tuple[Settings, dict[str, str]]:
    """Return the settings, and the origin of each."""
    project = Path(str(overrides.get("project") or os.environ.get("MIGRATION_PROJECT") or discovered()))
    alone = COMPLETE in os.environ
    file = None if alone else project / ".env"
    written = env_file.read(file) if file else {}
    declared, problems = ({}, []) if alone else project_file.read(project)
    variables = {name: value for name, (value, _) in written.items()} | dict(os.environ)
    problems = _misspelt(variables, target_given="database_url" in overrides) + problems
    problems = _unknown(overrides) + problems
    origins = _origins(overrides, os.environ, written, declared)
    given: dict[str, Any] = {field: text for field, text in declared.items() if origins[field] == project_file.FILE}
    given |= overrides
    invalid = []
    try:
        settings = Settings(_env_file=file, **given)
        schema = schema_of(settings.database_url.get_secret_value()) if settings.database_url else None
        if schema and origins["target_schema"] in (project_file.FILE, "default"):
            origins["target_schema"] = "DATABASE_URL"
            settings = Settings(_env_file=file, **given | {"target_schema": schema})
    except ValidationError as error:
        # pydantic's own text quotes the value, and a value may be a credential
        invalid = [_named(str(fault["loc"][0]), origins, project) + _why(fault) for fault in error.errors()]
    if invalid:
        problems.append(f"a setting is not valid: {', '.join(invalid)}")
    if problems:
        raise UsageError(
            "; ".join(problems), hint="Correct the named settings; docs/settings.md lists what each takes."
        )
    return settings, origins


def _origins(
    overrides: Mapping[str, object],
    environment: Mapping[str, str],
    written: Mapping[str, tuple[str, int]],
    declared: Mapping[str, str],
) -> dict[str, str]:
    """Return the origin of each setting; a variable that is empty counts as unset, and its case does not matter."""
    outside = {name.upper() for name, value in environment.items() if value}
    lines = {name.upper(): line for name, (value, line) in written.items() if value}
    found = {}
    for field in Settings.model_fields:
        name = variable(field)
        if field in overrides:
            found[field] = "flag"
        elif name in outside:
            found[field] = "environment"
        elif name in lines:
            found[field] = f".env:{lines[name]}"
        else:
            found[field] = project_file.FILE if field in declared else "default"
    return found


def _named(name: str, origins: Mapping[str, str], project: Path) -> str:
    """Return the name of a setting as its origin has it; pydantic names a field that has an alias by that."""
    field = next((field for field in Settings.model_fields if variable(field) == name), name)
    if origins.get(field) == project_file.FILE:
        return f"{field} in {project_file.TABLE} of {project / project_file.FILE}"
    return variable(field)


def _why(fault: Mapping[str, Any]) -> str:
    """Return what the setting takes: the message of one of our validators, or a closed set; neither quotes a value."""
    if fault["type"] == "literal_error":
        return f" (it takes {fault['ctx']['expected']})"
    return f" ({fault['ctx']['error']})" if fault["type"] == "value_error" else ""


def _unknown(overrides: Mapping[str, object]) -> list[str]:
    """Name the overrides that are no field of the settings, each with the nearest one."""
    wrong = []
    for name in overrides.keys() - Settings.model_fields.keys():
        near = difflib.get_close_matches(name, Settings.model_fields, 1)
        wrong.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return wrong


def _misspelt(given: Mapping[str, str], *, target_given: bool) -> list[str]:
    """Name the variables that mock2pg does not have though they look like its own, each with the nearest one it has."""
    known = [variable(field) for field in Settings.model_fields]
    upper = {name: name.upper() for name in given}
    # without a target the embedded server is migrated; with one, a similar name is another program's
    no_target = not target_given and "DATABASE_URL" not in upper.values()
    wrong = []
    for name, key in upper.items():
        ours = key.startswith("MIGRATION_") and key not in known
        if given[name] and (ours or (no_target and key.startswith("DATABASE"))):
            near = difflib.get_close_matches(key, known, 1, 0.0 if ours else 0.9)
            wrong += [f"{name} is not a setting; did you mean {near[0]}?"] if near else []
    return wrong
