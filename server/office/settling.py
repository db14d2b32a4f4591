"""Cases that move no money by themselves: what one officer says of it, another one finds right.

Their tables differ in the names of three columns; what becomes of them does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from domain.payment import CaseEvent, CaseState
from server.casework import service as casework
from server.casework.models import CaseKind
from server.casework.service import (
    AlreadyDecided,
    CaseNotFound,
    CaseNotReopenable,
    OutcomeUnfit,
)
from server.errors import Problem
from server.identity.models import ShiftDifference
from server.inspection.models import SignCase
from server.parking.models import UnendedStay
from server.payments import unended
from server.payments.books import Books
from server.reconciliation import transfers
from server.reconciliation.models import TransferCase
from server.sync import held_cash, quarantine
from server.sync.held_cash import HeldCashEnd
from server.sync.models import QuarantineCase


class CaseGrew(Problem):
    slug = "case-grew"
    status = 409
    title_id = "Ada catatan baru sesudah usulan ini; kembalikan, lalu periksa lagi"
    title_en = "Records came after this was proposed; send it back, then look again"


@dataclass(frozen=True)
class Columns:
    """Where a kind's table says which case it is, and when, by whom and how it was closed."""

    key: InstrumentedAttribute[UUID]
    closed_at: InstrumentedAttribute[datetime | None]
    closed_by: InstrumentedAttribute[UUID | None]
    words: InstrumentedAttribute[str | None]


PLAIN: Mapping[CaseKind, Columns] = MappingProxyType(
    {
        CaseKind.QUARANTINE: Columns(
            QuarantineCase.id,
            QuarantineCase.closed_at,
            QuarantineCase.closed_by,
            QuarantineCase.why,
        ),
        CaseKind.COUNT: Columns(
            ShiftDifference.shift_id,
            ShiftDifference.explained_at,
            ShiftDifference.explained_by,
            ShiftDifference.explanation,
        ),
        CaseKind.UNENDED: Columns(
            UnendedStay.parking_session_id,
            UnendedStay.closed_at,
            UnendedStay.closed_by,
            UnendedStay.what_was_done,
        ),
        CaseKind.TRANSFER: Columns(
            TransferCase.id,
            TransferCase.closed_at,
            TransferCase.closed_by,
            TransferCase.what_was_done,
        ),
        CaseKind.SIGN: Columns(
            SignCase.id, SignCase.closed_at, SignCase.closed_by, SignCase.what_was_done
        ),
    }
)


async def state(
    db: AsyncSession, kind: CaseKind, case_id: UUID, *, lock: bool = False
) -> CaseState:
    """Raises CaseNotFound."""
    columns = PLAIN[kind]
    which = select(columns.closed_at).where(columns.key == case_id)
    row = (await db.execute(which.with_for_update() if lock else which)).one_or_none()
    if row is None:
        raise CaseNotFound
    mended = False
    if kind is CaseKind.UNENDED:
        mended = await unended.is_paid(db, case_id)
    elif kind is CaseKind.TRANSFER:
        mended = await transfers.is_mended(db, case_id)
    steps = await casework.steps_of(db, kind, case_id)
    return casework.state_of(steps, closed=row[0] is not None or mended)


async def closed_by_officers(db: AsyncSession, kind: CaseKind, case_id: UUID) -> bool:
    """Not so an unended stay that was paid, or a transfer that arrived: nothing is left to ask."""
    columns = PLAIN[kind]
    closed = select(columns.key).where(columns.key == case_id, columns.closed_at.is_not(None))
    return await db.scalar(closed) is not None


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    why: str,
    *,
    end: HeldCashEnd | None = None,
    now: datetime,
) -> None:
    """`end` says what becomes of the cash that a case of a device holds."""
    before = await state(db, kind, case_id, lock=True)
    if kind is CaseKind.QUARANTINE:
        await held_cash.refuse_unfit(db, officer_id, case_id, end)
    elif end is not None:
        raise OutcomeUnfit
    await casework.propose(db, officer_id, kind, case_id, before, why, outcome=end, now=now)


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    kind: CaseKind,
    case_id: UUID,
    *,
    accept: bool,
    why: str,
    books: Books | None = None,
    now: datetime,
) -> None:
    """Close a case as proposed, or send it back; cash that it holds is booked in `books`.

    Raises SamePerson for who proposed it, CaseGrew where records came after the proposal.
    """
    before = await state(db, kind, case_id, lock=True)
    if before is not CaseState.PROPOSED:
        raise AlreadyDecided
    proposed = await casework.refuse_same_person(db, officer_id, kind, case_id)
    grows = accept and kind is CaseKind.QUARANTINE
    if grows and await quarantine.grew_since(db, case_id, proposed.at):
        raise CaseGrew
    event = CaseEvent.ACCEPTED if accept else CaseEvent.DECLINED
    words, outcome = why or proposed.why, proposed.outcome if accept else None
    await casework.take(
        db, kind, case_id, before, event, officer_id, words, outcome=outcome, now=now
    )
    if accept and proposed.outcome == HeldCashEnd.BOOKED:
        if books is None:
            raise RuntimeError("cash is booked in no books")
        left = await held_cash.book(db, officer_id, case_id, books, proposed.why, now=now)
        if left:
            words = f"{left} catatan tunai tidak dapat dibukukan"
            event, before = CaseEvent.REOPENED, CaseState.CLOSED
            await casework.take(db, kind, case_id, before, event, None, words, now=now)
            return
    if accept:
        await _write(db, kind, case_id, (now, officer_id, proposed.why))


async def reopen(
    db: AsyncSession, officer_id: UUID, kind: CaseKind, case_id: UUID, why: str, *, now: datetime
) -> None:
    """Ask again; raises CaseNotReopenable, also where the same thing has a newer case by now."""
    before = await state(db, kind, case_id, lock=True)
    if not await closed_by_officers(db, kind, case_id):
        raise CaseNotReopenable
    await casework.reopen(db, officer_id, kind, case_id, before, why, now=now)
    try:
        async with db.begin_nested():
            await _write(db, kind, case_id, (None, None, None))
    except IntegrityError as exc:
        raise CaseNotReopenable("there is a newer case about the same") from exc


async def _write(
    db: AsyncSession,
    kind: CaseKind,
    case_id: UUID,
    values: tuple[datetime | None, UUID | None, str | None],
) -> None:
    columns = PLAIN[kind]
    named = (columns.closed_at, columns.closed_by, columns.words)
    await db.execute(
        update(columns.key.class_)
        .where(columns.key == case_id)
        .values({column.key: value for column, value in zip(named, values, strict=True)})
        .execution_options(synchronize_session=False)
    )
