// Keeps a stay's page true: counts down, warns ten minutes before, asks to be reminded.
import { countDown } from "/static/driver/countdown.js";

const LAST_S = 600;
const box = document.getElementById("stay");
const left = document.getElementById("left");
const until = document.getElementById("until");

function warn() {
  until.classList.replace("paid", "waiting");
  until.querySelector("h1").textContent = until.dataset.ending;
  navigator.vibrate?.([400, 200, 400]);
  beep();
}

function beep() {
  try {
    const audio = new AudioContext();
    const tone = audio.createOscillator();
    tone.connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.4);
  } catch { /* a browser may keep quiet until it was touched */ }
}

if (left) {
  let warned = Number(left.dataset.seconds) <= LAST_S;
  countDown(left, (seconds) => {
    if (!warned && seconds <= LAST_S) { warned = true; warn(); }
  });
} else if (document.querySelector("form[action$='/leave']")) {
  setInterval(() => location.reload(), 60000); // what is owed grows
}

const remind = document.getElementById("remind");

async function subscribe() {
  const worker = await navigator.serviceWorker.register("/static/driver/reminder.js");
  if (await Notification.requestPermission() !== "granted") throw new Error("not allowed");
  while (!worker.active) await new Promise((again) => setTimeout(again, 100));
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: box.dataset.pushKey });
  const answer = await fetch(`/s/${box.dataset.id}/reminder`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(subscription),
  });
  if (!answer.ok) throw new Error("refused");
}

if (remind && "serviceWorker" in navigator && "PushManager" in window) {
  remind.hidden = false;
  remind.querySelector("button").addEventListener("click", async () => {
    remind.hidden = true;
    const told = await subscribe().then(() => "reminded", () => "not-reminded");
    document.getElementById(told).hidden = false;
  });
}
