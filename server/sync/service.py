"""Taking in what handhelds recorded, each fact once, and telling them what they scanned.

A refused event is kept in quarantine with its reason: what an attendant recorded is never deleted.
"""

import json
import math
import re
from base64 import b64encode
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.events import GENESIS, Event, EventError, canonical, event_hash
from domain.parking import SpotCodeError, parse_spot_code
from domain.proof import ProofError, is_proof, verify
from domain.receipt import ReceiptNumberError, parse_receipt_number
from domain.tariff import VehicleClass
from server.database import Transactions
from server.identity import service as identity
from server.identity.service import OnShift
from server.payments import proofs, receipts
from server.payments import queries as payments
from server.payments.books import Books
from server.payments.schemas import Charge
from server.spots import service as spots
from server.spots.service import KnownSpot
from server.sync import schemas
from server.sync.models import DeviceEvent, QuarantinedEvent

log = structlog.get_logger()

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


async def push(
    transactions: Transactions, shift: OnShift, events: list[schemas.SignedEvent], *, now: datetime
) -> list[schemas.EventOutcome]:
    """Apply a batch in its order; every event is accepted, known already, or quarantined."""
    async with transactions.begin() as db:
        keys = await identity.active_device_keys(db, shift.device_id)
        # One batch of a device at a time, so that two do not race for the same place in its chain.
        await db.execute(select(func.pg_advisory_xact_lock(shift.device_id.int % 2**62)))
        return [await _take(db, shift, keys, signed, now) for signed in events]


async def _take(
    db: AsyncSession,
    shift: OnShift,
    keys: list[bytes],
    signed: schemas.SignedEvent,
    now: datetime,
) -> schemas.EventOutcome:
    known = await db.scalar(
        select(DeviceEvent.hash).where(
            DeviceEvent.device_id == shift.device_id, DeviceEvent.seq == signed.seq
        )
    )
    if known == signed.hash:
        return schemas.EventOutcome(seq=signed.seq, outcome="duplicate")
    reason = "fork" if known else await _what_is_wrong(db, shift, keys, signed)
    if reason is not None:
        db.add(
            QuarantinedEvent(
                device_id=shift.device_id,
                event=_as_it_came(signed),
                reason=reason,
                received_at=now,
            )
        )
        await db.flush()
        log.warning("event_quarantined", device_id=str(shift.device_id), reason=reason)
        return schemas.EventOutcome(seq=signed.seq, outcome="quarantined", reason=reason)
    await db.execute(insert(DeviceEvent).values(**signed.model_dump(), received_at=now))
    return schemas.EventOutcome(seq=signed.seq, outcome="accepted")


async def _what_is_wrong(
    db: AsyncSession, shift: OnShift, keys: list[bytes], signed: schemas.SignedEvent
) -> str | None:
    event = Event(
        device_id=str(signed.device_id),
        seq=signed.seq,
        prev_hash=signed.prev_hash,
        kind=signed.kind,
        at=signed.at,
        body=signed.body,
    )
    if signed.device_id != shift.device_id:
        return "other-device"
    try:
        if event_hash(event) != signed.hash:
            return "bad-hash"
    except EventError:
        return "not-canonical"
    # What was recorded before a new key, and sent after it, has the old one's signature.
    if not any(identity.signed_by(key, signed.signature, canonical(event)) for key in keys):
        return "bad-signature"
    if not all(_storable(value) for value in (signed.kind, signed.at, signed.body)):
        return "not-storable"
    previous = await db.scalar(
        select(DeviceEvent.hash).where(
            DeviceEvent.device_id == shift.device_id, DeviceEvent.seq == signed.seq - 1
        )
    )
    expected = GENESIS if signed.seq == 1 else previous
    return None if signed.prev_hash == expected else "gap"


def _as_it_came(signed: schemas.SignedEvent) -> dict[str, Any]:
    """What the quarantine keeps; one text where a value has no place in a JSONB column."""
    event = dict(signed) | {"device_id": str(signed.device_id)}
    return event if _storable(event) else {"text": json.dumps(event)}


