"""A stand-in for the server on a real socket, with the endpoints a handheld uses.

It checks what it is sent (nonces, signatures, hash chains) and keeps its state when it is killed
and started again, as a server with a database does.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from domain import covered, notice, sign_link, signing
from domain.card import is_card
from domain.covered import Pass
from domain.events import GENESIS, Event, canonical, event_hash
from domain.proof import Proof, Seal, is_proof, verify
from domain.tariff import VehicleClass
from domain.voucher import Voucher, serial, sign
from tests.attendant_app.builders import MASTER_DATA, SITE, SPOT, qris_text, receipt_json
from tests.ports import free_port

PINS = {"J-001": ("123456", "Ahmad Rifani"), "J-002": ("222222", "Siti Aminah")}
PLATE_KEY = "kunci nomor polisi yang panjang sekali"
PRICES = {"motorcycle": 2000, "car": 5000, "truck": 10000}


def problem(status: int, slug: str, title: str = "Tidak bisa") -> JSONResponse:
    body = {"type": f"/problems/{slug}", "title": title, "status": status, "slug": slug}
    return JSONResponse(body, status, media_type="application/problem+json")


class Office:
    """State outlives the socket: `stop` and `start` are a killed and restarted server."""

    def __init__(self) -> None:
        self.port = free_port()
        self.enrolment_code = "daftar-sekali"
        self.devices: dict[str, bytes] = {}
        self.nonces: set[str] = set()
        self.tokens: dict[str, str] = {}
        self.charges: dict[str, dict[str, Any]] = {}
        self.bodies: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.live_stays: list[dict[str, Any]] = []
        self.stays: dict[str, dict[str, Any]] = {}
        self.holds_stays = False
        """What it knows of a stay when asked, it answers once this is over."""
        self.stays_held = 0
        self.stay_bodies: list[dict[str, Any]] = []
        self.stay_rp = 10_000
        self.photos: dict[str, bytes] = {}
        """What handhelds sent of their notices, under the hash they named."""
        self.refuse_photos = ""
        self.quarantined: list[dict[str, Any]] = []
        self.posts: list[str] = []
        self.issue_at_once = True
        self.stream = True
        self.swallows = False
        """Packets vanish, both ways; a stream of that time never says anything again."""
        self.lose_answers = 0
        self.lose_requests = False
        self.resolve_delay_s = 0.0
        self.taken: dict[str, dict[str, Any]] = {}
        self.claimed: list[str] = []
        self.refuse_charges: tuple[int, str] | None = None
        self.quarantine_kinds: set[str] = set()
        self.seal = Seal(Ed25519PrivateKey.generate())
        self.proofs: dict[str, Any] = {
            "keys": {self.seal.key_id: base64.b64encode(self.seal.public).decode()},
            "revoked": [],
            "lifetime_s": 24 * 3600,
        }
        self.redeemed: dict[str, dict[str, Any]] = {}
        self.voided: list[str] = []
        self.exemptions: list[dict[str, Any]] = []
        self.revoked_passes: list[str] = []
        self.offline = {
            "window_s": 12 * 3600,
            "limit_count": 20,
            "limit_rp": 100_000,
            "pool_size": 0,
            "issuers": {},
        }
        self.issuer = "a"
        self.claims: dict[str, bytes] = {}
        self.state = "active"
        self.stopped: set[str] = set()
        self.wipe = False
        self.wiped: list[str] = []
        self.reports: list[dict[str, Any]] = []
        self.delay_s = 0.0
        self.closed: list[dict[str, Any]] = []
        self.lost_events: list[int] = []
        self.booked_cash_rp: int | None = None
        self.doubts_cash = False
        """It books cash for people to look into, and no charge by it."""
        self.earned: dict[str, Any] = {}
        self.share_slips: (
            list[dict[str, Any]] | None
        ) = []  # None: an office of before there were any
        self.requests: list[tuple[str, str]] = []
        self.card: dict[str, Any] = {}
        self.revoked_cards: list[str] = []
        self.closures: list[dict[str, Any]] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._receipts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _heard(self, app: Starlette) -> ASGIApp:
        """Every request that reaches this office at all is on record."""

        async def record(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                self.requests.append((scope["method"], scope["path"]))
            if self.swallows:
                await asyncio.Event().wait()
            await app(scope, receive, send)

        return record

    def start(self) -> None:
        config = uvicorn.Config(
            self._heard(self._app()),
            host="127.0.0.1",
            port=self.port,
            log_level="error",
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until(lambda: self._server is not None and self._server.started)

    def stop(self) -> None:
        """Abruptly: open streams are cut, as by a kill."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(PATIENCE_S)
        self._server = None

    # What the world does

    def pay(self, charge_id: str) -> None:
        until(lambda: charge_id in self.charges)  # a handheld tells of it when it next sends
        self._receipts += 1
        charge = self.charges[charge_id]
        receipt = receipt_json(self._receipts, charge["amount_rp"])
        receipt["vehicle_class"] = charge["vehicle_class"]
        now = datetime.now(UTC).isoformat()
        self.charges[charge_id] = {**charge, "state": "paid", "paid_at": now, "receipt": receipt}

    def prove(self, charge_id: str, seal: Seal | None = None, **changes: Any) -> str:
        """What the driver's page of a paid charge shows."""
        charge = self.charges[charge_id]
        proof = Proof(
            UUID(charge_id),
            charge["spot"],
            VehicleClass(charge["vehicle_class"]),
            charge["amount_rp"],
            datetime.fromisoformat(charge["paid_at"]),
            charge["receipt"]["number"],
        )
        return (seal or self.seal).sign(replace(proof, **changes))

    def sign_link(self, spot: str = SPOT, version: int = 1) -> str:
        """What the QR of a printed sign says."""
        return sign_link.make(self.seal, SITE, spot, version)

    def voucher(self, value_rp: int = 5_000, number: int = 1, **changes: Any) -> str:
        """What is printed on a voucher."""
        until = (datetime.now(UTC) + timedelta(days=30)).date()
        good = Voucher(serial(1, number), value_rp, None, until)
        return sign(self.seal, replace(good, **changes))

    def pass_(self, **changes: Any) -> str:
        """What is printed on a pass."""
        today = datetime.now(UTC).date()
        first, last = today - timedelta(days=30), today + timedelta(days=30)
        good = Pass(covered.serial(1), (VehicleClass.CAR,), ("MTG",), first, last, "KH 1••• AB")
        return covered.sign(self.seal, replace(good, **changes))

    def change(self, charge_id: str, **changes: Any) -> None:
        self.charges[charge_id] = {**self.charges[charge_id], **changes}

    def new_charge(self, charge_id: str, spot: str, vehicle_class: str) -> dict[str, Any]:
        now = datetime.now(UTC)
        amount = PRICES[vehicle_class]
        return {
            "id": charge_id,
            "spot": spot,
            "place": "Jl. Merdeka Ruas 3",
            "vehicle_class": vehicle_class,
            "amount_rp": amount,
            "qris": qris_text(amount, bill=charge_id[-12:]) if self.issue_at_once else None,
            "state": "issued" if self.issue_at_once else "issuing",
            "money_flag": None,
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(minutes=15)).isoformat(),
            "paid_at": None,
            "page": f"{self.url}/c/{charge_id}",
            "code": "4821",
            "quote": [],
            "receipt": None,
        }

    # HTTP

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/livez", self._livez),
                Route("/v1/devices", self._enrol, methods=["POST"]),
                Route("/v1/devices/{device_id}/report", self._report, methods=["POST"]),
                Route("/v1/devices/{device_id}/wiped", self._wiped, methods=["POST"]),
                Route("/v1/devices/{device_id}/nonce", self._nonce, methods=["POST"]),
                Route("/v1/shifts", self._open_shift, methods=["POST"]),
                Route(
                    "/v1/devices/{device_id}/shifts/{shift_id}/close", self._close, methods=["POST"]
                ),
                Route("/v1/shifts/current/earnings", self._earnings),
                Route("/v1/shifts/current/share-slips", self._share_slips),
                Route("/v1/masterdata", self._master_data),
                Route("/v1/closures", self._closures),
                Route("/v1/zones/{zone}/live-stays", self._live_stays),
                Route("/v1/spots/{spot}/charges", self._new_charge, methods=["POST"]),
                Route("/v1/spots/{spot}/cash-charges", self._take_cash, methods=["POST"]),
                Route("/v1/spots/{spot}/voucher-charges", self._redeem, methods=["POST"]),
                Route("/v1/spots/{spot}/consumer-charges", self._new_charge, methods=["POST"]),
                Route("/v1/spots/{spot}/pooled-charges", self._new_charge, methods=["POST"]),
                Route("/v1/charges/{charge_id}/claim", self._claim, methods=["POST"]),
                Route("/v1/charges/{charge_id}", self._charge),
                Route("/v1/charges/{charge_id}/cancel", self._cancel, methods=["POST"]),
                Route("/v1/charges/{charge_id}/events", self._charge_events),
                Route("/v1/spots/{spot}/stays", self._start_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}", self._stay),
                Route("/v1/stays/{stay_id}/end", self._end_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}/void", self._void_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}/charges", self._charge_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}/cash-charges", self._charge_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}/consumer-charges", self._charge_stay, methods=["POST"]),
                Route("/v1/stays/{stay_id}/voucher-charges", self._charge_stay, methods=["POST"]),
                Route("/v1/barcodes/resolve", self._resolve, methods=["POST"]),
                Route("/v1/notices/{notice_id}/photos/{sha256}", self._keep_photo, methods=["PUT"]),
                Route("/v1/sync", self._sync, methods=["POST"]),
            ]
        )

    async def _livez(self, request: Request) -> Response:
        return JSONResponse({"status": "pass"})

    async def _enrol(self, request: Request) -> Response:
        body = await request.json()
        if body["enrolment_code"] != self.enrolment_code:
            return problem(403, "enrolment-refused")
        key = base64.b64decode(body["public_key"])
        known = next((d for d, k in self.devices.items() if k == key), str(uuid4()))
        device_id = body.get("device_id") or known
        self.devices[device_id] = key
        return JSONResponse({"device_id": device_id, "state": self.state}, 201)

    async def _report(self, request: Request) -> Response:
        device_id = request.path_params["device_id"]
        if device_id not in self.devices:
            return problem(404, "device-not-found")
        if denied := await self._not_as_signed(request, device_id):
            return denied
        self.reports.append(await request.json())
        answer = {"device_id": device_id, "state": self.state, "wipe": self.wipe}
        return JSONResponse(answer)

    async def _wiped(self, request: Request) -> Response:
        self.wiped.append(request.path_params["device_id"])
        self.wipe, self.enrolment_code = False, ""
        answer = {"device_id": self.wiped[-1], "state": "revoked", "wipe": True}
        return JSONResponse(answer)

    async def _nonce(self, request: Request) -> Response:
        if self.state != "active":
            return problem(403, f"device-{self.state}")
        nonce = str(uuid4())
        self.nonces.add(nonce)
        return JSONResponse({"nonce": nonce})

    async def _open_shift(self, request: Request) -> Response:
        body = await request.json()
        if body["nonce"] not in self.nonces:
            return problem(403, "device-not-active")
        self.nonces.discard(body["nonce"])
        names = ("id", "device_id", "attendant", "nonce")
        text = "|".join(["karcis-shift", *(body[name] for name in names)])
        if not self._signed(body["device_id"], body["signature"], text.encode()):
            return problem(403, "device-not-active")
        pin, name = PINS.get(body["attendant"], ("", ""))
        if not pin or pin != body["pin"]:
            return problem(401, "sign-in-refused")
        if body["attendant"] in self.stopped:
            return problem(403, "attendant-stopped")
        token = str(uuid4())
        self.tokens[token] = body["attendant"]
        answer = {
            "id": body["id"],
            "token": token,
            "expires_at": (datetime.now(UTC) + timedelta(hours=16)).isoformat(),
            "attendant": {"code": body["attendant"], "name": name},
        }
        return JSONResponse(answer, 201)

    async def _earnings(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        now = datetime.now(UTC)
        today = now.astimezone(ZoneInfo("Asia/Jakarta")).date()
        told = {
            "as_of": now.isoformat(),
            "day": str(today),
            "gross_rp": 0,
            "attendant_bp": [3500],
            "share_rp": 0,
            "unpaid_share_rp": 0,
            "in_payout_rp": 0,
            "last_payout_rp": 0,
            "last_payout_at": None,
            "cash_owed_rp": 0,
            "pending": [],
            "payout_on": str(today + timedelta(days=1)),
        }
        return JSONResponse(told | self.earned)

    async def _share_slips(self, request: Request) -> Response:
        if self.share_slips is None:
            return problem(404, "not-found")
        return self._denied(request) or JSONResponse({"slips": self.share_slips})

    async def _close(self, request: Request) -> Response:
        if denied := await self._not_as_signed(request, request.path_params["device_id"]):
            return denied
        if self.lost_events:
            lost, self.lost_events = self.lost_events, []
            self.events = [event for event in self.events if event["seq"] < lost[0]]
            body = {"slug": "records-missing", "title": "Belum lengkap", "missing": lost}
            return JSONResponse(body, 409)
        body = await request.json()
        assert self.events[body["seq"] - 1]["body"]["counted_rp"] == body["counted_rp"]
        known = [old for old in self.closed if old["seq"] == body["seq"]]
        if not known:
            self.closed.append(body | {"id": request.path_params["shift_id"]})
        self.tokens = {}
        if self.lose_answers:
            self.lose_answers -= 1
            return Response(status_code=502)
        cash = (c["amount_rp"] for c in self.charges.values() if c["state"] == "paid")
        expected_rp = self.booked_cash_rp if self.booked_cash_rp is not None else sum(cash)
        answer = {"id": request.path_params["shift_id"], "counted_rp": body["counted_rp"]}
        difference_rp = body["counted_rp"] - expected_rp
        answer |= {"expected_rp": expected_rp, "difference_rp": difference_rp}
        return JSONResponse(answer)

    def _signed(self, device_id: str, signature: str, message: bytes) -> bool:
        try:
            key = Ed25519PublicKey.from_public_bytes(self.devices[device_id])
            key.verify(base64.b64decode(signature), message)
        except (KeyError, InvalidSignature):
            return False
        return True

    async def _not_as_signed(self, request: Request, device_id: str) -> Response | None:
        """A refusal, unless this device signed this very request."""
        told = signing.read(request.headers["signature-input"], request.headers["signature"])
        values = signing.values(
            request.method,
            request.scope["raw_path"].decode(),
            request.scope["query_string"].decode(),
            await request.body(),
            request.headers.get("authorization"),
        )
        base = signing.signature_base(told.components, values, told.parameters)
        signature = base64.b64encode(told.signature).decode()
        if told.key_id == device_id and self._signed(device_id, signature, base):
            return None
        return problem(403, "signature-refused")

    def _denied(self, request: Request) -> Response | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.state != "active":
            return problem(403, f"device-{self.state}")
        if self.tokens.get(token) in self.stopped:
            return problem(403, "attendant-stopped")
        return None if token in self.tokens else problem(401, "not-signed-in")

    async def _master_data(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse(
            MASTER_DATA
            | {
                "proofs": self.proofs,
                "signs": {"made": {SPOT: {"version": 1, "in_force": True}}},
                "vouchers": {"revoked": self.voided},
                "notices": {"objection_days": 14, "keys": self._notice_keys()},
                "cards": {"revoked": self.revoked_cards},
                "attendants": {"stopped": sorted(self.stopped)},
                "passes": {"revoked": self.revoked_passes},
                "exemptions": self.exemptions,
                "offline": self.offline,
                "closures": self.closures,
            }
        )

    async def _closures(self, request: Request) -> Response:
        return self._denied(request) or JSONResponse({"closures": self.closures})

    def _notice_keys(self) -> dict[str, list[str]]:
        return {
            notice.series(device_id): [base64.b64encode(key).decode()]
            for device_id, key in self.devices.items()
        }

    async def _live_stays(self, request: Request) -> Response:
        told = {"at": datetime.now(UTC).isoformat(), "grace_s": 900, "plate_key": PLATE_KEY}
        return self._denied(request) or JSONResponse(told | {"stays": self.live_stays})

    async def _keep_photo(self, request: Request) -> Response:
        (device_id,) = self.devices
        if denied := await self._not_as_signed(request, device_id):
            return denied
        if self.refuse_photos:
            return problem(409, self.refuse_photos)
        notice_id = request.path_params["notice_id"]
        assert any(event["body"].get("notice_id") == notice_id for event in self.events)
        self.photos[request.path_params["sha256"]] = await request.body()
        if self.lose_answers:
            self.lose_answers -= 1
            return Response(status_code=502)
        return JSONResponse({"sha256": request.path_params["sha256"]})

    async def _new_charge(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw)
        self.posts.append(body["id"])
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        (device_id,) = self.devices
        if denied := self._denied(request) or await self._not_as_signed(request, device_id):
            return denied
        if self.lose_requests:
            return Response(status_code=502)
        if self.refuse_charges:
            return problem(*self.refuse_charges, title="Titik ini ditutup")
        if self.bodies.setdefault(body["id"], raw) != raw:
            return problem(409, "idempotency-conflict")
        if body["id"] not in self.charges:
            charge = self.new_charge(body["id"], request.path_params["spot"], body["vehicle_class"])
            if request.url.path.endswith("/pooled-charges"):
                charge["expires_at"] = (datetime.now(UTC) + timedelta(hours=24)).isoformat()
                charge["issued_by"] = self.issuer
            if "consumer_qr" in body:
                charge |= {"qris": None}
            self.charges[body["id"]] = charge
        if self.lose_answers:
            self.lose_answers -= 1
            return Response(status_code=502)
        return JSONResponse(self.charges[body["id"]], 201)

    async def _claim(self, request: Request) -> Response:
        charge_id, raw = request.path_params["charge_id"], await request.body()
        (device_id,) = self.devices
        if denied := self._denied(request) or await self._not_as_signed(request, device_id):
            return denied
        if self.claims.setdefault(charge_id, raw) != raw:
            return problem(409, "idempotency-conflict")
        return JSONResponse(self.charges[charge_id])

    async def _take_cash(self, request: Request) -> Response:
        body = await request.json()
        known = body["id"] in self.charges
        answer = await self._new_charge(request)
        if not known and body["id"] in self.charges:
            self.pay(body["id"])
            doubt = {"state": "issue_failed", "money_flag": "late", "receipt": None}
            self.change(body["id"], qris=None, **(doubt if self.doubts_cash else {}))
        return answer if answer.status_code != 201 else JSONResponse(self.charges[body["id"]], 201)

    async def _redeem(self, request: Request) -> Response:
        """As cash, but each voucher once."""
        body = await request.json()
        if body["id"] not in self.charges and body["voucher"] in self.redeemed:
            self.posts.append(body["id"])
            return problem(409, "voucher-used", title="Voucher ini sudah dipakai")
        answer = await self._take_cash(request)
        if body["id"] in self.charges:
            self.redeemed[body["voucher"]] = body
        return answer

    async def _charge(self, request: Request) -> Response:
        charge = self.charges.get(request.path_params["charge_id"])
        return JSONResponse(charge) if charge else problem(404, "not-found")

    async def _cancel(self, request: Request) -> Response:
        charge_id = request.path_params["charge_id"]
        if self.charges[charge_id]["state"] == "paid":
            return problem(409, "charge-already-paid", "Tagihan ini sudah dibayar")
        self.change(charge_id, state="cancelled")
        return JSONResponse(self.charges[charge_id])

    async def _charge_events(self, request: Request) -> Response:
        charge_id = request.path_params["charge_id"]
        if not self.stream or charge_id not in self.charges:
            return problem(404, "not-found")

        async def stream() -> AsyncIterator[str]:
            last = None
            while True:
                charge = self.charges[charge_id]
                if charge != last:
                    last = charge
                    yield f"event: charge\ndata: {json.dumps(charge)}\n\n"
                if charge["state"] == "paid":
                    return
                await asyncio.sleep(0.02)
                if self.swallows:
                    await asyncio.Event().wait()

        return StreamingResponse(stream(), media_type="text/event-stream")

    # Stays: what one owes is what the test says

    def owe(self, stay_id: str, owed_rp: int, **changes: Any) -> None:
        self.stays[stay_id] = {**self.stays[stay_id], "owed_rp": owed_rp, **changes}

    async def _start_stay(self, request: Request) -> Response:
        body = await request.json()
        (device_id,) = self.devices
        if denied := self._denied(request) or await self._not_as_signed(request, device_id):
            return denied
        self.stay_bodies.append(body)
        self.stays.setdefault(
            body["id"],
            {
                "id": body["id"],
                "state": "open",
                "started_at": body.get("told_at") or datetime.now(UTC).isoformat(),
                "ends_at": None,
                "ended_at": None,
                "paid_rp": 0,
                "owed_rp": self.stay_rp,
                "charges": [],
            },
        )
        return JSONResponse(self.stays[body["id"]], 201)

    async def _stay(self, request: Request) -> Response:
        known = self._stay_now(request.path_params["stay_id"])
        self.stays_held += self.holds_stays
        while self.holds_stays:  # noqa: ASYNC110 - set from the thread of the test
            await asyncio.sleep(0.02)
        return JSONResponse(known)

    def _stay_now(self, stay_id: str) -> dict[str, Any]:
        """The stay with its charges as they are; what is paid or may yet be is not owed again."""
        stay = self.stays[stay_id]
        charges = [self.charges[charge_id] for charge_id in stay["charges"]]
        paid_rp = sum(charge["amount_rp"] for charge in charges if charge["state"] == "paid")
        waiting_rp = sum(charge["amount_rp"] for charge in charges if charge["state"] == "issued")
        owed_rp = max(0, stay["owed_rp"] - paid_rp - waiting_rp)
        amounts = {"paid_rp": paid_rp, "waiting_rp": waiting_rp, "owed_rp": owed_rp}
        return {**stay, "charges": charges, **amounts}

    async def _end_stay(self, request: Request) -> Response:
        stay_id, body = request.path_params["stay_id"], await request.json()
        self.stay_bodies.append(body)
        now = datetime.now(UTC).isoformat()
        self.owe(stay_id, self.stays[stay_id]["owed_rp"], state="ended", ended_at=now)
        if "cash" in body:
            self._add_stay_charge(stay_id, body["cash"]["id"], body["cash"]["amount_rp"])
            self.pay(body["cash"]["id"])
        return JSONResponse(self._stay_now(stay_id))

    async def _void_stay(self, request: Request) -> Response:
        stay_id, body = request.path_params["stay_id"], await request.json()
        self.stay_bodies.append(body)
        if stay_id in self.charges:
            if self.charges[stay_id]["state"] == "paid":
                return problem(409, "stay-paid", "Parkir ini sudah dibayar")
            self.change(stay_id, state="cancelled")
            self.stays[stay_id] = {"id": stay_id, "charges": [stay_id], "owed_rp": 0}
        self.owe(stay_id, 0, state="voided", void_reason=body["reason"])
        return JSONResponse(self._stay_now(stay_id))

    async def _charge_stay(self, request: Request) -> Response:
        stay_id, body = request.path_params["stay_id"], await request.json()
        self.posts.append(body["id"])
        if self.lose_requests:
            return Response(status_code=502)
        if self.stays[stay_id]["state"] == "open" and "minutes" not in body:
            return problem(409, "stay-running")
        voucher = body.get("voucher")
        if body["id"] not in self.charges and voucher in self.redeemed:
            return problem(409, "voucher-used", title="Voucher ini sudah dipakai")
        if "minutes" in body:
            started = datetime.fromisoformat(self.stays[stay_id]["started_at"])
            until = (started + timedelta(minutes=body["minutes"])).isoformat()
            self.owe(stay_id, self.stays[stay_id]["owed_rp"], ends_at=until)
        if body["id"] not in self.charges:
            self._add_stay_charge(stay_id, body["id"], self._stay_now(stay_id)["owed_rp"])
            if request.url.path.endswith(("cash-charges", "voucher-charges")):
                self.pay(body["id"])
            if voucher or "consumer_qr" in body:
                self.change(body["id"], qris=None)
            if voucher:
                self.redeemed[voucher] = body
            self.stay_bodies.append(body)
        return JSONResponse(self.charges[body["id"]], 201)

    def _add_stay_charge(self, stay_id: str, charge_id: str, amount_rp: int) -> None:
        charge = self.new_charge(charge_id, SPOT, "truck")
        qris = qris_text(amount_rp, bill=charge_id[-12:])
        self.charges[charge_id] = {**charge, "amount_rp": amount_rp, "qris": qris}
        self.stays[stay_id]["charges"].append(charge_id)

    async def _resolve(self, request: Request) -> Response:
        if denied := self._denied(request):
            return denied
        body = await request.json()
        text = body["text"]
        await asyncio.sleep(self.resolve_delay_s)
        if is_card(text):
            return JSONResponse({"kind": "card", "card": self.card})
        if is_proof(text):
            charge_id = str(verify(text, {self.seal.key_id: self.seal.public}).charge_id)
            taken = self.taken.get(charge_id)
            if body["take"] and taken is None:
                self.claimed.append(charge_id)
            if charge := self.charges.get(charge_id):
                return JSONResponse({"kind": "charge", "charge": charge, "taken": taken})
        for charge in self.charges.values():
            if charge["qris"] == text:
                return JSONResponse({"kind": "charge", "charge": charge})
            if charge["receipt"] and charge["receipt"]["number"] == text:
                return JSONResponse({"kind": "receipt", "receipt": charge["receipt"]})
        if text.startswith("000201"):
            merchant = {"name": "WARUNG LAIN", "nmid": "ID1", "city": "X"}
            return JSONResponse({"kind": "foreign-qris", "merchant": merchant, "amount_rp": None})
        return JSONResponse({"kind": "unknown", "text_kind": "text"})

    async def _sync(self, request: Request) -> Response:
        (device_id,) = self.devices
        if self.state != "active":
            return problem(403, f"device-{self.state}")
        if denied := await self._not_as_signed(request, device_id):
            return denied
        results = []
        for sent in (await request.json())["events"]:
            outcome, reason = self._take_event(sent)
            results.append({"seq": sent["seq"], "outcome": outcome, "reason": reason})
        return JSONResponse({"results": results})

    def _take_event(self, sent: dict[str, Any]) -> tuple[str, str | None]:
        names = ("device_id", "seq", "prev_hash", "kind", "at", "body")
        event = Event(**{name: sent[name] for name in names})
        if not self._signed(sent["device_id"], sent["signature"], canonical(event)):
            return "quarantined", "bad signature"
        if any(old["hash"] == sent["hash"] for old in self.events):
            return "duplicate", None
        if sent["kind"] in self.quarantine_kinds:
            self.quarantined.append(sent)
            return "quarantined", "kind not wanted"
        if not self.quarantined:
            head = self.events[-1]["hash"] if self.events else GENESIS
            assert sent["prev_hash"] == head
        assert event_hash(event) == sent["hash"]
        self.events.append(sent)
        return "accepted", None


PATIENCE_S = 60
"""Nothing here is about speed, and the processors may be shared with others."""


def until(holds: Any, timeout_s: float = PATIENCE_S) -> Any:
    """Wait for a condition from a thread that is not the event loop's."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(KeyError, IndexError, TypeError):
            if result := holds():
                return result
        time.sleep(0.02)
    raise AssertionError("it did not come about in time")
