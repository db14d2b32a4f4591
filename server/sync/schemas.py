"""Wire shapes of what handhelds pull and push."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from domain.tariff import VehicleClass
from server.payments import schemas as payments


class Regency(BaseModel):
    name: str
    agency: str
    complaint: str
    timezone: str
    site: str = Field(description="Where its signs and receipts lead.")


class Zone(BaseModel):
    code: str
    name: str


class Spot(BaseModel):
    code: str
    place: str
    zone: Zone


class ZoneTariff(BaseModel):
    zone: str
    version: dict[str, Any]


class Proofs(BaseModel):
    """What proofs are read with offline: public keys (base64) by key id, and whose are void."""

    keys: dict[str, str]
    revoked: list[UUID]
    lifetime_s: int


class MasterData(BaseModel):
    regency: Regency
    spots: list[Spot]
    tariffs: list[ZoneTariff]
    vehicle_classes: list[VehicleClass]
    proofs: Proofs


class ResolveBarcode(BaseModel):
    text: str = Field(min_length=1, max_length=4096)


class Merchant(BaseModel):
    name: str
    city: str
    nmid: str | None


class ResolvedBarcode(BaseModel):
    """What a scanned text is; one of the other fields is filled, as `kind` says."""

    kind: Literal["charge", "spot", "receipt", "foreign-qris", "unknown"]
    charge: payments.Charge | None = None
    spot: Spot | None = None
    receipt: dict[str, Any] | None = None
    merchant: Merchant | None = None
    amount_rp: int | None = None
    text_kind: str | None = None


class SignedEvent(BaseModel):
    device_id: UUID
    seq: int = Field(ge=1, lt=2**63)
    prev_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    kind: str = Field(min_length=1, max_length=40)
    at: str = Field(min_length=1, max_length=40)
    body: dict[str, Any]
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    signature: str = Field(max_length=200)


class PushEvents(BaseModel):
    events: list[SignedEvent] = Field(max_length=500)


class EventOutcome(BaseModel):
    seq: int
    outcome: Literal["accepted", "duplicate", "quarantined"]
    reason: str | None = None


class PushedEvents(BaseModel):
    results: list[EventOutcome]
