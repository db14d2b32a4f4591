// Keeps a page's figures true: what stands in #live is asked for again while somebody looks.
const live = document.getElementById("live");
const LEFT_ALONE_MS = 600000;
let touched = Date.now();

async function renew() {
  // A page that is left alone asks no more: else nobody would ever be signed out by idling.
  if (document.hidden || Date.now() - touched > LEFT_ALONE_MS) return;
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  } catch { return; } // without a network the figures stay, with their time
  if (answer.redirected || !answer.ok) { location.reload(); return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  // Who is reading along a table with the keyboard is not moved away from it.
  if (fresh && !live.contains(document.activeElement)) live.replaceChildren(...fresh.childNodes);
}

for (const kind of ["pointermove", "pointerdown", "keydown", "scroll"])
  addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
setInterval(renew, Number(live.dataset.everyS) * 1000);
document.addEventListener("visibilitychange", renew);
