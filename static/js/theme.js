// Runs before the page is painted. The server has set the theme where the viewer chose one;
// "system" follows the system, and changes with it.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    if (root.dataset.theme === "system") root.dataset.bsTheme = dark.matches ? "dark" : "light";
  };
  const show = {
    theme: (value) => { root.dataset.theme = root.dataset.bsTheme = value; follow(); },
    density: (value) => { root.dataset.density = value; },
  };
  root.classList.remove("no-js");
  follow();
  dark.addEventListener("change", follow);

  // A choice is sent by its form; what needs no other page is seen at once.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[aria-pressed], button[role=option]");
    const form = button?.form;
    if (!form?.matches("[data-preferences]") || form.getAttribute("aria-busy") === "true") return;
    show[button.name]?.(button.value);
    for (const other of document.querySelectorAll(`[data-preferences] [name="${button.name}"]`)) {
      other.setAttribute("aria-pressed", String(other.value === button.value));
    }
  });
})();
