// Of all codes before the camera only the office's own enrols: it fills the form and sends it.

import { look, onCodes, say, start } from "./camera.js";

const code = document.getElementById("code");

onCodes((texts) => {
  const found = texts.find((text) => text.toUpperCase().startsWith("KARCIS-ENROL:"));
  if (found) {
    code.value = found;
    return code.form.submit();
  }
  say("other");
  return setTimeout(() => look("other"), 1000);
});
document.getElementById("finder").hidden = false;
start();
