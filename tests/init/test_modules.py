"""Modules of JavaScript and TypeScript that export plain data: read by node, and refused by name and line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mock2pg import init
from mock2pg.errors import SourceError
from mock2pg.source import documents, modules
from tests.fix_staging import of_arrays

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="node is not there")

TYPES = """\
export interface Klass { id: string }
export type Grade = 'a' | 'b';
"""
TYPESCRIPT = """\
import type { Student } from './nowhere';
import { Klass, type Grade } from './types';
import { BASE, type Base } from './base';
import extra from './extra.json';

export interface Local<T extends object = {}> extends Klass { a: string; b?: { c: number } }
type Alias = { x: number } | [string, number][] | (typeof BASE)[number]["id"] | `a${string}`;
enum Status { Active = 'active', Closed = 'closed' }
export const enum Level { Low, High = 5, Top }
declare const outside: number;

const from = (n: number, first: string = 'x'): string => `${first}-${n > 0 ? `y${n}` : 'z'}`;
function pick<T>(items: readonly T[], i?: number): T;
function pick<T>(items: readonly T[], i?: number): T { return items[i ?? 0]!; }
const helper = { m(x: number): Alias | null { return null; }, n: async (a?: string): Promise<void> => {} };

export const students: Student[] = [
  { id: '1', status: Status.Active, level: Level.Top, since: new Date('2026-01-01'), tags: ['a'] as string[] },
  { id: '2', status: Status.Closed, level: Level.Low, since: new Date("2026-02-03T04:05:06Z"), tags: [] },
] satisfies Student[];
export const byId: Record<string, Klass> = Object.fromEntries(
  students.map((s: Student) => [s.id, { n: from(1) } as Klass]));
export const chosen = (BASE.length > 1) ? (BASE[0]) : BASE.map((b): string => b.id);
export const numbers = [1 / 2 / 1, ...new Map<string, number>([['a', 1]]).values(), <any>5, 1 < 2 ? 3 : 4];
export const word = pick<string>(['q', 'r'], 1);
export const as = { as: 1, type: 2, satisfies: extra.more, from };
export { Local as L2, type Alias };
export default students;
"""
EXPECTED = {
    "byId": {"1": {"n": "x-y1"}, "2": {"n": "x-y1"}},
    "chosen": ["k"],
    "numbers": [0.5, 1, 5, 3],
    "students": [
        {"id": "1", "status": "active", "level": 6, "since": "2026-01-01T00:00:00.000Z", "tags": ["a"]},
        {"id": "2", "status": "closed", "level": 0, "since": "2026-02-03T04:05:06.000Z", "tags": []},
    ],
    "word": "r",
    "as": {"as": 1, "type": 2, "satisfies": [1], "from": "x"},
}


def written(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def test_typescript_is_read_without_its_types(tmp_path: Path) -> None:
    """Types, casts, enums and imports of types are taken out, what is left is evaluated, and each export is a root."""
    text = TYPESCRIPT.replace(", from };", ", from: 'x' };")
    files = {"types__ts": TYPES, "base__ts": "export const BASE = [{ id: 'k' }] as const;\nexport type Base = 1;"}
    found = modules.exported(written(tmp_path / "mocks", a__ts=text, extra__json='{"more": [1]}', **files) / "a.ts")
    assert found.data == EXPECTED
    assert found.notes == (
        "a.ts: the enum Level is left out",
        "2 Dates are written as toISOString() writes them: students[0].since is the first",
    )


def test_a_folder_of_modules_is_one_source(tmp_path: Path) -> None:
    """An index that exports again adds nothing, a default export has its file's name, types and tests are left out."""
    folder = written(
        tmp_path / "mocks",
        index__ts="export * from './users';\nexport { posts as renamed } from './posts';\nexport * from './types';",
        users__ts="import { Klass } from './types';\n\nexport const users: Klass[] = [{ id: 'u' }];"
        "export default users;",
        posts__js="export const posts = [{ id: 1, user: 'u' }];",
        tags__cjs="const more = require('./more.cjs'); module.exports = [...more, 'b'];",
        more__cjs="module.exports = ['a'];",
        types__ts=TYPES,
        users__test__ts="throw new Error('no data');",
        types__d__ts="export declare const x: number;",
    )
    found = modules.exported(folder)
    posts = [{"id": 1, "user": "u"}]
    assert found.data == {"users": [{"id": "u"}], "posts": posts, "tags": ["a", "b"], "more": ["a"]}
    assert "users.test.ts is left out: it is not data" in found.notes
    assert "types.ts exports no data: left out" in found.notes


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.mjs", "\nexport const a = [{ f() { return 1 } }];", "a.mjs:2: a[0].f is a function"),
        ("a.mjs", "\n\nexport function get() {}", "a.mjs:3: get is a function"),
        ("a.ts", "export const a: unknown[] = [{ x: undefined }];", "a.ts:1: a[0].x is undefined"),
        ("a.mjs", "export const a = { 'b c': NaN };", "a.mjs:1: a{0} is NaN"),
        ("a.mjs", "export const a = [1 / 0];", "a[0] is Infinity"),
        ("a.mjs", "export const a = [1n];", "a[0] is a bigint"),
        ("a.mjs", "export const a = [Symbol('x')];", "a[0] is a symbol"),
        ("a.mjs", "export const a = [12345678901234567890];", "a[0] is a number beyond 2^53"),
        ("a.mjs", "class K {}\nexport const a = [new K()];", "a.mjs:2: a[0] is a K, not a plain object"),
        ("a.mjs", "export const a = [new Map()];", "a[0] is a Map"),
        ("a.mjs", "export const a = [{ get x() { return 1 } }];", "a[0].x is computed by a getter"),
        ("a.mjs", "const b = {}; b.c = [b];\nexport { b };", "b.c[0] holds itself"),
        ("a.mjs", "export const a = [new Date('x')];", "a[0] is an invalid date"),
        ("a.ts", "\nexport const a = [{ at: new Date() }];", "a.ts:2: new Date() is another value each time"),
        ("a.cjs", "\nmodule.exports = [Math.random()];", "a.cjs:2: Math.random() is another value each time"),
        ("a.mjs", "import { x } from 'lodash'; export const a = [x];", "a.mjs:1 imports lodash"),
        ("a.mjs", "import { x } from '../../b.mjs'; export const a = [x];", "which is outside of the project"),
        ("a.mjs", "import { x } from './b.mjs'; export const a = [x];", "imports ./b.mjs, which is not there"),
        ("a.mjs", "import fs from 'node:fs'; export const a = [fs];", "imports node:fs"),
        ("a.mjs", "export const a = [fetch('http://localhost')];", "fetch is not defined"),
        ("a.mjs", "export const a = [process.env];", "process is not defined"),
        ("a.cjs", "module.exports = [require.constructor('return process')()];", "it throws EvalError"),
        ("a.mjs", "throw new Error('a secret value');", "a.mjs:1: it throws Error"),
        ("a.mjs", "export const a = Object.assign([1], { total: 1 });", "a is an array with keys of its own"),
        ("a.mjs", "JSON.parse('a secret value');", "a.mjs:1: it throws SyntaxError"),
        ("a.mjs", "throw new ReferenceError('a secret value');", "a.mjs:1: it throws ReferenceError"),
        ("a.mjs", "throw { name: 'a secret value' };", "a.mjs: it throws what is no error"),
        ("a.ts", "export const ok = 1;\nclass A { private x = 1 }", "a.ts:2: Unexpected"),
        (
            "a.ts",
            "enum E { A = 'x'.length }\nexport const a = [1];",
            "a.ts:1: the value of a member of enum E is computed",
        ),
        ("a.mjs", "export const a = [1]; export default [2];", "a is exported by a.mjs, too"),
    ],
)
def test_what_is_no_plain_data_is_refused_by_name_and_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    """A value that JSON cannot say, or that is another one each time, ends the reading; code reaches nothing."""
    (tmp_path / "mocks").mkdir()
    (tmp_path / "mocks" / name).write_text(text)
    with pytest.raises(SourceError) as refused:
        modules.exported(tmp_path / "mocks" / name)
    assert told in refused.value.message
    assert "a secret value" not in refused.value.message
    assert f"./{name}" in refused.value.hint


