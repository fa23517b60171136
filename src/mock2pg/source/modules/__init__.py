"""Modules of JavaScript and TypeScript that export plain data, as a Python dict: node evaluates them in a child."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mock2pg.errors import SourceError
from mock2pg.text import counted, lines, printable

_MODULE = re.compile(r"[^.].*(?<!\.d)\.[mc]?[jt]s", re.DOTALL)
_ASIDE = re.compile(r".*\.(test|spec|stories)\.[mc]?[jt]s", re.DOTALL)
_DATA = re.compile(r"[^.].*\.(json|ndjson|jsonl)(\.gz|\.zst)?", re.DOTALL)
_SECONDS = 60
_MEBIBYTES = 1024
_SHOWN = 20
# Of the machine, the code that is evaluated sees nothing; these bound it once more, should it get out.
_LIMITS = (
    "--experimental-vm-modules",
    "--no-warnings",
    "--disallow-code-generation-from-strings",
    f"--max-old-space-size={_MEBIBYTES}",
)


@dataclass(frozen=True)
class Exported:
    """The data that modules export: export -> value, and what should be known of them, one sentence each."""

    data: dict[str, Any]
    notes: tuple[str, ...] = ()


def is_module(source: Path) -> bool:
    """Return whether a source is a module, or a folder that holds modules and no JSON."""
    if source.is_dir():
        names = [file.name for file in source.iterdir()]
        return any(map(_MODULE.fullmatch, names)) and not any(map(_DATA.fullmatch, names))
    return bool(_MODULE.fullmatch(source.name)) and source.is_file()


def exported(source: Path) -> Exported:
    """Return what a module, or each module of a folder, exports. This runs their code, in a child of node.

    Raises SourceError that names file, line and export of what is no plain data, or says how to make JSON by hand.
    """
    source = source.resolve()
    program = shutil.which("node")
    if program is None:
        raise SourceError(
            f"{source.name} is JavaScript or TypeScript: reading it needs node, which is not on the PATH",
            hint=by_hand(source),
        )
    modules, notes = [source], []
    if source.is_dir():
        found = sorted(file for file in source.iterdir() if _MODULE.fullmatch(file.name) and file.is_file())
        modules = [file for file in found if not _ASIDE.fullmatch(file.name)]
        notes = [f"{printable(file.name)} is left out: it is not data" for file in found if file not in modules]
    answer = _evaluated(program, modules, source)
    if faults := answer["faults"]:
        told = [f"  {fault}" for fault in faults[:_SHOWN]]
        more = [f"  and {len(faults) - _SHOWN:,} more"] if len(faults) > _SHOWN else []
        raise SourceError(
            lines("\n".join([f"{source.name} is not plain data: {counted(len(faults), 'fault')}", *told, *more])),
            hint=f"Move what is not data into a module of its own, or make JSON yourself. {by_hand(source)}",
        )
    return Exported(answer["data"], (*notes, *map(printable, answer["notes"])))


def by_hand(source: Path) -> str:
    """Return how to make JSON of a module in one command."""
    folder = source if source.is_dir() else source.parent
    names = [source.name]
    if source.is_dir():
        every = sorted(file.name for file in source.iterdir() if _MODULE.fullmatch(file.name))
        names = [name for name in every if name.startswith("index.")][:1] or [
            name for name in every if not _ASIDE.fullmatch(name)
        ]
    numbers = [""] if len(names) == 1 else range(1, len(names) + 1)
    imports = [f"import * as m{n} from {json.dumps(f'./{name}')}; " for n, name in zip(numbers, names, strict=True)]
    data = "m" if len(names) == 1 else "{" + ", ".join(f"...m{number}" for number in numbers) + "}"
    code = f"{''.join(imports)}console.log(JSON.stringify({data}))"
    typed = any(re.search(r"\.[mc]?ts$", name) for name in names)
    program = "npx --yes tsx -e" if typed else "node --input-type=module -e"
    where = f"cd {shlex.quote(str(folder))} && {program} {shlex.quote(code)} > {shlex.quote(source.stem)}.json"
    return f"On a machine with node: {where}"


def _evaluated(program: str, modules: list[Path], source: Path) -> dict[str, Any]:
    root = _root(source)
    asked = json.dumps({"files": [str(file) for file in modules], "root": str(root)})
    with as_file(files(__name__)) as scripts:
        permission = _permission(program, scripts, root)
        command = [program, *_LIMITS, *permission, str(scripts / "export.mjs"), asked]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                env={"TZ": "UTC"},  # dates of parts are those of one zone, on every machine
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SourceError(f"{source.name} did not end within {_SECONDS} s", hint=by_hand(source)) from None
    if done.returncode:
        why = f"it takes more than {_MEBIBYTES:,} MiB" if b"heap out of memory" in done.stderr else "node fails"
        raise SourceError(
            f"{source.name} cannot be evaluated: {why} (exit code {done.returncode})", hint=by_hand(source)
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _permission(program: str, scripts: Path, root: Path) -> list[str]:
    """Return the options with which node reads the project and nothing else, writes nothing and starts nothing."""
    said = subprocess.run([program, "--version"], env={}, capture_output=True, text=True, check=False).stdout  # noqa: S603
    version = tuple(map(int, re.findall(r"\d+", said)[:2])) or (0, 0)
    if version < (20, 0):
        return []
    option = "--permission" if version >= (23, 5) else "--experimental-permission"
    return [option, *(f"--allow-fs-read={folder.resolve()}/" for folder in (scripts, root))]


def _root(source: Path) -> Path:
    """Return the folder beyond which nothing is imported: the nearest with a package.json, or the source's own."""
    home = source if source.is_dir() else source.parent
    return next((folder for folder in (home, *home.parents) if (folder / "package.json").is_file()), home)
