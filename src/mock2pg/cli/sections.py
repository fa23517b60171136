"""Commands and groups whose help is in sections, with whole sentences, examples and exit codes."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Any

import click

from mock2pg.cli.verb import end
from mock2pg.errors import Mock2pgError, UsageError
from mock2pg.report.typed import ARGUMENTS

# In the order of use. A command names its own: `@command.command(section="Migrate")`.
SECTIONS = ("Migrate", "Go back", "Look", "Develop", "Audit", "Help")
_EXAMPLES = "\nExamples:\n"


class Verb(click.Command):
    """A command. The docstring's first sentence is its line in a list of commands; what follows `Examples:` is shown
    line by line.

    section  the heading that it is listed under
    fails    the errors that it exits with, apart from those of any command
    """

    def __init__(self, *args: Any, section: str = "", fails: Sequence[type[Mock2pgError]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text, _, examples = inspect.cleandoc(self.help or "").partition(_EXAMPLES)
        self.help = text.rstrip()
        self.section, self.fails = section, sorted(fails, key=lambda kind: kind.code)
        self.examples = [line.strip() for line in examples.splitlines() if line.strip()]

    def get_short_help_str(self, limit: int = 0) -> str:
        """Return the first sentence of the help, whole whatever the limit."""
        return super().get_short_help_str(limit=1_000)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:  # never wrapped: a person copies them
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
        if self.fails:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(kind.code), kind.__name__) for kind in self.fails])


class Sections(Verb, click.Group):
    """A group whose commands are listed in sections; groups in it are of the same kind."""

    command_class = Verb
    group_class = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.parent is None:
            ctx.meta[ARGUMENTS] = tuple(args)  # a hint may say to run this again
        return super().parse_args(ctx, args)

    def sections(self) -> dict[str, list[tuple[str, click.Command]]]:
        """Return the commands of each section with their names, in the order of use."""
        found: dict[str, list[tuple[str, click.Command]]] = {section: [] for section in SECTIONS}
        for name, command in self.commands.items():
            found.setdefault(getattr(command, "section", ""), []).append((name, command))
        return {section: commands for section, commands in found.items() if commands}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in self.sections().values() for name, _ in commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max((len(name) for name in self.commands), default=0)
        for section, commands in self.sections().items():
            with formatter.section(section or "Commands"):
                formatter.write_dl([(f"{name:<{width}}", command.get_short_help_str()) for name, command in commands])

    def main(self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        """Run a command. A wrong option or argument ends it as any other error does: with a name and a code."""
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        try:
            sys.exit(super().main(args, standalone_mode=False, **extra))
        except click.Abort:
            end(KeyboardInterrupt(), as_json=False, debug=False)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            end(
                _usage_error(error),
                as_json="--json" in (sys.argv if args is None else args),
                debug=False,
                command=context.command_path if context else "mock2pg",
            )


def _usage_error(error: click.ClickException) -> UsageError:
    """Return the error as one of ours, with the nearest names that there are in its hint."""
    near = getattr(error, "possibilities", None) or ()
    text = (error.message if near else error.format_message()).rstrip(".")
    context = getattr(error, "ctx", None)
    program = context.command_path if context else "mock2pg"
    lists = "lists the commands" if context and isinstance(context.command, click.Group) else "explains the command"
    meant = f"; did you mean {' or '.join(near)}?" if near else ""
    if isinstance(error, click.NoSuchOption) and context and context.parent is None:
        lists += ". Options of a command follow its name"  # as in `mock2pg --json status`
    return UsageError(f"{text[:1].lower()}{text[1:]}{meant}", hint=f"Run `{program} --help`: it {lists}.")
