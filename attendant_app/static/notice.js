// The shutter: what the camera shows becomes a photo of this notice, kept by the device.

import { picture, say, view } from "./camera.js";

const shutter = document.getElementById("shutter");
const WIDTH = 1280;

shutter?.addEventListener("click", async () => {
  shutter.disabled = true;
  const body = await picture(WIDTH).catch(() => null);
  const answer = body && (await fetch(shutter.dataset.to, {
    method: "POST",
    headers: { "Content-Type": "image/jpeg" },
    body,
  }).catch(() => null));
  if (answer?.ok) return location.assign(shutter.dataset.then);
  say("failed");
  shutter.disabled = false;
});

document.getElementById("photo")?.addEventListener("change", (event) => event.target.form.submit());

if (shutter) view(() => { shutter.disabled = false; });
