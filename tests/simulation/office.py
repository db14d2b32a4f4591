"""The office of the simulation: the rules of `domain` and of the ledger, without PostgreSQL.

Each method stands for one transaction of the server: what it changes is kept, whole, or not at all.
What it is given is written down, for the invariants to look back at.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import UUID

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from domain.events import GENESIS, Event, EventKind, canonical, event_hash
from domain.payment import (
    EVENTS_TO_PAID,
    ChargeEvent,
    ChargeState,
    MoneyFlag,
    advance_charge,
    judge_money,
)
from domain.proof import Proof, ProofError, Seal, is_proof, verify
from domain.receipt import receipt_number, series
from domain.tariff import VehicleClass
from server.ledger import postings
from server.ledger.postings import Leg
from server.payments.inquiries import EXPIRY_GRACE, OWN_CALL, next_inquiry
from tests.simulation.acquirer import Acquirer, Outcome

LIFETIME = timedelta(seconds=60)
PRICES_RP = {"motorcycle": 2_000, "car": 4_000}
_S, _E = ChargeState, ChargeEvent


class Died(BaseException):
    """The office's process ended here; what was committed before it stays."""


@dataclass
class Charge:
    id: str
    spot: str
    vehicle_class: str
    amount_rp: int
    request: bytes
    shift: str
    kind: str
    created_at: datetime
    expires_at: datetime
    state: ChargeState = ChargeState.NEW
    qris: str | None = None
    money: dict[str, tuple[MoneyFlag, int]] = field(default_factory=dict)
    receipt: str | None = None
    paid_at: datetime | None = None
    next_inquiry_at: datetime | None = None
    steps: list[tuple[ChargeState, ChargeState]] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return UUID(self.id).hex

    @property
    def zone(self) -> str:
        return self.spot.partition("-")[0]

    def advance(self, event: ChargeEvent) -> None:
        after = advance_charge(self.state, event)
        self.steps.append((self.state, after))
        self.state = after


@dataclass
class Shift:
    id: str
    device: str
    attendant: str


Answer = tuple[int, dict[str, Any]]
Row = tuple[str, datetime, dict[str, Any]]


