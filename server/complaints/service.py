"""Complaints: taken from anybody, owned by an office, answered in time and in public words."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import check_digit
from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import CaseNotReopenable
from server.complaints.models import Complaint, ComplaintChange, ComplaintPhoto
from server.complaints.states import (
    ComplaintEvent,
    ComplaintKind,
    ComplaintOutcome,
    ComplaintState,
    advance,
)
from server.database import new_id
from server.errors import Problem, TooManyRequests
from server.identity import service as identity
from server.identity.models import Officer
from server.identity.service import Right
from server.paging import Page, page
from server.spots.models import Spot

PREFIX = "ADU"
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""None that are taken for each other when they are read out."""
CHANCE = 10
LAST_DAY = date(3000, 1, 1)
MOST_AN_HOUR = 300
"""Of all askers together: more than officers could read, each with a photo to be stored."""

TREASURER = "bendahara penerimaan"
AGENCY = "dinas perhubungan"
OF_MONEY = {
    ComplaintKind.OVERCHARGED,
    ComplaintKind.NO_RECEIPT,
    ComplaintKind.PAID_NOT_RECORDED,
}


class ComplaintNotFound(Problem):
    slug = "complaint-not-found"
    status = 404
    title_id = "Tidak ada pengaduan dengan nomor ini"
    title_en = "There is no complaint with this number"


class ComplaintClosed(Problem):
    slug = "complaint-closed"
    status = 409
    title_id = "Pengaduan ini sudah selesai"
    title_en = "This complaint is closed"


class ComplaintNeedsSecondOfficer(Problem):
    slug = "complaint-needs-second-officer"
    status = 409
    title_id = "Pengaduan dijawab satu petugas, lalu diakhiri petugas lain"
    title_en = "One officer answers a complaint, and another one ends it"


class AnswerNotFinal(Problem):
    slug = "answer-not-final"
    status = 409
    title_id = "Hanya jawaban yang mengakhiri pengaduan dapat ditampilkan kepada umum"
    title_en = "Only an answer that ends the complaint can be shown to the public"


class AnswerTellsOfPerson(Problem):
    slug = "answer-tells-of-person"
    status = 422
    title_id = "Jawaban untuk umum tidak boleh memuat nomor polisi, telepon, atau email"
    title_en = "A public answer may hold no number plate, telephone number or e-mail address"


# A plate as people write it, seven digits or more in a row, an address.
OF_A_PERSON = re.compile(
    r"\b[A-Z]{1,2}[ .-]?\d{1,4}[ .-]?[A-Z]{1,3}\b|\d(?:[ .-]?\d){7}|\S@\S", re.IGNORECASE
)


@dataclass(frozen=True)
class Told:
    """What a driver told, under an id that its form made.

    `contact` is sealed and `photo` drawn anew already.
    """

    kind: ComplaintKind
    id: UUID = field(default_factory=new_id)
    story: str | None = None
    spot_id: UUID | None = None
    attendant_code: str | None = None
    receipt_number: str | None = None
    notice_number: str | None = None
    amount_rp: int | None = None
    reference: str | None = None
    paid_on: date | None = None
    contact: bytes | None = None
    photo: bytes | None = None


def new_number() -> str:
    """`ADU-`, fifty bits of chance in two groups, and a check character."""
    drawn = "".join(secrets.choice(LETTERS) for _ in range(CHANCE))
    return check_digit.append(f"{PREFIX}-{drawn[:5]}-{drawn[5:]}")


def canonical(text: str) -> str:
    """A typed number as it was given; raises ComplaintNotFound for one that cannot be right."""
    try:
        bare = check_digit.typed(text)
    except check_digit.CheckDigitError as exc:
        raise ComplaintNotFound from exc
    if (
        not bare.startswith(PREFIX)
        or len(bare) != len(PREFIX) + CHANCE + 1
        or not check_digit.is_valid(bare)
    ):
        raise ComplaintNotFound
    return f"{PREFIX}-{bare[3:8]}-{bare[8:13]}-{bare[13]}"


