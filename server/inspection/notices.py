"""Notices of inspectors: taken in once with their event, settled in words, destroyed in time.

A notice asks for no money and moves none: it is paid when a receipt of that street is shown.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import structlog
from pydantic import AwareDatetime, Field, ValidationError
from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import notice
from domain.events import EventKind
from domain.notice import (
    MOST_PHOTOS,
    Finding,
    NoticeError,
    NoticeEvent,
    NoticeFacts,
    NoticeState,
    advance,
)
from domain.receipt import ReceiptFacts, mask_plate
from domain.states import TransitionRefused
from domain.tariff import VehicleClass
from server.database import Transactions, fetch
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.models import Attendant
from server.identity.service import Right
from server.inspection.facts import Fact, Word
from server.inspection.models import (
    EvidenceDestroyed,
    Notice,
    NoticeChange,
    NoticePhoto,
    StayCheck,
)
from server.paging import Page, page
from server.payments import receipts
from server.payments.books import Books
from server.payments.receipts import Standing
from server.spots import service as spots
from server.spots.models import Spot, Zone

log = structlog.get_logger()

AHEAD = timedelta(days=1)
PAID_WITHIN = timedelta(hours=24)
"""How long after a notice a receipt still pays for the stay that it was left for."""
LONGEST_OBJECTION = timedelta(days=366)
AT_ONCE = 200
DRIVER = "pengemudi"


class NoticeNotFound(NotFound):
    slug = "notice-not-found"
    title_id = "Pemberitahuan ini tidak dikenal, atau belum sampai di kantor"
    title_en = "This notice is not known, or has not reached the office yet"


class NoticeSettled(Problem):
    slug = "notice-settled"
    status = 409
    title_id = "Pemberitahuan ini sudah selesai, atau keberatannya sedang diperiksa"
    title_en = "This notice is settled, or an objection to it is being looked into"


class ObjectionTooLate(Problem):
    slug = "objection-too-late"
    status = 409
    title_id = "Batas waktu keberatan untuk pemberitahuan ini sudah lewat"
    title_en = "The time to object to this notice is over"


class ReceiptUnfit(Problem):
    slug = "receipt-unfit"
    status = 409
    title_id = "Karcis ini bukan untuk kendaraan, jalan, dan waktu pemberitahuan ini"
    title_en = "This receipt is not for this notice's kind of vehicle, street and time"


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NoticeIssued(Fact):
    notice_id: Annotated[UUID, Field(strict=False)]
    number: Word
    check_seq: int = Field(ge=1, lt=2**63)
    finding: Annotated[Finding, Field(strict=False)]
    expired_at: Annotated[AwareDatetime | None, Field(strict=False)]
    vehicle_class: Annotated[VehicleClass, Field(strict=False)]
    plate: Annotated[str, Field(max_length=20)]
    issued_at: Annotated[AwareDatetime, Field(strict=False)]
    object_until: Annotated[date, Field(strict=False)]
    amount_rp: Annotated[int, Field(gt=0, le=10_000_000)] | None
    photos: Annotated[list[Hash], Field(min_length=1, max_length=MOST_PHOTOS)]


# Taking in


EARLIER = """
    SELECT count(*) FROM device_events
    WHERE device_id = $1 AND seq < $2 AND kind = 'notice_issued'
