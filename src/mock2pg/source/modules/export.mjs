// What modules export, as JSON. Their code runs in a context that has JavaScript itself and nothing of the machine:
// no files, no network, no timers, no packages. argv[2] is JSON: {files, root}; root bounds what they may import.

import fs from "node:fs";
import path from "node:path";
import util from "node:util";
import vm from "node:vm";
import { lineOf, strip, tokens, Unknown } from "./strip.mjs";

const { files, root } = JSON.parse(process.argv[2]);
const TYPED = /\.[mc]?ts$/u;
const ENDINGS = ["", ".ts", ".mts", ".js", ".mjs", ".cjs", ".cts", ".json", "/index.ts", "/index.js", "/index.mjs"];

class Refused extends Error {}

const context = vm.createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
const realm = vm.runInContext(`(() => {
  const Real = Date;
  const refuse = (what) => { throw Object.assign(new Error(what + " is another value each time"), { ours: true }) };
  globalThis.Date = class Date extends Real {
    constructor(...given) {
      if (!given.length) refuse("new Date()");
      super(...given);
    }
    static now() { refuse("Date.now()") }
  };
  Math.random = () => refuse("Math.random()");
  for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics", "console"]) delete globalThis[name];
  return { Object };
})()`, context);

const shown = (file) => path.relative(path.dirname(files[0]), file) || path.basename(file);
const sources = new Map(); // file -> text
const stripped = new Map(); // file -> what strip() found
const modules = new Map(); // file -> vm.Module

function read(file) {
  if (!sources.has(file)) sources.set(file, fs.readFileSync(file, "utf8").replace(/^\ufeff/u, ""));
  return sources.get(file);
}

function resolved(specifier, from, line) {
  if (!/^\.{1,2}(\/|$)/u.test(specifier))
    throw new Refused(`${shown(from)}:${line} imports ${specifier}, which is no file beside it: only data can be read`);
  const at = path.resolve(path.dirname(from), specifier);
  if (path.relative(root, at).startsWith("..")) throw new Refused(`${shown(from)}:${line} imports ${specifier}, which is outside of the project`);
  const bare = at.replace(/\.([mc]?)js$/u, ".$1ts");
  for (const candidate of [...ENDINGS.map((ending) => at + ending), bare])
    if (fs.existsSync(candidate) && fs.statSync(candidate).isFile()) return candidate;
  throw new Refused(`${shown(from)}:${line} imports ${specifier}, which is not there`);
}

function lineOfText(file, text) {
  const at = read(file).indexOf(text);
  return at < 0 ? 1 : lineOf(read(file), at);
}

function javascript(file) {
  if (!TYPED.test(file)) return { code: read(file), types: new Set(), stars: [], enums: new Set() };
  if (!stripped.has(file)) {
    stripped.set(file, { code: "", types: new Set(), stars: [], enums: new Set() }); // while a circle is gone through
    try {
      stripped.set(file, strip(read(file), (specifier) => typesOf(specifier, file)));
    } catch (error) {
      if (error instanceof Unknown) throw new Refused(`${shown(file)}:${error.line}: ${error.message}`);
      throw error;
    }
  }
  return stripped.get(file);
}

function typesOf(specifier, from, seen = new Set()) {
  let file;
  try {
    file = resolved(specifier, from, 1);
  } catch {
    return new Set();
  }
  if (seen.has(file) || !TYPED.test(file)) return new Set();
  seen.add(file);
  const { types, stars } = javascript(file);
  return new Set([...types, ...stars.flatMap((star) => [...typesOf(star, file, seen)])]);
}

function isCommon(file) {
  if (/\.c[jt]s$/u.test(file)) return true;
  if (/\.m[jt]s$/u.test(file)) return false;
  const all = tokens(read(file));
  const starts = (i) => i === 0 || all[i].newline || all[i - 1].text === ";";
  return !all.some((token, i) => token.kind === "name" && ["import", "export"].includes(token.text) && starts(i))
    && all.some((token) => token.kind === "name" && ["module", "exports", "require"].includes(token.text));
}

const commons = new Map();

function common(file) {
  if (commons.has(file)) return commons.get(file).exports;
  if (file.endsWith(".json")) return vm.runInContext("JSON.parse", context)(read(file));
  const module = vm.runInContext("({ exports: {} })", context);
  commons.set(file, module);
  const call = vm.compileFunction(javascript(file).code, ["module", "exports", "require"], { filename: file, parsingContext: context });
  const require = (specifier) => common(resolved(specifier, file, lineOfText(file, specifier)));
  call.call(undefined, module, module.exports, require);
  return module.exports;
}

