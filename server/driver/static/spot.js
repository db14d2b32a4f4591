// Shows what is chosen costs, before it is paid. Without this the server shows it as a step.
const form = document.querySelector("form");
let asked;

// Never the plate: it must not stand in an address.
const chosen = () => new URLSearchParams({ vehicle_class: form.elements.vehicle_class.value, minutes: form.elements.minutes.value }).toString();
let shown = `vehicle_class=${form.dataset.chosen}&minutes=${form.dataset.minutes}`;

async function show() {
  const wanted = chosen();
  if (wanted === shown) return;
  shown = wanted;
  asked?.abort();
  asked = new AbortController();
  document.getElementById("quote").ariaBusy = "true";
  try {
    const answer = await fetch(`${location.pathname}?${wanted}`, { signal: asked.signal });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("quote").replaceWith(page.getElementById("quote"));
    form.querySelector("button").textContent = page.querySelector("form button").textContent;
  } catch { /* offline: the server shows the amount before it asks for it */ }
}

form.addEventListener("change", show);
// Chosen before this was loaded, or kept by the browser from a visit before.
addEventListener("pageshow", show);
show();
