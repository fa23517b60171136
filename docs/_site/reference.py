"""The pages that say what the code declares: the commands, the settings, and `.env.example`.

`make docs-reference` writes them; tests/test_docs.py holds them to the code. The text before the first mark of a page
and after its second is written by hand.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from mock2pg import cli
from mock2pg.cli.sections import Sections, Verb
from mock2pg.settings import Settings, default, meaning, variable

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = REPOSITORY / "src" / "mock2pg" / "init" / "writing" / "templates"
BEGIN = "<!-- `make docs-reference` writes what follows, from the code. -->\n"
END = "<!-- `make docs-reference` writes what precedes. -->\n"
WIDTH = 120
OF_A_PROJECT = ("database_url", "target_schema", "confirm")  # what a project that init makes shows of the settings


def pages() -> dict[Path, str]:
    """Return every file that is written from the code, with its text."""
    commands, settings = (REPOSITORY / "docs" / f"{name}.md" for name in ("command-line", "settings"))
    return {
        commands: _framed(commands, command_line()),
        settings: _framed(settings, settings_table()),
        REPOSITORY / ".env.example": example(tuple(Settings.model_fields), "docs/settings.md explains them."),
        TEMPLATES / "env.example": example(OF_A_PROJECT, "`mock2pg settings` lists all settings."),
    }


def command_line() -> str:
    """Return the commands by section, the options of all of them, and each command with its help."""
    parts = ["| Section | Command | |\n|---|---|---|\n"]
    for section, commands in cli.command.sections().items():
        for number, (name, command) in enumerate(commands):
            parts.append(f"| {'' if number else section} | [{name}](#{name}) | {command.get_short_help_str()} |\n")
    parts.append("\n## Options of every command\n\n")
    only_common = cli.command.commands["status"]
    parts += [_option(option, only_common) for option in _options(only_common)]
    parts.append("- `--help`, `-h`: Show the help of the command.\n")
    for path, command in _commands(cli.command):
        common = [option.opts for option in _options(only_common)]
        parts.append(_command(path, command, [option for option in _options(command) if option.opts not in common]))
    return "".join(parts)


def _options(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _commands(group: Sections, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Verb]]:
    for commands in group.sections().values():
        for name, command in commands:
            if isinstance(command, Verb):
                yield (*path, name), command
            if isinstance(command, Sections):
                yield from _commands(command, (*path, name))


def _command(path: Sequence[str], command: Verb, own: Sequence[click.Option]) -> str:
    context = click.Context(command, info_name=f"mock2pg {' '.join(path)}")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = f"\n## {' '.join(path)}\n\n    {usage}\n\n"
    text += "\n".join(_wrapped(paragraph) for paragraph in str(command.help).split("\n\n"))
    if own:
        text += "\n" + "".join(_option(option, command) for option in own)
    if command.examples:
        text += "\nExamples:\n\n" + "".join(f"    {line}\n" for line in command.examples)
    if command.fails:
        text += "\n" + _wrapped(f"Exit codes: {', '.join(f'{kind.code} `{kind.__name__}`' for kind in command.fails)}.")
    return text


def _option(parameter: click.Option, command: click.Command) -> str:
    context = click.Context(command, show_default=True)
    extra = parameter.get_help_extra(context)
    words = "" if parameter.is_flag else f" {parameter.make_metavar(context)}"
    names = ", ".join(f"`{name}`" for name in parameter.opts[::-1][1:])
    text = f"- `{parameter.opts[-1]}{words}`{names and ', '}{names}: {_text(str(parameter.help))}"
    text += f" Default: {_coded(extra['default'])}." if "default" in extra else ""
    text += " Required." if "required" in extra else ""
    return _wrapped(text, indent="  ")


def settings_table() -> str:
    """Return the table of all settings."""
    lines = ["| Variable | Field | Default | Meaning |\n", "|---|---|---|---|\n"]
    for field, declared in Settings.model_fields.items():
        shown = default(field)
        text = "unset" if shown is None else str(shown).lower() if isinstance(shown, bool) else str(shown)
        code = text if shown is None or declared.default_factory else f"`{text}`"
        lines.append(f"| `{variable(field)}` | `{field}` | {code} | {_text(meaning(field))} |\n")
    return "".join(lines)


def example(fields: Sequence[str], more: str) -> str:
    """Return an example of .env: each setting as a comment, with its meaning and its default."""
    lines = [f"# Copy this file to .env and uncomment what you change. {more}\n"]
    for field in fields:
        shown = default(field) if not Settings.model_fields[field].default_factory else None
        text = str(shown).lower() if isinstance(shown, bool) else "" if shown is None else str(shown)
        lines.append(
            "\n" + "".join(f"# {line}\n" for line in textwrap.wrap(meaning(field).replace("`", ""), WIDTH - 2))
        )
        lines.append(f"# {variable(field)}={text}\n")
    return "".join(lines)


def _framed(file: Path, text: str) -> str:
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}{end and f'{chr(10)}{END}{after}'}"


def _wrapped(text: str, indent: str = "") -> str:
    text = text if indent else _text(text)
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False) + "\n"


def _text(text: str) -> str:
    """Return a text of help as Markdown: pages are links, flags and names are code, and nothing is taken for HTML."""
    parts = " ".join(text.split()).split("`")
    for number in range(0, len(parts), 2):  # the others are code already
        linked = re.sub(r"docs/([a-z-]+\.md)", r"[\1](\1)", parts[number])
        named = re.sub(r"(?<![\w-])--[a-z][a-z-]+|\b[A-Z]+_[A-Z_]+\b|\bSOURCE\b", r"`\g<0>`", linked)
        parts[number] = re.sub(r"<(?=\w)", r"\\<", named)
    return "`".join(parts)


def _coded(words: str) -> str:
    return re.sub(r"\b[A-Z]+_[A-Z_]+\b|--[a-z-]+|^\S+$|(?<= or )[\w%.]+$", r"`\g<0>`", words)


if __name__ == "__main__":
    for file, text in pages().items():
        file.write_text(text, encoding="utf-8")