"""


async def take(
    db: AsyncSession, device_id: UUID, kind: str, seq: int, body: dict[str, Any], *, now: datetime
) -> str | None:
    """After its event was accepted: keep a notice with the hashes of its photos.

    Returns why one cannot be kept; the event is then held for an officer.
    """
    if kind != EventKind.NOTICE_ISSUED:
        return None
    try:
        fact = NoticeIssued.model_validate(body)
        spot = await spots.find(db, fact.spot)
        fits = fact.issued_at < now + AHEAD and fact.plate == mask_plate(fact.plate)
        day = fact.issued_at.date()
        fits = fits and day <= fact.object_until <= day + LONGEST_OBJECTION
    except (ValidationError, Problem, OverflowError):
        return "notice-unfit"
    if not fits or len(set(fact.photos)) < len(fact.photos):
        return "notice-unfit"
    # Also what was held counts: a number is missing only where its event is.
    ((earlier,),) = await fetch(db, EARLIER, device_id, seq)
    if fact.number != notice.number(notice.series(str(device_id)), earlier + 1):
        return "notice-number"
    check = await db.get(StayCheck, (device_id, fact.check_seq))
    if check is None or check.result != fact.finding or check.spot_id != spot.id:
        return "notice-no-check"
    return await _keep(db, fact, check, seq, now)


async def _keep(
    db: AsyncSession, fact: NoticeIssued, check: StayCheck, seq: int, now: datetime
) -> str | None:
    made = await db.scalar(
        upsert(Notice)
        .values(
            id=fact.notice_id,
            number=fact.number,
            device_id=check.device_id,
            seq=seq,
            check_seq=check.seq,
            attendant_id=check.attendant_id,
            spot_id=check.spot_id,
            vehicle_class=fact.vehicle_class.value,
            plate_masked=fact.plate or None,
            finding=fact.finding.value,
            expired_at=fact.expired_at,
            amount_rp=fact.amount_rp,
            issued_at=fact.issued_at,
            object_until=fact.object_until,
            received_at=now,
            state=NoticeState.ISSUED.value,
        )
        .on_conflict_do_nothing()
        .returning(Notice.id)
    )
    if made is None:
        return "notice-twice"
    for place, sha256 in enumerate(fact.photos, start=1):
        db.add(NoticePhoto(notice_id=made, place=place, sha256=sha256))
    await db.flush()
    return None


async def wanted_photo(
    db: AsyncSession, device_id: UUID, notice_id: UUID, sha256: str
) -> NoticePhoto | None:
    """The place of a photo under the hash that was signed; raises NoticeNotFound."""
    found = await db.get(Notice, notice_id)
    if found is None or found.device_id != device_id:
        raise NoticeNotFound
    photo: NoticePhoto | None = await db.scalar(
        select(NoticePhoto)
        .where(NoticePhoto.notice_id == notice_id, NoticePhoto.sha256 == sha256)
        .with_for_update()
    )
    return photo


async def keep_photo(
    db: AsyncSession, device_id: UUID, notice_id: UUID, sha256: str, jpeg: bytes, *, now: datetime
) -> None:
    """Put a photo in its place; again, or after it was destroyed, nothing changes."""
    photo = await wanted_photo(db, device_id, notice_id, sha256)
    over = await db.scalar(select(Notice.destroyed_at).where(Notice.id == notice_id))
    if photo is None or photo.jpeg is not None or over is not None:
        return
    photo.jpeg, photo.received_at = jpeg, now
    await db.flush()


KEYS = """
    SELECT d.id, k.public_key FROM device_keys k JOIN devices d ON d.id = k.device_id
    WHERE d.state = 'active' ORDER BY d.id, k.number
