"""The commands of the README, in a copy of the project, as a new user types them."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from mock2pg.settings import REPOSITORY
from tests.fix_make import Make
from tests.fix_terminal import Terminal


def locked(name: str) -> dict[str, str]:
    """Each package of a lock, with the marker after its version where it has one, and its line with the hashes."""
    text = (REPOSITORY / name).read_text()
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links", text)
    entries = re.findall(r"^(\S+)==([^\\\n]+?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE)
    assert "".join(f"{package}=={version} \\\n{hashes}" for package, version, hashes in entries) == text
    found: dict[str, str] = {}
    for package, version, hashes in entries:
        name = package.partition("[")[0]
        found[name] = found.get(name, "") + version.partition(" ")[0] + hashes
    return found


def test_a_migration_installs_what_it_needs_and_no_more(make: Make) -> None:
    """Tools of the tests are in a lock of their own, of the same versions; no lock names an index or lacks a hash."""
    runtime, dev, lab = (locked(f"requirements{kind}.lock") for kind in ("", "-dev", "-lab"))
    for other in (dev, lab):
        assert {name: other[name] for name in other.keys() & runtime.keys()} == {
            name: runtime[name] for name in other.keys() & runtime.keys()
        }
    locked("requirements-bench.lock")
    groups = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["dependency-groups"]
    tools = {re.split(r"[>=<]", tool)[0].lower() for tool in groups["dev"]}
    assert tools <= dev.keys()
    assert not tools & runtime.keys()
    assert "pip" in runtime  # which is installed first

    for target, installs in (("migrate", ""), ("check-data", ""), ("test", "-dev"), ("lint", "-dev")):
        said = make("-n", target).stdout
        assert ("requirements-dev.lock" in said) == bool(installs), target
        assert "requirements.lock" not in said, target  # it is set up
    anew = make("-n", "-W", "requirements.lock", "migrate").stdout
    assert anew.index("/^pip==/") < anew.index("-r requirements.lock") < anew.index("kinds, serving")
    assert anew.count("pip install") == anew.count("--no-compile") == 3


def test_what_make_does_not_know_is_an_error(make: Make) -> None:
    """`make` lists the targets. A word or a variable that would be ignored ends make with 2 and what to type, before
    anything is run."""
    listed = make().stdout
    assert listed.startswith("Migrate:\n  init  ")
    assert "\n\nGo back:\n  backup  " in listed
    assert max(map(len, listed.splitlines())) <= 80
    for arguments, said in (
        ("migrate|my data", 'make migrate SOURCE="my data"'),
        ("plan|mock_data", 'make plan SOURCE="mock_data"'),
        ("rollback|backup-2026", "make rollback ID=backup-2026"),
        ("lab|2026", "make lab RUN=2026"),
        ("backup|foo", "ARGS"),
        ("nothing", "lists the targets"),
        ("migrate|ARG=x", "ARGS"),
        ("migrate|SOURCE=", "SOURCE is empty"),
        ("migrate|ID=x", "takes no ID"),
        ("migrate|INTO=x", "takes no INTO"),
        ("init|SOURCE=mock_data", "INTO=../shop"),
        ("migrate|MIGRATION_MODEE=upsert", "did you mean MIGRATION_MODE?"),
        ("migrate|DATABASE_URL=postgresql://127.0.0.1:1/none", "no source is named"),
    ):
        done = make(*arguments.split("|"))
        assert done.returncode == 2, arguments
        assert said in done.stderr, arguments
        assert "Starting" not in done.stderr


def test_all_runs_are_proven_unless_one_is_named(make: Make) -> None:
    """`make verify-evidence` looks at every run; RUN= and ARGS= take the place of that."""
    for given, said in (((), " --all\n"), (("RUN=2026",), " 2026\n"), (("ARGS=--json --all",), " --json --all\n")):
        assert make("-n", "verify-evidence", *given).stdout.endswith(f"verify-evidence{said}"), given


def test_the_source_comes_before_the_options(make: Make) -> None:
    """A hint to run the command again then names it as SOURCE, as it was typed."""
    for target in ("check-data", "plan", "migrate"):
        line = make("-n", target, "SOURCE=big", "ARGS=--json").stdout
        assert line.endswith(' "$MOCK2PG_SOURCE" --json\n'), line


def test_what_takes_long_is_shown_while_it_runs(tmp_path: Path) -> None:
    """On a terminal with its seconds, and nothing of that is left; elsewhere in a line. Its exit code counts."""

    def command(recipe: str) -> list[str]:
        (tmp_path / "extra.mk").write_text(f"lock:\n\t{recipe}\n")  # in the place of a target without prerequisites
        made = ["make", "--no-print-directory", "-C", str(REPOSITORY), "-f", "Makefile"]
        return [*made, "-f", str(tmp_path / "extra.mk"), "lock"]

    slow = "@$(AWAIT); await '  installing' sh -c 'sleep 0.5; exit 3'"
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command(slow), env=plain, capture_output=True, text=True, check=False)
    assert "\n  installing ...\n" in done.stderr
    assert "Error 3" in done.stderr
    took = command("@sleep 1\n\t@$(call TOOK,Set up)")
    done = subprocess.run(took, env=plain, capture_output=True, text=True, check=False)
    assert re.search(r"Set up in [1-9]\d* s\.\n", done.stderr), done.stderr
    terminal = Terminal()
    process = terminal.run(command(slow))
    shown = terminal.read()
    os.close(terminal.ours)
    assert process.wait() == 2
    assert "  installing ... 0 s" in terminal.raw
    assert not any("installing" in line for line in shown)
