"""The documentation says what there is, and what it shows works."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shlex
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import click
import duckdb
import pytest

from mock2pg import MigrationService, cli, errors, postgres, settings
from mock2pg.encoding import TABLE_HASH_DUCKDB, TABLE_HASH_POSTGRES, duckdb_value, kind, postgres_value
from mock2pg.errors import Mock2pgError
from mock2pg.settings import REPOSITORY, Settings
from mock2pg.spellings import FORMATS

DOCS = REPOSITORY / "docs"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "backups/README.md")),
    *sorted(DOCS.glob("*.md")),
]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def table_rows(text: str) -> list[list[str]]:
    """The cells of every line of every Markdown table; code loses its backticks."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def kinds(root: type[Mock2pgError] = Mock2pgError) -> list[type[Mock2pgError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def reference() -> ModuleType:
    """The module that writes pages from the code."""
    place = DOCS / "_site" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_of_the_code_are_up_to_date() -> None:
    """The commands in docs/command-line.md, the settings in docs/settings.md and .env.example are those of the code.

    `make docs-reference` writes them.
    """
    for file, text in reference().pages().items():
        assert file.read_text(encoding="utf-8") == text, f"{file.name} is stale: run make docs-reference"


def test_pages_of_the_code_have_all_of_it() -> None:
    """Every command has its section with its options, and every setting its line and its default."""
    sections = re.split(r"^## ", page("command-line.md"), flags=re.MULTILINE)
    for name, command in commands(cli.command):
        (section,) = [text for text in sections if text.startswith(f"{name}\n")]
        common = next(text for text in sections if text.startswith("Options of every command"))
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert any(f"`{option}" in section + common for option in parameter.opts), f"{name} {parameter}"
    listed = {row[0]: row for row in table_rows(page("settings.md")) if row[1] in Settings.model_fields}
    example = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
    assert all(line.startswith("# ") for line in example.splitlines() if line)
    for name, field in Settings.model_fields.items():
        shown = str(field.default or "unset") if not field.default_factory and field.default is not False else None
        assert shown in (None, listed[settings.variable(name)][2])
        assert f"\n# {settings.variable(name)}={'' if shown in (None, 'unset') else shown}" in example


