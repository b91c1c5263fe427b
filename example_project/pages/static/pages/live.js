// What happens on the server, as it happens: reservations, signals and log lines.
const MOST_EVENTS = 60;
const connection = document.getElementById("connection");
const table = document.getElementById("reserved");
const events = document.getElementById("events");
let reserved = [];
let offset = 0; // Of the server's clock, in seconds.

const now = () => Date.now() / 1000 + offset;

function cell(row, text, isCode = false) {
  const made = row.insertCell();
  if (isCode) made.append(Object.assign(document.createElement("code"), { textContent: text }));
  else made.textContent = text;
}

function timeLeft(seconds) {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
}

function showReserved() {
  reserved = reserved.filter((entry) => entry.expires_at > now());
  table.replaceChildren();
  for (const entry of reserved.toReversed()) {
    const row = table.insertRow();
    cell(row, entry.digest, true);
    cell(row, entry.profile);
    cell(row, entry.cache);
    cell(row, timeLeft(entry.expires_at - now()));
  }
  if (!reserved.length) {
    const row = table.insertRow();
    cell(row, "None.");
    row.cells[0].colSpan = 4;
  }
}

function showEvent({ at, source, name, text, digest }) {
  const item = document.createElement("li");
  item.className = "new";
  const strong = Object.assign(document.createElement("strong"), { textContent: name });
  const time = new Date(at * 1000).toLocaleTimeString("en-GB");
  item.append(`${time} ${source} `, strong, ` ${text}`);
  if (digest) item.append(" ", Object.assign(document.createElement("code"), { textContent: digest }));
  events.prepend(item);
  while (events.children.length > MOST_EVENTS) events.lastChild.remove();
}

function connect() {
  const source = new EventSource("/stream");
  source.addEventListener("open", () => {
    connection.textContent = "Connected.";
    events.replaceChildren();
  });
  source.addEventListener("error", () => {
    connection.textContent = "Not connected. Trying again.";
  });
  source.addEventListener("message", ({ data }) => {
    const state = JSON.parse(data);
    offset = state.now - Date.now() / 1000;
    reserved = state.reserved;
    showReserved();
    state.events.forEach(showEvent);
  });
  // A page that is left must not hold one of the browser's few connections to the server.
  addEventListener("pagehide", () => source.close(), { once: true });
}

addEventListener("pageshow", connect);
setInterval(showReserved, 1000);
showReserved();
