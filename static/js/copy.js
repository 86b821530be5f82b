// Copy buttons: data-copy names an element whose text is copied, data-copy-value is the text.
// What is not laid out at the moment, as most of a long log, has a textContent only.
const textOf = (source) => (source.localName === "pre" ? source.textContent : source.innerText);

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // plain http has no clipboard
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy], [data-copy-value]");
  if (!button) return;
  const source = button.dataset.copy && document.querySelector(button.dataset.copy);
  const word = button.querySelector("span");
  let said = _("Copied");
  try {
    await copy(source ? textOf(source) : button.dataset.copyValue);
  } catch {
    said = _("Not allowed by the browser");
  }
  const before = word ? word.textContent : button.getAttribute("aria-label");
  const say = (text) => (word ? (word.textContent = text) : button.setAttribute("aria-label", text));
  if (before === said) return;
  say(said);
  setTimeout(() => say(before), 2000);
});
