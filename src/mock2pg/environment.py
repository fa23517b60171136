"""The environment: the one list of the variables that count, for this process and for the programs that it starts.

All others are another tool's: dbt, Great Expectations, libpq, Python and Jupyter read hundreds, each of which could
change what a run does.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

# A name, or the beginning of names.
_MACHINE = (
    # the machine and the account
    "HOME", "LANG", "LC_*", "LOGNAME", "PATH", "PWD", "SHELL", "TEMP", "TMP", "TMPDIR", "TZ", "USER",
    # the terminal
    "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "TERM", "TERMINFO*", "_MOCK2PG_*",
    # the line that a shell completes
    "COMP_CWORD", "COMP_WORDS",
    # the loader of shared libraries, and TLS
    "DYLD_*", "LD_*", "OPENSSL_*", "SSL_CERT_*",
    # the measuring of tests
    "COV_CORE_*", "COVERAGE_*",
)  # fmt: skip
_DATABASE = (
    # libpq's for proving who is who. Where a server is, and what a session is set to, DATABASE_URL says alone.
    "KRB5*", "PGCHANNELBINDING", "PGGSS*", "PGKRBSRVNAME", "PGPASSFILE", "PGPASSWORD", "PGREQUIREAUTH", "PGREQUIREPEER",
    "PGSERVICEFILE", "PGSSL*",
    # the settings
    "DATABASE_URL", "DEBUG", "GITHUB_WORKSPACE", "MIGRATION_*",
)  # fmt: skip
_KEPT = _MACHINE + _DATABASE
_SCREEN = ("BROWSER", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_*")
# The variables with which a person uses another program.
_FOR = {
    "psql": ("EDITOR", "LESS*", "PAGER", "PSQL*", "VISUAL"),
    "dbt": _SCREEN,  # dbt docs serve
    "jupyterlab": _SCREEN,
    "browser": _SCREEN,
    # how a company's network reaches the services outside of it
    "notifications": tuple(
        name
        for plain in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        for name in (plain, plain.lower())
    ),
}
_APART = ("browser", "notifications", "watch")  # which use no database: they get neither settings nor credentials
_SENT = "MIGRATION_NOTIFY_URLS"  # which no program gets: it goes through a pipe
_SET = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "OPENBLAS_NUM_THREADS": "1",  # nothing here needs its threads, which cost memory and may not be there
}
_FILES = 1024

_given: dict[str, str] | None = None  # what a person gave to the command, before `leave_behind`
_lock = threading.Lock()
_inside, _before = 0, dict[str, str]()


def inherited(program: str = "") -> dict[str, str]:
    """The environment of a program that we start. A Python finds the modules that this one does, in the same order."""
    given = _before if _inside and program else os.environ  # in Python, a method of ours has put the rest aside
    counts = (_MACHINE if program in _APART else _KEPT) + _FOR.get(program, ())
    kept = _ours(given if _given is None else _given, counts)
    kept = {name: value for name, value in kept.items() if name.upper() != _SENT}
    modules = os.pathsep.join(place for place in sys.path if place)
    return kept | {"PYTHONPATH": modules, "PYTHONSAFEPATH": "1", "PYTHONUTF8": str(sys.flags.utf8_mode)}


@contextmanager
def ours(**more: str) -> Iterator[None]:
    """Leave in this process's environment what counts, and `more`, until the block ends."""
    global _inside, _before
    with _lock:
        _inside += 1
        if _inside == 1:
            _before = dict(os.environ)
        outside = _ours(os.environ, _KEPT)
        _become(outside | more)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            # who is still inside goes on without what was set for us
            kept = {name: value for name, value in os.environ.items() if name not in more}
            _become(kept | {name: outside[name] for name in more if name in outside} if _inside else _before)


def within(**more: str) -> dict[str, str]:
    """Return the variables that there are in a block of `ours`."""
    return _ours(os.environ, _KEPT) | more


def is_dumb_terminal() -> bool:
    """Return whether the terminal, by its name, cannot move its cursor."""
    return os.environ.get("TERM", "dumb") in ("", "dumb", "unknown")


def by_make() -> bool:
    """Return whether a recipe of make runs the command: a person typed a target."""
    return (os.environ if _given is None else _given).get("MAKELEVEL", "0") != "0"


def columns() -> int:
    """Return the width that COLUMNS gives to the output; 0 where it gives none."""
    given = os.environ.get("COLUMNS", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 0


def colours() -> bool | None:
    """Return False when NO_COLOR asks for none, or the terminal is a dumb one; None leaves it to the terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def leave_behind() -> None:
    """Rid the command of all else, for good: Python's own variables, which have had their effect, by a new start."""
    global _given
    script = False
    with suppress(OSError):  # a directory that is gone
        script = sys.path[0] == os.getcwd()  # `python -m mock2pg` looks for modules there
    python = [name for name in os.environ if name.startswith("PYTHON")]
    if script or (python and not sys.flags.ignore_environment):
        _restart({name: value for name, value in os.environ.items() if name not in python})
    _given = dict(os.environ)
    _become(_ours(os.environ, _KEPT))
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < _FILES:
        with suppress(OSError, ValueError):  # as many as we may have: macOS gives 256 to begin with
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, _FILES) if most > 0 else _FILES, most))


def _restart(variables: Mapping[str, str]) -> None:
    """Begin again, with this very package, and with a Python that reads neither its variables nor this directory."""
    here = str(Path(__file__).resolve().parents[1])
    begin = f"import sys; here = {here!r}; here in sys.path or sys.path.insert(0, here); "
    begin += "from mock2pg.__main__ import main; main()"
    os.execve(sys.executable, [sys.executable, "-E", "-P", "-c", begin, *sys.argv[1:]], variables)  # noqa: S606


def _ours(variables: Mapping[str, str], counts: tuple[str, ...]) -> dict[str, str]:
    kept = {name: value for name, value in variables.items() if _counts(name, counts)}
    if not os.path.isabs(kept.get("HOME", "")):
        home = os.path.expanduser("~")  # "~" for a uid without a name, and many a library fails without a home
        kept["HOME"] = home if os.path.isabs(home) else "/nonexistent"
    return kept | _SET


def _counts(name: str, patterns: tuple[str, ...]) -> bool:
    return any(name.startswith(p[:-1]) if p.endswith("*") else name == p for p in patterns)


def _become(wanted: Mapping[str, str]) -> None:
    """Change what differs and nothing else: another thread may be reading."""
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if os.environ.get(name) != value})
