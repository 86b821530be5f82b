// A bar of the timeline opens its run beside the chart; with a modifier key it opens as any link does.
const aside = document.querySelector("[data-beside]");
let opener;

function close() {
  aside.hidden = true;
  aside.querySelector("#timeline-run-facts").replaceChildren();
  opener?.focus?.({ preventScroll: true });
}

if (aside) {
  document.addEventListener("click", async (event) => {
    const bar = event.target.closest?.(".ag-timeline-bars a");
    const url = bar?.getAttribute("href");
    if (!url?.match(/^\/runs\/\d+$/) || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = bar;
    await htmx.ajax("GET", url, { target: "#timeline-run-facts", swap: "innerHTML" });
    aside.querySelector("[data-beside-link]").href = url;
    aside.hidden = false;
    aside.focus({ preventScroll: true });
    aside.scrollIntoView({ block: "nearest" });
  });
  aside.querySelector("[data-beside-close]").addEventListener("click", close);
  aside.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
}
