"""Taking in what handhelds recorded, each fact once, and telling them what they scanned.

A refused event is kept in quarantine with its reason: what an attendant recorded is never deleted.
"""

import json
import math
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

import qris
from domain.card import is_card
from domain.device import DeviceState
from domain.events import GENESIS, Event, EventError, EventKind, canonical, event_hash
from domain.parking import SpotCodeError, parse_spot_code
from domain.payment import ChargeState
from domain.proof import ProofError, is_proof, verify
from domain.receipt import ReceiptNumberError, parse_receipt_number
from domain.tariff import VehicleClass
from server.database import Transactions, autocommit
from server.errors import Problem
from server.identity import attendants
from server.identity import cards as identity_cards
from server.identity import service as identity
from server.identity.service import AttendantStopped, OnShift
from server.inspection import facts, notices, signs, stays
from server.parking import covered
from server.payments import pool, proofs, receipts, refund_queries, vouchers
from server.payments import queries as payments
from server.payments.books import Books
from server.payments.issuing import Issuer, PaymentRequest
from server.payments.schemas import Charge
from server.payments.service import ChargeNotFound
from server.payments.wiring import Wiring
from server.settings import Settings
from server.spots import closures
from server.spots import service as spots
from server.spots import signs as registry
from server.spots.service import KnownSpot
from server.sync import cards, quarantine, schemas, takings, wishes
from server.sync.models import DeviceEvent

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


async def push(
    transactions: Transactions,
    device_id: UUID,
    events: list[schemas.SignedEvent],
    *,
    now: datetime,
) -> list[schemas.EventOutcome]:
    """Apply a batch in its chain's order; every event is accepted, known already, or quarantined.

    All that a revoked device still had is quarantined: kept and looked at, never posted. So is what
    a stopped attendant recorded and had not sent, save the count: by whatever clock, as that may be
    set back. It stays in the chain, so that whoever works with the device next can go on.
    """
    async with transactions.begin() as db:
        state, keys = await identity.device_keys(db, device_id)
        if state is not DeviceState.REVOKED:
            identity.refuse_unless_active(state)
        # One batch of a device at a time, so that two do not race for the same place in its chain.
        await db.execute(select(func.pg_advisory_xact_lock(device_id.int % 2**62)))
        people = {str(event.body.get("attendant")) for event in events if _storable(event.body)}
        halted = frozenset(await attendants.stopped(db, people))
        source = _Source(device_id, keys, halted, revoked=state is DeviceState.REVOKED)
        proofs_of = await takings.lock(db, events)
        in_order = sorted(range(len(events)), key=lambda place: events[place].seq)
        outcomes = {
            place: await _take(db, source, events[place], proofs_of, now) for place in in_order
        }
    return [outcomes[place] for place in range(len(events))]


@dataclass(frozen=True)
class _Source:
    device_id: UUID
    keys: list[bytes]
    halted: frozenset[str]
    """Attendants who are stopped, of those named in the batch."""
    revoked: bool


async def _take(
    db: AsyncSession,
    source: _Source,
    signed: schemas.SignedEvent,
    proofs_of: dict[UUID, int],
    now: datetime,
) -> schemas.EventOutcome:
    known = await db.scalar(
        select(DeviceEvent.hash).where(
            DeviceEvent.device_id == source.device_id, DeviceEvent.seq == signed.seq
        )
    )
    if known == signed.hash:
        return schemas.EventOutcome(seq=signed.seq, outcome="duplicate")
    reason = "fork" if known else await _what_is_wrong(db, source, signed)
    if reason is not None:
        await quarantine.keep(db, source.device_id, _as_it_came(signed), reason, now=now)
        return schemas.EventOutcome(seq=signed.seq, outcome="quarantined", reason=reason)
    await db.execute(insert(DeviceEvent).values(**signed.model_dump(), received_at=now))
    if str(signed.body.get("attendant")) in source.halted and signed.kind != EventKind.SHIFT_CLOSED:
        reason = AttendantStopped.slug
        await quarantine.keep(db, source.device_id, _as_it_came(signed), reason, now=now)
        return schemas.EventOutcome(seq=signed.seq, outcome="quarantined", reason=reason)
    await takings.noticed(db, signed, proofs_of, now)
    unfit = await wishes.noticed(db, signed, now) or await notices.take(
        db, source.device_id, signed.kind, signed.seq, signed.body, now=now
    )
    if unfit:
        await quarantine.keep(db, source.device_id, _as_it_came(signed), unfit, now=now)
        return schemas.EventOutcome(seq=signed.seq, outcome="quarantined", reason=unfit)
    await covered.take(db, signed.device_id, signed.kind, signed.at, signed.body, now=now)
    await facts.take(db, source.device_id, signed.kind, signed.seq, signed.at, signed.body, now=now)
    return schemas.EventOutcome(seq=signed.seq, outcome="accepted")