"""


async def keys(db: AsyncSession) -> dict[str, list[bytes]]:
    """The public keys of each series of notices, of the devices that are at work."""
    found: dict[str, list[bytes]] = {}
    for device_id, key in await fetch(db, KEYS):
        found.setdefault(notice.series(str(device_id)), []).append(bytes(key))
    return found


async def keys_as_text(db: AsyncSession) -> dict[str, list[str]]:
    told = await keys(db)
    return {of: [b64encode(key).decode() for key in each] for of, each in told.items()}


# Finding


@dataclass(frozen=True)
class Found:
    """A notice with where it was left, and how many of its photos are here."""

    notice: Notice
    spot_code: str
    place: str
    zone: str
    attendant: str
    photos: int
    arrived: int


def _found() -> Any:
    kept = select(func.count()).where(NoticePhoto.notice_id == Notice.id)
    return (
        select(
            Notice,
            Spot.code,
            Spot.place,
            Zone.code,
            Attendant.code,
            kept.scalar_subquery(),
            kept.where(NoticePhoto.jpeg.is_not(None)).scalar_subquery(),
        )
        .join(Spot, Spot.id == Notice.spot_id)
        .join(Zone, Zone.id == Spot.zone_id)
        .join(Attendant, Attendant.id == Notice.attendant_id)
    )


async def find(db: AsyncSession, number: str) -> Found:
    """The notice of a typed number; raises NoticeNotFound."""
    try:
        written = notice.canonical(number)
    except NoticeError:
        raise NoticeNotFound from None
    row = (await db.execute(_found().where(Notice.number == written))).one_or_none()
    if row is None:
        raise NoticeNotFound
    return Found(*row)


async def newest(db: AsyncSession, which: ColumnElement[bool], before: str | None) -> Page[Found]:
    """Those that somebody objected to first, then the newest."""
    objected = case((Notice.state == NoticeState.OBJECTED, 1), else_=0)
    order = (objected, Notice.received_at, Notice.id)
    return await page(db, _found().where(which), order, before, Found)


async def changes_of(db: AsyncSession, notice_id: UUID) -> Sequence[NoticeChange]:
    rows = await db.scalars(
        select(NoticeChange)
        .where(NoticeChange.notice_id == notice_id)
        .order_by(NoticeChange.changed_at, NoticeChange.id)
    )
    return rows.all()


async def photo(db: AsyncSession, number: str, place: int) -> bytes:
    """Raises NoticeNotFound, also for one that has not arrived or was destroyed."""
    found = await find(db, number)
    jpeg = await db.scalar(
        select(NoticePhoto.jpeg).where(
            NoticePhoto.notice_id == found.notice.id, NoticePhoto.place == place
        )
    )
    if jpeg is None:
        raise NoticeNotFound
    return bytes(jpeg)


def says_the_same(found: Found, facts: NoticeFacts) -> bool:
    """Whether a link tells of a notice what its device recorded."""
    kept = found.notice
    return (
        facts.told()
        == NoticeFacts(
            number=kept.number,
            spot_code=found.spot_code,
            vehicle_class=VehicleClass(kept.vehicle_class),
            finding=Finding(kept.finding),
            issued_at=kept.issued_at,
            amount_rp=kept.amount_rp,
        ).told()
    )


# Settling


async def _change(
    db: AsyncSession, number: str, event: NoticeEvent, who: str, why: str, *, now: datetime
) -> Notice:
    """One step of a notice, with its words; raises NoticeNotFound and NoticeSettled."""
    found = (await find(db, number)).notice
    await db.refresh(found, with_for_update=True)
    before = NoticeState(found.state)
    try:
        after = advance(before, event)
    except TransitionRefused:
        raise NoticeSettled from None
    found.state = after.value
    if after in (NoticeState.PAID, NoticeState.WITHDRAWN):
        found.settled_at = now
    db.add(
        NoticeChange(
            notice_id=found.id,
            changed_at=now,
            state_before=before.value,
            state_after=after.value,
            who=who,
            why=why,
        )
    )
    return found


async def object_to(
    db: AsyncSession, number: str, complaint_number: str, *, today: date, now: datetime
) -> None:
    """A driver objects, with a complaint that tells why. Raises ObjectionTooLate besides."""
    if today > (await find(db, number)).notice.object_until:
        raise ObjectionTooLate
    await _change(db, number, NoticeEvent.OBJECTED, DRIVER, complaint_number, now=now)
    await db.flush()


async def may_object(db: AsyncSession, number: str, *, today: date) -> Found:
    """The notice, if an objection would be taken; raises as `object_to`."""
    found = await find(db, number)
    if found.notice.state != NoticeState.ISSUED:
        raise NoticeSettled
    if today > found.notice.object_until:
        raise ObjectionTooLate
    return found


async def answer_objection(
    db: AsyncSession, number: str, who: str, words: str, *, upheld: bool, now: datetime
) -> None:
    """The complaint is closed: the notice is withdrawn, or stands. Settled meanwhile, it stays."""
    found = (await find(db, number)).notice
    if found.state == NoticeState.OBJECTED:
        event = NoticeEvent.WITHDRAWN if upheld else NoticeEvent.STOOD
        await _change(db, number, event, who, words, now=now)
        await db.flush()


async def withdraw(
    db: AsyncSession, officer_id: UUID, number: str, why: str, *, now: datetime
) -> None:
    officer = await identity.acting(db, officer_id, Right.SETTLE_NOTICE)
    await _change(db, number, NoticeEvent.WITHDRAWN, officer.login, why, now=now)
    await db.flush()


async def pay(
    db: AsyncSession, books: Books, number: str, receipt_number: str, who: str, *, now: datetime
) -> None:
    """Settle a notice by the receipt of the parking that was paid after it; each receipt once.

    Raises ReceiptNotFound and ReceiptUnfit besides.
    """
    found = await find(db, number)
    known = await receipts.know(db, receipt_number, books, now=now)
    facts = known.verdict.facts
    used = await db.scalar(select(Notice.id).where(Notice.receipt_number == facts.number))
    zone = (await spots.find(db, facts.spot_code)).zone_code
    standing = known.verdict.standing in (Standing.VALID, Standing.OVER)
    if used is not None or zone != found.zone or not standing or not _pays(found.notice, facts):
        raise ReceiptUnfit
    settled = await _change(db, number, NoticeEvent.PAID, who, facts.number, now=now)
    settled.receipt_number = facts.number
    await db.flush()


def _pays(left: Notice, facts: ReceiptFacts) -> bool:
    after = facts.paid_at - left.issued_at
    return facts.vehicle_class == left.vehicle_class and timedelta() <= after <= PAID_WITHIN


# Destroying


async def destroy_evidence(transactions: Transactions, kept: timedelta, *, now: datetime) -> int:
    """Destroy photos and plates of notices that have been over for longer than `kept`.

    Over is: settled, or the time to object has passed and nobody did. Returns of how many notices,
    and records that it was done, also when there were none.
    """
    before, over, photos = now - kept, 0, 0
    while True:
        async with transactions.begin() as db:
            old = (
                await db.scalars(
                    select(Notice.id)
                    .where(Notice.destroyed_at.is_(None), Notice.state != NoticeState.OBJECTED)
                    .where(
                        (Notice.settled_at < before)
                        | (
                            (Notice.state == NoticeState.ISSUED)
                            & (Notice.object_until < before.astimezone(UTC).date())
                        )
                    )
                    .limit(AT_ONCE)
                    .with_for_update()
                )
            ).all()
            gone = await db.scalars(
                update(NoticePhoto)
                .where(NoticePhoto.notice_id.in_(old), NoticePhoto.jpeg.is_not(None))
                .values(jpeg=None)
                .returning(NoticePhoto.place)
            )
            photos += len(gone.all())
            await db.execute(
                update(Notice).where(Notice.id.in_(old)).values(plate_masked=None, destroyed_at=now)
            )
            over += len(old)
            if len(old) < AT_ONCE:
                db.add(
                    EvidenceDestroyed(
                        destroyed_at=now, over_before=before, notices=over, photos=photos
                    )
                )
                break
    log.info("evidence_destroyed", count=photos)
    return over
