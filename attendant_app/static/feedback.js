// Says "paid" to eyes that look elsewhere: two rising tones and one long pulse, once a payment.

function tone(context, frequency, start, length) {
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0.4, context.currentTime + start);
  gain.gain.exponentialRampToValueAtTime(0.001, context.currentTime + start + length);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(context.currentTime + start);
  oscillator.stop(context.currentTime + start + length);
}

function play(frequencies, pulses) {
  navigator.vibrate?.(pulses);
  const context = new AudioContext();
  frequencies.forEach((frequency, place) => tone(context, frequency, place * 0.22, 0.35));
  setTimeout(() => context.close(), 2000);
}

let look = document.querySelector("[data-key=charge]")?.dataset.look;

document.addEventListener("fragment", (event) => {
  const now = event.detail.dataset.look;
  if (event.detail.dataset.key !== "charge" || now === look) return;
  look = now;
  if (now === "paid") play([660, 990], [600]);
  else if (now !== "payable" && now !== "waiting") play([300, 300], [150, 80, 150, 80, 150]);
});
