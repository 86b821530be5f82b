// Runs before the page is painted. The server has set the theme where the viewer chose one;
// "system" follows the system, and changes with it.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    if (root.dataset.theme === "system") root.dataset.bsTheme = dark.matches ? "dark" : "light";
  };
  root.classList.remove("no-js");
  follow();
  dark.addEventListener("change", follow);

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-switch] button");
    if (!button) return;
    event.preventDefault(); // without script the form posts the choice and the page reloads
    root.dataset.theme = button.value;
    root.dataset.bsTheme = button.value;
    follow();
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `aegis_theme=${button.value}; path=/; max-age=31536000; samesite=lax${secure}`;
    for (const other of button.parentElement.querySelectorAll("button")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
})();
