// Types out of TypeScript that holds data: each is blanked, so that lines and columns stay what they are.
// It knows the declarations and expressions that data modules have. What it does not know is left, and no JavaScript.

const KEYWORDS = new Set(("if for while switch catch with return typeof case do else in of new delete void throw await yield"
  + " instanceof function class const let var import export default extends").split(" "));
const TOKEN = new RegExp([
  String.raw`(?<space>[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*[^]*?\*/|^#![^\n]*)`,
  String.raw`(?<name>[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*)`,
  String.raw`(?<number>0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?)`,
  String.raw`(?<string>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')`,
  String.raw`(?<sign>=>|\.\.\.|\?\?=?|\?\.(?!\d)|&&=?|\|\|=?|===?|!==?|\*\*|\+\+|--|[^])`,
].join("|"), "uy");

export class Unknown extends Error {
  constructor(line, reason) {
    super(reason);
    this.line = line;
  }
}

export function lineOf(text, at) {
  return text.slice(0, at).split("\n").length;
}

export function tokens(text) {
  const found = [];
  const open = [];
  let at = 0;
  let newline = false;
  const add = (kind, end) => {
    const token = { kind, text: text.slice(at, end), start: at, end, newline, match: -1 };
    newline = false;
    if (kind === "sign" && "([{".includes(token.text)) open.push(found.length);
    if (kind === "sign" && ")]}".includes(token.text) && open.length) {
      token.match = open.pop();
      found[token.match].match = found.length;
    }
    found.push(token);
    at = end;
  };
  const templates = []; // how many brackets were open where each template began a ${
  while (at < text.length) {
    const last = found[found.length - 1];
    if (text[at] === "`" || (text[at] === "}" && templates.length && templates[templates.length - 1] === open.length)) {
      if (text[at] === "}") templates.pop();
      const part = /[`}](?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/uy;
      part.lastIndex = at;
      const end = part.exec(text) ? part.lastIndex : text.length;
      if (text.startsWith("${", end - 2)) templates.push(open.length);
      add(text[at] === "`" && text[end - 1] === "`" ? "string" : "template", end);
      continue;
    }
    if (text[at] === "/" && !/^\/[/*]/u.test(text.slice(at, at + 2)) && !(last && endsValue(last))) {
      const part = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/uy;
      part.lastIndex = at;
      if (part.exec(text)) {
        add("string", part.lastIndex);
        continue;
      }
    }
    TOKEN.lastIndex = at;
    const groups = TOKEN.exec(text).groups;
    if (groups.space !== undefined) {
      newline ||= /[\n\r]/u.test(groups.space);
      at = TOKEN.lastIndex;
      continue;
    }
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
    add(kind, TOKEN.lastIndex);
  }
  return found;
}

function endsValue(token) {
  if (token.kind === "name") return !KEYWORDS.has(token.text);
  return token.kind !== "sign" && !token.text.endsWith("${") ? true : [")", "]", "}"].includes(token.text);
}

// Return JavaScript, the types that are exported, the modules whose exports are, too, and the enums.
// `typesOf(specifier)` names the types that another module exports.
export function strip(text, typesOf) {
  const all = tokens(text);
  const edits = [];
  const types = new Set(); // declared here: interfaces and type aliases
  const exported = new Set();
  const enums = new Set();
  const end = { kind: "end", text: "", start: text.length, end: text.length, newline: true, match: -1 };
  const get = (i) => all[i] ?? end;
  const is = (i, word) => get(i).text === word && get(i).kind !== "string";
  const blank = (from, to) => to > from && edits.push([get(from).start, get(to - 1).end, ""]);
  const fail = (i, reason) => { throw new Unknown(lineOf(text, get(i).start), reason); };

  const skipType = (i) => {
    if (is(i, "|") || is(i, "&")) i += 1;
    i = skipUnary(i);
    while (i > 0) {
      if (is(i, "|") || is(i, "&")) i = skipUnary(i + 1);
      else if (is(i, "is") && !get(i).newline) i = skipType(i + 1);
      else if (is(i, "extends")) {
        i = skipType(i + 1);
        if (i < 0 || !is(i, "?")) return -1;
        i = skipType(i + 1);
        if (i < 0 || !is(i, ":")) return -1;
        i = skipType(i + 1);
      } else return i;
    }
    return -1;
  };
  const skipUnary = (i) => {
    const token = get(i);
    if (["keyof", "typeof", "readonly", "unique", "infer", "asserts"].includes(token.text) && !"|&)>,;=:".includes(get(i + 1).text))
      return skipUnary(i + 1);
    if ((is(i, "new") || is(i, "abstract")) && token.kind === "name") return skipUnary(i + 1);
    let after = -1;
    if (token.text === "{" || token.text === "[") after = token.match + 1;
    else if (token.text === "(") after = is(token.match + 1, "=>") ? skipType(token.match + 2) : token.match + 1;
    else if (token.text === "<") {
      const inner = skipArguments(i, true);
      return inner > 0 && is(inner, "(") && is(get(inner).match + 1, "=>") ? skipType(get(inner).match + 2) : -1;
    } else if (token.text === "-") after = get(i + 1).kind === "number" ? i + 2 : -1;
    else if (token.kind === "string" || token.kind === "number") after = i + 1;
    else if (token.kind === "template") {
      after = i + 1;
      while (get(after - 1).text.endsWith("${")) {
        while (get(after).kind !== "template") if (get(after++).kind === "end") return -1;
        after += 1;
      }
    } else if (token.kind === "name") {
      after = i + 1;
      if (token.text === "import" && is(after, "(")) after = get(after).match + 1;
      while (is(after, ".") && get(after + 1).kind === "name") after += 2;
      if (is(after, "<") && !get(after).newline) after = skipArguments(after, false);
    }
    while (after > 0 && is(after, "[") && !get(after).newline) after = get(after).match + 1;
    return after > i ? after : -1;
  };
  // `<A, B>`; of a declaration also `<A extends B = C>`
  const skipArguments = (i, declared) => {
    do {
      if (is(i + 1, ">")) return i + 2;
      if (declared && is(i + 1, "const")) i += 1;
      i = skipType(i + 1);
      if (declared && i > 0 && is(i, "=")) i = skipType(i + 1);
    } while (i > 0 && is(i, ","));
    return i > 0 && is(i, ">") ? i + 1 : -1;
  };
  const skipDeclared = (i) => {
    // `A extends B`, without taking it for a conditional type
    let depth = 0;
    do {
      if (is(i, "<")) depth += 1;
      if (is(i, ">")) depth -= 1;
      if ("([{".includes(get(i).text) && get(i).match > i) i = get(i).match;
      i += 1;
    } while (depth && get(i).kind !== "end");
    return i;
  };
  const annotation = (i) => {
    if (!is(i, ":")) return i;
    const to = skipType(i + 1);
    if (to < 0) fail(i, "a type is not understood");
    blank(i, to);
    return to;
  };
  const parameters = (i) => {
    const close = get(i).match;
    for (let at = i + 1; at < close;) {
      if (is(at, "this") && is(at + 1, ":")) {
        const to = annotation(at + 1);
        blank(at, is(to, ",") ? to + 1 : to);
        at = is(to, ",") ? to + 1 : to;
        continue;
      }
      if (is(at, "...")) at += 1;
      at = get(at).match > at ? get(at).match + 1 : at + 1;
      if (is(at, "?")) blank(at, ++at);
      at = annotation(at);
      while (at < close && !is(at, ",")) at = get(at).match > at ? get(at).match + 1 : at + 1;
      at += 1;
    }
  };
  const inTernary = (i) => {
    for (let at = i - 1, colons = 0; at >= 0; at -= 1) {
      const token = get(at);
      if (token.match >= 0 && token.match < at) at = token.match;
      else if ("([{;".includes(token.text) && token.kind === "sign") return false;
      else if (is(at, ":")) colons += 1;
      else if (is(at, "?") && colons-- === 0) return true;
    }
    return false;
  };
  const statementEnd = (i) => {
    for (let at = i; ; at += 1) {
      if (get(at).kind === "end" || (at > i && get(at).newline)) return at;
      if (is(at, ";")) return at + 1;
      if (get(at).match > at) at = get(at).match;
    }
  };
  const skipSemicolon = (i) => (is(i, ";") ? i + 1 : i);
  // The end of a declaration that is no code, or i
  const declaration = (i) => {
    const next = get(i + 1);
    if (is(i, "interface") && next.kind === "name" && !next.newline) {
      let at = i + 2;
      while (!is(at, "{") || is(at - 1, "<") || is(at - 1, ",")) {
        if (is(at, "<")) at = skipDeclared(at) - 1;
        if (get(at).kind === "end") fail(i, "an interface is not understood");
        at += 1;
      }
      types.add(next.text);
      return get(at).match + 1;
    }
    if (is(i, "type") && next.kind === "name" && !next.newline) {
      const at = is(i + 2, "<") ? skipDeclared(i + 2) : i + 2;
      if (is(at, "=")) {
        const to = skipType(at + 1);
        if (to < 0) fail(i, "a type is not understood");
        types.add(next.text);
        return skipSemicolon(to);
      }
    }
    if (is(i, "declare") && next.kind === "name" && !next.newline) {
      types.add(get(i + 2).text);
      return statementEnd(i);
    }
    return i;
  };
  const enumeration = (i) => {
    const at = is(i, "const") ? i + 1 : i;
    const name = get(at + 1).text;
    const close = get(at + 2).match;
    const members = [];
    let next = 0;
    for (let m = at + 3; m < close; m += 1) {
      const key = get(m).kind === "string" ? get(m).text : JSON.stringify(get(m).text);
      let value = String(next);
      if (is(m + 1, "=")) {
        const minus = is(m + 2, "-") ? 1 : 0;
        const given = get(m + 2 + minus);
        if (!["string", "number"].includes(given.kind) || !"},".includes(get(m + 3 + minus).text))
          fail(m, `the value of a member of enum ${name} is computed`);
        value = (minus ? "-" : "") + given.text;
        m += 2 + minus;
      } else if (next === null) fail(m, `a member of enum ${name} needs a value`);
      next = /^-?\d/u.test(value) ? Number(value) + 1 : null;
      members.push(`${key}: ${value}`);
      m += 1;
    }
    const lines = "\n".repeat(lineOf(text, get(close).start) - lineOf(text, get(i).start));
    edits.push([get(i).start, get(close).end, `const ${name} = Object.freeze({${members.join(", ")}});${lines}`]);
    enums.add(name);
    return close + 1;
  };
  const imports = [];
  // import and export statements with a list of names
  const list = (i) => {
    const to = statementEnd(i);
    const last = [...all.keys()].slice(i, to).reverse().find((at) => get(at).kind === "string") ?? -1;
    const typesThere = last > 0 && is(last - 1, "from") ? typesOf(text.slice(get(last).start + 1, get(last).end - 1)) : types;
    const kind = get(i).text;
    if (is(i + 1, "type") && !(is(i + 2, "from") && get(i + 3).kind === "string") && !is(i + 2, ",")) {
      for (let at = i + 3; kind === "export" && at < to; at += 1) if (get(at).kind === "name") exported.add(get(at).text);
      blank(i, to);
      return to;
    }
    const names = [];
    let braces = i + 1;
    while (braces < to && !is(braces, "{")) {
      if (kind === "import" && get(braces).kind === "name" && !["from", "as"].includes(get(braces).text))
        names.push({ local: get(braces).text, from: is(braces - 2, "*") ? braces - 2 : braces, to: braces + 1 });
      braces += 1;
    }
    for (let at = braces + 1; at < get(braces).match;) {
      const from = at;
      const typed = is(at, "type") && (get(at + 1).kind === "name") && !is(at + 1, "as");
      if (typed) at += 1;
      const name = get(at).text;
      const renamed = is(at + 1, "as");
      const local = renamed ? get(at + 2).text : name;
      at += renamed ? 3 : 1;
      if (is(at, ",")) at += 1;
      const isType = typed || typesThere.has(name);
      names.push({ local, from, to: at, isType });
      if (isType && kind === "export") exported.add(local);
    }
    if (kind === "import") imports.push({ i, to, names });
    else for (const name of names) if (name.isType) blank(name.from, name.to);
    return to;
  };

  for (let i = 0; i < all.length; i += 1) {
    const token = get(i);
    const before = get(i - 1);
    const starts = i === 0 || token.newline || ["sign"].includes(before.kind) && [";", "}", "{"].includes(before.text);
    if (token.kind === "name" && starts) {
      const exports = is(i, "export") ? 1 : 0;
      const at = is(i + exports, "default") && is(i + exports + 1, "interface") ? i + exports + 1 : i + exports;
      const to = declaration(at);
      if (to > at) {
        if (exports) exported.add(get(at + 1).text);
        blank(i, to);
        i = to - 1;
        continue;
      }
      if ((is(at, "enum") && is(at + 2, "{")) || (is(at, "const") && is(at + 1, "enum"))) {
        i = enumeration(at) - 1;
        continue;
      }
      if (is(at, "abstract") || ((is(at, "namespace") || is(at, "module")) && get(at + 1).kind === "name" && is(at + 2, "{")))
        fail(at, `${get(at).text} is not understood`);
      if (is(i, "import") && !is(i + 1, "(") && !is(i + 1, ".")) {
        i = list(i) - 1;
        continue;
      }
      if (exports && (is(at, "type") || is(at, "{"))) {
        i = list(i) - 1;
        continue;
      }
    }
    const valued = i > 0 && endsValue(before);
    if (token.kind === "name" && (is(i, "as") || is(i, "satisfies")) && valued && !token.newline && get(i + 1).kind !== "end") {
      const to = is(i + 1, "const") ? i + 2 : skipType(i + 1);
      if (to > 0) {
        blank(i, to);
        get(to - 1).kind = "number"; // what is left of it ends a value
        i = to - 1;
        continue;
      }
    }
    if (["const", "let", "var"].includes(token.text) && token.kind === "name") {
      let at = get(i + 1).match > i ? get(i + 1).match + 1 : i + 2;
      if (is(at, "!")) blank(at, ++at);
      const to = annotation(at);
      if (get(i + 1).match < 0) i = to - 1;
      continue;
    }
    if (is(i, "function") && token.kind === "name" && !is(i - 1, ".")) {
      let at = is(i + 1, "*") ? i + 2 : i + 1;
      if (get(at).kind === "name") at += 1;
      if (is(at, "<")) {
        const to = skipDeclared(at);
        blank(at, to);
        at = to;
      }
      if (is(at, "(")) {
        parameters(at);
        const body = annotation(get(at).match + 1);
        if (!is(body, "{")) blank(is(i - 1, "export") ? i - 1 : i, skipSemicolon(body));
        else i = at;
      }
      continue;
    }
    if (is(i, "<") && token.kind === "sign") {
      const to = valued ? skipArguments(i, false) : skipDeclared(i);
      if (to > 0 && (valued ? is(to, "(") : get(to).kind !== "end")) {
        blank(i, to);
        i = to - 1;
        continue;
      }
    }
    if (is(i, "(") && token.match > i) {
      const after = token.match + 1;
      const method = ["name", "string"].includes(before.kind) && !KEYWORDS.has(before.text)
        && ["{", ",", "get", "set", "async"].includes(get(i - 2).text);
      if (is(after, "=>") || (method && is(after, "{"))) parameters(i);
      else if (is(after, ":") && (method || !valued || is(i - 1, "async")) && !inTernary(i)) {
        const to = skipType(after + 1);
        if (to > 0 && (is(to, "=>") || (method && is(to, "{")))) {
          parameters(i);
          blank(after, to);
        }
      }
    }
    if (is(i, "!") && valued && !token.newline && !is(i - 1, "}")) blank(i, i + 1);
    if (is(i, "catch") && is(i + 1, "(") && !is(i - 1, ".")) parameters(i + 1);
  }
  edits.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  for (const { i, to, names } of imports) {
    const unused = names.filter(({ local, isType }) => isType || !isUsed(all, edits, local, i, to));
    if (names.length && unused.length === names.length) edits.push([get(i).start, get(to - 1).end, ""]);
    else for (const name of unused) {
      const comma = is(name.to, ",") ? 1 : 0;
      edits.push([get(name.from).start, get(name.to - 1 + comma).end, ""]);
    }
  }
  const stars = all.flatMap((_, i) => is(i, "export") && is(i + 1, "*") && is(i + 2, "from") ? [get(i + 3)] : []);
  return {
    code: edited(text, edits),
    types: exported,
    stars: stars.map((token) => token.text.slice(1, -1)),
    enums,
  };
}

function isUsed(all, edits, name, from, to) {
  return all.some((token, at) => token.text === name && token.kind === "name" && (at < from || at >= to)
    && all[at - 1]?.text !== "." && !edits.some(([start, end, made]) => !made && start <= token.start && token.end <= end));
}

function edited(text, edits) {
  const out = [];
  let at = 0;
  for (const [start, end, made] of edits.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (start < at) continue;
    out.push(text.slice(at, start), made || text.slice(start, end).replace(/[^\n\r\u2028\u2029]/gu, " "));
    at = end;
  }
  return out.join("") + text.slice(at);
}
