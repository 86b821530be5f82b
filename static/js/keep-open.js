// What the viewer opened stays open when a live part is morphed: the server's markup never says
// whether a <details> or a <dialog> is open.
htmx.registerExtension("keep-open", {
  htmx_before_morph_attr: (element, detail) =>
    !(detail.attrName === "open" && element.matches("details, dialog")),
});