class Office:
    """As the server decides. `handle` is its HTTP; `hear` and `look_after` the acquirer's side."""

    def __init__(self, acquirer: Acquirer, seal: Ed25519PrivateKey, new_id: Callable[[], str]):
        self.acquirer = acquirer
        self.seal = Seal(seal)
        self._new_id = new_id
        self.spots: list[str] = []
        self.devices: dict[str, Ed25519PublicKey] = {}
        self.shifts: dict[str, Shift] = {}
        self.nonces: set[str] = set()
        self.charges: dict[str, Charge] = {}
        self.entries: dict[str, tuple[Leg, ...]] = {}
        self.balances: Counter[str] = Counter()
        self.receipts: Counter[str] = Counter()
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.quarantined: list[tuple[str, int, str]] = []
        self.claims: dict[str, str] = {}
        self.takings: Counter[str] = Counter()
        self.cases: Counter[tuple[str, str]] = Counter()
        self.trace: list[Row] = []
        self.wrong: list[str] = []
        """What it noticed of itself that must never be."""

    def _keep(self, what: str, now: datetime, **told: Any) -> None:
        self.trace.append((what, now, told))

    # HTTP

    def handle(self, request: httpx.Request, now: datetime) -> Answer:
        """Raises Died where its process ended on the way."""
        content = request.content
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        body = json.loads(content) if content else {}
        parts = request.url.path.strip("/").split("/")
        if known := self._to_anybody(parts, body, now):
            return known
        shift = self.shifts.get(token)
        if shift is None:
            return _refused(401, "not-signed-in")
        return self._to_shift(shift, parts, body, content, now)

    def _to_anybody(self, parts: list[str], body: dict[str, Any], now: datetime) -> Answer | None:
        match parts:
            case ["livez"]:
                return 200, {}
            case ["v1", "devices"]:
                return self._enrol(body)
            case ["v1", "devices", device, "report"]:
                known = device in self.devices
                return (200, {"state": "active"}) if known else _refused(404, "device-not-found")
            case ["v1", "devices", _, "nonce"]:
                nonce = self._new_id()
                self.nonces.add(nonce)
                return 200, {"nonce": nonce}
            case ["v1", "shifts"]:
                return self._open_shift(body, now)
        return None

    def _to_shift(
        self, shift: Shift, parts: list[str], body: dict[str, Any], content: bytes, now: datetime
    ) -> Answer:
        match parts:
            case ["v1", "shifts", "current", "earnings"]:
                return 200, {"attendant": shift.attendant, "as_of": now.isoformat()}
            case ["v1", "masterdata"]:
                return 200, self._master_data()
            case ["v1", "spots", spot, "charges"]:
                return self.ask(shift, spot, body, content, now)
            case ["v1", "spots", spot, "cash-charges"]:
                return self.take_cash(shift, spot, body, content, now)
            case ["v1", "charges", charge_id, *_] if charge_id in self.charges:
                return 200, self.view(self.charges[charge_id])
            case ["v1", "barcodes", "resolve"]:
                return self._resolve(shift, body, now)
            case ["v1", "sync"]:
                return self.push(shift, body["events"], now)
        return _refused(404, "not-found")

    def _enrol(self, body: dict[str, Any]) -> Answer:
        key = base64.b64decode(body["public_key"])
        known = (d for d, k in self.devices.items() if k.public_bytes_raw() == key)
        device = next(known, None) or self._new_id()
        self.devices[device] = Ed25519PublicKey.from_public_bytes(key)
        return 201, {"device_id": device, "state": "active"}

    def _open_shift(self, body: dict[str, Any], now: datetime) -> Answer:
        if body["nonce"] not in self.nonces:
            return _refused(403, "device-not-active")
        self.nonces.discard(body["nonce"])
        token = self._new_id()
        self.shifts[token] = Shift(body["id"], body["device_id"], body["attendant"])
        ends = (now + timedelta(hours=16)).isoformat()
        who = {"code": body["attendant"], "name": body["attendant"]}
        return 201, {"id": body["id"], "token": token, "expires_at": ends, "attendant": who}

    def _master_data(self) -> dict[str, Any]:
        zones = sorted({spot.partition("-")[0] for spot in self.spots})
        rates = {name: {"kind": "flat", "amount_rp": rp} for name, rp in PRICES_RP.items()}
        version = {"regulation": "Perda 1/2024", "valid_from": "2020-01-01", "rates": rates}
        keys = {self.seal.key_id: base64.b64encode(self.seal.public).decode()}
        spots = [
            {"code": s, "place": s, "zone": {"code": s.partition("-")[0], "name": s}}
            for s in self.spots
        ]
        return {
            "regency": {"name": "Contoh", "timezone": "Asia/Jakarta", "site": "https://p.id"},
            "spots": spots,
            "tariffs": [{"zone": zone, "version": version} for zone in zones],
            "vehicle_classes": list(PRICES_RP),
            "proofs": {"keys": keys, "revoked": [], "lifetime_s": 86_400},
        }

    def enrolment_code(self, _now: datetime) -> str:
        return "kode"

    def approve_devices(self, now: datetime) -> None:
        """They are active as soon as they are known."""

    def told(self, charge_id: str, _now: datetime) -> dict[str, Any]:
        """What whoever follows a charge is told of it."""
        return self.view(self.charges[charge_id])

    def view(self, charge: Charge) -> dict[str, Any]:
        receipt = {"number": charge.receipt} if charge.receipt else None
        return {
            "id": charge.id,
            "spot": charge.spot,
            "vehicle_class": charge.vehicle_class,
            "amount_rp": charge.amount_rp,
            "qris": charge.qris,
            "state": charge.state.value,
            "paid_at": charge.paid_at.isoformat() if charge.paid_at else None,
            "expires_at": charge.expires_at.isoformat(),
            "receipt": receipt,
        }

    # Charges

    def ask(
        self, shift: Shift, spot: str, body: dict[str, Any], content: bytes, now: datetime
    ) -> Answer:
        known = self.charges.get(body["id"])
        if known is not None:
            same = known.request == content
            return (201, self.view(known)) if same else _refused(409, "idempotency-conflict")
        charge = self._open(shift, spot, body, content, "mpm", now)
        outcome = self.acquirer.generate(charge.reference, charge.amount_rp, charge.expires_at)
        self._keep("ask", now, charge=charge, outcome=outcome)
        self._issued(charge, outcome)
        return 201, self.view(charge)

    def _open(
        self,
        shift: Shift,
        spot: str,
        body: dict[str, Any],
        content: bytes,
        kind: str,
        now: datetime,
    ) -> Charge:
        amount_rp, klass = PRICES_RP[body["vehicle_class"]], body["vehicle_class"]
        charge = Charge(
            body["id"], spot, klass, amount_rp, content, shift.id, kind, now, now + LIFETIME
        )
        charge.advance(_E.ISSUE_REQUESTED)
        charge.next_inquiry_at = now + timedelta(seconds=2) if kind == "mpm" else None
        self.charges[charge.id] = charge
        return charge

    def _issued(self, charge: Charge, outcome: Outcome) -> None:
        if outcome.mood.startswith("died"):
            raise Died
        if outcome.mood == "answered":
            charge.qris = outcome.qris
            charge.advance(_E.ISSUE_ACCEPTED)
        elif outcome.mood == "refused":
            charge.advance(_E.ISSUE_REJECTED)
        else:
            charge.advance(_E.ISSUE_UNANSWERED)

    def take_cash(
        self, shift: Shift, spot: str, body: dict[str, Any], content: bytes, now: datetime
    ) -> Answer:
        if body["id"] not in self.charges:
            charge = self._open(shift, spot, body, content, "cash", now)
            self._keep("cash", now, charge=charge)
            self._record(charge, "cash", charge.amount_rp, now)
        return 201, self.view(self.charges[body["id"]])

    # Money

    def hear(self, reference: str, rrn: str, amount_rp: int, now: datetime) -> bool:
        """A notification; whether it was acknowledged."""
        charge = self.charges[str(UUID(reference))]
        self._keep("hear", now, charge=charge, rrn=rrn, amount_rp=amount_rp)
        known = charge.money.get(rrn)
        if amount_rp != charge.amount_rp:
            if known is None:
                charge.next_inquiry_at = now  # what does not add up is asked about
            return known is not None
        self._record(charge, rrn, amount_rp, now)
        return True

    def _record(self, charge: Charge, rrn: str, amount_rp: int, now: datetime) -> None:
        if rrn in charge.money:
            return
        flag = judge_money(charge.state, charge.amount_rp, amount_rp)
        charge.money[rrn] = flag, amount_rp
        exact = flag is MoneyFlag.EXACT
        if charge.kind == "cash":
            legs = postings.for_cash(amount_rp, charge.zone, charge.shift)
        else:
            paid = postings.for_payment(amount_rp, charge.zone)
            legs = paid if exact else postings.for_suspense(amount_rp)
        self._post(f"money:{charge.reference}:{rrn}", legs)
        charge.next_inquiry_at = None
        if not exact:
            self.cases[flag.value, f"{charge.id}:{rrn}"] += 1
            return
        for event in EVENTS_TO_PAID[charge.state]:
            charge.advance(event)
        charge.paid_at = now
        named = series(charge.zone, now.year)
        self.receipts[named] += 1
        charge.receipt = receipt_number(named, self.receipts[named])

    def booked_rp(self) -> int:
        """What the ledger holds of all money that came."""
        return sum(legs[0].amount_rp for legs in self.entries.values())

    def close(self, now: datetime, *, healed: bool) -> None:
        """After the last step, before it is judged."""

    def _post(self, source: str, legs: tuple[Leg, ...]) -> None:
        self.entries[source] = legs
        for leg in legs:
            self.balances[leg.account] += leg.amount_rp

    def look_after(self, now: datetime) -> None:
        """The job of inquiries: every charge that is due."""
        for charge in list(self.charges.values()):
            if charge.next_inquiry_at is not None and charge.next_inquiry_at <= now:
                self.inquire(charge, now)

    def inquire(self, charge: Charge, now: datetime) -> None:
        order, silent = self.acquirer.inquire(charge.reference)
        first = order.paid[0] if order is not None and order.paid else None
        self._keep("inquire", now, charge=charge, silent=silent)
        if order is not None:
            charge.qris = charge.qris or order.qris
        if first is not None:
            self._record(charge, *first, now)
        if charge.state in (_S.ISSUING, _S.ISSUE_UNKNOWN):
            self._settle_issue(charge, order is not None, silent, now)
        late = EXPIRY_GRACE if silent else timedelta()
        if charge.state is _S.ISSUED and now >= charge.expires_at + late:
            charge.advance(_E.EXPIRED)
        charge.next_inquiry_at = (
            None if charge.paid_at else next_inquiry(charge.created_at, charge.expires_at, now)
        )

    def _settle_issue(self, charge: Charge, found: bool, silent: bool, now: datetime) -> None:
        lost = charge.state is _S.ISSUING
        if lost and charge.qris is None and now < charge.created_at + OWN_CALL:
            return
        if lost:
            charge.advance(_E.ISSUE_UNANSWERED)
        if not silent:
            charge.advance(_E.ISSUE_FOUND if found else _E.ISSUE_NOT_FOUND)

    # What handhelds recorded

    def push(self, shift: Shift, events: list[dict[str, Any]], now: datetime) -> Answer:
        self._keep("push", now, shift=shift, events=events)
        return 200, {"results": [self._take(shift.device, event) for event in events]}

    def _take(self, device: str, sent: dict[str, Any]) -> dict[str, Any]:
        chain, seq = self.events.setdefault(device, []), sent["seq"]
        if seq <= len(chain) and chain[seq - 1]["hash"] == sent["hash"]:
            return {"seq": seq, "outcome": "duplicate"}
        reason = "fork" if seq <= len(chain) else self._what_is_wrong(device, chain, sent)
        if reason:
            self.quarantined.append((device, seq, reason))
            return {"seq": seq, "outcome": "quarantined", "reason": reason}
        chain.append(sent)
        if sent["kind"] == EventKind.PROOF_TAKEN:
            self.noticed(sent["body"]["charge_id"])
        return {"seq": seq, "outcome": "accepted"}

    def noticed(self, charge_id: str) -> None:
        self.takings[charge_id] += 1
        if self.takings[charge_id] == 2:
            self.cases["proof-taken-twice", charge_id] += 1

    def _what_is_wrong(
        self, device: str, chain: list[dict[str, Any]], sent: dict[str, Any]
    ) -> str | None:
        names = ("device_id", "seq", "prev_hash", "kind", "at", "body")
        event = Event(**{name: sent[name] for name in names})
        if event.device_id != device or event_hash(event) != sent["hash"]:
            return "bad-hash"
        try:
            self.devices[device].verify(base64.b64decode(sent["signature"]), canonical(event))
        except InvalidSignature:
            return "bad-signature"
        last = chain[-1]["hash"] if chain else GENESIS
        return None if (event.seq, event.prev_hash) == (len(chain) + 1, last) else "gap"

    # Proofs

    def prove(self, charge: Charge) -> str:
        assert charge.paid_at is not None
        assert charge.receipt is not None
        klass = VehicleClass(charge.vehicle_class)
        return self.seal.sign(
            Proof(
                UUID(charge.id), charge.spot, klass, charge.amount_rp, charge.paid_at,
                charge.receipt,
            )
        )  # fmt: skip

    def _resolve(self, shift: Shift, body: dict[str, Any], now: datetime) -> Answer:
        text = body["text"]
        if not is_proof(text):
            found = next((c for c in self.charges.values() if c.qris == text), None)
            return 200, {"kind": "charge", "charge": self.view(found)} if found else {
                "kind": "unknown"
            }
        try:
            charge_id = str(verify(text, {self.seal.key_id: self.seal.public}).charge_id)
        except ProofError:
            return 200, {"kind": "unknown"}
        charge, taken = self.charges[charge_id], None
        if body.get("take"):
            taken = self.claim(shift, charge, now)
        return 200, {"kind": "charge", "charge": self.view(charge), "taken": taken}

    def claim(self, shift: Shift, charge: Charge, now: datetime) -> dict[str, Any] | None:
        self._keep("claim", now, shift=shift, charge=charge)
        by_event = next(
            (
                device
                for device, chain in self.events.items()
                for event in chain
                if device != shift.device
                and event["kind"] == EventKind.PROOF_TAKEN
                and event["body"]["charge_id"] == charge.id
            ),
            None,
        )
        first = by_event or self.claims.setdefault(charge.id, shift.device)
        if first == shift.device:
            return None
        return {"at": now.isoformat(), "attendant": first, "spot": charge.spot}


