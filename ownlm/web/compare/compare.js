// Two versions answer the same question at the same time, in random places; a vote says which answer is better.
// A vote is sent as the events an editor would send: both answers were seen, one was taken, the other dismissed. So it
// counts in the feedback report, and becomes a pair of preferences for the next training.

import { call, post } from "/api.js";

const $ = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const AROUND_LINES = 4;
const MAX_TOKENS = 96;

let round = null; // {versions: {left, right}, answers: {left, right}, voted}
const tally = {}; // "one|other" -> {version: votes, tie: votes}

function say(text, bad = false) {
  $("say").textContent = text;
  $("say").classList.toggle("bad", bad);
}

function show(side, text) {
  const around = (content) => Object.assign(document.createElement("span"), { className: "around", textContent: content });
  const filled = document.createElement("ins");
  filled.textContent = text;
  const before = $("before").value.split("\n").slice(-AROUND_LINES).join("\n");
  const after = $("after").value.split("\n").slice(0, AROUND_LINES).join("\n");
  $(side).replaceChildren(around(before), filled, around(after));
}

async function ask(side, version) {
  const suffix = $("after").value;
  const start = performance.now();
  const response = await post("/v1/completions", {
    model: version,
    prompt: $("before").value,
    ...(suffix.trim() ? { suffix } : {}),
    max_tokens: MAX_TOKENS,
    temperature: 0,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error.message);
  const ms = performance.now() - start;
  const tokens = answer.usage.completion_tokens;
  show(side, answer.choices[0].text);
  return { id: answer.id, text: answer.choices[0].text, time: `${ms.toFixed(0)} ms · ${((tokens / ms) * 1000).toFixed(0)} tokens/s` };
}

async function askBoth() {
  if (!$("before").value && !$("after").value.trim()) return say("Write something first.", true);
  const pair = [$("one").value, $("other").value];
  if (Math.random() < 0.5) pair.reverse();
  round = { versions: { left: pair[0], right: pair[1] }, answers: null, voted: false };
  const mine = round;
  votes(false);
  for (const side of SIDES) {
    $(side).replaceChildren();
    $(`${side}-name`).textContent = side === "left" ? "Left" : "Right";
    $(`${side}-time`).textContent = "";
    $(side).parentElement.classList.remove("chosen");
  }
  say("Asking both…");
  try {
    const [left, right] = await Promise.all(SIDES.map((side) => ask(side, mine.versions[side])));
    if (round !== mine) return;
    round.answers = { left, right };
    if (!$("blind").checked) reveal();
    if (left.text === right.text) say("Both say the same. Ask something else, or call it no difference.");
    else say("Which one would you have taken?");
    votes(true);
  } catch (error) {
    if (round === mine) say(error.message, true);
  }
}

function votes(on) {
  for (const id of ["left-vote", "right-vote", "tie-vote"]) $(id).disabled = !on;
}

function reveal() {
  for (const side of SIDES) {
    $(`${side}-name`).textContent = round.versions[side];
    $(`${side}-time`).textContent = round.answers[side].time;
  }
}

async function report(side, type) {
  return (await post("/v1/events", { type, completion_id: round.answers[side].id, choice_index: 0 })).ok;
}

async function vote(better) {
  if (!round?.answers || round.voted) return;
  round.voted = true;
  votes(false);
  reveal();
  if (better !== "tie") $(better).parentElement.classList.add("chosen");
  count(better);
  try {
    let kept = true;
    for (const side of SIDES) kept = (await report(side, "view")) && kept;
    for (const side of better === "tie" ? [] : SIDES) kept = (await report(side, side === better ? "select" : "dismiss")) && kept;
    say(kept ? "Kept as feedback." : "Counted on this page only: the server keeps no feedback.");
  } catch {
    say("Counted on this page only: the server does not answer.", true);
  }
}

function count(better) {
  const names = [round.versions.left, round.versions.right].sort();
  const votesOf = (tally[names.join("|")] ??= { tie: 0, [names[0]]: 0, [names[1]]: 0 });
  votesOf[better === "tie" ? "tie" : round.versions[better]] += 1;
  $("tally").textContent = Object.entries(tally)
    .map(([key, found]) => {
      const [one, other] = key.split("|");
      return `${one} ${found[one]} : ${found[other]} ${other}, no difference ${found.tie}`;
    })
    .join(" · ");
}

async function connect() {
  try {
    const response = await call("/dashboard/data");
    const data = await response.json();
    if (!response.ok) throw new Error(data.error.message);
    const { versions } = data;
    for (const id of ["one", "other"]) {
      $(id).replaceChildren(...versions.map((version) => new Option(version, version)));
    }
    $("other").selectedIndex = Math.min(1, versions.length - 1);
    $("model").textContent = data.model;
    $("light").className = "light on";
    if (versions.length < 2) say("Only one version is loaded: both sides will be the same. A rollout by parts or an experiment loads another.");
  } catch (error) {
    $("light").className = "light off";
    say(error instanceof TypeError ? "The server does not answer." : error.message, true);
  }
}

$("ask").addEventListener("click", askBoth);
for (const name of [...SIDES, "tie"]) $(`${name}-vote`).addEventListener("click", () => vote(name));
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.ctrlKey) askBoth();
  else if (event.target.tagName === "TEXTAREA") return;
  else if ("120".includes(event.key) && event.key) vote({ 1: "left", 2: "right", 0: "tie" }[event.key]);
});
$("before").value = 'def read_lines(path):\n    """Return the lines of a text file."""\n    ';
$("after").value = "\n    return lines\n";
connect();
