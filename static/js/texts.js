// What the other modules say, in the reader's language; the page brings the texts unless it is English.
const texts = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

// The message in the reader's language; "{name}" stands for a value. Of all modules, so each can call it.
globalThis._ = (message, values = {}) =>
  (texts[message] ?? message).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
