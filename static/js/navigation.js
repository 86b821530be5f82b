// The side bar folds on narrow windows; "/" goes to the search of the page.
const toggle = document.querySelector("[data-nav-toggle]");
const menu = toggle && document.getElementById(toggle.getAttribute("aria-controls"));

function fold(open) {
  menu.classList.toggle("show", open);
  toggle.setAttribute("aria-expanded", String(open));
}

toggle?.addEventListener("click", () => fold(toggle.getAttribute("aria-expanded") !== "true"));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && toggle?.getAttribute("aria-expanded") === "true") {
    fold(false);
    toggle.focus();
  }
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
  const search = document.querySelector("main input[type=search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});
