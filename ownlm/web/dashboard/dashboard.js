// The dashboard: asks /dashboard/data every two seconds while somebody looks, and draws it.

import { call } from "/api.js";
import { bar, chart, html, percent } from "/lines.js";

const EVERY_MS = 2000;
const $ = (id) => document.getElementById(id);

const seconds = (value) => {
  if (value >= 1) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  return `${(value * 1000).toFixed(value < 0.01 ? 1 : 0)} ms`;
};
const plain = (value) => {
  if (value >= 10 || Number.isInteger(value)) return value.toFixed(0);
  return value.toFixed(value >= 1 ? 1 : value >= 0.01 ? 2 : 3);
};
const gigabytes = (value) => `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} GB`;

const CHARTS = [
  ["First token", seconds, [["p50", "first_p50"], ["p95", "first_p95"], ["p99", "first_p99"]]],
  ["Whole answer", seconds, [["p50", "total_p50"], ["p95", "total_p95"], ["p99", "total_p99"]]],
  ["Answers a second", plain, [["done", "done"], ["late", "deadline"], ["failed", "error"], ["abandoned", "cancelled"]]],
  ["Tokens generated a second", plain, [["tokens", "generated_tokens"]]],
  ["Tokens read a second", plain, [["tokens", "prompt_tokens"]]],
  ["Queue", plain, [["computed", "running"], ["waiting", "waiting"]]],
  ["Processor, cores in use", plain, [["cores", "cores"]]],
  ["Memory of the gateway", gigabytes, [["memory", "memory_gb"]]],
  ["GPU busy", percent, [["busy", "gpu_busy"]]],
  ["GPU memory", gigabytes, [["memory", "gpu_memory_gb"]]],
];

function meter(name, value) {
  return html("div", {}, html("dt", {}, name), html("dd", {}, value));
}

function drawMinute({ minute }) {
  const { answers, outcomes } = minute;
  const share = (name) => (answers ? percent(outcomes[name] / answers) : "–");
  const time = (value) => (value === null ? "–" : seconds(value));
  $("minute").replaceChildren(
    meter("Answers a minute", String(answers)),
    meter("First token, p50", time(minute.first_p50)),
    meter("First token, p95", time(minute.first_p95)),
    meter("Whole answer, p95", time(minute.total_p95)),
    meter("Tokens a second", plain(minute.generated_tokens / 60)),
    meter("Abandoned", share("cancelled")),
    meter("Late", share("deadline")),
    meter("Failed", share("error")),
  );
}

function drawCharts({ series, seconds_a_step: step }) {
  const drawn = [];
  for (const [title, format, lines] of CHARTS) {
    if (!lines.every(([, key]) => key in series)) continue; // no GPU here
    const found = lines.map(([name, key]) => ({ name, values: series[key] }));
    drawn.push(chart(title, found, format, Math.round((series[lines[0][1]].length * step) / 60)));
  }
  $("charts").replaceChildren(...drawn);
}

function drawPanel({ title, lines, bars }) {
  const panel = html("div", { class: "panel" }, html("h3", {}, title), ...lines.map((line) => html("p", {}, line)));
  if (bars.length) {
    const wide = Math.max(...bars.map(({ label }) => label.length)) > 12 ? "long" : "";
    const top = Math.max(0.05, ...bars.map(({ value, high }) => (value === null ? 0 : high)));
    const rows = bars.map((each) =>
      html(
        "tr",
        {},
        html("th", { scope: "row" }, each.label),
        html("td", { class: "draw" }, bar(each, top)),
        html("td", {}, each.value === null ? "–" : percent(each.value)),
        html("td", { class: "note" }, each.note),
      ),
    );
    panel.append(html("table", { class: wide }, html("tbody", {}, ...rows)));
  }
  return panel;
}

// What stands in the way, though answers go on: versions that cannot be loaded, a file of keys that cannot be read.
async function problems() {
  const { problems: found = [], rollout } = await (await fetch("/health")).json();
  const others = (rollout?.problems ?? []).filter((problem) => !problem.startsWith("version ")); // said already
  return [...found, ...others].join("\n");
}

async function draw() {
  let said = "";
  try {
    said = await problems();
    const response = await call("/dashboard/data");
    if (!response.ok) throw new Error((await response.json()).error.message);
    const data = await response.json();
    $("model").textContent = data.model;
    $("versions").textContent = data.versions.length > 1 ? `${data.versions.length} versions` : data.versions[0];
    $("light").className = "light on";
    $("say").textContent = said;
    drawMinute(data.history);
    drawCharts(data.history);
    $("panels-heading").hidden = !data.panels.length;
    $("panels").replaceChildren(...data.panels.map(drawPanel));
  } catch (error) {
    $("light").className = "light off";
    const why = error instanceof TypeError ? "The server does not answer." : error.message;
    $("say").textContent = [why, said].filter(Boolean).join("\n");
  }
}

async function go() {
  if (!document.hidden) await draw();
  setTimeout(go, EVERY_MS);
}

go();
