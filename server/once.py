"""`karcis once`: the main job, without a person, over the real HTTP of the real processes.

A spot's barcode is issued, read from a picture as a camera sees it, paid by a wallet, receipted on
paper, settled, and reconciled. Each step that does not hold ends the run.
"""

import asyncio
import io
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image

from server import sample, verify
from server.database import create_engine, create_transactions
from server.payments.books import Books
from server.reconciliation import service as reconciliation
from server.reconciliation.service import Report
from server.settings import Settings
from server.spots import service as spots
from server.spots import sheets
from server.spots.sheets import QR_ONLY
from server.system import HANDHELD, SANDBOX, SERVER, System

WAIT_S = 15.0
POLL_S = 0.05


class StepFailed(Exception):
    """A step of the chain did not hold; the message says what was seen instead."""


@dataclass
class Run:
    """One run of the chain: its system, its folder, and what each step took and found."""

    system: System
    folder: Path
    say: Callable[[str], None]
    steps: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        found: dict[str, Any] = {}
        started = time.perf_counter()
        yield found
        took_ms = round((time.perf_counter() - started) * 1000)
        self.steps.append({"step": name, "ms": took_ms, **found})
        details = "  ".join(f"{key}={value}" for key, value in found.items())
        self.say(f"{took_ms:6d} ms  {name:<38} {details}")


Grey = NDArray[np.uint8]


