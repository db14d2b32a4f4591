// Keeps a page true while it is open: fragments are fetched again when the device says that
// something changed, and countdowns run on the office's clock, not on this device's.

const shown = new Map();
let officeNow = Date.parse(document.body.dataset.now);
let heardAt = performance.now();
let refreshing = false;
let again = false;

export function officeTime() {
  return officeNow + (performance.now() - heardAt);
}

async function refresh(element) {
  const url = element.dataset.fragment;
  const response = await fetch(url, { cache: "no-store" });
  if (!response.ok) {
    // Signed out, or stopped by the office: the start knows where to go on.
    if (response.status === 401 || response.status === 403) location.assign("/");
    return;
  }
  const html = await response.text();
  if (shown.get(url) === html) return;
  const first = !shown.has(url);
  shown.set(url, html);
  const parsed = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  if (!parsed || (first && parsed.outerHTML === element.outerHTML)) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.replaceWith(parsed);
  if (focused) document.getElementById(focused)?.focus();
  document.dispatchEvent(new CustomEvent("fragment", { detail: parsed }));
}

async function refreshAll() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  try {
    do {
      again = false;
      await Promise.all([...document.querySelectorAll("[data-fragment]")].map(refresh));
      tick();
    } while (again);
  } catch {
    // The device's own process is restarting; the stream below comes back and tells.
  } finally {
    refreshing = false;
  }
}

function clock(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(left / 3600), Math.floor(left / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(left % 60)}` : `${minutes}:${two(left % 60)}`;
}

function tick() {
  for (const element of document.querySelectorAll("[data-expires]")) {
    const left = (Date.parse(element.dataset.expires) - officeTime()) / 1000;
    // At zero only the office knows what became of it: the screen says that it is being asked.
    const words = left > 0 ? clock(left) : element.dataset.over;
    if (element.textContent !== words) element.textContent = words;
  }
  for (const element of document.querySelectorAll("[data-since]")) {
    const minutes = Math.max(0, Math.floor((officeTime() - Date.parse(element.dataset.since)) / 60000));
    const words = `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}`;
    if (element.textContent !== words) element.textContent = words;
  }
}

function listen() {
  const source = new EventSource("/api/events");
  source.addEventListener("changed", (event) => {
    officeNow = Date.parse(JSON.parse(event.data).now);
    heardAt = performance.now();
    document.body.classList.remove("is-dead");
    refreshAll();
  });
  source.addEventListener("error", () => {
    document.body.classList.add("is-dead");
    if (source.readyState === EventSource.CLOSED) {
      source.close();
      setTimeout(listen, 1000);
    }
  });
}

// A second tap on the same button must not make a second charge.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-once")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-once]")) delete form.dataset.sent;
  refreshAll();
});

setInterval(tick, 500);
tick();
listen();