def test_every_make_target_that_is_named_is_there() -> None:
    """A page names no Make target that neither Makefile has, of this repository or of a project."""
    made = (
        REPOSITORY / "src" / "mock2pg" / "init" / "writing" / "templates" / "Makefile"
    )  # of a project that init makes
    texts = [file.read_text(encoding="utf-8") for file in (REPOSITORY / "Makefile", made)]
    targets = set(re.findall(r"^([a-z-]+):", "\n".join(texts), re.MULTILINE))
    for file in PAGES:
        named = re.findall(r"(?:`|^ {4})make ([a-z][a-z-]*)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, file.name


def typed(text: str) -> Iterator[tuple[str, list[str]]]:
    """Every command of a page as it is typed, with the arguments that mock2pg gets; of make those in ARGS."""
    made = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = dict(re.findall(r"^([a-z-]+):.*\n\t@\$\(MOCK2PG\) ([a-z-]+)", made, re.MULTILINE))
    sources = {"init": ["a", "--into", "b"], "rollback": ["latest"]}
    for inline, line in re.findall(r"`((?:mock2pg|make) [^`\n]+)`|^ {4}(.+)$", text, re.MULTILINE):
        for command in re.split(r" && | \| |; ", inline or line):
            found = re.match(r"(?:\S+=\S+ )*(?:\S*/)?(mock2pg|make) (.*)", command)
            if found is None or "[OPTIONS]" in command:
                continue
            arguments = shlex.split(re.sub(r" [<>].*", "", found[2]), comments=True)
            if found[1] == "mock2pg":
                yield command, arguments
            elif arguments and arguments[0] in targets:
                given = [word.removeprefix("ARGS=") for word in arguments if word.startswith("ARGS=")]
                name = targets[arguments[0]]
                yield command, [name, *shlex.split(" ".join(given)), *sources.get(name, [])]


def parse(command: click.Command, arguments: list[str], parent: click.Context | None = None) -> None:
    """Let click parse the arguments of a command and of those below it; run nothing. Raises click.UsageError."""
    context = command.make_context(command.name, list(arguments), parent)
    rest = [*context._protected_args, *context.args]
    if isinstance(command, click.Group) and rest:
        _, below, others = command.resolve_command(context, rest)
        assert below is not None
        parse(below, others, context)


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_every_command_can_be_typed(file: Path) -> None:
    """mock2pg accepts each command of a page, with its options and arguments."""
    for command, arguments in typed(file.read_text(encoding="utf-8")):
        try:
            # a sentence may name a command with one option alone, and --help ends it
            with suppress(click.MissingParameter, click.exceptions.Exit):
                parse(cli.command, arguments)
        except click.UsageError as error:
            pytest.fail(f"{command}: {error.format_message()}")


TEMPLATE = REPOSITORY / "src" / "mock2pg" / "init" / "writing" / "templates" / "Makefile"


@pytest.mark.parametrize(
    ("file", "called"),
    [(REPOSITORY / "Makefile", {"check": "check-data"}), (TEMPLATE, {"check": "check-data", "test-migration": "test"})],
)
def test_make_help_has_the_words_of_the_commands(file: Path, called: dict[str, str]) -> None:
    """A target that is a command is in its section, in its order, with its sentence; each is a line of 80 columns."""
    text = file.read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    for heading, target, words in re.findall(r"^(?:##@ (.*)|([a-z-]+):.*?## (.*))$", text, re.MULTILINE):
        if heading:
            found[heading] = {}
        else:
            found[list(found)[-1]][target] = words
            assert len(f"  {target:<15}  {words}") <= 80
            assert words.endswith((".", ")"))
    own = {"setup", "help", "update", *found.get("Contribute", {})}
    targets = [target for section in found.values() for target in section]
    assert targets == re.findall(r"^([a-z-]+):(?!=)", text, re.MULTILINE)
    assert sorted(targets) == sorted(re.findall(r"^TARGETS := (.*)$", text, re.MULTILINE)[0].split())
    for section, listed in cli.command.sections().items():
        expected = {called.get(name, name): command.get_short_help_str() for name, command in listed}
        ours = {target: words for target, words in found.get(section, {}).items() if target not in own}
        assert list(ours.items()) == [item for item in expected.items() if item[0] in ours]
        assert set(ours) == expected.keys() & set(targets) - own


def test_every_error_has_its_line() -> None:
    """docs/errors.md and the tree atop errors.py list every error with its exit code, and no two share one."""
    listed = {row[0]: row[1] for row in table_rows(page("errors.md")) if hasattr(errors, row[0])}
    assert listed == {kind.__name__: str(kind.code) for kind in kinds()}
    assert len(set(listed.values())) == len(listed)
    drawn = dict(re.findall(r"── (\w+) +(\d+) ", str(errors.__doc__)))
    assert drawn == {name: code for name, code in listed.items() if name != "Mock2pgError"}


def test_every_method_has_its_line() -> None:
    """docs/python-api.md lists every public method and property of MigrationService, and no other."""
    section = page("python-api.md").split("## MigrationService")[1].split("\n## ")[0]
    listed = {row[0].partition("(")[0] for row in table_rows(section)} - {"method", "---"}
    assert listed == {name for name in vars(MigrationService) if not name.startswith("_")}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(REPOSITORY)))
