// Keeps a display true: what the server says is shown at once, and nothing once it says nothing.
const lost = document.getElementById("lost");
const LOST_MS = 20000, POLL_MS = 5000;
let heard = performance.now(), fetching = false, over = Infinity;

const shown = () => document.getElementById("display");

// From the server's count, not this screen's clock, which may be wrong.
function count() {
  const seconds = shown().dataset.seconds;
  over = seconds === undefined ? Infinity : performance.now() + Number(seconds) * 1000 + 2000;
}

async function renew() {
  if (fetching) return;
  fetching = true;
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      shown().replaceWith(page.getElementById("display"));
      heard = performance.now();
      count();
      look();
    }
  } catch { /* out of touch: look() says so */ }
  fetching = false;
}

function hear(told) {
  heard = performance.now();
  if (told.version !== shown().dataset.version || !lost.hidden) renew();
}

// What is not known to be true any more is not shown: above all not that a stay is paid.
function look() {
  const away = performance.now() - heard > LOST_MS || performance.now() > over;
  lost.hidden = !away;
  shown().hidden = away;
}

async function poll() {
  if (performance.now() - heard < POLL_MS * 2 && performance.now() < over) return;
  try {
    const answer = await fetch(`/v1/spots/${shown().dataset.spot}/display`, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (answer.ok) hear(await answer.json());
  } catch { /* out of touch: look() says so */ }
}

count();
const events = new EventSource(`/v1/spots/${shown().dataset.spot}/display/events`);
events.addEventListener("display", (event) => hear(JSON.parse(event.data)));
// EventSource comes back by itself; polling covers networks that swallow streams.
setInterval(poll, POLL_MS);
setInterval(look, 1000);
