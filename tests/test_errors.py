"""The error tree: every failure has a name, an exit code and a next step, and quotes no value."""

from __future__ import annotations

import ast
import errno
import json
import re
from pathlib import Path

import click
import pytest

from mock2pg import cli, errors, foreign_errors
from mock2pg.errors import CheckFailed, InternalError, LoadFailed, Mock2pgError, ValidationError, from_dict
from mock2pg.foreign_errors import scrubbed, traced, unusable
from mock2pg.pipeline import verdict

CANARY = "Canary7291"


def kinds(root: type[Mock2pgError] = Mock2pgError) -> list[type[Mock2pgError]]:
    return [
        root,
        *(kind for child in root.__subclasses__() if child.__module__ == errors.__name__ for kind in kinds(child)),
    ]


ALL = kinds()


@pytest.mark.parametrize("kind", ALL)
def test_an_error_of_another_process_is_the_same_error(kind: type[Mock2pgError]) -> None:
    """An error that a step recorded as JSON comes back with its class, text, state, hint and code."""
    for hint in (None, "", "Do this."):
        first = kind("it went 'wrong'\nin two lines", hint=hint, state=hint)
        second = from_dict(json.loads(json.dumps(first.as_dict())))
        assert type(second) is kind
        assert (second.message, second.state, second.hint) == (first.message, first.state, first.hint)
        assert str(second) == "it went 'wrong'\nin two lines"
        assert second.as_dict() == first.as_dict()


def test_a_failed_check_keeps_its_rows() -> None:
    """Every listed row survives the way through a record."""
    rows = (
        ValidationError("a", "é", "n[2].status", "must be x", "critical", "rule", 3),
        ValidationError("a", None, "*", "must have rows", "warning"),
    )
    again = from_dict(json.loads(json.dumps(CheckFailed("2 errors", rows).as_dict())))
    assert isinstance(again, CheckFailed)
    assert again.errors == rows


def test_an_error_of_a_later_version_is_an_internal_one() -> None:
    """A name that is not known here is not lost."""
    again = from_dict({"name": "Unheard", "code": 99, "message": "what", "hint": "how"})
    assert (type(again), again.message, again.hint) == (InternalError, "what", "how")


