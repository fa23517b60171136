"""The source document: what is cut into arrays, and what is refused with its file, line and column."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import json
import os
import stat
import tempfile
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from mock2pg.errors import UsageError
from mock2pg.json_paths import Mark
from mock2pg.source import documents
from mock2pg.source.documents import Document, strict
from mock2pg.source_shape import Container, SourceShape
from tests.fix_staging import of_arrays

CANARY = "Canary-7291"
ARRAYS = {"a": b'[{"id": "1"}]', "b": b"[ ]", "c": '[{"id": "é"},\n {"id": "\\u00e9"}]'.encode()}


def folder_of(place: Path, files: Mapping[str, bytes]) -> Path:
    """A folder with one file per entity."""
    place.mkdir()
    for entity, content in files.items():
        (place / f"{entity}.json").write_bytes(content)
    return place


def file_of(place: Path, content: bytes | str) -> Path:
    """One JSON document."""
    file = place / "document.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def single(arrays: Mapping[str, bytes]) -> bytes:
    """One document that holds the arrays as they stand."""
    return b"{" + b",\n".join(f'"{name}": '.encode() + text for name, text in arrays.items()) + b"}"


def read(source: Path | Mapping[str, Any], into: Path, entities: Sequence[str] = "abc") -> Document:
    return documents.read(source, of_arrays(entities), into / f"cut-{uuid.uuid4()}")


def refusal(source: Path | Mapping[str, Any], into: Path, entities: Sequence[str] = "a") -> str:
    """Return the message about a source that is refused, without the folder that the test made."""
    found = read(source, into, entities)
    assert found.faults
    assert set(found.unread) <= set(entities)
    return "\n".join(str(fault).replace(f"{into}/", "") for fault in found.faults)


def test_a_folder_a_document_and_a_dict_give_the_same_arrays(tmp_path: Path) -> None:
    """A folder and one document of the same bytes are kept byte for byte, under one SHA-256."""
    folder = read(folder_of(tmp_path / "source", ARRAYS), tmp_path / "1")
    document = read(file_of(tmp_path, single(ARRAYS)), tmp_path / "2")
    for found in (folder, document):
        assert {name: file.read_bytes() for name, file in found.arrays.items()} == ARRAYS
        assert found.bytes == sum(map(len, ARRAYS.values()))
    assert folder.sha256 == document.sha256


def test_a_dict_has_the_sha256_of_the_document_that_json_dumps_makes_of_it(tmp_path: Path) -> None:
    """A Python dict is its JSON text in UTF-8, whatever the order of its keys."""
    source = {"a": [{"id": "é", "n": 0.1}], "b": [], "c": [{"x": None}]}
    text = json.dumps(dict(reversed(source.items())), ensure_ascii=False)
    found = read(source, tmp_path / "1")
    assert found.sha256 == read(file_of(tmp_path, text), tmp_path / "2").sha256


def test_the_sha256_tells_apart_what_differs(tmp_path: Path) -> None:
    """Another byte, or the same bytes in another array, is another document."""
    sources = [{"a": [1], "b": []}, {"a": [], "b": [1]}, {"a": [2], "b": []}, {"a": [1.0], "b": []}]
    assert len({read(source, tmp_path / str(n), "ab").sha256 for n, source in enumerate(sources)}) == 4


def test_the_cut_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """The arrays lie in files of mode 0600 in a folder of mode 0700."""
    found = read(folder_of(tmp_path / "source", ARRAYS), tmp_path)
    assert {stat.S_IMODE(file.stat().st_mode) for file in found.arrays.values()} == {0o600}
    assert {stat.S_IMODE(file.parent.stat().st_mode) for file in found.arrays.values()} == {0o700}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_a_byte_order_mark_and_white_space_around_are_accepted(mark: bytes, tmp_path: Path) -> None:
    """A byte order mark and white space around the JSON are no part of the array, and the mark is said."""
    found = read(folder_of(tmp_path / "source", {"a": mark + b"\n\t [] \r\n"}), tmp_path / "1", "a")
    assert found.arrays["a"].read_bytes().strip() == b"[]"
    said = f"{tmp_path}/source/a.json begins with a byte order mark, which is not part of JSON and was left out"
    assert found.notes == ((said,) if mark else ())
    assert (found.faults, found.bytes) == ((), 2)
    assert found.sha256 == read(file_of(tmp_path, mark + b' {"a": []} '), tmp_path / "2", "a").sha256


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('{"a": [1,]}', 1, 10),
        ('{"a": [],}', 1, 10),
        ('{"a": [NaN]}', 1, 8),
        ('{"a": [Infinity]}', 1, 8),
        ("{'a': []}", 1, 2),
        ("{\"a\":\n ['x']}", 2, 3),
        ('{"a": []} {"a": []}', 1, 11),
        ('{"a": []', 1, 9),
        (" ", 1, 1),
        ('{"a": [\r\n{"id": "ä", "x": é}]}', 2, 18),
        ('{"a": ["\t"]}', 1, 9),
        ('{"a": ["\\x"]}', 1, 10),
        ('{"a": [01]}', 1, 9),
        ('{"a": [1.]}', 1, 10),
        ('{"a": [.5]}', 1, 8),
        ('{"a": [+1]}', 1, 8),
        ('{"a": [tru]}', 1, 8),
        ('{"a": [] /* note */}', 1, 10),
        ('{"a": [1 2]}', 1, 10),
        ('{"a" []}', 1, 6),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str, line: int, column: int, tmp_path: Path) -> None:
    """The error names the file, the line and, to a character or two, the column."""
    (fault,) = read(file_of(tmp_path, text), tmp_path, "a").faults
    assert fault.rule == "strict_json"
    assert fault.file == str(tmp_path / "document.json")
    assert fault.line == line
    assert abs(fault.column - column) <= 2


def test_the_place_is_exact(tmp_path: Path) -> None:
    """Lines and columns are counted from one, in characters and not in bytes; the pointer leads to the value."""
    (fault,) = read(file_of(tmp_path, '{"a": [0,\n  {"name": "Zoë 😀", "n": x}]}'), tmp_path, "a").faults
    assert str(fault).endswith("document.json:2:26 a[1]: is not JSON: invalid character")
    assert (fault.pointer, fault.row) == ("/a/1/n", 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": [1,]}', "trailing comma in array"),
        ('{"a": [] // x\n}', "JSON has no comments"),
        ('{"a": [/* x */]}', "JSON has no comments"),
        ("{'a': []}", "strings and keys take double quotes"),
        ("{\"a\": ['x']}", "strings and keys take double quotes"),
        ("{a: []}", "a key must be a string in double quotes"),
        ('{"a": [NaN]}', "NaN is not a JSON value"),
        ('{"a": [nan]}', "nan is not a JSON value"),
        ('{"a": [-Infinity]}', "Infinity is not a JSON value"),
        ('{"a": [None]}', "None is not a JSON value"),
        ('{"a": [undefined]}', "undefined is not a JSON value"),
        ('{"a": []} {}', "there is more after the end of the document"),
        ('{"a": [', "it ends too early: a bracket or a quote is not closed"),
        ('{"a": ["\n"]}', "a line break, tab or control character must be written as an escape (\\n)"),
    ],
)
def test_the_reason_is_one_that_can_be_acted_on(text: str, reason: str, tmp_path: Path) -> None:
    """The message names the mistakes that people who write JSON by hand make most often."""
    assert refusal(file_of(tmp_path, text), tmp_path).endswith(f": is not JSON: {reason}")


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\udc00\\ud800", "\\ud800\\u0041", "\\uD83D\\\\ude00"])
def test_half_of_a_surrogate_pair_is_left_to_the_check(half: str, tmp_path: Path) -> None:
    r"""It becomes `\u0000`, which no text can hold: its row is refused, and the rest of the document is read."""
    found = read(file_of(tmp_path, f'{{"a": [{{"x": "{half}"}}, "\\ud83d\\ude00"]}}'), tmp_path, "a")
    rows = json.loads(found.arrays["a"].read_bytes())
    assert "\0" in rows[0]["x"]
    assert rows[1] == "😀"
    assert found.faults == ()


@given(st.text(alphabet='[]{}":,.-+eE019 \n\\utrfalsn/é', max_size=30))
@settings(max_examples=200, deadline=None)
def test_json_is_what_python_calls_json(text: str) -> None:
    """A source that Python's strict reader refuses is refused, and one that it reads arrives unchanged."""
    with tempfile.TemporaryDirectory() as place:
        source = folder_of(Path(place, "source"), {"a": f"[{text}]".encode()})
        try:
            json.loads(f"[{text}]", parse_constant=not_json)
        except ValueError:
            assert "a.json:" in refusal(source, Path(place))
        else:
            assert read(source, Path(place), "a").arrays["a"].read_text() == f"[{text}]"


