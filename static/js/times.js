// Relative times stay true while the page is open; the words are those of web/formats.py. They are
// told by the server's clock, for the viewer's may be wrong by a day.
const MINUTE = 60, HOUR = 3600, DAY = 86400;
const DRIFT = 2000; // milliseconds: an answer says its time in whole seconds, and is a while on its way

let ahead = 0; // milliseconds by which the viewer's clock is wrong

function heed(said, heard = Date.now()) {
  if (Math.abs(heard - ahead - said) > DRIFT) ahead = heard - said;
}

function oneUnit(seconds) {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

function twoUnits(seconds) {
  const minutes = Math.floor(seconds / MINUTE), hours = Math.floor(seconds / HOUR), days = Math.floor(seconds / DAY);
  if (seconds < HOUR) return oneUnit(seconds);
  if (seconds < DAY) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

function relative(instant, now) {
  const seconds = (instant - now) / 1000;
  if (Math.abs(seconds) < 1) return _("now");
  return seconds > 0 ? _("in {time}", { time: twoUnits(seconds) }) : _("{time} ago", { time: oneUnit(-seconds) });
}

function refresh() {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const text = relative(Date.parse(time.dateTime), Date.now() - ahead);
    if (time.textContent !== text) time.textContent = text;
  }
}

const opened = performance.getEntriesByType("navigation")[0]?.responseStart ?? 0;
heed(Number(document.documentElement.dataset.now), Date.now() - performance.now() + opened);
document.addEventListener("htmx:after:request", (event) => {
  heed(Date.parse(event.detail.ctx.response?.headers.get("date")));
});
setInterval(refresh, 30000);
document.addEventListener("visibilitychange", refresh);
