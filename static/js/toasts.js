// Messages after an action are toasts: good news leaves by itself, trouble stays until it is
// dismissed by its button or by Escape. None covers the element that has the focus.
const LONG = 6000, PER_LETTER = 80; // milliseconds
const MOST = 4;
const STAYS = ".alert-danger, .alert-warning";
const BUSY = "input, textarea, select, [contenteditable]";
const place = document.querySelector(".page-wrapper #flash");
const toasts = () => [...place.querySelectorAll(":scope > .ag-alert")];

function dismiss(toast) {
  const focused = toast.contains(document.activeElement);
  toast.remove();
  if (!focused) return;
  (place.querySelector(".ag-toast-close") ?? document.getElementById("main")).focus();
}

function leaveInTime(toast) {
  let timer = 0;
  const wait = Math.max(LONG, toast.textContent.trim().length * PER_LETTER);
  const start = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (document.hidden || toast.matches(":hover, :focus-within")) start(); else dismiss(toast);
    }, wait);
  };
  toast.addEventListener("pointerleave", start);
  toast.addEventListener("focusout", start);
  start();
}

function adopt(toast) {
  const text = toast.textContent.trim();
  for (const other of toasts()) {
    if (other !== toast && other.dataset.toast === text) dismiss(other); // said again, by a poll
  }
  toast.dataset.toast = text;
  if (!toast.matches(STAYS)) leaveInTime(toast);
  const button = document.createElement("button");
  button.type = "button";
  button.className = "ag-toast-close";
  button.textContent = "×";
  button.setAttribute("aria-label", _("Dismiss"));
  button.addEventListener("click", () => dismiss(toast));
  toast.append(button);
}

function covers(rect) {
  return toasts().some((toast) => {
    const own = toast.getBoundingClientRect();
    return own.left < rect.right && rect.left < own.right && own.top < rect.bottom && rect.top < own.bottom;
  });
}

function makeWay() {
  const focused = document.activeElement;
  if (place.contains(focused)) return;
  delete place.dataset.side;
  const rect = focused?.getBoundingClientRect();
  if (!rect || rect.height > innerHeight / 2 || !covers(rect)) return;
  place.dataset.side = "top";
  if (covers(rect)) delete place.dataset.side;
}

if (place) {
  new MutationObserver(() => {
    for (const toast of toasts()) if (!("toast" in toast.dataset)) adopt(toast);
    for (const old of toasts().slice(0, -MOST)) dismiss(old);
    makeWay();
  }).observe(place, { childList: true });
  place.replaceChildren(...place.children); // those of the page itself; now they are read out too

  addEventListener("focusin", makeWay);
  addEventListener("resize", makeWay);
  addEventListener("scroll", () => requestAnimationFrame(makeWay), { passive: true, capture: true });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (document.querySelector("dialog[open], :popover-open")) return; // Escape is for these
    const inside = event.target.closest?.(".ag-alert");
    if (place.contains(inside)) return dismiss(inside);
    if (!event.target.closest?.(BUSY) && toasts().length) dismiss(toasts().at(-1));
  });
}
