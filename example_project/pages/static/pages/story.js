// The buttons of a page: each sends real requests, and says what came back.
import { freshProof } from "./dpop.js";

const AT_ONCE = 8;
const form = document.getElementById("story");
const slug = form.dataset.slug;
const csrfToken = form.elements.csrfmiddlewaretoken.value;
const meanings = JSON.parse(document.getElementById("meanings").textContent);
const answers = document.getElementById("answers");
let present = null;

/* A request of the server's making: its token, and how to send it. */
async function freshRequest() {
  if (slug === "dpop") return freshProof();
  const answer = await fetch(form.dataset.mint, {
    method: "POST",
    headers: { "X-CSRFToken": csrfToken },
  });
  if (!answer.ok) throw new Error(`No token could be minted: ${answer.status}`);
  return answer.json();
}

async function renew() {
  present = await freshRequest();
  showToken();
  return present;
}

function send({ method, path, headers, body }, { fail = false, read = false } = {}) {
  const url = fail ? `${path}${path.includes("?") ? "&" : "?"}fail=1` : path;
  if (read) return fetch(url, { cache: "no-store" });
  // A form of this site has this header or field. The other kinds do not look at it.
  const more = slug === "link" ? { "X-CSRFToken": csrfToken } : {};
  return fetch(url, {
    method,
    headers: { ...headers, ...more },
    body: method === "GET" ? undefined : body,
    cache: "no-store",
  });
}

function decoded(token) {
  const text = token.split(".").slice(0, 2).map((part) => {
    const bytes = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))));
  });
  return text.map((part) => JSON.stringify(part, null, 2)).join("\n.\n");
}

function showToken() {
  const parts = [decoded(present.token), ".", "(signature)"];
  if (present.accessToken) parts.push("", "Bound access token:", decoded(present.accessToken));
  document.getElementById("token").textContent = parts.join("\n");
  const open = document.getElementById("open");
  if (open) {
    open.hidden = false;
    open.querySelector("a").href = present.path;
  }
}

function say(request, status, text) {
  const item = document.createElement("li");
  item.className = "new";
  const shown = document.createElement("strong");
  shown.className = /^[45]/.test(status) ? "bad" : "good";
  shown.textContent = status;
  item.append(`${request} → `, shown, ` ${text}`);
  answers.append(item);
  answers.parentElement.scrollTop = answers.parentElement.scrollHeight;
}

async function show(method, answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  const body = type.includes("json") ? await answer.json() : {};
  const said = body.error_description ?? body.description;
  const texts = [said, meanings[answer.status] ?? ""];
  say(`${method} ${new URL(answer.url).pathname}`, answer.status, texts.filter(Boolean).join(" "));
}

const actions = {
  async mint() {
    await renew();
    say("Made", "a new token", "for one request.");
  },
  async send() {
    const request = present ?? (await renew());
    await show(request.method, await send(request));
  },
  async renew() {
    const request = await renew();
    await show(request.method, await send(request));
  },
  async scan() {
    await show("GET", await send(present ?? (await renew()), { read: true }));
  },
  async fail() {
    const request = await renew();
    await show(request.method, await send(request, { fail: true }));
  },
  async race() {
    const request = await renew();
    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => send(request)));
    const counts = new Map();
    for (const { status } of all) counts.set(status, (counts.get(status) ?? 0) + 1);
    const summary = [...counts].sort().map(([status, count]) => `${count} × ${status}`);
    say(`${AT_ONCE} × ${request.method}`, summary.join(", "), "One request wins: see the signals.");
  },
};

form.addEventListener("click", async ({ target }) => {
  const button = target.closest("button[data-action]");
  if (!button || form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  try {
    await actions[button.dataset.action]();
  } catch (error) {
    say("Failed", "error", error.message);
  } finally {
    form.ariaBusy = "false";
  }
});
