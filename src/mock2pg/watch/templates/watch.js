"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const element = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const number = (text, words) => {
    const made = element("td", text, "n");
    made.dataset.words = words;
    return made;
  };
  const row = (kind, ...cells) => {
    const made = element("tr", "", kind);
    made.append(...cells);
    return made;
  };
  const show = (id, text) => {
    byId(id).textContent = text;
    byId(id).hidden = !text;
  };
  const link = (run, text) => {
    const made = element("a", text);
    made.href = `runs/${encodeURIComponent(run)}/index.html`;
    return made;
  };
  const MARKS = { good: "✔", care: "⚠", bad: "✘", running: "…", skipped: "…" };
  const KINDS = { good: "passed", care: "warned", bad: "failed", running: "skipped", skipped: "skipped" };

  const step = (found) => {
    const result = element("td", found.text, "name");
    if (found.share !== null) {
      const bar = element("progress", "");
      bar.max = 1;
      bar.value = found.share;
      bar.setAttribute("aria-label", `${found.name}: share of the rows`);
      result.prepend(bar, " ");
    }
    return row(
      found.kind,
      element("td", `${found.mark} ${found.name}`, "status"),
      number(found.time, ""),
      number(found.rows, "rows"),
      number(found.rate, ""),
      number(found.left, ""),
      result,
    );
  };
  const rule = (found) =>
    row(found.kind, element("td", found.table), element("td", found.rule), element("td", found.rows, "n"));
  const run = (found) => {
    const started = element("td", "", "when");
    started.append(found.report ? link(found.id, found.started) : found.started);
    return row(
      KINDS[found.mood],
      element("td", `${MARKS[found.mood]} ${found.word}`, "status"),
      started,
      element("td", found.command, "command"),
      element("td", found.message, "what"),
      number(found.time, ""),
    );
  };
  const fact = ([name, value]) => {
    const made = element("div", "");
    made.append(element("dt", name), element("dd", value));
    return made;
  };

  const state = (found) => {
    show("run", found.id ? `run ${found.id}` : "watch");
    show("title", found.title || found.id || "No run yet");
    byId("verdict").className = `verdict ${found.mood === "running" ? "skipped" : found.mood}`;
    if (byId("word").textContent !== found.word) show("word", found.word);
    if (byId("message").textContent !== found.message) show("message", found.message);
    show("error", found.error);
    byId("report").hidden = !(found.report && found.ended);
    byId("report-link").href = `runs/${encodeURIComponent(found.id)}/index.html`;
    byId("facts").replaceChildren(...found.facts.map(fact));
    byId("warnings").replaceChildren(...found.warnings.map((text) => element("li", text)));
    byId("warnings").hidden = !found.warnings.length;
    byId("step-rows").replaceChildren(...found.steps.map(step));
    byId("rules").hidden = !found.rules.length;
    byId("rule-rows").replaceChildren(...found.rules.map(rule));
    byId("run-rows").replaceChildren(...found.list.runs.map(run));
    show("total", found.list.total);
    byId("all").hidden = !found.list.all;
    document.title = `${MARKS[found.mood]} ${found.title || "mock2pg watch"}: ${found.word}`;
  };

  let failures = 0;
  const source = new EventSource("events");
  source.addEventListener("state", (event) => {
    failures = 0;
    show("notice", "");
    state(JSON.parse(event.data));
  });
  const ended = () => {
    source.close();
    show("notice", "The server of this page has stopped, so its links no longer work. Type mock2pg open to see the report.");
  };
  source.addEventListener("end", ended);
  source.addEventListener("error", () => {
    failures += 1;
    if (failures > 5) ended();
    else show("notice", "The server of this page does not answer; trying again.");
  });
})();