def test_a_default_export_alone_is_the_document(tmp_path: Path) -> None:
    """`module.exports = {users: [...]}` is read as json-server does: its members are the roots."""
    (tmp_path / "db.js").write_text("module.exports = { users: [{ id: 1 }], 'blog-posts': [] };")
    (tmp_path / "db.ts").write_text("const db = { users: [{ id: 1 }], 'blog-posts': [] };\nexport default db;")
    for name in ("db.js", "db.ts"):
        assert modules.exported(tmp_path / name).data == {"users": [{"id": 1}], "blog-posts": []}


def test_init_and_a_migration_read_the_same(tmp_path: Path) -> None:
    """The JSON that init keeps of a module is what a migration of the module reads, under the same names."""
    (tmp_path / "shop.ts").write_text("export const users: { id: string }[] = [{ id: 'u' }];")
    done = init.init(tmp_path / "shop.ts", tmp_path / "shop")
    assert [entity.name for entity in done.conclusions.entities] == ["users"]
    assert done.conclusions.source == "shop.ts"
    shape = of_arrays(["users"])
    kept = documents.read(tmp_path / "shop" / "mock_data", shape, tmp_path / "kept")
    again = documents.read(tmp_path / "shop.ts", shape, tmp_path / "again")
    assert json.loads(kept.arrays["users"].read_bytes()) == json.loads(again.arrays["users"].read_bytes())
    assert (tmp_path / "shop" / "mock_data" / "users.json").read_text() == '[\n    {\n      "id": "u"\n    }\n  ]\n'


def test_half_a_surrogate_pair_is_kept_for_the_check_to_refuse(tmp_path: Path) -> None:
    """Half of a surrogate pair is written as JSON escapes it, and init reports that its row will be refused."""
    (tmp_path / "shop.mjs").write_text(r"export const users = [{ id: 'u\ud800é' }];")
    done = init.init(tmp_path / "shop.mjs", tmp_path / "shop")
    assert any("lone surrogate" in doubt.message for doubt in done.conclusions.doubts)
    assert r'"u\ud800é"' in (tmp_path / "shop" / "mock_data" / "shop.json").read_text(encoding="utf-8")


def test_without_node_the_message_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module on a machine without node is refused with one command that makes JSON of it where there is one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "shop.ts").write_text("export const users = [];")
    with pytest.raises(SourceError, match="needs node") as refused:
        init.init(tmp_path / "shop.ts", tmp_path / "shop")
    assert f"cd {tmp_path} && npx --yes tsx -e" in refused.value.hint
    assert refused.value.hint.endswith("> shop.json")
    (tmp_path / "a.js").write_text("export const a = [];")
    with pytest.raises(SourceError) as refused:
        init.init(tmp_path, tmp_path / "shop")
    assert 'from "./a.js"; import * as m2 from "./shop.ts"; console.log(JSON.stringify({...m1, ...m2}))' in (
        refused.value.hint
    )


def test_a_module_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluation has a limit of time."""
    monkeypatch.setattr(modules, "_SECONDS", 1)
    (tmp_path / "a.mjs").write_text("for (;;) {}")
    with pytest.raises(SourceError, match="did not end within 1 s"):
        modules.exported(tmp_path / "a.mjs")