def not_json(name: str) -> None:
    """NaN and Infinity, which Python reads though JSON has no such numbers."""
    raise ValueError(name)


def test_a_nesting_beyond_all_measure_is_refused(tmp_path: Path) -> None:
    """100,000 levels are an error of the source and no crash, in each form of the source."""
    deep = "[" * 100_000 + "]" * 100_000
    said = "is nested deeper than 100 levels"
    assert refusal(file_of(tmp_path, f'{{"a": {deep}}}'), tmp_path) == f"document.json:1:110 a[0]: {said}"
    folder = folder_of(tmp_path / "f", {"a": deep.encode()})
    assert refusal(folder, tmp_path) == f"f/a.json:1:105 a[0]: {said}"
    inner: list[Any] = []
    for _ in range(100_000):
        inner = [inner]
    assert refusal({"a": inner}, tmp_path) == "a[0]: holds a value that JSON cannot represent (RecursionError)"
    while inner:  # taken apart from outside, or Python would recurse to free it
        inner = inner.pop()


@pytest.mark.parametrize(
    ("content", "place", "guess"),
    [
        (b'{"a": ["\xff"]}', "1:9", ""),
        (b'\xff\xfe{\x00"\x00', "1:1", ", but begins as UTF-16 does"),
        (b'{"a":\n["\xc3\xa9\xc3', "2:4", ""),
        (b'{"a": ["\xed\xa0\x80"]}', "1:9", ""),
    ],
)
def test_what_is_not_utf8_is_refused(content: bytes, place: str, guess: str, tmp_path: Path) -> None:
    """Other encodings are not guessed at, and half a character at the end is one of them."""
    said = refusal(file_of(tmp_path, content), tmp_path)
    assert said.startswith(f"document.json:{place}{':' if guess else ' a[0]:'} ")
    assert said.endswith(f"is not UTF-8{guess}; save it as UTF-8")


