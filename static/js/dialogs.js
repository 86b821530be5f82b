// Dialogs open and close by the attributes command and commandfor. This stands in for browsers
// that do not know these yet.
if (!("command" in HTMLButtonElement.prototype)) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[commandfor]");
    const dialog = button && document.getElementById(button.getAttribute("commandfor"));
    if (!(dialog instanceof HTMLDialogElement)) return;
    if (button.getAttribute("command") === "show-modal") dialog.showModal();
    if (button.getAttribute("command") === "close") dialog.close();
  });
}

// A menu does not stay open behind the dialog that it opened.
document.addEventListener("click", (event) => {
  event.target.closest?.("[popover] button[commandfor]")?.closest("[popover]").hidePopover();
});

// A menu that is fetched for each row never shows another row's actions.
document.addEventListener("beforetoggle", (event) => {
  if (event.newState === "open" && event.target.matches("[data-fresh]")) event.target.replaceChildren();
}, true);
