// The days of the cron builder follow the expression, also those that were clicked before: a morph
// changes what a box says at first, not what a click has made of it.
document.addEventListener("htmx:after:swap", (event) => {
  if (event.detail.ctx?.sourceElement?.closest(".ag-builder")) return;
  for (const box of document.querySelectorAll("#jobs-builder [type=checkbox]")) box.checked = box.defaultChecked;
});
