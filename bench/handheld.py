"""How soon a handheld is usable after its start, and what memory it holds, as a real process.

The baseline is the same process with OpenCV and numpy loaded at its start.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import cv2
import httpx
import psutil

from bench.figure import Figure
from tests.attendant_app.builders import drawn, on_canvas, qris_text
from tests.ports import free_port

ROUNDS = 3
IDLE_S = 10.0
LONGEST_START_S = 60.0
LAZY = (
    "import runpy, sys; sys.argv = ['karcis', 'handheld'];"
    " runpy.run_module('server', run_name='__main__')"
)
EAGER = f"import cv2, numpy; {LAZY}"


@dataclass(frozen=True)
class Run:
    """Seconds to the first page and its style sheet, then megabytes of resident memory."""

    start_s: float
    idle_mb: float
    scanned_mb: float


def measure() -> list[Figure]:
    pairs = [(_run(LAZY), _run(EAGER)) for _ in range(ROUNDS)]

    def figure(name: str, unit: str, of: Callable[[Run], float], note: str) -> Figure:
        ours, eager = ([of(pair[place]) for pair in pairs] for place in (0, 1))
        return Figure(
            name=name,
            value=median(ours),
            unit=unit,
            baseline_name="OpenCV loaded at the start",
            baseline_value=median(eager),
            ratio=median(a / b for a, b in zip(ours, eager, strict=True)),
            runs=ROUNDS,
            note=note,
        )

    return [
        figure("handheld-start", "ms", lambda run: run.start_s * 1000, "Target 2,000 ms."),
        figure("handheld-idle", "MB", lambda run: run.idle_mb, "After 10 s. Target 150 MB."),
        figure("handheld-scanned", "MB", lambda run: run.scanned_mb, "After its first picture."),
    ]


def _run(program: str) -> Run:
    """One start in a new data folder, without an office: at the kerb in the morning."""
    port = free_port()
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "HANDHELD_PORT": str(port),
            "HANDHELD_DATA": str(Path(folder) / "data"),
            "HANDHELD_SERVER_URL": "http://127.0.0.1:9",
            "HANDHELD_PRINTER_URL": "tcp://127.0.0.1:9",
        }
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", program], env=environment)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
                _open_first_page(browser)
                start_s = time.monotonic() - began
                time.sleep(IDLE_S)
                idle_mb = _resident_mb(process.pid)
                picture = cv2.imencode(".jpg", on_canvas(drawn(qris_text())))[1].tobytes()
                assert browser.post("/api/frames", content=picture).json()["codes"]
                return Run(start_s, idle_mb, _resident_mb(process.pid))
        finally:
            process.terminate()
            process.wait(10)


def _open_first_page(browser: httpx.Client) -> None:
    until = time.monotonic() + LONGEST_START_S
    while True:
        try:
            page = browser.get("/", follow_redirects=True)
            break
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
    assert page.status_code == 200
    assert browser.get("/static/style.css").status_code == 200


def _resident_mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 1e6
