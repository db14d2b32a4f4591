"""Practice (Latihan): the same screens over a store, a key and an office of their own.

Nothing made here can leave: its HTTP client has no network, only `TrainingOffice` in this process.
Of it the real journal keeps that practice was entered and left, and nothing else.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from attendant_app import device_key, prices, problems, sync
from attendant_app.runtime import Handheld, Link, device_time, new_id
from attendant_app.store import Shift, Store, stamp
from domain.events import EventKind
from domain.parking import spot_code
from domain.tariff import VehicleClass

NAME = "LATIHAN"
LIFETIME = timedelta(minutes=15)
SHIFT = timedelta(hours=16)
ONLY = ("regency", "spots", "tariffs", "vehicle_classes")
"""What practice takes over of the office's master data: streets and prices."""
SAMPLE: dict[str, Any] = {
    "regency": {"name": NAME, "agency": NAME, "complaint": NAME, "timezone": "Asia/Jakarta"},
    "spots": [
        {
            "code": spot_code("LAT", number),
            "place": f"Jl. Latihan {number}",
            "zone": {"code": "LAT", "name": NAME},
        }
        for number in (1, 2, 3)
    ],
    "tariffs": [
        {
            "zone": "LAT",
            "version": {
                "regulation": NAME,
                "valid_from": "2020-01-01",
                "rates": {
                    name.value: {"kind": "flat", "amount_rp": amount_rp}
                    for name, amount_rp in zip(VehicleClass, (2000, 5000, 10000), strict=False)
                },
            },
        }
    ],
    "vehicle_classes": [name.value for name in VehicleClass],
}
OUTCOMES = {"paid": "paid", "expired": "expired", "refused": "cancelled"}

Answer = tuple[int, dict[str, Any]]


