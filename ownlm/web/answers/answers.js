"use strict";
// The answers of an evaluation: filters, a list, one answer in full. What models and programs wrote is only ever set
// as text (textContent), never as markup; it comes packed (deflate, base64) and is unpacked a chunk at a time.
(() => {
  const STEP = 200;
  const at = (id) => document.getElementById(id);
  const chunks = [...document.querySelectorAll("script.chunk")];
  const unpacked = new Map();
  const filters = ["suite", "language", "status"];
  let index, shown = [], limit = STEP, asked = 0, open = -1;

  async function unpack(element) {
    const bytes = Uint8Array.from(atob(element.textContent.trim()), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  function answer(number) {
    const chunk = Math.floor(number / index.size);
    if (!unpacked.has(chunk)) unpacked.set(chunk, unpack(chunks[chunk]));
    return unpacked.get(chunk).then((answers) => answers[number % index.size]);
  }

  function element(tag, text, kind) {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  const name = (row, filter) => index[filter][row[filters.indexOf(filter)]];
  const label = (row) => row[3] + (index.several ? " · " + row[4] : "");

  async function holds(number, needle) {
    if (label(index.rows[number]).toLowerCase().includes(needle)) return true;
    const found = await answer(number);
    found.text ??= [found.prompt, found.answer, found.suffix, found.output].join("\n").toLowerCase();
    return found.text.includes(needle);
  }

  async function filter() {
    const mine = ++asked;
    const chosen = filters.map((one) => at(one).value);
    const needle = at("text").value.toLowerCase();
    const kept = [...index.rows.keys()].filter((number) => fits(index.rows[number], chosen));
    limit = STEP;
    if (!needle) return show(kept, true);
    const found = [];
    for (const number of kept) {
      if (await holds(number, needle)) found.push(number);
      if (mine !== asked) return;
      if (found.length && found.length % STEP === 0 && found.at(-1) === number) show(found, false);
    }
    show(found, true);
  }

  const fits = (row, chosen) => chosen.every((value, place) => !value || index[filters[place]][row[place]] === value);

  function show(numbers, whole) {
    shown = numbers;
    at("count").textContent = `${numbers.length.toLocaleString("en")} of ${index.rows.length.toLocaleString("en")} answers` +
      (whole ? "" : ", searching …");
    const items = numbers.slice(0, limit).map((number) => {
      const row = index.rows[number], item = element("li"), button = element("button");
      button.type = "button";
      button.append(element("b", label(row)), element("small", `${name(row, "status").replaceAll("_", " ")}, ${name(row, "language")}`));
      button.className = name(row, "status");
      button.setAttribute("aria-current", String(number === open));
      button.addEventListener("click", () => choose(number));
      item.append(button);
      return item;
    });
    if (numbers.length > limit) {
      const more = element("button", `${(numbers.length - limit).toLocaleString("en")} more`);
      more.type = "button";
      more.addEventListener("click", () => { limit += STEP; show(shown, true); });
      items.push(element("li"));
      items.at(-1).append(more);
    }
    at("list").replaceChildren(...items);
    if (whole && numbers.length && !numbers.includes(open)) choose(numbers[0]);
    if (whole && !numbers.length) at("answer").replaceChildren(element("p", "No answer fits.", "nothing"));
  }

  async function choose(number) {
    open = number;
    [...at("list").querySelectorAll("button")].forEach((button, place) =>
      button.setAttribute("aria-current", String(shown[place] === number)));
    const row = index.rows[number], found = await answer(number);
    if (open !== number) return;
    const code = element("pre");
    code.append(found.prompt, element("mark", found.answer));
    if (found.suffix) code.append(found.suffix);
    const said = [
      name(row, "status").replaceAll("_", " "), name(row, "suite"), name(row, "language"),
      `${found.seconds} s of CPU`, found.retried ? "timed out, run again alone" : "",
      found.finish === "length" ? "met the limit of its length" : "", found.cut ? "prompt cut to the context" : "",
    ];
    const parts = [
      element("h3", label(row)),
      element("p", said.filter(Boolean).join(" · "), "note " + name(row, "status")),
      element("h4", "Prompt, and what the model wrote"), code,
    ];
    if (found.reference) parts.push(element("h4", "Reference"), element("pre", found.reference));
    parts.push(element("h4", "Output of the tests"));
    parts.push(found.output ? element("pre", found.output) : element("p", "None.", "note"));
    at("answer").replaceChildren(...parts);
  }

  async function start() {
    index = await unpack(at("index"));
    const given = new URLSearchParams(location.hash.slice(1));
    for (const one of filters) {
      for (const value of index[one]) at(one).append(new Option(value.replaceAll("_", " "), value));
      if (index[one].includes(given.get(one))) at(one).value = given.get(one);
      at(one).addEventListener("change", filter);
    }
    at("text").value = given.get("text") ?? "";
    at("text").addEventListener("input", filter);
    at("filters").addEventListener("submit", (event) => event.preventDefault());
    await filter();
  }

  start();
})();