def test_utf8_is_checked_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character on the border of two blocks is whole."""
    monkeypatch.setattr(strict, "_DECODED", 5)
    assert read(file_of(tmp_path, '{"a": ["' + "😀" * 20 + '"]}'), tmp_path, "a").bytes == 84
    assert "not UTF-8" in refusal(file_of(tmp_path, b'{"a": ["' + b"\xf0\x9f\x98" * 20 + b'"]}'), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [], "a": [1]}',
        '{"a": [1], "\\u0061": []}',
        '{"a": [{"x": [1, {"y": "}"}]}], "b": [], "a": [{"x": [1, {"y": "}"}]}]}',
    ],
)
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    """JSON readers differ in which of two equal keys they keep: neither is lost here; the second one is pointed at."""
    twice = next(f for f in read(file_of(tmp_path, text), tmp_path, "ab").faults if "twice" in f.message)
    assert str(twice).endswith(" a: appears twice in the document")
    key = text.rindex('"', 0, text.rindex(":" if "x" not in text else ': [{"x"') - 1)
    assert (twice.line, twice.column, twice.pointer) == (1, key + 1, "/a")


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Missing and unknown entities and those that are no arrays are named at once, with a guess at what was meant."""
    said = refusal({"alpha": {}, "beta": None, "zeta": [], "gama": 5}, tmp_path, ["alpha", "beta", "gamma", "delta"])
    assert said.splitlines() == [
        "alpha: must be an array of rows",
        "beta: must be an array of rows",
        "zeta: is not declared in _sources.yml, so it would be lost; did you mean delta?",
        "gama: is not declared in _sources.yml, so it would be lost; did you mean gamma?",
        "gamma: is missing; an empty array [] says that there are none",
        "delta: is missing; an empty array [] says that there are none",
    ]