def test_codes_tell_errors_apart_and_the_tree_above_them_is_right() -> None:
    """Each class has an exit code of its own, a state, a hint, and its line in the tree."""
    assert len({kind.code for kind in ALL}) == len(ALL)
    assert all(0 < kind.code < 256 for kind in ALL)
    drawn = dict(re.findall(r"^[│ ]*[├└]?─* ?(\w+) +(\d+)  ", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {kind.__name__: str(kind.code) for kind in ALL if kind is not Mock2pgError}
    assert all(kind.hint and kind.state for kind in ALL)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValidationError("a", "17", "name", "is required", row=3), "a[2].name (id 17): is required"),
        (ValidationError("a", None, "name", "is required", row=3), "a[2].name: is required"),
        (ValidationError("a", "", "n[2].x", "is required", row=3), "a[2].n[2].x (id ): is required"),
        (ValidationError("a.b", "k", "name", "is required", row=3, mark="{}"), "a.b{2}.name (id k): is required"),
        (ValidationError("a", None, "name", "is required", row=1, mark=""), "a.name: is required"),
        (
            ValidationError("a", "17", "", "is alone", row=3, file="a.json", line=8, column=15),
            "a.json:8:15 a[2] (id 17): is alone",
        ),
        (ValidationError("a", None, "*", "must have rows"), "a: must have rows"),
    ],
)
def test_a_broken_rule_is_a_line_that_finds_the_row(error: ValidationError, text: str) -> None:
    """The row by its index, as in the JSON pointer, the field, the id by name, and what it must be."""
    assert str(error) == text


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('duplicate key violates unique constraint "t_pkey"', 'duplicate key violates unique constraint "t_pkey"'),
        ('null value in column "a" of relation "b" violates not-null constraint',
         'null value in column "a" of relation "b" violates not-null constraint'),
        ('relation "app.x" does not exist\nLINE 1: SELECT \'Canary7291\'', 'relation "app.x" does not exist'),
        ('insert on table "t" violates foreign key constraint "c"\nDETAIL:  Key (a)=(Canary7291) is not present',
         'insert on table "t" violates foreign key constraint "c"'),
        ("Key (email)=(Canary7291) already exists.", "Key (a value) already exists."),
        ("Key (a, b)=(Canary7291, (Canary7291)) already exists.", "Key (a value) already exists."),
        ('invalid input syntax for type date: "Canary7291"', "invalid input syntax for type date: (a value)"),
        ('value "Canary7291" is out of range for type integer', "value (a value) is out of range for type integer"),
        ('invalid input value for enum app.mood: "Canary7291"', "invalid input value for enum app.mood: (a value)"),
        ("Could not convert string 'Canary7291' to INT32", "Could not convert string (a value) to INT32"),
        ('type integer: "x"Canary7291"y"', "type integer: (a value)"),
        ('type integer: "say "hello" to Canary7291"', "type integer: (a value)"),
        ('type integer: "Canary7291\nCanary7291" LINE', "type integer: (a value)"),
        ('type integer: "Canary7291', "type integer: (a value)"),
        ('type integer: "table "Canary7291" is"', "type integer: (a value)"),
        ("string 'O'Canary7291 \"x\" Canary7291' to", "string (a value) to"),
        ('column "a" is of type integer: "Canary7291"', 'column "a" is of type integer: (a value)'),
        ('no such column "Canary7291\n" here', "no such column (a value)"),
        ("type integer: »Canary7291«, Spalte »a«", "type integer: (a value)"),
        ("tipo integer: «Canary7291»", "tipo integer: (a value)"),
        ("  syntax error  \n", "syntax error"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_databases_message_loses_the_values_and_keeps_the_names(said: str, kept: str) -> None:
    """Whatever a value looks like, be it a name, a quote or a line break, nothing of it is kept."""
    assert scrubbed(said) == kept
    assert CANARY not in kept


def test_a_traceback_shows_ours_and_hides_theirs() -> None:
    """A traceback shows every frame; the texts of others' errors may quote a value and are left out."""
    try:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            raise LoadFailed("a model failed") from error
    except LoadFailed as error:
        text = traced(error)
    lines = text.splitlines()
    assert lines[0] == "LoadFailed: a model failed"
    assert "ValueError" in lines
    assert f"{__file__}:" in text
    assert CANARY not in text


def test_an_error_that_led_to_itself_has_an_end() -> None:
    """An error whose cause is raised again, while it is handled, makes a circle of them."""
    cause, error = OSError(), LoadFailed("it failed")
    error.__cause__, cause.__context__ = cause, error
    assert traced(error) == "LoadFailed: it failed\nOSError"
    assert traced(cause) == "OSError\nLoadFailed: it failed"


def test_a_full_disk_is_said_in_a_users_words() -> None:
    """The system's error about a file becomes what, where it is known, and what to do."""
    error = unusable(OSError(28, "No space left on device", "a/file"), "stage")
    assert error.message == "stage: No space left on device: a/file"
    assert "disk space" in error.hint
    assert unusable(OSError(28, "No space left on device"), "stage").message == "stage: No space left on device"


def test_another_users_file_is_named_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that root left in runs/ or logs/ keep a user out: the error says whose they are, and who the user is."""
    owner = foreign_errors._user_name(tmp_path.stat().st_uid)
    for file in (tmp_path, tmp_path / "runs" / "x"):
        denied = PermissionError(13, "Permission denied", str(file))
        assert unusable(denied, "check").hint == "Check the free disk space there, and that this user may write there."
        with monkeypatch.context() as patched:
            patched.setattr(foreign_errors.os, "geteuid", lambda: 54321)
            hint = unusable(denied, "check").hint
        assert hint == (f"Run as {owner}, or have {tmp_path} given to you: it belongs to {owner}, and you are 54321.")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (MemoryError(), "ulimit -v"),
        (ImportError("x.so: failed to map segment from shared object"), "ulimit -v"),
    ],
)
def test_a_limit_that_is_reached_is_named(error: BaseException, said: str) -> None:
    """A small limit of files, processes or memory is no fault of mock2pg, and the error says how to raise it."""
    known = verdict.classified(error, "backup")
    assert (known.code, "the limit of" in known.message, said in known.hint) == (2, True, True)


_VERBS = (
    "Add Allow As Begin Check Choose Compare Connect Copy Correct Create Declare Do Drop End Escape Find Free Give If"
    " Install Keep Look Make Map Migrate Move Name On Pipe Plan Put Raise Read Report Restore Rewrite Run Save Say Set"
    " Shorten Stage Store Take Turn Undo Use Wait Write"
)


def hints() -> list[str]:
    """Every hint that the code writes as one text, its parts that are put in left out."""
    found = []
    for file in Path(errors.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            named = (
                node.value
                if (isinstance(node, ast.keyword) and node.arg == "hint")
                or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "hint")
                else None
            )
            parts = named.values if isinstance(named, ast.JoinedStr) else [named]
            text = "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts if part is not None)
            if isinstance(named, ast.JoinedStr | ast.Constant) and text not in ("", "None"):
                found.append(text)
    return found


def test_every_hint_is_a_thing_to_do() -> None:
    """It begins with a verb in the imperative, or with the condition for one, and does not say what the state says."""
    found = hints()
    assert len(found) > 80
    assert [text for text in found if not text.startswith("…") and text.split()[0] not in _VERBS.split()] == []
    assert [text for text in found if re.search(r"not (changed|touched)|as (it|they) w(as|ere)\b", text)] == []


def test_every_command_that_a_text_names_exists() -> None:
    """`mock2pg X` and `make X` in the texts of the code are commands and targets that there are."""
    source = Path(errors.__file__).parent
    templates = [source / "init" / "writing" / "templates" / "Makefile", source.parents[1] / "Makefile"]
    targets = {name for file in templates for name in re.findall(r"^([a-z-]+):", file.read_text(), re.MULTILINE)}
    texts = [
        node.value
        for file in source.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    named = [words.split() for text in texts for words in re.findall(r"`mock2pg ([a-z][a-z -]*)", text)]
    assert len(named) > 20
    for words in named:
        group: click.Command = cli.command
        for word in words:
            if not isinstance(group, click.Group):
                break
            assert word in group.commands, words
            group = group.commands[word]
    made = {name for text in texts for name in re.findall(r"`make ([a-z][a-z-]*)", text)}
    assert made
    assert made <= targets
