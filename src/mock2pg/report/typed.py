"""Commands as a person can type them where they are: of make where make was typed, else mock2pg, by its path if need
be."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mock2pg import environment, settings
from mock2pg.errors import Mock2pgError
from mock2pg.report.output import asked

ARGUMENTS = "arguments"  # the key in a context's meta: what was typed after the program's name
_VARIABLES = {
    "check": "SOURCE",
    "lab": "RUN",
    "migrate": "SOURCE",
    "open": "RUN",
    "plan": "SOURCE",
    "report": "RUN",
    "rollback": "ID",
    "verify-evidence": "RUN",
}
_TARGETS = {"check": ("check-data",), "test-migration": ("test-migration", "test")}  # if not called like the command
_TARGET = ("database_url", "target_schema")
_OTHERS = ("psql", "dbt")  # what is typed after these is theirs, and may hold a value
_COMMAND = re.compile(r"`mock2pg ([^`|]+?)( \|[^`]*)?`")
_OPTION = re.compile(r"`(--[a-z][^`]*)`")
_AGAIN = re.compile(r"\b([Rr])un the command again")


def command(*arguments: str) -> str:
    """Return a line to paste that runs a command of mock2pg."""
    if made := by_make(*arguments):
        return made
    folder = asked("project")
    return shlex.join([_program(), *arguments, *(["--project", str(folder)] if folder else [])])


def by_make(*arguments: str) -> str:
    """Return the line for make; empty where make was not typed, or the Makefile here has no such target."""
    if not (arguments and environment.by_make()):
        return ""
    verb, *given = arguments
    try:
        text = Path("Makefile").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    targets = _TARGETS.get(verb, (verb,))
    target = next((name for name in targets if re.search(rf"^{re.escape(name)}:", text, re.MULTILINE)), None)
    if target is None:
        return ""
    line = ["make", target]
    if given and not given[0].startswith("-") and verb in _VARIABLES:
        line.append(f"{_VARIABLES[verb]}={_doubled(given.pop(0))}")
    if given:
        line.append(f"ARGS={_doubled(shlex.join(given))}")
    return shlex.join(line)


def typed(text: str) -> str:
    """Return a hint with its commands in backticks as they can be typed here, and `the command` as it was typed.

    An option to add is in ARGS where make was typed, if that is not taken.
    """
    text = _each(text, lambda words, _: command(*words))
    if again := _again():
        text = _AGAIN.sub(lambda found: f"{found[1]}un `{again}` again", text)
        if again.startswith("make ") and "ARGS=" not in again:
            text = _OPTION.sub(lambda found: f"`{shlex.join([f'ARGS={_doubled(found[1])}'])}`", text)
    return text


def on_page(text: str) -> str:
    """Return a hint with its commands in backticks as they can be typed in the project's folder."""
    return _each(text, lambda words, written: by_make(*words) or f"mock2pg {written}")


def _each(text: str, line: Callable[[list[str], str], str]) -> str:
    """Return a text with the line of each of its commands; one that names a file with a backtick or a bar stays."""

    def replaced(found: re.Match[str]) -> str:
        with suppress(ValueError):
            return f"`{line(shlex.split(found[1]), found[1])}{found[2] or ''}`"
        return found[0]

    return _COMMAND.sub(replaced, text)


def needed() -> str:
    """Return what the environment must hold for a command to reach the database of this one; empty if nothing.

    The file .env and pyproject.toml are read by every command. Of DATABASE_URL no password is named.
    """
    folder, found = asked("project"), list[settings.Setting]()
    with suppress(Mock2pgError):
        found += settings.explain(**({"project": folder} if folder else {}))
    given = [each for each in found if each.name in _TARGET and each.origin == "environment"]
    named = " and ".join(f"{each.variable} ({each.value})" for each in given)
    return f"Set {named} as for this command." if given else ""


def path(file: Path) -> str:
    """Return a path, from the current directory where that is shorter."""
    try:
        near = str(file.resolve().relative_to(Path.cwd().resolve()))
    except (OSError, ValueError):
        return str(file)
    return min(near, str(file), key=len)


def _again() -> str:
    arguments = asked(ARGUMENTS)
    if not isinstance(arguments, tuple) or not arguments or arguments[0] in _OTHERS or "\n" in "".join(arguments):
        return ""
    if made := by_make(*arguments):
        return made
    return shlex.join([_program(), *arguments])


def _program() -> str:
    """Return the program by its name, or by its path where the shell would not find it, as after make."""
    ours = Path(sys.executable).with_name("mock2pg")
    return "mock2pg" if shutil.which("mock2pg") or not ours.exists() else path(ours)


def _doubled(text: str) -> str:
    return text.replace("$", "$$")
