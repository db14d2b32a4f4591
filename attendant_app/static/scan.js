// The camera as a source of JPEGs: each goes to the device's own reader until one holds a code.

const WIDTH = 960;
const PAUSE_MS = 150;
const video = document.getElementById("video");
const finder = document.getElementById("finder");
const cameraState = document.getElementById("camera-state");
const found = document.getElementById("found");
const canvas = document.createElement("canvas");
const words = found.dataset;
let looking = false;

function say(key) {
  cameraState.textContent = cameraState.dataset[key];
}

async function startCamera() {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } },
    });
    video.srcObject.getVideoTracks()[0].addEventListener("ended", cameraLost);
    await video.play();
  } catch {
    cameraLost();
    return;
  }
  say("on");
  look();
}

function cameraLost() {
  looking = false;
  finder.classList.add("is-off");
  say("off");
}

async function look() {
  looking = true;
  while (looking) {
    const frame = await snapshot();
    if (frame) {
      const answer = await read(frame);
      if (!looking) return;
      if (answer && answer.result.kind !== "none") show(answer.result);
    }
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
}

function snapshot() {
  if (!video.videoWidth) return null;
  const scale = Math.min(1, WIDTH / video.videoWidth);
  canvas.width = video.videoWidth * scale;
  canvas.height = video.videoHeight * scale;
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
}

async function read(picture) {
  try {
    const response = await fetch("/api/scan", { method: "POST", body: picture });
    if (response.status === 401) location.assign("/");
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

async function resolve(text) {
  const response = await fetch("/api/resolve", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ text }),
  });
  show(response.ok ? (await response.json()).result : { kind: "unverified" });
}

function show(result) {
  looking = false;
  if (result.kind === "charge") return location.assign(`/charges/${result.charge.id}`);
  if (result.kind === "spot") return location.assign(`/spots/${result.spot.code}`);
  const icon = { "foreign-qris": "cross", unverified: "clock" }[result.kind] ?? "scan";
  document.getElementById("found-icon").src = `/static/icons/${icon}.svg`;
  const [title, hint] = describe(result);
  document.getElementById("found-title").textContent = title;
  document.getElementById("found-hint").textContent = hint;
  found.className = `found is-${result.kind.replace("foreign-qris", "foreign")}`;
  document.getElementById("choices").replaceChildren(...(result.choices ?? []).map(choice));
  found.hidden = false;
  finder.hidden = true;
  found.querySelector("button").focus();
}

function describe(result) {
  switch (result.kind) {
    case "several":
      return [words.several, ""];
    case "receipt":
      return [words.receipt.replace("{number}", result.receipt.number), words.receiptHint];
    case "foreign-qris":
      return [words.foreign, words.foreignHint.replace("{name}", result.merchant.name)];
    case "unverified":
      return [words.unverified, words.unverifiedHint];
    case "none":
      return [words.none, ""];
    default:
      return [words.unknown, words.unknownHint];
  }
}

function choice(option) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const label = document.createElement("strong");
  const hint = document.createElement("span");
  button.type = "button";
  label.textContent = option.label;
  hint.textContent = option.hint;
  button.append(label, hint);
  button.addEventListener("click", () => resolve(option.text));
  item.append(button);
  return item;
}

document.getElementById("again").addEventListener("click", () => {
  found.hidden = true;
  finder.hidden = false;
  if (!finder.classList.contains("is-off")) look();
});
document.getElementById("typed").addEventListener("submit", (event) => {
  event.preventDefault();
  resolve(document.getElementById("code").value);
});
document.getElementById("photo").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  looking = false;
  const answer = await read(file);
  show(answer ? answer.result : { kind: "none" });
  event.target.value = "";
});

startCamera();