def test_what_is_not_declared_may_be_left_out(tmp_path: Path) -> None:
    """With `warn` an unknown entity is a warning that counts its rows."""
    source = file_of(tmp_path, '{"a": [], "z": [1, 2], "y": 5}')
    found = documents.read(source, of_arrays("a"), tmp_path / "cut", undeclared="warn")
    assert [(fault.entity, fault.severity, fault.column) for fault in found.faults] == [
        ("z", "warning", 11),
        ("y", "warning", 24),
    ]
    assert found.faults[0].message == "is not declared in _sources.yml: left out with its 2 rows"
    assert found.faults[1].message == "is not declared in _sources.yml: left out"
    assert found.unread == ()


def test_every_bad_file_of_a_folder_is_named(tmp_path: Path) -> None:
    """One file that cannot be read does not hide the next one, and is not called missing too."""
    source = folder_of(tmp_path / "source", {"a": b"[1,]", "b": b"", "c": b"\n {}", "d": b"\xff", "e": b"[] []"})
    (source / "f.json").mkdir()
    (source / "g.json").symlink_to("nowhere")
    (source / ".z.json").write_bytes(b"what an editor keeps for itself")
    assert refusal(source, tmp_path, "abcdefgh").splitlines() == [
        "source/a.json:1:4 a[1]: is not JSON: trailing comma in array",
        "source/b.json:1:1 b: is empty; it must hold JSON",
        "source/c.json:2:2 c: must be an array of rows",
        "source/d.json:1:1 d: is not UTF-8; save it as UTF-8",
        "source/e.json:1:4 e: is not JSON: there is more after the end of the document",
        "source/f.json f: is a folder, not a file",
        "source/g.json g: cannot be read: No such file or directory",
        "source/h.json h: is missing; an empty array [] says that there are none",
    ]


def test_what_never_ends_is_refused_in_a_folder(tmp_path: Path) -> None:
    """A pipe, a device and a link to itself are named and not read; a file of another name is not ignored."""
    source = folder_of(tmp_path / "source", {"a": b"[]"})
    os.mkfifo(source / "b.json")
    (source / "c.json").symlink_to("/dev/zero")
    (source / "d.json").symlink_to("d.json")
    for name in ("E.JSON", "f\n.json", "g.json.bz2"):
        (source / name).write_bytes(b"[]")
    os.close(os.open(os.fsencode(source) + b"/h\xff.json", os.O_CREAT | os.O_WRONLY))
    (source / "a.json.bak").write_bytes(b"an editor's copy is ignored")
    names = "a name is <entity>.json, .ndjson or .jsonl, in lower case and packed as .gz or .zst; rename or remove it"
    assert refusal(source, tmp_path, "abcd").splitlines() == [
        f"source/E.JSON: is not read: {names}",
        f"source/f\\n.json: is not read: {names}",
        f"source/g.json.bz2: is not read: {names}",
        "source/b.json b: is a pipe, not a file",
        "source/c.json c: is a device, not a file",
        "source/d.json d: cannot be read: Too many levels of symbolic links",
        "source/h\\udcff.json a key that is not a plain name: is not declared in _sources.yml, so it would be lost",
    ]


@pytest.mark.parametrize("form", ["folder", "document", "pipe"])
@pytest.mark.parametrize("packing", [".gz", ".zst"])
def test_a_packed_source_is_unpacked_up_to_a_limit(packing: str, form: str, tmp_path: Path) -> None:
    """A packed source that becomes many times its size is refused early, in little memory and on little disk."""
    zeros = bytes(1 << 27)
    packed = gzip.compress(zeros, 1) if packing == ".gz" else zstandard.compress(zeros)
    source = tmp_path / ("source" if form == "folder" else f"document.json{packing}")
    if form == "folder":
        source.mkdir()
        (source / f"a.json{packing}").write_bytes(packed)
    elif form == "document":
        source.write_bytes(packed)
    else:
        os.mkfifo(source)
        threading.Thread(target=lambda: suppressed(source.write_bytes, packed), daemon=True).start()
    tracemalloc.start()
    said = refusal(source, tmp_path, "a")
    assert said.endswith(
        "becomes larger than 20 times its packed size when it is unpacked; MIGRATION_MAX_UNPACKED allows more"
    )
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.stat().st_size > 1 << 26]
    more = documents.Unpacking(times=10**6, bytes=1 << 20)
    if form != "pipe":
        found = documents.read(source, of_arrays("a"), tmp_path / "limited", unpacking=more).faults[0]
        assert "becomes larger than 1,048,576 bytes" in found.message


