// Requests of the pages to their own gateway. Where it wants an API key, the person is asked for it once; it is kept in
// this tab only and forgotten with it.

const PLACE = "ownlm-api-key";
let asking = null; // one question, however many requests wait for it
let declined = false; // who does not want to give a key is not asked again and again

// As fetch, with the key; asks for one when the gateway refuses without.
export async function call(path, options = {}) {
  for (;;) {
    const key = sessionStorage.getItem(PLACE);
    const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const response = await fetch(path, { ...options, headers });
    if (response.status !== 401) return response;
    const error = (await response.json().catch(() => null))?.error;
    // What it says of a missing key is for programs.
    const reason = (error?.code !== "missing_api_key" && error?.message) || "This server wants an API key.";
    if (sessionStorage.getItem(PLACE) !== key) continue; // somebody else was asked meanwhile
    sessionStorage.removeItem(PLACE);
    if (declined) throw new Error(`${reason} Reload the page to give one.`);
    asking ??= question(reason).finally(() => (asking = null));
    const given = await asking;
    declined = !given;
    if (declined) continue;
    sessionStorage.setItem(PLACE, given);
  }
}

// A POST of JSON.
export function post(path, body, options = {}) {
  const headers = { "Content-Type": "application/json" };
  return call(path, { method: "POST", body: JSON.stringify(body), headers, ...options });
}

function question(reason) {
  const element = (name, properties) => Object.assign(document.createElement(name), properties);
  const dialog = element("dialog", { className: "key" });
  const input = element("input", { type: "password", autocomplete: "off", id: "api-key" });
  const label = element("label", { textContent: "API key", htmlFor: "api-key" });
  const go = element("button", { type: "button", className: "main", textContent: "Use it" });
  dialog.append(element("p", { textContent: reason }), label, input, go);
  document.body.append(dialog);
  return new Promise((resolve) => {
    const end = (value) => {
      dialog.remove();
      resolve(value);
    };
    go.addEventListener("click", () => end(input.value.trim()));
    input.addEventListener("keydown", (event) => event.key === "Enter" && end(input.value.trim()));
    dialog.addEventListener("cancel", () => end(""));
    dialog.showModal();
  });
}