async def take(db: AsyncSession, told: Told, *, due_on: date, now: datetime) -> Complaint:
    """Open a complaint, with an owner and a deadline; the same id again is the same complaint."""
    lately = select(func.count()).where(Complaint.opened_at > now - timedelta(hours=1))
    if (await db.scalar(lately) or 0) >= MOST_AN_HOUR:
        raise TooManyRequests(retry_after_s=600)
    made = await db.scalar(
        upsert(Complaint)
        .values(
            id=told.id,
            number=new_number(),
            kind=told.kind.value,
            spot_id=told.spot_id,
            attendant_code=told.attendant_code,
            receipt_number=told.receipt_number,
            notice_number=told.notice_number,
            amount_rp=told.amount_rp,
            reference=told.reference,
            paid_on=told.paid_on,
            story=told.story,
            contact=told.contact,
            owner=TREASURER if told.kind in OF_MONEY else AGENCY,
            opened_at=now,
            due_on=due_on,
            state=ComplaintState.OPEN.value,
        )
        .on_conflict_do_nothing(index_elements=[Complaint.id])
        .returning(Complaint.id)
    )
    if made is not None and told.photo is not None:
        db.add(ComplaintPhoto(complaint_id=made, jpeg=told.photo))
        await db.flush()
    return await db.get_one(Complaint, told.id)


async def find(db: AsyncSession, number: str) -> Complaint:
    """Raises ComplaintNotFound."""
    found: Complaint | None = await db.scalar(
        select(Complaint).where(Complaint.number == canonical(number))
    )
    if found is None:
        raise ComplaintNotFound
    return found


async def same_payment(db: AsyncSession, reference: str, paid_on: date) -> Complaint | None:
    """The open complaint that tells of the same payment already."""
    found: Complaint | None = await db.scalar(
        select(Complaint)
        .where(Complaint.kind == ComplaintKind.PAID_NOT_RECORDED)
        .where(Complaint.reference == reference, Complaint.paid_on == paid_on)
        .where(Complaint.state != ComplaintState.CLOSED)
    )
    return found


async def answer(
    db: AsyncSession,
    officer_id: UUID,
    complaint_id: UUID,
    words: str,
    outcome: ComplaintOutcome | None,
    *,
    publish: bool = False,
    now: datetime,
) -> None:
    """Tell the driver, and with an outcome end it; the words stand on the complaint's page.

    With `publish` everybody may read them: raises AnswerNotFinal or AnswerTellsOfPerson. It is
    answered by one officer and ended by another: raises ComplaintNeedsSecondOfficer.
    """
    if publish and outcome is None:
        raise AnswerNotFinal
    if publish and OF_A_PERSON.search(words):
        raise AnswerTellsOfPerson
    officer = await identity.acting(db, officer_id, Right.ANSWER_COMPLAINT)
    complaint = await db.get(Complaint, complaint_id, with_for_update=True)
    if complaint is None:
        raise ComplaintNotFound
    before = ComplaintState(complaint.state)
    if before is ComplaintState.CLOSED:
        raise ComplaintClosed
    if outcome is not None:
        await _refuse_one_officers_end(db, complaint, officer)
    after = advance(before, ComplaintEvent.CLOSED if outcome else ComplaintEvent.ANSWERED)
    complaint.state, complaint.answer = after.value, words
    if outcome is not None:
        complaint.outcome, complaint.closed_at = outcome.value, now
        complaint.published_at = now if publish else None
    await _keep(db, complaint, before, officer, words, now)


async def _refuse_one_officers_end(
    db: AsyncSession, complaint: Complaint, officer: Officer
) -> None:
    """Who answered it last does not end it, nor again, on the same answer, who ended it before."""
    of_it = (
        select(ComplaintChange)
        .where(ComplaintChange.complaint_id == complaint.id)
        .order_by(ComplaintChange.changed_at.desc(), ComplaintChange.id.desc())
        .limit(1)
    )
    answered = await db.scalar(
        of_it.where(ComplaintChange.state_after == ComplaintState.ANSWERED).where(
            ComplaintChange.state_before != ComplaintState.CLOSED  # so does a reopening
        )
    )
    ended = await db.scalar(of_it.where(ComplaintChange.state_after == ComplaintState.CLOSED))
    if answered is None or answered.who == officer.login:
        raise ComplaintNeedsSecondOfficer
    if ended is not None and ended.id > answered.id and ended.who == officer.login:
        raise ComplaintNeedsSecondOfficer