def suppressed(write: Callable[[bytes], object], content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the reader has seen enough
        write(content)


@pytest.mark.parametrize("text", ["5", "null", '"a"'])
def test_a_document_must_be_an_object(text: str, tmp_path: Path) -> None:
    """A document that is JSON but no object says what it must be."""
    said = refusal(file_of(tmp_path, text), tmp_path)
    assert said == "document.json:1:1: must be an object whose keys are the entities"


def test_a_source_that_is_not_there_is_a_wrong_command(tmp_path: Path) -> None:
    """A path that leads nowhere is an error of the one who typed it; one that leads to a device is named as that."""
    with pytest.raises(UsageError, match="there is no source"):
        read(tmp_path / "nothing", tmp_path)
    assert refusal(Path("/dev/zero"), tmp_path) == "/dev/zero: is a device, not a file"


def test_a_folder_without_any_array_is_a_wrong_command(tmp_path: Path) -> None:
    """Whoever names the wrong folder is told what one would hold, not eleven times what is missing."""
    with pytest.raises(UsageError, match=r"there is no <entity>\.json") as refused:
        read(tmp_path, tmp_path)
    assert refused.value.hint == "Name a folder with at least one of: a.json, b.json, c.json"


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "..", "", ".", "a/b", "a\\b", "x" * 300, "é" * 200, "\0", "a\nb", f"{CANARY} Müller"]
)
def test_a_hostile_name_chooses_no_path_and_is_not_repeated(name: str, tmp_path: Path) -> None:
    """A key that is no plain name writes nothing outside of the folder and is not shown."""
    home = tmp_path / "home"
    home.mkdir()
    before = set(tmp_path.rglob("*"))
    for source in ({"a": [], name: []}, file_of(home, json.dumps({"a": [], name: [1]}))):
        said = refusal(source, home)
        assert said.endswith("a key that is not a plain name: is not declared in _sources.yml, so it would be lost")
        assert CANARY not in said
    written = {file for file in set(tmp_path.rglob("*")) - before if file.is_file()} - {home / "document.json"}
    assert {file.parent.parent for file in written} == {home}


@pytest.mark.parametrize(
    "value",
    [
        {CANARY},
        float("nan"),
        float("inf"),
        datetime.date(2026, 1, 1),
        CANARY.encode(),
        object(),
        10**5000,
        {("a", CANARY): 1},
    ],
    ids=["set", "nan", "inf", "date", "bytes", "object", "an integer without end", "tuple as key"],
)
def test_what_json_cannot_say_is_refused_without_the_value(value: object, tmp_path: Path) -> None:
    """A Python value that is no JSON is named by its row; the value itself stays unsaid."""
    said = refusal({"a": [{}, {"id": "1", "x": value}]}, tmp_path)
    assert said.startswith("a[1]: holds a value that JSON cannot represent (")
    assert CANARY not in said
    assert "2026" not in said


def test_a_dict_that_holds_itself_is_refused(tmp_path: Path) -> None:
    """A circle has no JSON text."""
    rows: list[Any] = []
    rows.append(rows)
    assert refusal({"a": rows}, tmp_path) == "a[0]: holds a value that JSON cannot represent (ValueError)"


def test_half_of_a_surrogate_pair_in_a_dict_is_left_to_the_check(tmp_path: Path) -> None:
    """As in a file: the row is refused by name when it is checked."""
    found = read({"a": [{"id": "1", "x": f"{CANARY}\ud800"}]}, tmp_path, "a")
    assert found.faults == ()
    assert json.loads(found.arrays["a"].read_bytes())[0]["x"] == f"{CANARY}\0"


def test_a_key_of_a_dict_must_be_a_string(tmp_path: Path) -> None:
    """json.dumps would make `1` and `"1"` the same key."""
    assert "a key of the dict is not a string" in refusal({"a": [], 1: []}, tmp_path)  # type: ignore[dict-item]


def test_no_value_stands_in_a_refusal(tmp_path: Path) -> None:
    """Broken JSON is shown by its place alone, never by its text."""
    for text in (f'{{"a": ["{CANARY}" "{CANARY}"]}}', f'{{"a": [{CANARY}]}}', f'{{"a": "{CANARY}"}}', f'["{CANARY}"]'):
        assert CANARY not in refusal(file_of(tmp_path, text), tmp_path)