class NaiveOffice(Office):
    """The control: no key on what is inserted, screens and repeats believed, nobody inquires."""

    def ask(
        self, shift: Shift, spot: str, body: dict[str, Any], content: bytes, now: datetime
    ) -> Answer:
        charge = self._open(shift, spot, body | {"id": self._new_id()}, content, "mpm", now)
        self._keep("ask", now, charge=charge)
        outcome = self.acquirer.generate(charge.reference, charge.amount_rp, charge.expires_at)
        self._issued(charge, outcome)
        return 201, self.view(charge) | {"id": body["id"]}

    def claim(self, shift: Shift, charge: Charge, now: datetime) -> dict[str, Any] | None:
        """Whoever shows it has it, and nobody compares."""
        return None

    def noticed(self, charge_id: str) -> None:
        """Nobody looks."""

    def hear(self, reference: str, rrn: str, amount_rp: int, now: datetime) -> bool:
        charge = self.charges[str(UUID(reference))]
        self._keep("hear", now, charge=charge)
        number = len(charge.money)
        self._post(f"money:{reference}:{number}", postings.for_payment(amount_rp, charge.zone))
        charge.money[f"{rrn}#{number}"] = MoneyFlag.EXACT, amount_rp
        return True

    def look_after(self, now: datetime) -> None:
        """Nobody asks."""


def _refused(status: int, slug: str) -> Answer:
    return status, {"slug": slug, "title": slug, "status": status}


def date_header(now: datetime) -> str:
    return format_datetime(now, usegmt=True)
