// The playground: asks POST /v1/completions for the text at the cursor, as any client would, and measures it.

import { call, post } from "/api.js";
import { Editor } from "/editor.js";

const TYPING_PAUSE_MS = 250;

const EXAMPLES = {
  Function: "def fibonacci(n):\n    ||",
  "Fill in a body": 'def read_lines(path):\n    """Return the lines of a text file."""\n    ||\n    return lines\n',
  Class: "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n        ||\n\n    def pop(self):\n        return self.items.pop()\n",
  Loop: "for key, value in ||:\n    print(key, value)\n",
  Imports: "import os\nimport ||\n\n\ndef main():\n    args = parser.parse_args()\n",
  Exception: "try:\n    with open(path) as f:\n        data = json.load(f)\nexcept ||\n",
};

const $ = (id) => document.getElementById(id);
const editor = new Editor({ code: $("code"), shadow: $("shadow"), numbers: $("numbers") });
let model = null;
let fills = true; // the model can use a suffix
let asking = null; // the AbortController of the request under way
let timer = 0;

function say(text, bad = false) {
  $("say").textContent = text;
  $("say").classList.toggle("bad", bad);
}

function request() {
  const suffix = editor.suffix;
  return {
    model,
    prompt: editor.prefix,
    ...(fills && suffix.trim() ? { suffix, fim_order: $("order").value } : {}),
    ...($("trim").checked ? { trim: true } : {}),
    max_tokens: Number($("max-tokens").value),
    temperature: Number($("temperature").value),
  };
}

function showCurl() {
  const body = JSON.stringify(request(), null, 1).replaceAll("'", "'\\''");
  $("curl").textContent = `curl ${location.origin}/v1/completions \\\n -H 'Content-Type: application/json' \\\n -d '${body}'`;
}

// One line: everything up to the first line break that has text before it.
function oneLine(text) {
  const found = /^\s*\S[^\n]*/.exec(text);
  return found && found[0].length < text.length ? found[0] : null;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

function measure(start, first, tokens) {
  const now = performance.now();
  const unit = (value, name) => {
    const small = document.createElement("small");
    small.textContent = name;
    return [value, small];
  };
  $("first").replaceChildren(...unit((first - start).toFixed(first - start < 10 ? 1 : 0), "ms"));
  $("total").replaceChildren(...unit((now - start).toFixed(0), "ms"));
  $("tokens").textContent = String(tokens);
  const speed = tokens > 1 ? ((tokens - 1) / (now - first)) * 1000 : 0;
  $("speed").replaceChildren(...(speed ? unit(speed.toFixed(0), "tokens/s") : ["–"]));
}

function buttons() {
  $("accept").disabled = $("dismiss").disabled = !editor.ghost;
  document.body.classList.toggle("busy", asking !== null);
}

function stop() {
  clearTimeout(timer);
  asking?.abort();
  asking = null;
}

function dismiss() {
  stop();
  editor.clear();
  buttons();
  say("");
}

async function complete() {
  dismiss();
  if (!editor.prefix && !editor.suffix.trim()) return say("Write something first.");
  const control = (asking = new AbortController());
  const start = performance.now();
  let first = 0;
  let tokens = 0;
  let text = "";
  buttons();
  say("Thinking…");
  try {
    const body = { ...request(), stream: true, logprobs: 0 };
    const response = await post("/v1/completions", body, { signal: control.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices[0];
      first ||= performance.now();
      text += choice.text;
      tokens += choice.logprobs?.tokens.length ?? 0;
      const line = $("line").checked ? oneLine(text) : null;
      if (text) editor.suggest(line ?? text);
      measure(start, first, tokens);
      buttons();
      if (line !== null) {
        control.abort(); // enough: the server stops computing at once
        break;
      }
    }
    if (!text.trim()) editor.clear();
    say(text.trim() ? "Tab to accept, Esc to dismiss." : "The model has nothing to add here.");
  } catch (error) {
    if (control.signal.aborted) return;
    say(error.message, true);
  } finally {
    if (asking === control) asking = null;
    buttons();
  }
}

function accept() {
  if (!editor.ghost) return;
  stop();
  editor.accept();
  buttons();
  say("Accepted.");
  showCurl();
}

function addExamples() {
  for (const [name, text] of Object.entries(EXAMPLES)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      dismiss();
      for (const other of $("examples").children) other.setAttribute("aria-pressed", String(other === button));
      editor.open(text);
      showCurl();
    });
    $("examples").append(button);
  }
  $("examples").firstChild.click();
}

async function connect() {
  try {
    const health = await (await call("/health")).json();
    model = health.model;
    fills = health.fill_in_the_middle;
    $("order").disabled = !fills;
    $("model").textContent = model;
    $("context").textContent = `context ${health.context} tokens`;
    $("max-tokens").max = Math.max(8, Math.min(256, health.max_tokens));
    $("max-tokens-value").textContent = $("max-tokens").value;
    $("order").value = health.fim_order;
    $("report").hidden = !health.reports;
    $("light").className = "light on";
    document.title = `${model} · ownlm playground`;
    showCurl();
  } catch {
    $("light").className = "light off";
    say("The server does not answer.", true);
  }
}

$("code").addEventListener("keydown", (event) => {
  if (event.key === " " && event.ctrlKey) complete();
  else if (event.key === "Tab" && !event.shiftKey && editor.ghost) accept();
  else if (event.key === "Escape" && (editor.ghost || asking)) dismiss();
  else return;
  event.preventDefault();
});
$("code").addEventListener("keyup", () => {
  buttons();
  showCurl();
});
editor.onchange = () => {
  stop();
  buttons();
  say("");
  if ($("typing").checked) timer = setTimeout(complete, TYPING_PAUSE_MS);
};
$("complete").addEventListener("click", () => {
  $("code").focus();
  complete();
});
$("accept").addEventListener("click", accept);
$("dismiss").addEventListener("click", () => {
  dismiss();
  $("code").focus();
});
for (const id of ["temperature", "max-tokens"]) {
  $(id).addEventListener("input", () => ($(`${id}-value`).textContent = $(id).value));
}
$("settings").addEventListener("input", showCurl);
$("settings").addEventListener("submit", (event) => event.preventDefault());

addExamples();
connect();