SHAPE = SourceShape(
    (
        Container(("data", "users")),
        Container(("map",), Mark.MEMBER),
        Container(("one",), None, apart=frozenset({"items"})),
        Container(("one", "items")),
        Container(("gone",), optional=True),
    ),
    constants=(("meta", "version"),),
    left_out=(("meta", "by"),),
)
ANY_SHAPE = """{"data": {"users": [ {"id": 1.50} ]}, "map": {"a b": [1], "": 2.0},
 "one": {"items": [1], "x": 1.10}, "meta": {"version": 7.0, "by": "z"}, "gone": null}"""


def test_an_array_a_map_and_an_object_are_files_of_their_own(tmp_path: Path) -> None:
    """Wherever they are in the source, with their numbers as they are; of a map also the keys."""
    for source in (file_of(tmp_path, ANY_SHAPE), folder_of(tmp_path / "f", members(ANY_SHAPE)), json.loads(ANY_SHAPE)):
        found = documents.read(source, SHAPE, tmp_path / f"cut-{uuid.uuid4()}")
        assert found.faults == ()
        assert (found.absent, found.unread) == ((), ())
        assert json.loads(found.arrays["map"].with_suffix(".keys").read_bytes()) == ["a b", ""]
        assert {keys: float(text) for keys, text in found.constants.items()} == {("meta", "version"): 7.0}
        files = {entity: found.arrays[entity].read_bytes().strip() for entity in SHAPE.entities}
        if isinstance(source, Path):
            assert files == {
                "data.users": b'[ {"id": 1.50} ]',
                "map": b"[[1],2.0]",
                "one": b'[{"x":1.10}]',
                "one.items": b"[1]",
                "gone": b"[]",
            }
        assert {entity: json.loads(text) for entity, text in files.items()}["one"] == [{"x": 1.1}]


