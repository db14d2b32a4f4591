"""T32: what a camera shows on a bad day, and no camera at all.

Clips of drawn and damaged codes go, frame by frame, to a real handheld as its page sends them, and
what it answers is held to what was drawn. Where there is no camera, the page is looked at in
Chromium. The control is a plain reader: the first code it finds, and no other way in.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import cv2
import numpy as np
from playwright.async_api import Playwright, async_playwright, expect
from pyzbar import pyzbar

from bench import pictures
from bench.pictures import Picture
from tests.faults.handheld_stage import HandheldStage, Handset

FRAMES = 8
"""What a reader gets to in a second, at the time it may take for one frame."""
WIDTH, QUALITY = 960, 85
"""As the page sends a frame."""
UNSTEADY = 0.3
FAIR = ("motion", "defocus", "tilt", "glare", "low-light", "moire")
TWO = "two codes"
UNREAD = ""
"""The text of a code that is seen beside another and stays unread."""
OF_EACH, OF_TWO = 8, 12
ENOUGH = 0.95
CHROMIUM = "/usr/bin/chromium"
CAMERAS = (
    # what is wrong with it, how Chromium is told to see one, what is granted, what the page says
    ("permission denied", True, False, "Kamera tidak diizinkan"),
    ("no camera", False, True, "Kamera tidak ditemukan"),
    ("camera unplugged", True, True, "Kamera terputus"),
)
UNPLUG = """document.getElementById("preview").srcObject.getVideoTracks()[0]
    .dispatchEvent(new Event("ended"))"""


@dataclass(frozen=True)
class Clip:
    """A second before the camera, and what is to be read in it."""

    kind: str
    texts: frozenset[str]
    frames: tuple[Picture, ...]


async def clips(stage: HandheldStage) -> AsyncIterator[Clip]:
    for kind in (*FAIR * OF_EACH, *[TWO] * OF_TWO):
        make = _of_two if kind == TWO else _of_one
        yield await asyncio.to_thread(make, kind, stage.rng.randrange(2**32))


def _of_one(kind: str, seed: int) -> Clip:
    damage, level = ("faint", "easy") if kind == "moire" else (kind, "fair")
    scene = pictures.scene(damage, level, seed)
    shots = [scene.shot(seed + moment, UNSTEADY) for moment in range(FRAMES)]
    if kind == "moire":
        shots = [_moire(shot, seed + moment) for moment, shot in enumerate(shots)]
    return Clip(kind, frozenset({scene.text}), tuple(map(_as_sent, shots)))


def _of_two(kind: str, seed: int) -> Clip:
    """Two codes side by side, as a sign and a slip that is held before it."""
    damage = pictures.DAMAGES[seed % len(pictures.DAMAGES)]
    scenes = [pictures.scene(damage, "easy", seed + number) for number in range(2)]
    frames = []
    for moment in range(FRAMES):
        halves = [cv2.resize(s.shot(seed + moment, UNSTEADY), (640, 480)) for s in scenes]
        frames.append(_as_sent(np.hstack(halves)))
    return Clip(kind, frozenset(scene.text for scene in scenes), tuple(frames))


def _moire(frame: Picture, seed: int) -> Picture:
    """A phone's screen: the grid of its dots and that of the camera's beat against each other."""
    random = np.random.default_rng(seed)
    period, angle = random.uniform(1.02, 2.2), random.uniform(-0.3, 0.3)
    ys, xs = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
    across = (xs * np.cos(angle) + ys * np.sin(angle)) / period
    down = (ys * np.cos(angle) - xs * np.sin(angle)) / period
    shades = [np.cos(2 * np.pi * (across + third / 3)) for third in range(3)]
    light = 1 - 0.35 * (0.5 + 0.25 * (np.stack(shades, 2) + np.cos(2 * np.pi * down)[..., None]))
    return np.clip(frame * light, 0, 255).astype(np.uint8)


def _as_sent(frame: Picture) -> Picture:
    scale = min(1.0, WIDTH / frame.shape[1])
    return np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


async def show_clips(stage: HandheldStage) -> None:
    """T32. Fair clips are read, of two the attendant is asked, and a hand can always type."""
    if not stage.is_ours:
        return await _show_plain_reader(stage)
    handset = await stage.handset()
    await handset.start()
    await handset.sign_in()
    read = 0
    async for clip in clips(stage):
        texts = await _watched(handset, clip)
        _tally(stage, clip, texts)
        if len(clip.texts) > 1:
            await _asked(stage, handset, texts)
        else:
            read += texts == clip.texts
    if read < ENOUGH * len(FAIR) * OF_EACH:
        stage.tally.violate("fair clips not read", f"{read} of {len(FAIR) * OF_EACH}")
    await _without_camera(stage, handset)
    return None


def _tally(stage: HandheldStage, clip: Clip, texts: frozenset[str]) -> None:
    stage.tally.runs += 1
    stage.tally.fired[clip.kind] += 1
    stage.tally.fired[f"{clip.kind}: read"] += texts == clip.texts
    if texts - clip.texts - {UNREAD}:
        stage.tally.violate("a wrong text", clip.kind)


async def _watched(handset: Handset, clip: Clip) -> frozenset[str]:
    """What the handheld tells of the first frame in which it reads anything."""
    for frame in clip.frames:
        jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        answer = await handset.http.post("/api/frames", content=jpeg)
        if codes := answer.raise_for_status().json()["codes"]:
            return frozenset(code["text"] for code in codes)
    return frozenset()


async def _asked(stage: HandheldStage, handset: Handset, texts: frozenset[str]) -> None:
    """Where two are in view, the attendant chooses, or types."""
    page = await handset.http.post("/scan", data={"text": sorted(texts)})
    if texts and "found is-several" not in page.text:
        stage.tally.violate("one of two codes was taken", page.headers.get("location"))
    if 'id="typed"' not in page.text:
        stage.tally.violate("no way in by hand", TWO)


async def _without_camera(stage: HandheldStage, handset: Handset) -> None:
    """The page of a browser whose camera is refused, not there, or pulled out."""
    async with async_playwright() as playwright:
        for wrong, there, granted, words in CAMERAS:
            stage.tally.runs += 1
            stage.tally.fired[wrong] += 1
            try:
                await _typed(stage, playwright, handset, there, granted, words)
            except AssertionError as error:
                stage.tally.violate("no way in by hand", f"{wrong}: {error}")


async def _typed(
    stage: HandheldStage,
    playwright: Playwright,
    handset: Handset,
    there: bool,
    granted: bool,
    words: str,
) -> None:
    fake = ["--use-fake-device-for-media-stream"] if there else []
    spot = stage.rng.choice(stage.spots)
    async with AsyncExitStack() as leaving:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *fake]
        )
        leaving.push_async_callback(browser.close)
        context = await browser.new_context(
            base_url=str(handset.http.base_url), permissions=["camera"] if granted else []
        )
        page = await context.new_page()
        await page.goto("/scan")
        if there and granted:
            await expect(page.locator("#camera-state")).to_have_text("Arahkan kamera ke kode")
            await page.evaluate(UNPLUG)
        await expect(page.locator("#camera-state")).to_contain_text(words)
        await page.get_by_label("Ketik kode titik").fill(spot)
        await page.get_by_role("button", name="Buka").click()
        await expect(page).to_have_url(re.compile(f"/spots/{spot}"))


async def _show_plain_reader(stage: HandheldStage) -> None:
    async for clip in clips(stage):
        found = await asyncio.to_thread(_first, clip)
        texts = frozenset({found} if found else ())
        _tally(stage, clip, texts)
        if not texts:
            stage.tally.violate("no way in by hand", clip.kind)
        elif len(clip.texts) > 1:
            stage.tally.violate("one of two codes was taken")
    for wrong, *_ in CAMERAS:
        stage.tally.runs += 1
        stage.tally.violate("no way in by hand", wrong)


def _first(clip: Clip) -> str:
    for frame in clip.frames:
        for symbol in pyzbar.decode(frame, symbols=[pyzbar.ZBarSymbol.QRCODE]):
            return str(symbol.data.decode("utf-8", "replace"))
    return ""
