// Keeps the page true while it is open: it is fetched again when the printer says that something
// changed, and what differs is put in place, so that focus and announcements stay.

let refreshing = false;
let again = false;

async function refresh() {
  again = true;
  if (refreshing) return;
  refreshing = true;
  while (again) {
    again = false;
    try {
      const response = await fetch(location.href, { cache: "no-store" });
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        await replace(part, fresh.getElementById(part.id));
      }
    } catch {
      // The printer is being started again; the stream below comes back and tells.
    }
  }
  refreshing = false;
}

async function replace(part, fresh) {
  if (!fresh || fresh.innerHTML === part.dataset.shown) return;
  part.dataset.shown = fresh.innerHTML;
  // Pictures first, or the paper would flicker at each line.
  await Promise.allSettled([...fresh.querySelectorAll("img")].map((img) => {
    const ahead = new Image();
    ahead.src = img.getAttribute("src");
    return ahead.decode();
  }));
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.replaceChildren(...document.importNode(fresh, true).childNodes);
  if (focused) document.getElementById(focused)?.focus();
}

document.addEventListener("submit", (event) => {
  event.preventDefault();
  fetch(event.target.action, { method: "POST", headers: { accept: "application/json" } });
});

new EventSource("/events").addEventListener("message", refresh);