def members(document: str) -> dict[str, bytes]:
    """The text of each member of a document."""
    raws = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    return {key: bytes(raw) for key, raw in raws.items()}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": '{"users": [], "all": 3}'}, "1:24 data.all: is not declared in _sources.yml, so it would be lost"),
        ({"data": '{"user": []}'}, "1:11 data.user: is not declared in _sources.yml, so it would be lost;"
         " did you mean users?\ndocument.json data.users: is missing; an empty array [] says that there are none"),
        ({"data": "{}"}, "document.json data.users: is missing; an empty array [] says that there are none"),
        ({"data": "null"}, "document.json data.users: is missing; an empty array [] says that there are none"),
        ({"data": "[]"}, "1:10 data: must be an object"),
        ({"data": '{"users": {}}'}, "1:20 data.users: must be an array of rows"),
        ({"data": '{"users": [], "users": []}'}, "1:24 data.users: appears twice in one object"),
        ({"map": "[]"}, "1:32 map: must be an object whose members are the rows"),
        ({"map": None}, "document.json map: is missing; an empty object {} says that there are none"),
        ({"map": '{"k": 1, "\\u006b": 2}'}, "1:41 map: has a key that appears twice"),
        ({"one": None}, "document.json one: is missing\ndocument.json one.items: is missing; an empty array [] says"
         " that there are none"),
        ({"meta": '{"of": 1}'}, "1:67 meta.of: is not declared in _sources.yml, so it would be lost"),
        ({"meta": "5"}, "1:66 meta: must be an object"),
        ({"gone": "5"}, "1:90 gone: must be an array of rows"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_object_on_the_way_is_told(
    changes: dict[str, str | None], said: str, tmp_path: Path
) -> None:
    """An object that leads to rows has no other key, and is one; each fault has its line and column."""
    sound = {"data": '{"users": []}', "map": "{}", "one": '{"items": []}', "meta": '{"version": 1}', "gone": "[]"}
    parts = [f'"{key}": {text}' for key, text in {**sound, **changes}.items() if text is not None]
    found = documents.read(file_of(tmp_path, f"{{{', '.join(parts)}}}"), SHAPE, tmp_path / "cut")
    words = "\n".join(str(fault).replace(f"{tmp_path}/", "") for fault in found.faults)
    assert words == (said if said.startswith("document") else f"document.json:{said}")


@pytest.mark.parametrize("mark", [Mark.MEMBER, None])
def test_a_map_or_one_row_is_named_by_its_file(tmp_path: Path, mark: Mark | None) -> None:
    """As the file of a folder it is the value of the key that the file is named after; under its key it may be, too."""
    shape = SourceShape((Container(("people",), mark),))
    (tmp_path / "people.json").write_text('{"u1": {"x": 1}, "u2": {"x": 2}}')
    (tmp_path / "db.json").write_text('{"people": {"u1": {"x": 1}, "u2": {"x": 2}}}')
    found = [documents.read(tmp_path / name, shape, tmp_path / name[:2]) for name in ("people.json", "db.json")]
    assert [document.faults for document in found] == [(), ()]
    assert found[0].sha256 == found[1].sha256
    (tmp_path / "other.json").write_text('{"u1": {"x": 1}}')
    assert not documents.read(tmp_path / "other.json", shape, tmp_path / "ot").fits


@pytest.mark.parametrize("name", ["users.json", "users.json.gz", "users.ndjson", "users"])
def test_an_array_alone_is_the_value_of_the_key_that_its_file_is_named_after(name: str, tmp_path: Path) -> None:
    """A document that is an array, or one of NDJSON, needs no folder and no object around it."""
    file, text = tmp_path / name, b'{"id": 1}\n{"id": 2}\n' if "nd" in name else b'[{"id": 1}, {"id": 2}]'
    file.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    found = documents.read(file, of_arrays(["users"]), tmp_path / "cut")
    assert (found.faults, found.fits) == ((), True)
    assert json.loads(found.arrays["users"].read_bytes()) == [{"id": 1}, {"id": 2}]
    assert not documents.read(file, of_arrays(["orders"]), tmp_path / "other").fits


def test_an_array_in_a_pipe_is_that_of_the_only_key(tmp_path: Path) -> None:
    """A pipe has no name: with more than one declared key nobody can tell which one is meant."""
    for names, number in ((["users"], 1), (["users", "orders"], 2)):
        pipe = tmp_path / str(number)
        os.mkfifo(pipe)
        threading.Thread(target=pipe.write_bytes, args=(b'[{"id": 1}]',), daemon=True).start()
        into = tmp_path / f"cut-{number}"
        if number == 1:
            found = documents.read(pipe, of_arrays(names), into)
            assert json.loads(found.arrays["users"].read_bytes()) == [{"id": 1}]
        else:
            with pytest.raises(UsageError, match="is an array, and 2 keys are declared: users, orders"):
                documents.read(pipe, of_arrays(names), into)


def test_a_key_is_located_in_maps_and_objects(tmp_path: Path) -> None:
    """By the number of its row in a map, and from the source's own text where a single object was cut out of it."""
    documents.read(file_of(tmp_path, ANY_SHAPE), SHAPE, tmp_path / "cut")
    queries = [
        documents.Query("map", 2),
        documents.Query("map", 1, (0,)),
        documents.Query("one", 1, ("x",)),
        documents.Query("one.items", 1),
        documents.Query("data.users", 1, ("id",)),
    ]
    found = documents.locate(tmp_path / "cut", queries)
    assert [(found[query].line, found[query].column, found[query].pointer) for query in queries] == [
        (1, 63, "/map"),
        (1, 55, "/map"),
        (2, 29, "/one/x"),
        (2, 20, "/one/items/0"),
        (1, 29, "/data/users/0/id"),
    ]


def test_a_folder_of_one_document_is_that_document(tmp_path: Path) -> None:
    """A folder that holds db.json alone is read as db.json, unless db is declared or there is another file."""
    folder = folder_of(tmp_path / "mocks", {"db": b'{"users": [{"id": 1}]}'})
    found = read(folder, tmp_path, ["users"])
    assert not found.faults
    assert json.loads(found.arrays["users"].read_bytes()) == [{"id": 1}]
    (folder / "db.json").write_text("[]")
    assert not read(folder, tmp_path, ["db"]).faults  # the rows of db
    (folder / "other.json").write_text("[]")
    assert any("is not declared" in str(fault) for fault in read(folder, tmp_path, ["users"]).faults)
