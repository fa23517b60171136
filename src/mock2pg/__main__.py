"""`python -m mock2pg` and the `mock2pg` command."""

from __future__ import annotations


def main() -> None:
    from mock2pg.cli import command

    command()


if __name__ == "__main__":
    main()
