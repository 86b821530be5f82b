// What happens around requests: nothing is sent twice, a lost network says so, and a page never
// lands inside a part of another page.
const sending = new WeakSet();
const notice = document.getElementById("network");
let leaving = false;

addEventListener("pagehide", () => { leaving = true; });
addEventListener("pageshow", (event) => {
  leaving = false;
  if (event.persisted) for (const form of document.forms) release(form);
});

function hold(form) {
  sending.add(form);
  form.setAttribute("aria-busy", "true");
}

function release(form) {
  sending.delete(form);
  form.removeAttribute?.("aria-busy");
}

// Ordinary forms. htmx cancels the events of its own forms, and is held below.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (sending.has(form)) return event.preventDefault();
  if (event.defaultPrevented) return;
  hold(form);
  setTimeout(() => release(form), 10000); // the answer may be a file, and the page stays
});

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.request.method !== "GET" && sending.has(ctx.sourceElement)) event.preventDefault();
});
document.addEventListener("htmx:before:request", (event) => {
  const { ctx } = event.detail;
  if (ctx.request.method !== "GET") hold(ctx.sourceElement);
});
document.addEventListener("htmx:finally:request", (event) => {
  const { ctx } = event.detail;
  if (!ctx.hx?.redirect) release(ctx.sourceElement); // else the page is about to be left
});

document.addEventListener("htmx:error", (event) => {
  if (event.detail.ctx && !event.detail.ctx.response && !leaving) notice.hidden = false;
});
document.addEventListener("htmx:sse:error", () => {
  if (!leaving) notice.hidden = false;
});
for (const name of ["htmx:after:request", "htmx:sse:after:connection"]) {
  document.addEventListener(name, () => { notice.hidden = true; });
}

document.addEventListener("htmx:before:swap", (event) => {
  const response = event.detail.ctx.response?.raw;
  if (!response?.redirected) return;
  event.preventDefault();
  location.assign(response.url);
});