def _storable(value: object) -> bool:
    """Whether PostgreSQL can hold a value as JSONB: no NUL, no half character, no NaN."""
    left = [value]
    while left:
        match left.pop():
            case str() as text if _NOT_STORABLE.search(text):
                return False
            case float() as number if not math.isfinite(number):
                return False
            case dict() as members:
                left += [*members, *members.values()]
            case list() as items:
                left += items
            case _:
                pass
    return True


async def master_data(db: AsyncSession, books: Books, *, now: datetime) -> schemas.MasterData:
    """What a handheld needs to quote and print without asking."""
    tariffs = await spots.tariffs_from(db, books.day(now))
    return schemas.MasterData(
        regency=schemas.Regency(
            name=books.regency,
            agency=books.agency,
            complaint=books.complaint,
            timezone=books.timezone.key,
            site=books.base_url,
        ),
        spots=[_spot(spot) for spot in await spots.all_spots(db)],
        tariffs=[schemas.ZoneTariff(zone=zone, version=version) for zone, version in tariffs],
        vehicle_classes=list(VehicleClass),
        proofs=schemas.Proofs(
            keys={name: b64encode(key).decode() for name, key in books.proof_keys.items()},
            revoked=sorted(await proofs.revoked(db, now)),
            lifetime_s=int(proofs.LIFETIME.total_seconds()),
        ),
    )


def _spot(spot: KnownSpot) -> schemas.Spot:
    return schemas.Spot(
        code=spot.code,
        place=spot.place,
        zone=schemas.Zone(code=spot.zone_code, name=spot.zone_name),
    )


async def resolve(db: AsyncSession, books: Books, text: str) -> schemas.ResolvedBarcode:
    """Say what a scanned or typed text is: a charge, a spot, a receipt, or somebody else's."""
    if "\0" in text:  # no column holds one
        return _foreign(text)
    try:
        charge_id = await _charge_told(db, books, text)
    except ProofError as exc:
        return schemas.ResolvedBarcode(kind="unknown", text_kind=f"proof-{exc.reason}")
    view = None if charge_id is None else await payments.charge_view(db, charge_id)
    if view is not None:
        return schemas.ResolvedBarcode(kind="charge", charge=Charge.of(view, books))
    code = _code(text, books)
    try:
        parse_receipt_number(code)
        facts = await receipts.find(db, code)
        return schemas.ResolvedBarcode(kind="receipt", receipt=facts.to_json())
    except (ReceiptNumberError, receipts.ReceiptNotFound):
        pass
    try:
        spot = await spots.find(db, parse_spot_code(code))
        return schemas.ResolvedBarcode(kind="spot", spot=_spot(spot))
    except (SpotCodeError, spots.SpotNotFound):
        pass
    return _foreign(text)


async def _charge_told(db: AsyncSession, books: Books, text: str) -> UUID | None:
    """The charge that a barcode or a proof is of; raises ProofError for a proof that is none.

    What became of the charge since, its own row tells: a proof of ours may be older than a refund.
    """
    if is_proof(text):
        return verify(text, books.proof_keys).charge_id
    return await payments.charge_of_barcode(db, text)


def _code(text: str, books: Books) -> str:
    """What our own signs' and receipts' addresses end in; any other text as it is."""
    own = books.base_url + "/"
    if not text.startswith(own):
        return text
    path = text.removeprefix(own).partition("?")[0]
    return path.rpartition("/")[2]


def _foreign(text: str) -> schemas.ResolvedBarcode:
    try:
        payload = qris.parse(text)
    except qris.QrisError as exc:
        return schemas.ResolvedBarcode(kind="unknown", text_kind=exc.code)
    return schemas.ResolvedBarcode(
        kind="foreign-qris",
        merchant=schemas.Merchant(name=payload.name, city=payload.city, nmid=payload.nmid),
        amount_rp=payload.amount_rp,
    )
