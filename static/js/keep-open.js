// What the viewer opened or closed stays so when a live part is morphed: the server's markup says
// only at first sight whether a <details> or a <dialog> is open.
htmx.registerExtension("keep-open", {
  htmx_before_morph_attr: (element, detail) =>
    !(detail.attrName === "open" && element.matches("details, dialog")),
});
