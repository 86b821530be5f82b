// Jobs chosen in the list: how many, and all of the page at once.
const bar = document.getElementById("jobs-bulk");
const boxes = () => [...document.querySelectorAll('#jobs-table input[name="job"]')];

function count() {
  const chosen = boxes().filter((box) => box.checked).length;
  bar.hidden = chosen === 0;
  bar.dataset.counted = ""; // until then the style sheet hides it, so that nothing jumps
  bar.querySelector("[data-chosen]").textContent = chosen === 1 ? _("1 job") : _("{count} jobs", { count: chosen });
  const all = document.querySelector("[data-choose-all]");
  if (!all) return;
  all.checked = chosen > 0 && chosen === boxes().length;
  all.indeterminate = chosen > 0 && !all.checked;
}

if (bar) {
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-choose-all]")) {
      for (const box of boxes()) box.checked = event.target.checked;
    }
    if (event.target.closest?.("#jobs-table")) count();
  });
  document.addEventListener("htmx:after:swap", count);
  addEventListener("pageshow", count);
  count();
}
