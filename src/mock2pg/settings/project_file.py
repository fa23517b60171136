"""The settings that a project keeps in its pyproject.toml, under [tool.mock2pg]."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from mock2pg.errors import UsageError
from mock2pg.settings.describing import secret
from mock2pg.settings.record import Settings, variable

FILE, TABLE = "pyproject.toml", "[tool.mock2pg]"


def read(project: Path) -> tuple[dict[str, str], list[str]]:
    """Return the settings by field, as an environment would have them, and what is wrong with the table.

    Raises UsageError for a file that is not TOML.
    """
    values, problems = {}, []
    where = f"in {TABLE} of {project / FILE}"
    for name, value in _table(project / FILE).items():
        text = _text(value)
        if name not in Settings.model_fields:
            meant = _meant(name)
            problems.append(f"{name} {where} is not a setting" + (f"; did you mean {meant}?" if meant else ""))
        elif name == "project":
            problems.append(f"project {where} is not taken: the project is the folder of that file")
        elif secret(name):
            problems.append(
                f"{name} {where} is not taken: it is a secret, and the file is for everyone who has the project;"
                f" set {variable(name)} in the environment or in .env"
            )
        elif text is None:
            problems.append(f"{name} {where} is neither text, a number, true, false nor a list of texts")
        elif text:
            values[name] = text
    return values, problems


def _table(file: Path) -> dict[str, object]:
    if not file.is_file() or b"mock2pg" not in (content := file.read_bytes()):
        return {}
    import tomllib  # costs each process of a run, and most projects keep nothing there

    try:
        tool = tomllib.loads(content.decode()).get("tool", {})
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8", hint="Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at .*\)$", str(error))  # the rest may quote what is written there
        raise UsageError(f"{file} is not TOML {place[0] if place else ''}".rstrip(), hint="Correct it.") from None
    table = tool.get("mock2pg", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise UsageError(f"{TABLE} of {file} is not a table", hint='Write one setting a line below it: mode = "upsert"')
    return table


def _text(value: object) -> str | None:
    """Return a value as an environment variable has it; None for one that no setting takes."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _meant(name: str) -> str | None:
    """Return the setting that is nearest to a name; that of a variable, or with hyphens, is as near as can be."""
    plain = name.lower().replace("-", "_")
    of_variable = {variable(field).lower(): field for field in Settings.model_fields}
    near = difflib.get_close_matches(plain, [*Settings.model_fields, *of_variable], 1)
    return of_variable.get(near[0], near[0]) if near else None