function synthetic(file, value) {
  const names = value && typeof value === "object" && !Array.isArray(value) && isCommonFile(file) ? Object.keys(value) : [];
  const plain = names.filter((name) => name !== "default");
  return new vm.SyntheticModule(["default", ...plain], function fill() {
    this.setExport("default", value);
    for (const name of plain) this.setExport(name, value[name]);
  }, { identifier: file, context });
}

const isCommonFile = (file) => !file.endsWith(".json");

function module(file) {
  if (!modules.has(file)) {
    const asValue = file.endsWith(".json") || isCommon(file);
    modules.set(file, asValue ? synthetic(file, common(file)) : compiled(file, javascript(file).code));
  }
  return modules.get(file);
}

function compiled(file, code) {
  try {
    return new vm.SourceTextModule(code, { identifier: file, context });
  } catch (error) {
    // a module's syntax error says no line; that of a script does
    const lines = (found) => found.replace(/[^\n]/gu, "");
    const script = code.replace(/^\s*import\b[^;]*?["'][^"']*["']/gmu, lines).replace(/^\s*export\s*(?:\*|\{)[^;]*?(?:\}|["'][^"']*["'])/gmu, lines)
      .replace(/^(\s*)export(\s+)(default\b)?/gmu, (_, before, after, named) => before + after + (named ? "void " : ""));
    let at = 1;
    try {
      new vm.Script(script, { filename: file });
    } catch (same) {
      at = /:(\d+)\n/u.exec(String(same.stack))?.[1] ?? 1;
    }
    const typed = TYPED.test(file) ? ", or TypeScript that mock2pg does not read" : "";
    throw new Refused(`${shown(file)}:${at}: ${error.message}: it is no JavaScript${typed}`);
  }
}

const line = (from, specifier) => lineOfText(from, specifier);
const linker = (specifier, from) => module(resolved(specifier, from.identifier, line(from.identifier, specifier)));

// Where an error of the module's own code comes from
function place(error, file) {
  const known = [...sources.keys()].sort((a, b) => b.length - a.length);
  for (const row of String(error?.stack ?? "").split("\n"))
    for (const source of known) {
      const at = row.indexOf(`${source}:`);
      if (at >= 0) return `${shown(source)}:${/^\d+/u.exec(row.slice(at + source.length + 1))?.[0] ?? 1}`;
    }
  return shown(file);
}

const dates = [];

function json(value, where, fail, above) {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) fail(where, `is ${value}`);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) fail(where, "is a number beyond 2^53, which JavaScript has rounded: write it as a string");
    return Object.is(value, -0) ? "0" : JSON.stringify(value);
  }
  if (typeof value === "function") fail(where, "is a function");
  if (typeof value !== "object") fail(where, value === undefined ? "is undefined: leave it out, or write null" : `is a ${typeof value}`);
  if (util.types.isProxy(value)) fail(where, "is a Proxy");
  if (util.types.isDate(value)) {
    if (Number.isNaN(Number(Date.prototype.getTime.call(value)))) fail(where, "is an invalid date");
    dates.push(where);
    return JSON.stringify(Date.prototype.toISOString.call(value));
  }
  if (above.includes(value)) fail(where, "holds itself");
  if (above.length > 100) fail(where, "is nested deeper than 100 levels");
  const inside = [...above, value];
  if (Array.isArray(value)) {
    if (Object.keys(value).length > value.length) fail(where, "is an array with keys of its own");
    const items = [];
    for (let i = 0; i < value.length; i += 1) items.push(json(i in value ? value[i] : undefined, `${where}[${i}]`, fail, inside));
    return `[${items.join(",")}]`;
  }
  const proto = Object.getPrototypeOf(value);
  if (proto !== null && proto !== realm.Object.prototype && proto !== Object.prototype) {
    fail(where, `is a ${proto.constructor?.name || "class instance"}, not a plain object`);
  }
  if (Object.getOwnPropertySymbols(value).some((symbol) => symbol !== Symbol.toStringTag)) fail(where, "has a key that is a symbol");
  const members = Object.keys(value).map((key, number) => {
    const at = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `${where}.${key}` : `${where}{${number}}`; // as elsewhere: it may be data
    const property = Object.getOwnPropertyDescriptor(value, key);
    if (property.get || property.set) fail(at, "is computed by a getter");
    return `${JSON.stringify(key)}:${json(value[key], at, fail, inside)}`;
  });
  return `{${members.join(",")}}`;
}