async def _keep(
    db: AsyncSession,
    complaint: Complaint,
    before: ComplaintState,
    officer: Officer,
    words: str,
    now: datetime,
) -> None:
    db.add(
        ComplaintChange(
            complaint_id=complaint.id,
            changed_at=now,
            state_before=before.value,
            state_after=complaint.state,
            who=officer.login,
            why=words,
        )
    )
    await db.flush()


def may_be_reopened(complaint: Complaint) -> bool:
    """With an objection its notice was decided, and what a driver told may be destroyed by now."""
    whole = complaint.destroyed_at is None and complaint.notice_number is None
    return whole and complaint.state == ComplaintState.CLOSED


async def reopen(
    db: AsyncSession, officer_id: UUID, complaint_id: UUID, why: str, *, now: datetime
) -> None:
    """Look into an ended complaint once more; raises CaseNotReopenable.

    What was published is withdrawn.
    """
    officer = await casework.reopening(db, officer_id, CaseKind.COMPLAINT)
    complaint = await db.get(Complaint, complaint_id, with_for_update=True)
    if complaint is None:
        raise ComplaintNotFound
    if not may_be_reopened(complaint):
        raise CaseNotReopenable
    before = ComplaintState(complaint.state)
    complaint.state = advance(before, ComplaintEvent.REOPENED).value
    complaint.outcome = complaint.closed_at = complaint.published_at = None
    await _keep(db, complaint, before, officer, why, now)


async def published(
    db: AsyncSession, skip: int, limit: int
) -> Sequence[tuple[Complaint, str | None]]:
    """Answers that everybody may read, the newest first, each with its spot's code."""
    rows = await db.execute(
        select(Complaint, Spot.code)
        .outerjoin(Spot, Spot.id == Complaint.spot_id)
        .where(Complaint.published_at.is_not(None))
        .order_by(Complaint.published_at.desc(), Complaint.id.desc())
        .offset(skip)
        .limit(limit)
    )
    return [(complaint, code) for complaint, code in rows]


# What the office sees


async def open_by_deadline(
    db: AsyncSession, which: ColumnElement[bool], before: str | None
) -> Page[tuple[Complaint, str | None]]:
    """Those that are not closed, the most urgent first, each with its spot's code."""
    asked = (
        select(Complaint, Spot.code)
        .outerjoin(Spot, Spot.id == Complaint.spot_id)
        .where(Complaint.state != ComplaintState.CLOSED, which)
    )
    urgency = literal(LAST_DAY) - Complaint.due_on  # a number of days: pages begin with the highest
    return await page(db, asked, (urgency, Complaint.id), before, lambda *row: row)


async def count_open(db: AsyncSession, today: date, which: ColumnElement[bool]) -> tuple[int, int]:
    """How many are open, and how many of those are past their deadline."""
    row = await db.execute(
        select(func.count(), func.count().filter(Complaint.due_on < today)).where(
            Complaint.state != ComplaintState.CLOSED, which
        )
    )
    waiting, overdue = row.one()
    return waiting, overdue


async def closed_last(
    db: AsyncSession, which: ColumnElement[bool], before: str | None
) -> Page[tuple[Complaint, str | None]]:
    asked = (
        select(Complaint, Spot.code)
        .outerjoin(Spot, Spot.id == Complaint.spot_id)
        .where(Complaint.state == ComplaintState.CLOSED, which)
    )
    return await page(db, asked, (Complaint.closed_at, Complaint.id), before, lambda *row: row)


async def changes_of(db: AsyncSession, complaint_id: UUID) -> Sequence[ComplaintChange]:
    rows = await db.scalars(
        select(ComplaintChange)
        .where(ComplaintChange.complaint_id == complaint_id)
        .order_by(ComplaintChange.id)
    )
    return rows.all()


async def has_photo(db: AsyncSession, complaint_id: UUID) -> bool:
    found = select(ComplaintPhoto.complaint_id).where(ComplaintPhoto.complaint_id == complaint_id)
    return await db.scalar(found) is not None
