"""Documentation, messages and names use the words of docs/vocabulary.toml."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock2pg.settings import REPOSITORY
from tests.test_docs import PAGES

SOURCE = REPOSITORY / "src" / "mock2pg"
VOCABULARY = tomllib.loads((REPOSITORY / "docs" / "vocabulary.toml").read_text(encoding="utf-8"))
WORDS = re.compile("|".join(rf"\b{word}\b" for word in VOCABULARY["words"]), re.IGNORECASE)
NAMES = re.compile("|".join(VOCABULARY["names"]))
TEXT = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
BINARY = {".png", ".woff2", ".pyc", ".pickle"}


def files() -> list[Path]:
    """Every file that holds text of mock2pg's own."""
    more = [*REPOSITORY.glob("*/README.md"), *(REPOSITORY / name for name in (".env.example", "Makefile"))]
    source = [file for file in SOURCE.rglob("*") if file.is_file() and file.suffix not in BINARY]
    return [file for file in dict.fromkeys((*PAGES, *more, *source)) if shown(file) not in VOCABULARY["files"]]


def shown(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def texts(file: Path) -> Iterator[tuple[int, str]]:
    """Each text of a file with its first line: of Python its comments and strings, of the changelog the newest part."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        if not list(avoided(text)):
            return  # most files: reading their tokens takes a hundred times as long
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in TEXT:
                yield token.start[0], token.string
    elif file.name == "CHANGELOG.md":
        head, *versions = text.split("\n## ")
        yield 1 + head.count("\n"), versions[0]
    else:
        yield 1, text


def avoided(text: str) -> Iterator[tuple[int, str]]:
    """Every avoided word of a text, with the number of line breaks before it."""
    for exception in VOCABULARY["exceptions"]:
        text = text.replace(exception, re.sub(r"\S", "x", exception))
    for match in WORDS.finditer(re.sub(r"\s", " ", text)):
        yield text.count("\n", 0, match.start()), match[0]


def test_no_text_has_a_word_that_is_avoided() -> None:
    """Documentation, comments and messages have the words of the vocabulary; each file and word is named."""
    found = [
        f"{shown(file)}:{line + down}: {word}"
        for file in files()
        for line, text in texts(file)
        for down, word in avoided(text)
    ]
    assert not found, "\n".join(found)


def test_no_name_in_the_code_is_avoided() -> None:
    """Functions, classes, arguments, variables and modules have the field's names."""
    found = [f"{shown(file)}: module" for file in SOURCE.rglob("*.py") if NAMES.fullmatch(file.stem)]
    for file in SOURCE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for token in tokenize.generate_tokens(io.StringIO(text).readline) if NAMES.search(text) else ():
            if token.type == tokenize.NAME and NAMES.fullmatch(token.string):
                found.append(f"{shown(file)}:{token.start[0]}: {token.string}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", ["src", "tests", "benchmarks"])
def test_docstrings_begin_with_a_verb_or_a_noun(folder: str) -> None:
    """No docstring is a clause: none begins with What, Whether, Where, Who, Which, How, That or The same."""
    found = []
    for file in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                first = (ast.get_docstring(node) or "").partition("\n")[0]
                if re.match(r"(What|Whether|Where|Who|Which|How|That|The same)\b", first):
                    found.append(f"{shown(file)}: {first}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Here lie the\nbackups of the live\nschema", [(0, "lie"), (1, "live\nschema")]),
        ("Names, by comma, that IS SAID", [(0, "by comma"), (0, "IS SAID")]),
        ("it stands for a whole number in a livestock table, a standard display", []),
    ],
)
def test_a_word_is_found_across_lines_and_cases(text: str, words: list[tuple[int, str]]) -> None:
    """A word counts in any case and when a line ends within it; a part of a word does not."""
    assert list(avoided(text)) == [(line, word.replace("\n", " ")) for line, word in words]
