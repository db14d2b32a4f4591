// Says results to ears and hands, on whatever screen one is: a tone, a pulse and a sentence, once
// for each result. Which charges there are stands in the status bar, so it follows every change.

// Frequencies in Hz one after the other, their wave, and the pulses in ms: rising is paid, low and
// rough is not, one soft note is "not yet".
const TONES = {
  good: [[660, 990], "sine", [600]],
  bad: [[311, 220], "square", [150, 80, 150, 80, 150]],
  wait: [[523], "sine", [80]],
};
const TOLD_MS = 12000;
const STEP_S = 0.22;
const loud = document.body.dataset.sound === "on";
const language = document.documentElement.lang === "en" ? /^en\b/i : /^(id|in)\b/i;
// A page that is being left would lose the sentence half way: the next one says it.
let leaving = false;

function play([frequencies, wave]) {
  const context = new AudioContext();
  frequencies.forEach((frequency, place) => {
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    const start = context.currentTime + place * STEP_S;
    oscillator.type = wave;
    oscillator.frequency.value = frequency;
    gain.gain.setValueAtTime(0.4, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + 0.35);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(start);
    oscillator.stop(start + 0.35);
  });
  setTimeout(() => context.close(), 2000);
}

// A voice of another language would make the words wrong: without the right one it stays silent.
function speak(words) {
  const voice = window.speechSynthesis?.getVoices().find((one) => language.test(one.lang));
  if (!voice || !words) return;
  const sentence = new SpeechSynthesisUtterance(words);
  sentence.voice = voice;
  sentence.lang = voice.lang;
  speechSynthesis.speak(sentence);
}

function show(item) {
  const link = item.querySelector("a").cloneNode(true);
  if (link.getAttribute("href") === location.pathname) return;
  document.getElementById("told").replaceChildren(link);
  setTimeout(() => link.remove(), TOLD_MS);
}

function remembered() {
  return JSON.parse(sessionStorage.getItem("looks") ?? "{}");
}

function hear() {
  if (leaving) return;
  const before = remembered();
  const now = {};
  for (const item of document.getElementById("news").content.children) {
    const { charge, look, tone, say } = item.dataset;
    now[charge] = look;
    const isNew = charge in before ? before[charge] !== look : "fresh" in item.dataset;
    if (!isNew || !tone) continue;
    show(item);
    navigator.vibrate?.(TONES[tone][2]);
    if (!loud) continue;
    play(TONES[tone]);
    setTimeout(speak, 700, say);
  }
  sessionStorage.setItem("looks", JSON.stringify(now));
}

// Voices are loaded on the first question for them; asked early they are there when needed.
window.speechSynthesis?.getVoices();
addEventListener("beforeunload", () => (leaving = true));
addEventListener("pageshow", () => {
  leaving = false;
  hear();
});
document.addEventListener("fragment", (event) => {
  if (event.detail.dataset.key === "status") hear();
});
