// Keeps a charge's page true: counts down, and shows the newest state the moment it changes.
import { countDown } from "/static/driver/countdown.js";

const box = document.getElementById("charge");
const left = document.getElementById("left");
const live = !["paid", "expired", "cancelled", "issue_failed"].includes(box.dataset.state);

function changed(charge) {
  return charge.state !== box.dataset.state || (charge.money_flag ?? "") !== box.dataset.flag;
}

async function poll() {
  try {
    const answer = await fetch(`/v1/charges/${box.dataset.id}`);
    if (answer.ok && changed(await answer.json())) location.reload();
  } catch { /* offline: the next round asks again */ }
}

if (left) countDown(left);
if (live) {
  const events = new EventSource(`/v1/charges/${box.dataset.id}/events`);
  events.addEventListener("charge", (event) => { if (changed(JSON.parse(event.data))) location.reload(); });
  // EventSource comes back by itself; polling covers networks that swallow streams.
  setInterval(poll, 5000);
}
