// The PIN pad: large keys for wet fingers. The field stays usable with a keyboard.

const pad = document.querySelector(".pad");
const pin = document.getElementById("pin");
const attendant = document.getElementById("attendant");

pad.hidden = false;
pin.inputMode = "none";
(attendant.value ? pin : attendant).focus();

pad.addEventListener("click", (event) => {
  const key = event.target.closest("button");
  if (!key) return;
  if (key.dataset.digit && pin.value.length < pin.maxLength) pin.value += key.dataset.digit;
  else if ("erase" in key.dataset) pin.value = pin.value.slice(0, -1);
});