class TrainingOffice(httpx.AsyncBaseTransport):
    """Answers as the office does, in memory; whatever else is asked it does not know."""

    def __init__(self, master: dict[str, Any]) -> None:
        self.master = master
        self.charges: dict[str, dict[str, Any]] = {}
        self._answers: tuple[tuple[str, Callable[[tuple[Any, ...]], Answer]], ...] = (
            (r"/livez", lambda _: (200, {})),
            (r"/v1/masterdata", lambda _: (200, self.master)),
            (r"/v1/sync", self._sync),
            (r"/v1/shifts", self._open_shift),
            (r"/v1/devices/[^/]+/nonce", lambda _: (200, {"nonce": NAME})),
            (r"/v1/devices/[^/]+/report", lambda _: (200, {"state": "active", "wipe": False})),
            (r"/v1/devices/[^/]+/shifts/[^/]+/close", self._close),
            (r"/v1/spots/([^/]+)/(charges|cash-charges|consumer-charges)", self._charge),
            (r"/v1/charges/([^/]+)", self._told),
            (r"/v1/barcodes/resolve", lambda _: (200, {"kind": "unknown", "text_kind": NAME})),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(await request.aread() or b"{}")
        for pattern, answer in self._answers:
            if found := re.fullmatch(pattern, request.url.path):
                status, told = answer((*found.groups(), body))
                return httpx.Response(status, json=told)
        return httpx.Response(404, json={"slug": "not-found"})

    def decide(self, charge_id: str, outcome: str) -> dict[str, Any]:
        """What the driver is played to do, and what the charge is then."""
        charge = self.charges.get(charge_id)
        if charge is None or outcome not in OUTCOMES:
            raise problems.NotFound
        if charge["state"] == "issued":
            charge["state"] = OUTCOMES[outcome]
            charge["paid_at"] = stamp(device_time()) if outcome == "paid" else None
        return charge

    def _charge(self, asked: tuple[Any, ...]) -> Answer:
        spot, path, body = asked
        if body["id"] not in self.charges:
            self.charges[body["id"]] = self._new_charge(spot, path, body)
        return 201, self.charges[body["id"]]

    def _new_charge(self, spot: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        now, cash = device_time(), path == "cash-charges"
        vehicle_class = VehicleClass(body["vehicle_class"])
        offer = prices.offer(self.master, spot, vehicle_class, now, body.get("minutes"))
        barcode = f"{NAME} - BUKAN KODE BAYAR - NOT A PAYMENT CODE - {body['id']}"
        return {
            "id": body["id"],
            "spot": spot,
            "place": (prices.spot_in(self.master, spot) or {}).get("place", ""),
            "vehicle_class": vehicle_class.value,
            "amount_rp": offer.amount_rp if offer else 0,
            "qris": barcode if path == "charges" else None,
            "code": "0000",
            "state": "paid" if cash else "issued",
            "money_flag": None,
            "created_at": stamp(now),
            "expires_at": stamp(now + LIFETIME),
            "paid_at": stamp(now) if cash else None,
            "page": None,
            "quote": [],
            # What has no receipt yet is asked about for ever; this one is no number of any series.
            "receipt": {"number": NAME},
        }

    def _told(self, asked: tuple[Any, ...]) -> Answer:
        charge = self.charges.get(asked[0])
        return (200, charge) if charge else (404, {"slug": "not-found"})

    def _sync(self, asked: tuple[Any, ...]) -> Answer:
        events = asked[-1].get("events", ())
        return 200, {"results": [{"seq": e["seq"], "outcome": "accepted"} for e in events]}

    def _open_shift(self, asked: tuple[Any, ...]) -> Answer:
        attendant = {"code": asked[-1]["attendant"], "name": NAME}
        expires_at = stamp(device_time() + SHIFT)
        return 201, {"token": NAME, "expires_at": expires_at, "attendant": attendant}

    def _close(self, asked: tuple[Any, ...]) -> Answer:
        cash = [c["amount_rp"] for c in self.charges.values() if c["qris"] is None]
        return 200, {"expected_rp": sum(cash), "counted_rp": asked[-1]["counted_rp"]}


@dataclass
class Training:
    """One round of practice: made when it is entered, thrown away when it is left."""

    handheld: Handheld
    office: TrainingOffice
    work: asyncio.Task[None]

    async def stop(self) -> None:
        self.work.cancel()
        with suppress(asyncio.CancelledError):
            await self.work
        await self.handheld.http.aclose()
        self.handheld.store.close()
        shutil.rmtree(self.handheld.settings.data, ignore_errors=True)


def enter(real: Handheld) -> Training:
    """Begin anew, as a shift of nobody. Not while a real one is open: raises TrainingOnShift."""
    if real.store.device() is None:
        raise problems.NotEnrolled
    if real.store.shift() is not None:
        raise problems.TrainingOnShift
    folder = real.settings.data / "training"
    shutil.rmtree(folder, ignore_errors=True)
    store = Store(folder)
    now = device_time()
    known = real.store.master_data() or {}
    office = TrainingOffice({name: known.get(name, SAMPLE[name]) for name in ONLY})
    store.enrol(new_id(), NAME, now)
    store.start_shift(Shift(new_id(), NAME, NAME, NAME, stamp(now), stamp(now + SHIFT)))
    store.save_master_data(office.master, now)
    handheld = Handheld(
        replace(real.settings, data=folder, enrolment_code="", printer_url=""),
        store,
        device_key.load_or_make(folder),
        httpx.AsyncClient(base_url="http://latihan", transport=office, trust_env=False),
        link=Link(online=True, clock_offset_s=real.link.clock_offset_s),
        bell=real.bell,
        camera=real.camera,
        training=True,
    )
    _note(real, EventKind.TRAINING_ENTERED, now)
    return Training(handheld, office, asyncio.create_task(sync.run(handheld)))


async def leave(real: Handheld, training: Training) -> None:
    await training.stop()
    _note(real, EventKind.TRAINING_LEFT, device_time())


def settle_interrupted(real: Handheld) -> None:
    """Practice ends with the process; a power cut wrote no word of it."""
    last = real.store.db.execute(
        "SELECT kind FROM events WHERE kind IN (?, ?) ORDER BY seq DESC LIMIT 1",
        (EventKind.TRAINING_ENTERED.value, EventKind.TRAINING_LEFT.value),
    ).fetchone()
    if last is not None and last["kind"] == EventKind.TRAINING_ENTERED.value:
        _note(real, EventKind.TRAINING_LEFT, device_time())
    shutil.rmtree(real.settings.data / "training", ignore_errors=True)


def _note(real: Handheld, kind: EventKind, now: datetime) -> None:
    with real.store.transaction():
        real.record(kind, {}, now)
    real.nudge()
