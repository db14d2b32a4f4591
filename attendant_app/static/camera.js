// The camera as a source of JPEGs: each goes to the device's own reader, the next only after its
// answer, until one holds a code. What is done with that code, the page says (`onCodes`).

const WIDTH = 960;
const QUALITY = 0.85;
const TIPS_AFTER_MS = 6000;
const REFUSALS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotReadableError: "taken",
  AbortError: "taken",
};
const finder = document.getElementById("finder");
const preview = document.getElementById("preview");
const outlines = document.getElementById("outlines");
const cameraState = document.getElementById("camera-state");
const torch = document.getElementById("torch");
const retry = document.getElementById("retry");
const frame = document.createElement("canvas");
const source = finder.dataset.camera === "device" ? deviceCamera() : browserCamera();
let turn = 0;
let decide = () => {};
let begin = () => look();

export function onCodes(decider) {
  decide = decider;
}

export const isRunning = () => turn > 0 && !finder.classList.contains("is-off");
export const pause = () => source.pause();

export function goOn() {
  outline([]);
  source.resume();
  look();
}

export function say(key) {
  if (cameraState.textContent !== cameraState.dataset[key]) cameraState.textContent = cameraState.dataset[key];
}

function cameraFailed(why) {
  turn += 1;
  finder.classList.add("is-off");
  torch.hidden = true;
  retry.hidden = false;
  say(why);
}

export const picture = (width) => source.picture(width);

// Show what the camera sees and read nothing of it; `begun` is told once it runs.
export function view(begun) {
  begin = async () => {
    say("on");
    begun();
  };
  return start();
}

export async function start() {
  finder.classList.remove("is-off");
  retry.hidden = true;
  say("starting");
  try {
    await source.start();
  } catch (error) {
    cameraFailed(REFUSALS[error.name] ?? "absent");
    return;
  }
  await begin();
}

export async function look(state = "on") {
  const mine = ++turn;
  const since = performance.now();
  say(state);
  while (mine === turn) {
    const picture = await source.picture();
    if (mine !== turn) return;
    const codes = await read(picture);
    if (mine !== turn) return;
    outline(codes);
    if (codes.length) return decide(codes.map((code) => code.text));
    if (performance.now() - since > TIPS_AFTER_MS) say("tips");
  }
}

// Sources: `picture` waits for the next frame and gives it as a JPEG.

function browserCamera() {
  return {
    async start() {
      if (!navigator.mediaDevices) throw new DOMException("", "NotFoundError");
      preview.srcObject = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } },
      });
      const [track] = preview.srcObject.getVideoTracks();
      track.addEventListener("ended", () => cameraFailed("lost"));
      await preview.play();
      offerTorch(track);
      offerFocus(track);
    },
    async picture(width = WIDTH) {
      await new Promise((seen) => preview.requestVideoFrameCallback(seen));
      const scale = Math.min(1, width / preview.videoWidth);
      frame.width = preview.videoWidth * scale;
      frame.height = preview.videoHeight * scale;
      frame.getContext("2d").drawImage(preview, 0, 0, frame.width, frame.height);
      return new Promise((done) => frame.toBlob(done, "image/jpeg", QUALITY));
    },
    pause: () => preview.pause(),
    resume: () => preview.play(),
  };
}

function deviceCamera() {
  async function picture() {
    const response = await fetch("/api/camera.jpg").catch(() => null);
    if (!response?.ok) {
      cameraFailed("lost");
      return null;
    }
    const jpeg = await response.blob();
    const image = await createImageBitmap(jpeg);
    frame.width = preview.width = image.width;
    frame.height = preview.height = image.height;
    preview.getContext("2d").drawImage(image, 0, 0);
    return jpeg;
  }
  return { start() {}, picture, pause() {}, resume() {} };
}

function offerTorch(track) {
  torch.hidden = !track.getCapabilities?.().torch;
  torch.onclick = async () => {
    const on = torch.getAttribute("aria-pressed") !== "true";
    try {
      await track.applyConstraints({ advanced: [{ torch: on }] });
      torch.setAttribute("aria-pressed", on);
    } catch {
      torch.hidden = true;
    }
  };
}

// A tap on the picture focuses there, where the camera lets itself be told.
function offerFocus(track) {
  const modes = track.getCapabilities?.().focusMode ?? [];
  const focusMode = ["single-shot", "continuous"].find((mode) => modes.includes(mode));
  preview.onclick = (event) => {
    if (!focusMode) return;
    const box = preview.getBoundingClientRect();
    const scale = Math.max(box.width / preview.videoWidth, box.height / preview.videoHeight);
    const fraction = (at, shown, whole) => 0.5 + (at - shown / 2) / (whole * scale);
    const point = {
      x: fraction(event.clientX - box.left, box.width, preview.videoWidth),
      y: fraction(event.clientY - box.top, box.height, preview.videoHeight),
    };
    track.applyConstraints({ advanced: [{ focusMode, pointsOfInterest: [point] }] }).catch(() => {});
  };
}

// What the device's reader sees in a frame, and what that is

async function read(picture) {
  const response = await fetch("/api/frames", { method: "POST", body: picture }).catch(() => null);
  if (response?.status === 401) location.assign("/");
  // A reader that is away for a moment must not be asked in a tight circle.
  if (!response?.ok) await new Promise((resume) => setTimeout(resume, 300));
  return response?.ok ? (await response.json()).codes : [];
}

function outline(codes) {
  outlines.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  outlines.replaceChildren(...codes.flatMap((code, place) => {
    const points = code.corners.map(([x, y]) => [x * frame.width, y * frame.height]);
    const shape = drawn("polygon", { points: points.join(" ") });
    if (codes.length < 2) return [shape];
    const middle = [0, 1].map((axis) => points.reduce((sum, p) => sum + p[axis], 0) / points.length);
    const size = frame.height / 8;
    const label = drawn("text", { x: middle[0], y: middle[1], "font-size": size, dy: size / 3 });
    label.textContent = place + 1;
    return [shape, drawn("circle", { cx: middle[0], cy: middle[1], r: size * 0.7 }), label];
  }));
}

function drawn(name, attributes) {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
  return shape;
}

retry.addEventListener("click", start);
