// Passkeys: has the browser's authenticator answer a challenge, and hands the answer to the server.
const possible = window.PublicKeyCredential?.parseRequestOptionsFromJSON;
const refused = document.querySelector("[data-passkey-refused]");

async function send(path, body) {
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.title);
  return told;
}

const ways = {
  create: async (button) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(button.dataset.options));
    const credential = await navigator.credentials.create({ publicKey });
    return send(button.dataset.passkey, { name: button.dataset.name, credential: credential.toJSON() });
  },
  get: async (button) => {
    const options = button.dataset.options ? JSON.parse(button.dataset.options) : await send(`${button.dataset.passkey}/options`, {});
    const credential = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
    return send(button.dataset.passkey, { credential: credential.toJSON() });
  },
};

for (const button of document.querySelectorAll("button[data-passkey]")) {
  if (!possible) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    refused.hidden = true;
    button.disabled = true;
    try {
      await ways[button.dataset.way](button);
      location.assign(button.dataset.then);
    } catch (error) {
      // What the browser itself says, as when a person gives up, is not in the reader's language.
      refused.textContent = error instanceof DOMException ? refused.dataset.given : error.message;
      refused.hidden = false;
      button.disabled = false;
    }
  });
}