def test_every_link_resolves(file: Path) -> None:
    """A relative link leads to a file; a page in docs/ is in its index and in the contents of the site."""
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text(encoding="utf-8")):
        assert re.match(r"https?://", target) or (file.parent / target).exists(), target
    if file.parent == DOCS and file.name != "README.md":
        assert f"({file.name})" in page("README.md")
        assert f": {file.name}\n" in (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")


class Example:
    """The worked example of docs/verification.md, as the page has it."""

    def __init__(self) -> None:
        text = page("verification.md").split("### Example")[1]
        self.values = [row[1:] for row in table_rows(text) if row[1] in {*FORMATS, "text[]"}]  # type, value, encoding
        self.row, self.hash, self.table = re.findall(r"^    (\S.*)$", text, re.MULTILINE)


def encoded(data_type: str, value: str) -> str:
    """A value by the page's words alone."""
    if value == "NULL":
        return "N"
    if data_type == "double precision":
        value = str(struct.unpack(">q", struct.pack(">d", float(value)))[0])
    if data_type == "text[]":
        value = "".join(encoded("text", element) for element in re.split("` and `", value))
    if data_type == "jsonb":
        value = '[{"url": null, "name": "plan.pdf"}]'  # as PostgreSQL prints it: the shorter key first
    if data_type in ("numeric", "timestamp", "timestamptz"):
        value = value.replace("T", " ").removesuffix("Z")
        value = value.rstrip("0") if "." in value else value
    value = {"boolean": value[:1], "time": f"{value}:00"}.get(data_type, value)
    return f"{kind(data_type).tag}{len(value.encode())}:{value}"


def test_the_worked_example_follows_its_rules() -> None:
    """Row and hashes of the example are those that the rules on its page give, and it has every type."""
    example = Example()
    assert {data_type for data_type, _, _ in example.values} == {*FORMATS, "text[]"}
    assert [encoded(data_type, value) for data_type, value, _ in example.values] == [e for *_, e in example.values]
    assert example.row == "".join(code for *_, code in example.values)
    assert f"these {len(example.row.encode())} bytes" in page("verification.md")
    assert example.hash == hashlib.sha256(example.row.encode()).hexdigest()
    assert example.table == f"1:{int(example.hash[:15], 16)}:{int(example.hash[15:30], 16)}"


def test_the_worked_example_is_what_both_engines_say(connection: postgres.Connection) -> None:
    """DuckDB and PostgreSQL encode the example's values as the page does, and hash row and table alike."""
    example = Example()
    literals: dict[str, tuple[str, str]] = {
        "NULL": ("NULL", "NULL"),
        "a` and `b,c": ("['a', 'b,c']", "ARRAY['a', 'b,c']"),
        '[{"name":"plan.pdf","url":null}]': (
            """'[{"url": null, "name": "plan.pdf"}]'""",  # staged in PostgreSQL's spelling
            """'[{"name":"plan.pdf","url":null}]'""",
        ),
    }
    own = {"text": "VARCHAR", "double precision": "DOUBLE", "text[]": "VARCHAR[]", "jsonb": "VARCHAR"}
    own |= {"numeric": "VARCHAR", "timestamptz": "TIMESTAMP", "uuid": "VARCHAR"}
    staging = duckdb.connect()
    for data_type, value, expected in example.values:
        staged, target = literals.get(value, (f"'{value}'", f"'{value}'"))
        staged = f"(SELECT {staged}::{own.get(data_type, data_type)} AS x) AS v"
        value = duckdb_value(data_type).format(x="x")
        assert staging.execute(f"SELECT {value} FROM {staged}").fetchone() == (expected,)
        target = f"(SELECT {target}::{data_type} AS x) AS v"
        value = postgres_value(data_type).format(x="x")
        assert connection.execute(f"SELECT {value} FROM {target}").fetchone() == (expected,)
    row = f"SELECT '{example.hash}'::text AS hash"
    assert staging.execute(f"SELECT {TABLE_HASH_DUCKDB} FROM ({row}) AS h").fetchone() == (example.table,)
    assert connection.execute(TABLE_HASH_POSTGRES.format(hashes=row)).fetchone() == (example.table,)
    staging.close()
