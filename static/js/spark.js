// A chart of a job's last runs is one link; pointer and arrow keys say to which of them it leads.
const SLOTS = 20, STEP = 6; // as in web/charts.py

// Its columns: by how much each number is above the one before, how long the runs took, which of
// the words at the end says what became of each.
const runs = (link) => {
  const [steps, took, kinds, words] = link.dataset.runs.split("|").map((column) => column.split(";"));
  let id = 0;
  return steps.map((step, at) => {
    id += Number(step);
    return { id, title: [words[kinds[at]], took[at]].filter(Boolean).join(", ") };
  });
};

function aim(link, index) {
  const told = runs(link)[index];
  if (!told) return;
  link.dataset.all ??= link.getAttribute("href");
  link.dataset.label ??= link.getAttribute("aria-label");
  link.dataset.at = index;
  link.style.setProperty("--at", `${(SLOTS - runs(link).length + index) * STEP}px`);
  link.href = `/runs/${told.id}`;
  link.title = _("Run {id}: {title}", told);
  link.setAttribute("aria-label", link.title);
}

function release(link) {
  if (!("at" in link.dataset)) return;
  link.href = link.dataset.all;
  link.title = link.dataset.label;
  link.setAttribute("aria-label", link.dataset.label);
  for (const name of ["at", "all", "label"]) delete link.dataset[name];
}

const of = (event) => event.target.closest?.("[data-runs]");

document.addEventListener("pointermove", (event) => {
  const link = of(event);
  if (!link) return;
  const slot = Math.floor((event.clientX - link.getBoundingClientRect().left) / STEP);
  aim(link, slot - (SLOTS - runs(link).length));
});
document.addEventListener("pointerout", (event) => {
  const link = of(event);
  if (link && !link.contains(event.relatedTarget)) release(link);
});
document.addEventListener("focusout", (event) => { if (of(event)) release(of(event)); });
document.addEventListener("keydown", (event) => {
  const link = of(event);
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!link || !step) return;
  event.preventDefault();
  const last = runs(link).length - 1;
  const at = "at" in link.dataset ? Number(link.dataset.at) + step : last;
  aim(link, Math.max(0, Math.min(last, at)));
});
