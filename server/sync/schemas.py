"""Wire shapes of what handhelds pull and push."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from domain.closure import ClosureReason
from domain.sign import SignFault
from domain.tariff import VehicleClass
from server.moments import Moment
from server.payments import schemas as payments
from server.payments.issuing import LONGEST_STAY_MINUTES


class Regency(BaseModel):
    name: str
    agency: str
    complaint: str
    porporasi: str = Field(description="The line of the seal on karcis, or empty.")
    timezone: str
    day_ends: str = Field(
        description='When business days end, by dated rules: "24.00, 2027-01-01 22.00".'
        " A handheld of before does not read it, a server of before does not tell it: midnight."
    )
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


class Closure(BaseModel):
    """A spot, or a whole zone where `spot` is empty, that takes no vehicles for a while."""

    zone: str
    spot: str
    starts: datetime
    ends: datetime | None = Field(description="Empty where it lasts until further notice.")
    reason: ClosureReason


class Closures(BaseModel):
    """What is closed now or will be."""

    closures: list[Closure]


class Proofs(BaseModel):
    """What proofs are read with offline: public keys (base64) by key id, and whose are void."""

    keys: dict[str, str]
    revoked: list[UUID]
    lifetime_s: int


class Offline(BaseModel):
    """What a handheld may do unasked: how long after the server last answered, how many barcodes
    of its pool and worth how much in one shift; and how many it keeps ahead of each kind.
    """

    window_s: int
    limit_count: int
    limit_rp: int
    pool_size: int
    issuers: dict[str, str] = Field(
        description="Who issues barcodes, by zone. Of one kept that another issued before this was"
        " told, none is shown any more to a driver who had not seen it."
    )


class Exemption(BaseModel):
    """A kind of vehicle that parks free, by which article, and from when until when."""

    code: str
    picture: str
    vehicle_class: VehicleClass
    label_id: str
    label_en: str
    regulation: str
    valid_from: date
    valid_until: date | None


class Passes(BaseModel):
    """Serials of passes that cover nothing any more; the keys are those of proofs."""

    revoked: list[str]


class Vouchers(BaseModel):
    """Serials that are not taken any more; the keys are those of proofs."""

    revoked: list[str]


class Merchant(BaseModel):
    name: str
    city: str
    nmid: str | None


class PostedCode(BaseModel):
    """A static QRIS registered for a spot's sign; `retired` where it should be there no more."""

    spot_code: str
    nmid: str
    pan: str | None
    criteria: str | None
    mcc: str
    name: str
    amount_rp: int | None
    retired: bool


class CheckedSign(BaseModel):
    at: datetime
    fault: SignFault | None


class MadeSign(BaseModel):
    """The last sign that was printed for a spot."""

    version: int
    in_force: bool = Field(description="False: it was withdrawn, and none took its place.")


class Signs(BaseModel):
    """What signs are checked by; `merchant` is who our barcodes for one payment are of."""

    due_s: int
    merchant: Merchant | None
    posted: list[PostedCode]
    made: dict[str, MadeSign] = Field(description="By spot; a signed link must be of it.")
    checked: dict[str, CheckedSign] = Field(description="The last check of each spot's sign.")


class Attendants(BaseModel):
    """The codes of those who may not work any more."""

    stopped: list[str]


class Cards(BaseModel):
    """Attendants' cards that were taken back, or whose owners were stopped; the keys of proofs read
    the others.
    """

    revoked: list[UUID]


class Notices(BaseModel):
    """What notices are made and read with: days to object, and keys (base64) by series."""

    objection_days: int
    keys: dict[str, list[str]]


class KeptPhoto(BaseModel):
    sha256: str


class LiveStay(BaseModel):
    id: UUID
    plate: str | None = Field(description="The keyed hash of its plate.")
    spot_code: str
    vehicle_class: VehicleClass
    started_at: datetime
    until: datetime | None
    paid: bool
    receipts: list[str]


class Holder(BaseModel):
    """A vehicle that parks by a pass today."""

    serial: str
    plate: str = Field(description="The keyed hash of its plate.")
    classes: list[VehicleClass]
    valid_until: date


class LiveStays(BaseModel):
    """Today's stays of a zone and the vehicles that have a pass there, for a handheld to look in
    without a connection; the key of plates' hashes goes to devices on shift only.
    """

    at: datetime
    grace_s: int
    plate_key: str | None
    stays: list[LiveStay]
    passes: list[Holder]