async def _what_is_wrong(
    db: AsyncSession, source: _Source, signed: schemas.SignedEvent
) -> str | None:
    event = Event(
        device_id=str(signed.device_id),
        seq=signed.seq,
        prev_hash=signed.prev_hash,
        kind=signed.kind,
        at=signed.at,
        body=signed.body,
    )
    if signed.device_id != source.device_id:
        return "other-device"
    try:
        if event_hash(event) != signed.hash:
            return "bad-hash"
    except EventError:
        return "not-canonical"
    # What was recorded before a new key, and sent after it, has the old one's signature.
    if not any(identity.signed_by(key, signed.signature, canonical(event)) for key in source.keys):
        return "bad-signature"
    if not all(_storable(value) for value in (signed.kind, signed.at, signed.body)):
        return "not-storable"
    if source.revoked:
        return "device-revoked"
    previous = await db.scalar(
        select(DeviceEvent.hash).where(
            DeviceEvent.device_id == source.device_id, DeviceEvent.seq == signed.seq - 1
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


async def issue_ahead(
    transactions: Transactions,
    wired: Wiring,
    shift: OnShift,
    spot: str,
    wanted: schemas.PoolCharge,
    *,
    now: datetime,
) -> schemas.PooledCharge:
    async with transactions.begin() as db:
        await pool.refuse_more(db, shift.device_id, wanted.id, now)
    request = PaymentRequest(
        charge_id=wanted.id,
        spot_code=spot,
        vehicle_class=wanted.vehicle_class,
        minutes=wanted.minutes,
        shift_id=shift.shift_id,
        pooled_for=shift.device_id,
    )
    await wired.issuer.request(request, lifetime=wired.settings.pooled_lifetime, now=now)
    charge = await _charge(transactions, wired.books, wanted.id)
    async with transactions.begin() as db:
        issued_by = await pool.issued_by(db, wanted.id)
    return schemas.PooledCharge(**dict(charge), issued_by=issued_by)


async def claim(
    transactions: Transactions,
    wired: Wiring,
    shift: OnShift,
    charge_id: UUID,
    claimed: schemas.ClaimCharge,
    *,
    now: datetime,
) -> Charge:
    try:
        async with transactions.begin() as db:
            shown = pool.Shown(charge_id, claimed.shown_at, claimed.plate or None)
            await pool.claim(db, wired.books, shift.device_id, shown, now=now)
    except Problem as refusal:
        told = {"charge_id": str(charge_id), "shown_at": claimed.shown_at.isoformat()}
        async with transactions.begin() as db:
            await quarantine.keep(db, shift.device_id, told, refusal.slug, now=now)
        raise
    wired.announcer.announce(charge_id)
    return await _charge(transactions, wired.books, charge_id)


async def _charge(transactions: Transactions, books: Books, charge_id: UUID) -> Charge:
    async with autocommit(transactions) as db:
        view = await payments.charge_view(db, charge_id)
        if view is None:
            raise ChargeNotFound
        return Charge.of(view, books, await refund_queries.of_view(db, view))


async def master_data(
    db: AsyncSession, books: Books, settings: Settings, issuer: Issuer, *, now: datetime
) -> schemas.MasterData:
    """What a handheld needs to quote and print without asking."""
    tariffs = await spots.tariffs_from(db, books.day(now))
    known = await spots.all_spots(db)
    zones = {spot.zone_id: spot.zone_code for spot in known}
    issuers = await issuer.issuing_by_zone(db, zones, now)
    return schemas.MasterData(
        regency=schemas.Regency(
            name=books.regency,
            agency=books.agency,
            complaint=books.complaint,
            porporasi=books.porporasi,
            timezone=books.timezone.key,
            day_ends=settings.day_ends,
            site=books.base_url,
        ),
        spots=[_spot(spot) for spot in known],
        tariffs=[schemas.ZoneTariff(zone=zone, version=version) for zone, version in tariffs],
        vehicle_classes=list(VehicleClass),
        proofs=schemas.Proofs(
            keys={name: b64encode(key).decode() for name, key in books.proof_keys.items()},
            revoked=sorted(await proofs.revoked(db, now)),
            lifetime_s=int(proofs.LIFETIME.total_seconds()),
        ),
        offline=schemas.Offline(
            window_s=settings.offline_window_s,
            limit_count=settings.offline_limit_count,
            limit_rp=settings.offline_limit_rp,
            pool_size=settings.pool_size,
            issuers={zones[zone_id]: name for zone_id, name in issuers.items()},
        ),
        vouchers=schemas.Vouchers(revoked=await vouchers.revoked(db, books.day(now))),
        passes=schemas.Passes(revoked=await covered.revoked(db, books.day(now))),
        exemptions=[
            schemas.Exemption.model_validate(row, from_attributes=True)
            for row in await covered.exemptions_from(db, books.day(now))
        ],
        signs=await _signs(db, timedelta(days=settings.sign_check_days)),
        notices=schemas.Notices(
            objection_days=settings.objection_days, keys=await notices.keys_as_text(db)
        ),
        attendants=schemas.Attendants(stopped=await attendants.stopped(db)),
        cards=schemas.Cards(revoked=list(await identity_cards.revoked(db, books.day(now)))),
        closures=await standing_closures(db, now=now),
    )


async def standing_closures(db: AsyncSession, *, now: datetime) -> list[schemas.Closure]:
    """What is closed now, and what will be with its times."""
    standing = await closures.standing(db, now)
    return [schemas.Closure.model_validate(each, from_attributes=True) for each in standing]


async def live_stays(
    db: AsyncSession, books: Books, settings: Settings, zone: str, *, now: datetime
) -> schemas.LiveStays:
    local = now.astimezone(books.timezone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    found = await stays.today(db, zone, midnight)
    return schemas.LiveStays(
        at=now,
        grace_s=60 * settings.grace_minutes,
        plate_key=None if settings.plate_key is None else settings.plate_key.get_secret_value(),
        stays=[schemas.LiveStay(**stay._asdict()) for stay in found],
        passes=[
            schemas.Holder(**holder._asdict())
            for holder in await covered.in_force(db, zone, local.date())
        ],
    )


async def _signs(db: AsyncSession, due: timedelta) -> schemas.Signs:
    """What a handheld needs to know a wrong sign by, and which were checked by whomever."""
    barcode = await payments.newest_barcode(db)
    return schemas.Signs(
        due_s=int(due.total_seconds()),
        merchant=_merchant(qris.parse(barcode)) if barcode else None,
        posted=[schemas.PostedCode(**code._asdict()) for code in await signs.posted(db)],
        made={
            code: schemas.MadeSign(version=made.version, in_force=made.newest.in_force)
            for code, made in (await registry.newest(db)).items()
        },
        checked={
            spot.spot_code: schemas.CheckedSign(at=spot.checked_at, fault=spot.fault)
            for spot in await signs.standing(db)
            if spot.checked_at is not None
        },
    )


def _spot(spot: KnownSpot) -> schemas.Spot:
    return schemas.Spot(
        code=spot.code,
        place=spot.place,
        zone=schemas.Zone(code=spot.zone_code, name=spot.zone_name),
    )


async def resolve(
    db: AsyncSession, books: Books, text: str, claimant: OnShift | None = None, *, now: datetime
) -> schemas.ResolvedBarcode:
    """Say what a scanned or typed text is: a charge, a spot, a receipt, or somebody else's.

    A proof of a charge that is paid is taken by the `claimant`, or the answer says who was before.
    """
    if "\0" in text:  # no column holds one
        return _foreign(text)
    if is_card(text):
        card = await cards.shown(db, books, text, now=now)
        return schemas.ResolvedBarcode(kind="card", card=card)
    try:
        charge_id = await _charge_told(db, books, text)
    except ProofError as exc:
        return schemas.ResolvedBarcode(kind="unknown", text_kind=f"proof-{exc.reason}")
    view = None if charge_id is None else await payments.charge_view(db, charge_id)
    if view is not None and view.pass_order_id is not None:
        # Nobody at the kerb may take it for a stay that is paid.
        return schemas.ResolvedBarcode(kind="unknown", text_kind="pass-payment")
    if view is not None:
        told = Charge.of(view, books)
        taken = None
        if claimant is not None and view.state == ChargeState.PAID and is_proof(text):
            taken = await _taken(db, claimant, told, now)
        return schemas.ResolvedBarcode(kind="charge", charge=told, taken=taken)
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


async def _taken(
    db: AsyncSession, claimant: OnShift, charge: Charge, now: datetime
) -> schemas.ProofTaken | None:
    first = await takings.claim(db, claimant, charge.id, now=now)
    if first is None:
        return None
    return schemas.ProofTaken(at=first.at, attendant=first.attendant, spot=charge.spot)


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
        merchant=_merchant(payload),
        amount_rp=payload.amount_rp,
    )


def _merchant(payload: qris.QrisPayload) -> schemas.Merchant:
    return schemas.Merchant(name=payload.name, city=payload.city, nmid=payload.nmid)
