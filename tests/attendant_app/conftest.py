"""A handheld as a real process on a real socket, and an office that can be killed under it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests import forks
from tests.attendant_app.office import PATIENCE_S, Office, until
from tests.ports import free_port

SHOTS = Path("/tmp/karcis-handheld")
CHROMIUM = "/usr/bin/chromium"

expect.set_options(timeout=PATIENCE_S * 1000)
forks.load("server.cli", "attendant_app.cli", "printer.cli")


class Device:
    """One handheld process over one data folder; `kill` is kill -9, `start` is the next morning."""

    def __init__(self, office: Office, folder: Path, printer_url: str) -> None:
        self.office = office
        self.folder = folder
        self.port = free_port()
        self.printer_url = printer_url
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_S)
        self._environment = {
            "HANDHELD_PORT": str(self.port),
            "HANDHELD_DATA": str(self.folder),
            "HANDHELD_SERVER_URL": self.office.url,
            "HANDHELD_ENROLMENT_CODE": self.office.enrolment_code,
            "HANDHELD_PRINTER_URL": self.printer_url,
            "HANDHELD_PRINTER_PROFILE": "generic-58-qr",
        }
        log = folder.parent / f"{folder.name}.log"
        self._process = forks.Fork(("server", "handheld"), self._environment, log)

    def start(self) -> None:
        self._process.start()
        until(self._answers)

    def restart_with(self, **settings: str) -> None:
        self.kill()
        self._environment |= settings
        self.start()

    def _answers(self) -> bool:
        assert self._process.exit_code is None, self.log()
        try:
            return self.http.get("/api/status").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> int | None:
        """As Ctrl-C does; the exit code."""
        self._process.terminate()
        return self._process.wait(PATIENCE_S)

    def log(self) -> str:
        return self._process.log.read_text()

    def status(self) -> dict[str, Any]:
        return dict(self.http.get("/api/status").json())

    def sign_in(self, attendant: str = "J-001", pin: str = "123456") -> None:
        until(lambda: self.status()["enrolled"] and self.status()["online"])
        answer = self.http.post("/api/sign-in", json={"attendant": attendant, "pin": pin})
        assert answer.status_code == 200, answer.text
        until(lambda: self.http.get("/api/spots").json()["spots"])

    def charge(self, spot: str, vehicle_class: str = "motorcycle", **more: Any) -> dict[str, Any]:
        body = {"spot": spot, "vehicle_class": vehicle_class, **more}
        answer = self.http.post("/api/charges", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def cash(self, spot: str, vehicle_class: str = "motorcycle") -> dict[str, Any]:
        body = {"spot": spot, "vehicle_class": vehicle_class}
        answer = self.http.post("/api/cash-charges", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def close(self, counted_rp: int, held_seen: int = 0) -> httpx.Response:
        body = {"counted_rp": counted_rp, "held_seen": held_seen}
        return self.http.post("/api/close-shift", json=body)

    def get(self, path: str) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


class Paper:
    """A printer that acknowledges everything it is sent, and keeps the bytes of each job."""

    def __init__(self) -> None:
        self.port = free_port()
        self.jobs: list[bytes] = []
        self.answers = True
        self.paper_out = False
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        listener.settimeout(0.1)

        def serve() -> None:
            with listener:
                while not self._stop.is_set():
                    try:
                        connection, _ = listener.accept()
                    except TimeoutError:
                        continue
                    # A killed handheld resets the connection: the slip ends there.
                    with connection, suppress(OSError):
                        self._take(connection)

        self._thread = threading.Thread(target=serve, daemon=True)
        self._thread.start()

    def _take(self, connection: Any) -> None:
        connection.settimeout(0.1)
        job = b""
        idle_until = time.monotonic() + PATIENCE_S
        while time.monotonic() < idle_until and not self._stop.is_set():
            try:
                data = connection.recv(4096)
            except TimeoutError:
                continue
            if not data:
                break
            if data.startswith(b"\x10\x04"):
                for request in data.split(b"\x10\x04")[1:]:
                    out = self.paper_out and request[:1] in (b"\x02", b"\x04")
                    paper = 0x12 | (0x20 if request[:1] == b"\x02" else 0x60)
                    connection.sendall(bytes([paper if out else 0x12]))
                continue
            job += data
            if job.endswith(b"\x1dr\x01") and self.answers:
                if b"AKHIR" in job:  # on record first: who hears of the answer may look at once
                    self.jobs.append(job.removesuffix(b"\x1dr\x01"))
                    job = b""
                connection.sendall(b"\x00")
        if job:
            self.jobs.append(job.removesuffix(b"\x1dr\x01"))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def office() -> Iterator[Office]:
    office = Office()
    office.start()
    yield office
    office.stop()


@pytest.fixture
def paper() -> Iterator[Paper]:
    paper = Paper()
    paper.start()
    yield paper
    paper.stop()


@pytest.fixture
def device(office: Office, paper: Paper, tmp_path: Path) -> Iterator[Device]:
    device = Device(office, tmp_path / "handheld", paper.url)
    device.start()
    yield device
    device.kill()
    device.http.close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no Chromium on this machine")
    SHOTS.mkdir(exist_ok=True)
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()