class MasterData(BaseModel):
    regency: Regency
    spots: list[Spot]
    tariffs: list[ZoneTariff]
    vehicle_classes: list[VehicleClass]
    proofs: Proofs
    offline: Offline
    vouchers: Vouchers
    passes: Passes
    exemptions: list[Exemption]
    signs: Signs
    notices: Notices
    attendants: Attendants
    cards: Cards
    closures: list[Closure]


class ResolveBarcode(BaseModel):
    text: str = Field(min_length=1, max_length=4096)
    take: bool = Field(
        default=False,
        description="For a proof: it is to be taken by this device, where none was before it.",
    )


class ProofTaken(BaseModel):
    """That another device took a proof before: when, who, and the spot it was paid for."""

    at: datetime
    attendant: str | None
    spot: str


class ShownCard(BaseModel):
    """An attendant's card: what it is worth, whose, and whether its owner is on duty now."""

    verdict: Literal["valid", "expired", "revoked", "forged"]
    attendant: str | None = None
    name: str | None = None
    valid_until: date | None = None
    on_duty_since: datetime | None = None
    place: str | None = Field(default=None, description="Where the newest charge was made.")


class ResolvedBarcode(BaseModel):
    """What a scanned text is; one of the other fields is filled, as `kind` says."""

    kind: Literal["charge", "spot", "receipt", "card", "foreign-qris", "unknown"]
    charge: payments.Charge | None = None
    taken: ProofTaken | None = None
    spot: Spot | None = None
    receipt: dict[str, Any] | None = None
    card: ShownCard | None = None
    merchant: Merchant | None = None
    amount_rp: int | None = None
    text_kind: str | None = None


class PoolCharge(BaseModel):
    """A barcode to be issued ahead; `id` is made by the handheld, so asking again is harmless."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    vehicle_class: VehicleClass
    minutes: int | None = Field(default=None, ge=1, le=LONGEST_STAY_MINUTES)


class PooledCharge(payments.Charge):
    issued_by: str = Field(description="The acquirer, by its name in the office's settings.")


class ClaimCharge(BaseModel):
    """That a pooled barcode was shown to a driver, and when by the device's clock."""

    model_config = ConfigDict(extra="forbid")

    shown_at: Moment
    plate: payments.Plate | None = None


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


class CloseShift(BaseModel):
    """A count of cash; `seq` is the event of the device's chain that holds it, signed."""

    seq: int = Field(ge=1, lt=2**63)
    counted_rp: int = Field(ge=0, le=10_000_000_000)
    shown_rp: int = Field(ge=0, le=10_000_000_000, description="What the handheld had recorded.")


class ClosedShift(BaseModel):
    """`expected_rp` is by the books; what the attendant owes is theirs to say as well."""

    id: UUID
    closed_at: datetime
    expected_rp: int
    counted_rp: int
    difference_rp: int


class Pending(BaseModel):
    """Money that may yet count: `unconfirmed` while a driver may be paying, else why it is held."""

    why: str
    count: int
    amount_rp: int


class ShareSlip(BaseModel):
    """A share that was paid out: earned, less `taken_back_rp`, and the rest sum to the amount."""

    number: str
    paid_on: date
    first_day: date | None
    last_day: date | None
    days: int = Field(description="On how many days of these something was earned.")
    gross_rp: int
    parts_bp: list[int] = Field(description="The parts that held, in basis points, each once.")
    share_rp: int
    taken_back_rp: int = Field(description="The part of what was given back to drivers.")
    rest_rp: int = Field(description="What else was paid with it, of earlier days.")
    amount_rp: int
    account: str
    reference: str


class ShareSlips(BaseModel):
    """The newest first, of nobody but the attendant on shift."""

    slips: list[ShareSlip]


class Earnings(BaseModel):
    """What the attendant on shift earned today and is owed, by the books."""

    as_of: datetime
    day: date
    gross_rp: int = Field(description="Paid today for this attendant's charges.")
    attendant_bp: list[int] = Field(description="The parts that hold, in basis points, each once.")
    share_rp: int = Field(description="Earned today, less what refunds took back.")
    unpaid_share_rp: int = Field(description="Earned on any day and not paid out.")
    in_payout_rp: int = Field(description="Of that, approved and on its way by the bank.")
    last_payout_rp: int = Field(description="What was paid out last; 0 before the first time.")
    last_payout_at: datetime | None
    cash_owed_rp: int
    pending: list[Pending]
    payout_on: date = Field(
        description="When today's share is paid out: the rule's day, or the next working day."
    )