def as_camera_sees_it(picture: bytes, seed: int = 7) -> Grey:
    """The barcode held at an angle, unevenly lit, a little blurred and noisy; 1280 by 720 grey."""
    coded = np.frombuffer(picture, np.uint8)
    code: Grey | None = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)  # type: ignore[assignment]
    if code is None:
        raise StepFailed("the barcode's picture cannot be opened")
    height, width = code.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    seen = np.array([[402, 96], [905, 131], [871, 640], [371, 585]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, seen)
    scene = np.full((720, 1280), 118, np.uint8)
    cv2.warpPerspective(
        code,
        warp,
        (1280, 720),
        dst=scene,
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    light = np.linspace(0.62, 1.0, 1280, dtype=np.float32)[None, :]
    noise = np.random.default_rng(seed).normal(0, 9, scene.shape)
    blurred = np.asarray(cv2.GaussianBlur(scene, (5, 5), 1.1), np.float32)
    return np.clip(blurred * light + noise, 0, 255).astype(np.uint8)


def run(folder: Path, port: int, say: Callable[[str], None]) -> Run:
    """Run the whole chain in a fresh system under `folder`; raises StepFailed or SystemFailed."""
    state = folder / "system"
    shutil.rmtree(state, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with System(state, port, own_database=True) as system:
        chain = Run(system, folder, say)
        say(f"{round((time.perf_counter() - started) * 1000):6d} ms  system up")
        with httpx.Client(timeout=10, trust_env=False) as client:
            _sign_in(chain, client)
            _sign(chain, client)
            charge = _issue(chain, client)
            _scan(chain, client, charge)
            _pay(chain, client)
            paid = _green(chain, client, charge)
            _printed(chain, client, paid)
            _day_end(chain, client)
        _reconcile(chain, paid)
    return chain


def _expect(condition: object, message: str) -> None:
    if not condition:
        raise StepFailed(message)


def _json(response: httpx.Response) -> dict[str, Any]:
    _expect(response.is_success, f"{response.request.url.path} answered {response.status_code}")
    body: dict[str, Any] = response.json()
    return body


def _eventually(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_S)
    raise StepFailed(f"not within {WAIT_S:.0f} s: {what}")


def _sign_in(chain: Run, client: httpx.Client) -> None:
    handheld = chain.system.url(HANDHELD)
    facts = chain.system.ready_facts("")
    with chain.step("attendant signs in at the handheld") as found:
        _eventually(
            "the handheld is enrolled",
            lambda: _json(client.get(f"{handheld}/api/status"))["enrolled"],
        )
        attendant = facts["attendant"]
        body = {"attendant": attendant["code"], "pin": attendant["pin"]}
        status = _json(client.post(f"{handheld}/api/sign-in", json=body))
        _expect(status["signed_in"], "the handheld is not signed in")
        found["attendant"] = attendant["code"]


def _sign(chain: Run, client: httpx.Client) -> None:
    """The sign at the spot: printed, photographed, told to be genuine, and leading to its page."""
    handheld, spot = chain.system.url(HANDHELD), sample.first_spot()
    with chain.step("the spot's sign is read and is genuine") as found:
        _eventually(
            "the handheld knows its spots",
            lambda: _json(client.get(f"{handheld}/api/spots"))["spots"],
        )
        link = chain.system.sign_of(spot)
        content = asyncio.run(_sheet(chain, spot, link))
        (chain.folder / "sign.pdf").write_bytes(content)
        seen = as_camera_sees_it(sheets.picture(content, code_only=True))
        coded = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        (chain.folder / "sign-seen.jpg").write_bytes(coded)
        answer = client.post(f"{handheld}/checks/signs/{spot}", files={"image": coded})
        _expect('data-look="green"' in answer.text, "the handheld takes it for a false one")
        page = client.get(link, headers={"Accept": "text/html"})
        _expect(page.is_success and spot in page.text, "the sign does not lead to its spot's page")
        _expect("data-sign" not in page.text, "the page warns of the right sign")
        found.update(spot=spot, version=chain.system.signs[spot])


async def _sheet(chain: Run, spot: str, link: str) -> bytes:
    now = datetime.now(UTC)
    engine = create_engine(chain.system.database_url)
    try:
        async with create_transactions(engine).begin() as db:
            at = await spots.find(db, spot)
            _, tariff = await spots.tariff_on(db, at.zone_id, Books.of(Settings()).day(now))
    finally:
        await engine.dispose()
    sheet = sheets.Sheet(
        link=link,
        site=chain.system.url(SERVER),
        spot_code=spot,
        version=chain.system.signs[spot],
        place=at.place,
        zone=at.zone_name,
        regency=sample.REGENCY,
        agency=sample.AGENCY,
        merchant=sample.MERCHANT,
        complaint=sample.COMPLAINT,
        tariff=tariff,
    )
    return sheets.draw([sheet], sheets.SIZES["a6"], lambda: None)


def _issue(chain: Run, client: httpx.Client) -> dict[str, Any]:
    handheld, server = chain.system.url(HANDHELD), chain.system.url(SERVER)
    with chain.step("a spot's barcode is issued") as found:
        there: list[dict[str, Any]] = _eventually(
            "the handheld knows its spots",
            lambda: _json(client.get(f"{handheld}/api/spots"))["spots"],
        )
        body = {"spot": there[0]["code"], "vehicle_class": "motorcycle", "plate": "KH 1234 SMP"}
        charge = _json(client.post(f"{handheld}/api/charges", json=body))
        issued: dict[str, Any] = _eventually(
            "the barcode is on the handheld",
            lambda: (
                (c := _json(client.get(f"{handheld}/api/charges/{charge['id']}")))["qris"] and c
            ),
        )
        picture = client.get(f"{server}/v1/charges/{issued['id']}/barcode.png")
        _expect(picture.is_success, "the server shows no barcode")
        (chain.folder / "barcode.png").write_bytes(picture.content)
        found.update(spot=issued["spot"], amount_rp=issued["amount_rp"])
    return issued


def _scan(chain: Run, client: httpx.Client, charge: dict[str, Any]) -> None:
    with chain.step("the handheld reads it from a picture") as found:
        scene = as_camera_sees_it((chain.folder / "barcode.png").read_bytes())
        coded = cv2.imencode(".jpg", scene, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        (chain.folder / "barcode-seen.jpg").write_bytes(coded)
        answer = _json(
            client.post(
                f"{chain.system.url(HANDHELD)}/api/scan",
                content=coded,
                headers={"Content-Type": "image/jpeg"},
            )
        )
        _expect(answer["texts"] == [charge["qris"]], f"read {answer['texts']}")
        result = answer["result"]
        _expect(
            result["kind"] == "charge" and result["charge"]["id"] == charge["id"],
            f"understood as {result['kind']}",
        )
        found["read_ms"] = answer["ms"]


def _pay(chain: Run, client: httpx.Client) -> None:
    sandbox = chain.system.url(SANDBOX)
    with chain.step("a wallet reads the same picture and pays") as found:
        picture = {"picture": ("seen.jpg", (chain.folder / "barcode-seen.jpg").read_bytes())}
        read = _json(client.post(f"{sandbox}/wallet/read", files=picture))
        body = {"qris": read["qris"], "outcome": "pay"}
        paid = _json(client.post(f"{sandbox}/wallet/pay", json=body))
        chain.facts["rrn"] = paid["rrn"]
        found.update(merchant=read["merchant"], rrn=paid["rrn"])


def _green(chain: Run, client: httpx.Client, charge: dict[str, Any]) -> dict[str, Any]:
    handheld = chain.system.url(HANDHELD)
    with chain.step("the notification posts, the handheld is green") as found:

        def look() -> dict[str, Any] | None:
            seen = _json(client.get(f"{handheld}/api/charges/{charge['id']}"))
            return seen if seen["state"] == "paid" and seen.get("receipt") else None

        paid: dict[str, Any] = _eventually("the handheld shows the payment", look)
        _expect(paid["receipt"]["rrn"] == chain.facts["rrn"], "the receipt names another payment")
        found["receipt"] = paid["receipt"]["number"]
    return paid


def _printed(chain: Run, client: httpx.Client, paid: dict[str, Any]) -> None:
    receipts = chain.system.data_dir / "receipts"
    with chain.step("the receipt is printed, its QR read back") as found:
        paper: Path = _eventually(
            "the printer has a receipt", lambda: next(iter(sorted(receipts.glob("*.png"))), None)
        )
        shutil.copy(paper, chain.folder / "receipt.png")
        shutil.copy(paper.with_suffix(".bin"), chain.folder / "receipt.bin")
        with Image.open(io.BytesIO(paper.read_bytes())) as picture:
            grey = np.asarray(picture.convert("L"))
            # Random content of a QR can look like a linear code to a reader that seeks those too.
            codes = zxingcpp.read_barcodes(grey, QR_ONLY)
            texts = [code.text for code in codes]
        url = paid["receipt"]["verify_url"]
        _expect(texts == [url], f"the paper's QR says {texts}")
        page = client.get(url, headers={"Accept": "text/html"})
        _expect(
            page.is_success and paid["receipt"]["number"] in page.text,
            "the page behind the QR does not know the receipt",
        )
        found["qr"] = url


def _day_end(chain: Run, client: httpx.Client) -> None:
    sandbox = chain.system.url(SANDBOX)
    with chain.step("settlement and bank statement arrive") as found:
        truth = _json(client.get(f"{sandbox}/sandbox/truth"))
        chain.facts["day"] = truth["payments"][0]["business_date"]
        ended = _json(client.post(f"{sandbox}/sandbox/day-end", json={"date": chain.facts["day"]}))
        shutil.copy(ended["settlement"], chain.folder / "settlement.csv")
        shutil.copy(ended["statement"], chain.folder / "statement.sta")
        found.update(gross_rp=ended["gross_rp"], mdr_rp=ended["mdr_rp"], net_rp=ended["net_rp"])


def _reconcile(chain: Run, paid: dict[str, Any]) -> None:
    with chain.step("the day reconciles to zero difference") as found:
        report, broken = asyncio.run(_import_and_compare(chain))
        _expect(not report.differences, f"differences: {report.differences}")
        _expect(not report.expected, f"not settled or paid out: {report.expected}")
        _expect(report.collected_rp == paid["amount_rp"], f"collected {report.collected_rp}")
        _expect(report.bank_rp == report.net_rp, f"the bank has {report.bank_rp}")
        _expect(not any(broken.values()), f"invariants broken: {broken}")
        found.update(matched=len(report.matched), difference_rp=0)


async def _import_and_compare(chain: Run) -> tuple[Report, dict[str, list[str]]]:
    """What `karcis settlement import`, `statement import`, `reconcile` and `verify` do."""
    books, now = Books.of(Settings()), datetime.now(UTC)
    day = date.fromisoformat(chain.facts["day"])
    settlement = (chain.folder / "settlement.csv").read_bytes()
    statement = (chain.folder / "statement.sta").read_bytes()
    engine = create_engine(chain.system.database_url)
    try:
        async with create_transactions(engine).begin() as db:
            await reconciliation.import_settlement(
                db, Settings().acquirer, "settlement.csv", settlement, books, now=now
            )
            await reconciliation.import_statement(db, "statement.sta", statement, books, now=now)
            report = await reconciliation.reconcile(db, day, books, now=now)
            return report, await verify.broken(db)
    finally:
        await engine.dispose()