async function exportsOf(file) {
  const made = module(file);
  if (made.status === "unlinked") await made.link(linker);
  if (made.status !== "evaluated") await made.evaluate();
  return { names: Object.keys(made.namespace), value: made.namespace };
}

function declared(file, name) {
  const text = read(file);
  const found = name === "default" ? /\bexport\s+default\b|module\.exports\s*=/u.exec(text)
    : new RegExp(String.raw`\b(?:function\s*\*?|const|let|var|class|exports\.)\s*${name.replace(/\$/gu, "\\$&")}(?![\p{ID_Continue}$])`, "u").exec(text)
      ?? new RegExp(String.raw`(?<![\p{ID_Continue}$])${name.replace(/\$/gu, "\\$&")}(?![\p{ID_Continue}$])`, "u").exec(text);
  return found ? lineOf(text, found.index) : 1;
}

async function main() {
  const roots = new Map();
  const notes = [];
  const faults = [];
  const order = [...files].sort((a, b) => Number(/\/index\.\w+$/u.test(a)) - Number(/\/index\.\w+$/u.test(b)) || (a < b ? -1 : 1));
  for (const file of order) await exportsOf(file);
  const enums = new Set([...modules].flatMap(([file, { namespace }]) => [...javascript(file).enums].map((name) => namespace[name])));
  for (const file of order) {
    const { names, value } = await exportsOf(file);
    const isEnum = (name) => typeof value[name] === "object" && enums.has(value[name]);
    const data = names.filter((name) => !isEnum(name)).sort((a, b) => Number(a === "default") - Number(b === "default"));
    for (const name of names.filter(isEnum)) notes.push(`${shown(file)}: the enum ${name} is left out`);
    if (!data.length) notes.push(`${shown(file)} exports no data: left out`);
    const add = (root, found, name) => {
      const same = [...roots.values()].some((known) => known.value === found && (typeof found === "object" || known.root === root));
      if (same) return;
      if (roots.has(root)) faults.push(`${shown(file)}:${declared(file, name)}: ${root} is exported by ${shown(roots.get(root).file)}, too`);
      roots.set(root, { root, value: found, file, name });
    };
    const stem = path.basename(file).replace(/\.[mc]?[jt]s$/u, "");
    const whole = value.default;
    const alone = files.length === 1 && data.length && data.every((name) => name === "default" || whole?.[name] === value[name]);
    if (alone && whole !== null && typeof whole === "object" && !Array.isArray(whole) && !util.types.isDate(whole))
      for (const key of Object.keys(whole)) add(key, whole[key], key);
    else for (const name of data) add(name === "default" ? stem : name, value[name], name);
  }
  const members = [];
  for (const { root, value, file, name } of roots.values()) {
    class Fault extends Error {}
    const fail = (where, reason) => { throw new Fault(`${shown(file)}:${declared(file, name)}: ${where} ${reason}`); };
    try {
      members.push(`${JSON.stringify(root)}:${json(value, root, fail, [])}`);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(error.message);
    }
  }
  if (dates.length)
    notes.push(`${dates.length} ${dates.length === 1 ? "Date is" : "Dates are"} written as toISOString() writes them: ${dates[0]}${dates.length > 1 ? " is the first" : ""}`);
  return `{"data":{${members.join(",")}},"notes":${JSON.stringify(notes)},"faults":${JSON.stringify(faults)}}`;
}

const current = files[0];
try {
  process.stdout.write(await main());
} catch (error) {
  // the text of an error that their code throws may hold a value of the data, as those of JSON.parse and RegExp do
  const name = /^([A-Z][A-Za-z]{0,30})?Error$/u.test(error?.name) ? error.name : "what is no error";
  const known = error?.ours || (name === "ReferenceError" && /^(\S+ is not defined|Cannot access \S+ before initialization)$/u.test(error.message))
    || (name === "SyntaxError" && !/JSON|regular expression/u.test(error.message));
  const message = error instanceof Refused ? error.message
    : `${place(error, current)}: ${known ? error.message : `it throws ${name}`}`;
  process.stdout.write(JSON.stringify({ data: {}, notes: [], faults: [message] }));
}
