// The log of a run. It keeps its end in sight until the reader scrolls up, wraps long lines if asked to, and gets
// earlier lines when the reader comes to its top, without moving what is being read.
const NEAR = 24, EARLY = 600; // pixels
const MOST = 100; // blocks of up to 100 lines: with more, scrolling gets slow, and the link opens a page of its own
const WRAP = "log-wrap"; // remembered as long as the tab is open
const pane = document.getElementById("run-log");
const part = (name) => document.querySelector(`[data-log-${name}]`);

if (pane) {
  const follow = part("follow"), wrap = part("wrap"), jump = part("jump");
  const grows = () => document.querySelector("#run-log-poll[hx-get]") !== null;
  const atEnd = () => pane.scrollHeight - pane.scrollTop - pane.clientHeight <= NEAR;
  const isFull = () => pane.childElementCount >= MOST;
  let following = grows(), last = 0, anchor, top;

  function show() {
    follow.hidden = !grows();
    follow.setAttribute("aria-pressed", String(following));
    pane.setAttribute("aria-live", following && grows() ? "polite" : "off");
    jump.hidden = atEnd();
  }

  function toEnd(again = true) {
    pane.scrollTop = pane.scrollHeight;
    last = pane.scrollTop;
    show();
    if (again) requestAnimationFrame(() => toEnd(false)); // by then blocks have their true heights
  }

  function askForEarlier() {
    const link = document.querySelector("#run-log-earlier a");
    if (!link || pane.scrollTop > EARLY || isFull() || "asked" in link.dataset) return;
    link.dataset.asked = "";
    link.dispatchEvent(new Event("earlier"));
  }

  function setWrap(on) {
    pane.classList.toggle("ag-wrap", on);
    wrap.setAttribute("aria-pressed", String(on));
    if (following) toEnd(); else show();
  }

  pane.addEventListener("scroll", () => {
    if (atEnd()) following = true;
    else if (pane.scrollTop < last) following = false;
    if (pane.scrollTop < last) askForEarlier();
    last = pane.scrollTop;
    show();
  }, { passive: true });

  document.addEventListener("click", (event) => {
    if (isFull() && event.target.closest?.("#run-log-earlier")) event.stopImmediatePropagation();
  }, { capture: true });

  document.addEventListener("htmx:before:swap", (event) => {
    if (!event.target.closest?.("#run-log-earlier")) return;
    anchor = pane.firstElementChild;
    top = anchor.getBoundingClientRect().top;
    pane.style.overflowAnchor = "none"; // some browsers would correct it once more
  });

  new MutationObserver(() => {
    if (anchor) {
      pane.scrollTop += anchor.getBoundingClientRect().top - top;
      last = pane.scrollTop;
      anchor = undefined;
      requestAnimationFrame(() => { pane.style.overflowAnchor = ""; });
    } else if (following) toEnd();
    show();
  }).observe(pane, { childList: true });
  new MutationObserver(show).observe(pane.closest(".card"), { childList: true, subtree: true });

  follow.addEventListener("click", () => {
    following = !following;
    if (following) toEnd(); else show();
  });
  jump.addEventListener("click", () => {
    following = true;
    toEnd();
    pane.focus();
  });
  wrap.addEventListener("click", () => {
    const on = !pane.classList.contains("ag-wrap");
    sessionStorage.setItem(WRAP, on ? "on" : "");
    setWrap(on);
  });

  wrap.hidden = false;
  pane.classList.toggle("ag-wrap", sessionStorage.getItem(WRAP) === "on");
  wrap.setAttribute("aria-pressed", String(pane.classList.contains("ag-wrap")));
  if (pane.dataset.log === "end") {
    toEnd();
    document.fonts.ready.then(() => { if (pane.scrollTop === last) toEnd(); }); // it changes heights
  }
  show();
}
