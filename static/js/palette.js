// The palette is a combobox: the focus stays in its field, the arrows move over what was found.
const palette = document.getElementById("palette");
const field = palette?.querySelector("input");
const said = palette?.querySelector("[role=status]");
let fresh = false; // whether the list is the answer to what the field says
let entered = false; // whether Enter was pressed before the answer came

const options = () => [...palette.querySelectorAll("[role=option]")];
const chosen = () => palette.querySelector("[aria-selected=true]");

function choose(option) {
  chosen()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-activedescendant", option?.id ?? "");
}

function open() {
  if (document.querySelector("dialog[open]")) return;
  palette.showModal();
  field.value = "";
  field.focus();
  stale();
  field.dispatchEvent(new Event("ask"));
}

function stale() {
  fresh = entered = false;
  choose(null);
}

function answered() {
  const list = document.getElementById("palette-list");
  if (list.dataset.asked !== field.value) return; // more was typed meanwhile: another comes
  const found = Number(list.dataset.found);
  fresh = true;
  field.setAttribute("aria-expanded", String(found > 0));
  said.textContent = found ? _("{count} found", { count: found }) : _("Nothing matches.");
  choose(options()[0]);
  if (entered) chosen()?.click();
}

const KEYS = {
  ArrowDown: (all, at) => choose(all[(at + 1) % all.length]),
  ArrowUp: (all, at) => choose(all[(at - 1 + all.length) % all.length]),
  Enter: () => { if (fresh) chosen()?.click(); else entered = true; },
};

if (palette) {
  for (const button of document.querySelectorAll("[data-palette]")) {
    button.setAttribute("role", "button");
    button.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the jobs in another tab
      event.preventDefault();
      open();
    });
  }
  if (/Mac|iP/.test(navigator.platform)) {
    for (const key of document.querySelectorAll("[data-ctrl]")) key.textContent = `⌘ ${key.dataset.ctrl}`;
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
    if (event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (palette.open) palette.close(); else open();
  });
  field.addEventListener("keydown", (event) => {
    const act = !event.isComposing && KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    const all = options();
    if (all.length || event.key === "Enter") act(all, all.indexOf(chosen()));
  });
  field.addEventListener("input", stale);
  palette.addEventListener("click", (event) => {
    if (event.target.closest("[role=option]")) palette.close();
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.sourceElement === field) answered();
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.sourceElement === field) said.textContent = _("The server does not answer.");
  });
}
