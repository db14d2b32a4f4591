// Keeps a charge's page true: counts down, and shows the newest state the moment it changes.
const box = document.getElementById("charge");
const left = document.getElementById("left");
const live = !["paid", "expired", "cancelled", "issue_failed"].includes(box.dataset.state);

const two = (number) => String(Math.floor(number)).padStart(2, "0");

function count() {
  // From the server's count, not this phone's clock, which may be wrong.
  const end = performance.now() + Number(left.dataset.seconds) * 1000;
  const tick = setInterval(() => {
    const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    left.textContent = [...(seconds < 3600 ? [] : [Math.floor(seconds / 3600)]), two(seconds / 60 % 60), two(seconds % 60)].join(":");
    if (seconds === 0) { clearInterval(tick); location.reload(); }
  }, 500);
}

function changed(charge) {
  return charge.state !== box.dataset.state || (charge.money_flag ?? "") !== box.dataset.flag;
}

async function poll() {
  try {
    const answer = await fetch(`/v1/charges/${box.dataset.id}`);
    if (answer.ok && changed(await answer.json())) location.reload();
  } catch { /* offline: the next round asks again */ }
}

if (left) count();
if (live) {
  const events = new EventSource(`/v1/charges/${box.dataset.id}/events`);
  events.addEventListener("charge", (event) => { if (changed(JSON.parse(event.data))) location.reload(); });
  // EventSource comes back by itself; polling covers networks that swallow streams.
  setInterval(poll, 5000);
}
