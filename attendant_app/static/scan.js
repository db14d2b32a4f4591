// What the camera found is told by the device as a piece of this page.

import { goOn, isRunning, look, onCodes, pause, start } from "./camera.js";

const finder = document.getElementById("finder");

async function decide(texts) {
  const form = new URLSearchParams(texts.map((text) => ["text", text]));
  const response = await fetch(finder.dataset.ask, { method: "POST", body: form }).catch(() => null);
  if (response?.status === 401) return location.assign("/");
  if (!response?.ok) return setTimeout(() => look(), 1000);
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const found = parsed.getElementById("found");
  if (navigator.userActivation?.hasBeenActive)
    navigator.vibrate?.(found.dataset.look === "red" ? [150, 80, 150, 80, 150] : 60);
  document.getElementById("found").replaceWith(found);
  pause();
  // Where one of several must be chosen, the picture stays, with their numbers on it.
  finder.hidden = texts.length < 2;
  finder.classList.toggle("is-still", texts.length > 1);
  // What it is stands here at once; its own page follows.
  if (found.dataset.go) return location.assign(found.dataset.go);
  found.querySelector("button, a")?.focus();
}

document.querySelector("main").addEventListener("click", (event) => {
  // Only a camera that runs already goes on; else the page is opened anew.
  if (!event.target.closest("#again") || !isRunning()) return;
  event.preventDefault();
  document.getElementById("found").hidden = true;
  finder.hidden = false;
  finder.classList.remove("is-still");
  goOn();
});

document.getElementById("photo").addEventListener("change", (event) => event.target.form.submit());

// A slip in a typed code is said while it is typed.

const code = document.querySelector("#typed input");
const typedState = document.getElementById("typed-state");

code?.addEventListener("input", async () => {
  const typed = code.value;
  const response = await fetch(`/api/typed?${new URLSearchParams({ text: typed })}`).catch(() => null);
  if (!response?.ok || typed !== code.value) return;
  const { state, spot } = await response.json();
  const wrong = state === "mistyped" || state === "unknown-spot";
  const words = { mistyped: "mistyped", "unknown-spot": "unknownSpot", receipt: "receipt" }[state];
  typedState.textContent = spot ? spot.place : (typedState.dataset[words] ?? "");
  typedState.hidden = !typedState.textContent;
  typedState.classList.toggle("is-wrong", wrong);
  code.setAttribute("aria-invalid", wrong);
});

onCodes(decide);
if (!finder.hidden) start();
