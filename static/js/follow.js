// A log that grows keeps its end in sight, unless the reader has scrolled away from it.
const NEAR = 24; // pixels
const atEnd = (pane) => pane.scrollHeight - pane.scrollTop - pane.clientHeight <= NEAR;
const toEnd = (pane) => { pane.scrollTop = pane.scrollHeight; };

for (const pane of document.querySelectorAll("[data-follow]")) {
  toEnd(pane);
  let following = true;
  pane.addEventListener("scroll", () => { following = atEnd(pane); });
  new MutationObserver(() => { if (following) toEnd(pane); }).observe(pane, { childList: true });
}
