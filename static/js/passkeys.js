// Forms with data-passkey: their button lets a passkey answer a challenge, and sends the answer along. The challenge
// stands in data-passkey-options, where one is made, else it is asked for at the address in data-passkey.
const busy = new WeakSet();
const forms = () => document.querySelectorAll("form[data-passkey]");
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (sign) => sign.charCodeAt(0));
const idsToBytes = (list) => (list ?? []).map((one) => ({ ...one, id: toBytes(one.id) }));

async function make(options) {
  if (performance.now() > options.timeout) throw new Error("too late: the device would keep what the server refuses");
  const publicKey = { ...options, challenge: toBytes(options.challenge) };
  publicKey.user = { ...options.user, id: toBytes(options.user.id) };
  publicKey.excludeCredentials = idsToBytes(options.excludeCredentials);
  return navigator.credentials.create({ publicKey });
}

async function prove(form) {
  const headers = { "X-CSRFToken": form.elements.csrf_token.value };
  const response = await fetch(form.dataset.passkey, { method: "POST", headers });
  if (!response.ok || response.redirected) throw new Error(String(response.status));
  const options = await response.json();
  return navigator.credentials.get({ publicKey: { ...options, challenge: toBytes(options.challenge), allowCredentials: [] } });
}

function asJson({ id, rawId, type, response }) {
  const parts = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) parts[name] = toText(response[name]);
  }
  return JSON.stringify({ id, rawId: toText(rawId), type, response: parts });
}

function explain(error) {
  if (error.name === "NotAllowedError") return _("Nothing was done: it was cancelled, took too long, or this device has no passkey for this site.");
  if (error.name === "InvalidStateError") return _("This device has a passkey of this account already.");
  if (error.name === "SecurityError") return _("Passkeys do not work at this address. Use the one that your administrator gave you.");
  return _("The browser could not ask for a passkey. Load the page again, or sign in with your password.");
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("passkey" in form.dataset) || form.elements.answer.value) return;
  event.preventDefault();
  if (busy.has(form)) return;
  busy.add(form);
  const { passkeyOptions: options } = form.dataset;
  const problem = form.querySelector("[data-passkey-problem]");
  problem.hidden = true;
  try {
    form.elements.answer.value = asJson(await (options ? make(JSON.parse(options)) : prove(form)));
    form.requestSubmit();
  } catch (error) {
    problem.querySelector(".alert > div").textContent = explain(error);
    problem.hidden = false;
  } finally {
    busy.delete(form);
  }
});

addEventListener("pageshow", () => {
  for (const form of forms()) form.elements.answer.value = ""; // an answer counts once
});

if (window.PublicKeyCredential) {
  for (const form of forms()) {
    form.hidden = false;
    for (const button of form.querySelectorAll("button[disabled]")) button.disabled = false;
    form.querySelector("[data-passkey-missing]")?.remove();
  }
}
