// A part of the page that follows what happens: a stream says when to ask for it anew. Where no
// stream can be had, a clock does; and now and then it does anyway, for what only time changes.
const REFRESH = 30, RETRY = 30; // seconds
const WORDS = {
  live: () => _("Live"),
  polling: () => _("Live, every {seconds} s", { seconds: seconds() }),
  lost: () => _("Reconnecting…"),
  paused: () => _("Paused"),
};

const chip = document.getElementById("live");
const button = chip?.querySelector("[data-live-pause]");
let followed, stream, clock, retry, state;
let paused = false;

const part = () => document.querySelector("[data-live]");
const seconds = () => Number(part()?.dataset.poll ?? REFRESH);
const ask = () => document.body.dispatchEvent(new Event("live"));

function show(next) {
  state = next;
  chip.hidden = !next;
  chip.dataset.state = next ?? "";
  const words = WORDS[next]?.() ?? "";
  const label = chip.querySelector("[data-live-words]");
  if (label.textContent !== words) label.textContent = words;
}

function every(interval) {
  clearInterval(clock);
  clock = setInterval(ask, interval * 1000);
}

function leave() {
  stream?.close();
  stream = undefined;
  clearInterval(clock);
  clearTimeout(retry);
}

function poll() {
  leave();
  show("polling");
  every(seconds());
  retry = setTimeout(follow, RETRY * 1000);
}

function follow() {
  leave();
  followed = part()?.dataset.live;
  if (!followed || paused || document.hidden) return show(followed && paused ? "paused" : undefined);
  stream = new EventSource(followed);
  stream.addEventListener("open", () => {
    show("live");
    every(REFRESH);
  });
  stream.addEventListener("change", ask);
  stream.addEventListener("full", poll);
  stream.addEventListener("error", () => {
    if (stream?.readyState === EventSource.CLOSED) return poll();
    if (state === "lost") return;
    show("lost");
    every(Math.min(seconds(), 5)); // this tells of a server that is down, too
  });
}

function pause(event) {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  follow();
  if (!paused) ask();
  event.preventDefault();
}

if (chip) {
  button.addEventListener("click", pause);
  document.addEventListener("visibilitychange", () => {
    follow();
    if (!document.hidden && !paused) ask();
  });
  document.addEventListener("htmx:after:swap", () => {
    if (part()?.dataset.live === followed) return;
    if (!part()) ask(); // the end of what was followed: its last words
    follow();
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => { if (event.persisted) follow(); });
  follow();
}
