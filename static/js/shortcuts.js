// One letter leads to each place of the side bar, "n" to a new job; "?" says which.
const TYPING = "input, textarea, select, [contenteditable], dialog, [popover]";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
  if (event.key === "?") {
    document.getElementById("shortcuts")?.showModal();
    return;
  }
  const link = document.querySelector(`#shortcuts [data-key="${CSS.escape(event.key)}"]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
