"""Pictures read: the scanner against pyzbar, OpenCV and zxing-cpp, each as its makers ship it.

On pictures drawn here, and on photographs and drawings beside their texts in
`$KARCIS_SHARED/data/scan/dev` where that is named.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from attendant_app import scanner
from bench import pictures
from bench.figure import Figure

SEEDS = range(5)
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif"}
Reader = Callable[[pictures.Picture], list[str]]
Sample = tuple[pictures.Picture, list[str]]


def _pyzbar(picture: pictures.Picture) -> list[str]:
    found = pyzbar.decode(picture, symbols=[pyzbar.ZBarSymbol.QRCODE])
    return [symbol.data.decode("utf-8", "replace") for symbol in found]


def _opencv(picture: pictures.Picture) -> list[str]:
    try:
        text, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
    except (cv2.error, UnicodeDecodeError):
        return []
    return [text] if text else []


def _zxing(picture: pictures.Picture) -> list[str]:
    return [symbol.text for symbol in zxingcpp.read_barcodes(picture)]


READERS: dict[str, Reader] = {"pyzbar": _pyzbar, "OpenCV": _opencv, "zxing-cpp": _zxing}


def _made() -> Iterator[Sample]:
    for level in pictures.LEVELS:
        for damage in pictures.DAMAGES:
            for seed in SEEDS:
                scene = pictures.scene(damage, level, seed)
                yield scene.shot(seed), [scene.text]


def _kept(folder: Path) -> Iterator[Sample]:
    """Pictures with their texts beside them: NAME.txt for one, NAME.json for a list."""
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() not in SUFFIXES:
            continue
        one, several = file.with_suffix(".txt"), file.with_suffix(".json")
        if several.exists():
            texts = json.loads(several.read_text())
        elif one.exists():
            texts = [one.read_bytes().decode("utf-8-sig", "replace")]
        else:
            continue
        rgb = np.asarray(Image.open(file).convert("RGB"))
        yield np.ascontiguousarray(rgb[:, :, ::-1]), [_normal(text) for text in texts if text]


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _sets() -> Iterator[tuple[str, list[Sample]]]:
    yield "made", list(_made())
    shared = os.environ.get("KARCIS_SHARED")
    folder = Path(shared or ".") / "data" / "scan" / "dev"
    if not shared or not folder.is_dir():
        print("scan: KARCIS_SHARED names no folder with data/scan/dev; photographs are skipped")
        return
    photographs = [
        sample
        for part in sorted(folder.iterdir())
        if part.is_dir() and not part.name.startswith("synth")
        for sample in _kept(part)
    ]
    yield "photographs", photographs
    yield "synthetic", list(_kept(folder / "synth-qris"))


def _measured(reader: Reader, samples: list[Sample]) -> tuple[float, str]:
    """Percent of pictures read, and what else there is to say."""
    reader(samples[0][0])
    read, wrong, taken_ms = 0, 0, []
    for picture, truth in samples:
        started = time.process_time()
        texts = {_normal(text) for text in reader(picture)}
        taken_ms.append((time.process_time() - started) * 1000)
        read += bool(texts & set(truth)) if truth else not texts
        wrong += bool(texts - set(truth))
    p95 = sorted(taken_ms)[len(taken_ms) * 95 // 100]
    return 100 * read / len(samples), f"{wrong} wrong, {median(taken_ms):.1f}/{p95:.0f} ms"


def measure() -> list[Figure]:
    cv2.setNumThreads(1)
    figures = []
    for name, samples in _sets():
        ours, notes = _measured(scanner.decode, samples)
        for rival, reader in READERS.items():
            theirs, rival_notes = _measured(reader, samples)
            figures.append(
                Figure(
                    name=f"scan-{name}-{rival.lower()}",
                    value=ours,
                    unit=f"% of {len(samples)} read",
                    baseline_name=rival,
                    baseline_value=theirs,
                    ratio=ours / theirs,
                    runs=1,
                    note=f"Ours {notes}; {rival} {rival_notes}: processor time, median/p95.",
                )
            )
    return figures
