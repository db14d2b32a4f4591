"""A handheld as the server sees one: a key, an enrolment, a shift, and a chain of signed events."""

import base64
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain import signing
from domain.events import GENESIS, Event, canonical, event_hash
from server import sample
from server.database import Transactions, new_id
from server.identity import devices
from server.identity import service as identity
from tests.server.cluster import PIN


@dataclass
class Handheld:
    """Signs as a device does; `chain` holds the events it made, newest last."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    device_id: UUID = field(default_factory=uuid4)
    token: str = ""
    chain: list[dict[str, Any]] = field(default_factory=list)

    @property
    def public_key(self) -> str:
        return base64.b64encode(self.key.public_key().public_bytes_raw()).decode()

    def signed(self, request: httpx.Request, *, now: float | None = None) -> httpx.Request:
        """The request with the shift's token, if there is one, and signed: give it as `auth`."""
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        told = signing.values(
            request.method,
            request.url.raw_path.partition(b"?")[0].decode(),
            request.url.query.decode(),
            request.content,
            request.headers.get("Authorization"),
        )
        created, nonce = int(now or time.time()), secrets.token_urlsafe(16)
        parameters = signing.parameters(tuple(told), created, nonce, str(self.device_id))
        signature = self.key.sign(signing.signature_base(tuple(told), told, parameters))
        request.headers.update(signing.headers(parameters, signature, request.content))
        return request

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self.key.sign(message)).decode()

    def shift_request(self, nonce: str, **changes: Any) -> dict[str, Any]:
        """A body for POST /v1/shifts, signed as it stands after the changes."""
        body = {
            "id": str(new_id()),
            "device_id": str(self.device_id),
            "attendant": sample.ATTENDANT,
            "pin": PIN,
            "nonce": nonce,
            **changes,
        }
        names = ("id", "device_id", "attendant", "nonce")
        text = "|".join(["karcis-shift", *(body[name] for name in names)])
        return {"signature": self.sign(text.encode()), **body}

    def event(self, kind: str = "charge_requested", **changes: Any) -> dict[str, Any]:
        """The next event of the chain, signed after the changes; it becomes the newest."""
        made = self.forge(kind, **changes)
        self.chain.append(made)
        return made

    def forge(self, kind: str = "charge_requested", **changes: Any) -> dict[str, Any]:
        """An event signed as it stands, without becoming part of the chain."""
        facts = {
            "device_id": str(self.device_id),
            "seq": len(self.chain) + 1,
            "prev_hash": self.chain[-1]["hash"] if self.chain else GENESIS,
            "kind": kind,
            "at": "2026-11-21T09:00:00+07:00",
            "body": {"number": len(self.chain) + 1},
            **changes,
        }
        event = Event(**facts)
        return {**facts, "hash": event_hash(event), "signature": self.sign(canonical(event))}


async def pending(transactions: Transactions, now: datetime) -> Handheld:
    """Enrolled by one officer's code, not yet approved by another."""
    handheld = Handheld()
    async with transactions.begin() as db:
        code = await sample.enrolment_code(db, now=now)
        handheld.device_id = await devices.enrol(
            db, code=code, public_key=handheld.public_key, name="HP 1", now=now
        )
    return handheld


async def approved(transactions: Transactions, now: datetime | None = None) -> Handheld:
    """Enrolled by one officer's code and approved by another."""
    now = now or datetime.now(UTC)
    handheld = await pending(transactions, now)
    async with transactions.begin() as db:
        checker = await identity.officer_named(db, sample.CHECKER)
        await devices.approve(db, checker, handheld.device_id, "uji", now=now)
    return handheld


async def nonce_for(api: httpx.AsyncClient, handheld: Handheld) -> str:
    answer = await api.post(f"/v1/devices/{handheld.device_id}/nonce")
    assert answer.status_code == 200, answer.text
    nonce: str = answer.json()["nonce"]
    return nonce


async def on_shift(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    """An approved handheld whose attendant is signed in."""
    handheld = await approved(transactions, now)
    body = handheld.shift_request(await nonce_for(api, handheld))
    answer = await api.post("/v1/shifts", json=body)
    assert answer.status_code == 201, answer.text
    handheld.token = answer.json()["token"]
    return handheld
