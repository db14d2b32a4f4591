"""Cash that attendants have paid in: recorded by an officer, and found on the bank's statement.

An attendant's word is not enough to be rid of a debt: a deposit names the bank's slip, under which
the money must appear on the account.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.money import format_rp
from server.database import new_id
from server.errors import InvalidRequest, Problem
from server.identity.models import Attendant
from server.identity.service import AttendantNotFound
from server.ledger import postings, reports
from server.ledger import service as ledger
from server.ledger.postings import Leg
from server.paging import Page, page
from server.payments.books import Books
from server.reconciliation import closing, movements, numbers, rkud, turns
from server.reconciliation.files import SHORTEST_BATCH
from server.reconciliation.models import CashDeposit, SettlementLine
from server.reconciliation.movements import PAID_OUT_WITHIN


class DepositExceedsOwed(Problem):
    slug = "deposit-exceeds-owed"
    status = 409
    title_id = "Setoran lebih besar daripada kas yang dipegang juru parkir"
    title_en = "The deposit is more than the attendant owes"


class DepositKnown(Problem):
    slug = "deposit-known"
    status = 409
    title_id = "Setoran juru parkir ini dengan slip ini sudah dicatat"
    title_en = "This attendant's deposit with this slip is recorded already"


class SlipUnfit(Problem):
    slug = "slip-unfit"
    status = 422
    title_id = (
        "Nomor slip harus memuat angka, paling sedikit enam karakter, dan bukan nama pencairan"
    )
    title_en = "A slip's number has a digit, six characters or more, and is no batch's name"


@dataclass(frozen=True)
class Deposit:
    """What an officer records; `id` is made by the form, so that sending it twice is harmless."""

    id: UUID
    attendant: str
    amount_rp: int
    reference: str
    deposited_on: date


@dataclass(frozen=True)
class PaidIn:
    """What somebody else than an attendant paid in: a seller of vouchers, or for a pass."""

    payer: str
    legs: tuple[Leg, ...]
    amount_rp: int
    reference: str
    deposited_on: date


async def record_paid_in(
    db: AsyncSession, paid: PaidIn, books: Books, officer_id: UUID, *, now: datetime
) -> None:
    """Record what the bank's slip of a payer proves. Raises as `record` does."""
    reference = await _slip(db, paid.reference, paid.deposited_on, books, now)
    same = (CashDeposit.payer == paid.payer) & (CashDeposit.reference == reference)
    if await db.scalar(select(CashDeposit.id).where(same)) is not None:
        raise DepositKnown
    await _refuse_batch_name(db, reference, paid.deposited_on)
    row = CashDeposit(
        id=new_id(),
        payer=paid.payer,
        amount_rp=paid.amount_rp,
        reference=reference,
        deposited_on=paid.deposited_on,
        received_by=officer_id,
        recorded_at=now,
    )
    await _book(db, row, books, paid.legs, f"Setoran {paid.payer}, slip {reference}")


async def record(
    db: AsyncSession, deposit: Deposit, books: Books, officer_id: UUID, *, now: datetime
) -> None:
    """Record a deposit of at most what the attendant owes; the same one again changes nothing.

    Raises AttendantNotFound, DepositExceedsOwed, DepositKnown, InvalidRequest or SlipUnfit.
    """
    reference = await _slip(db, deposit.reference, deposit.deposited_on, books, now)
    attendant_id = await _lock_attendant(db, deposit.attendant)
    known = await db.scalar(
        select(CashDeposit).where(
            (CashDeposit.id == deposit.id)
            | (CashDeposit.attendant_id == attendant_id) & (CashDeposit.reference == reference)
        )
    )
    facts = (attendant_id, deposit.amount_rp, reference, deposit.deposited_on)
    if known is not None:
        if (known.attendant_id, known.amount_rp, known.reference, known.deposited_on) == facts:
            return
        raise DepositKnown
    await _refuse_batch_name(db, reference, deposit.deposited_on)
    owed_rp = await reports.owed_by(db, deposit.attendant)
    if deposit.amount_rp > owed_rp:
        raise DepositExceedsOwed(format_rp(owed_rp))
    row = CashDeposit(
        id=deposit.id,
        attendant_id=attendant_id,
        amount_rp=deposit.amount_rp,
        reference=reference,
        deposited_on=deposit.deposited_on,
        received_by=officer_id,
        recorded_at=now,
    )
    legs = postings.for_cash_deposit(deposit.amount_rp, deposit.attendant)
    await _book(db, row, books, legs, f"Setoran tunai {deposit.attendant}, slip {reference}")


async def _slip(
    db: AsyncSession, reference: str, deposited_on: date, books: Books, now: datetime
) -> str:
    """A slip's name as it is compared, once nobody else records a deposit until commit."""
    reference = " ".join(reference.split())
    if not _can_be_found(reference):
        raise SlipUnfit
    if deposited_on > books.business_day(now):  # which in the evening may be tomorrow
        raise InvalidRequest("deposited_on: a day that has not come yet")
    await turns.one_at_a_time(db)
    return reference


async def _posted_on(db: AsyncSession, row: CashDeposit, books: Books) -> date:
    """The business day of a deposit in the books: the slip's, or the present one once that is
    closed.

    The slip keeps its own date, by which the bank's movement is found.
    """
    closed = await closing.is_closed(db, row.deposited_on)
    return books.business_day(row.recorded_at) if closed else row.deposited_on


async def _book(
    db: AsyncSession, row: CashDeposit, books: Books, legs: Sequence[Leg], description: str
) -> None:
    """Post a deposit, number its receipt (TBP) and keep it.

    The bank's movement that came before it is explained by it.
    """
    posted_on = await _posted_on(db, row, books)
    row.series, row.sequence = await numbers.take(db, numbers.RECEIPT_OF_DEPOSIT, posted_on.year)
    row.entry_id = await ledger.record(
        db,
        legs,
        source=f"deposit:{row.id}",
        description=description[:200],
        business_day=posted_on,
        now=row.recorded_at,
    )
    db.add(row)
    await db.flush()
    now, since = row.recorded_at, row.deposited_on
    await movements.explain_slip(db, row.reference, since, books, now)
    slip = (await movements.slips_since(db, since, books))[row.reference]
    await rkud.explain(db, (), since, now, {row.reference: slip})


def _can_be_found(reference: str) -> bool:
    """Whether a bank's narrative that holds these words means this slip, and not just anything."""
    squeezed = "".join(reference.split())
    has_digit = any(character.isdigit() for character in squeezed)
    return len(squeezed) >= SHORTEST_BATCH and has_digit and reference.isprintable()


async def _refuse_batch_name(db: AsyncSession, reference: str, deposited_on: date) -> None:
    recent = SettlementLine.settlement_date >= deposited_on - PAID_OUT_WITHIN
    batches = await db.scalars(select(SettlementLine.batch_id).distinct().where(recent))
    if "".join(reference.split()) in {"".join(batch.split()) for batch in batches}:
        raise SlipUnfit


async def _lock_attendant(db: AsyncSession, code: str) -> UUID:
    """Until commit no other deposit of this attendant is weighed against the same debt."""
    attendant_id = await db.scalar(
        select(Attendant.id).where(Attendant.code == code).with_for_update()
    )
    if attendant_id is None:
        raise AttendantNotFound(code)
    return attendant_id


async def receipted(db: AsyncSession, before: str | None) -> Page[tuple[CashDeposit, str]]:
    """The newest deposits that were given a receipt, and who paid in."""
    asked = (
        select(CashDeposit, func.coalesce(Attendant.code, CashDeposit.payer))
        .outerjoin(Attendant, Attendant.id == CashDeposit.attendant_id)
        .where(CashDeposit.series.is_not(None))
    )
    order = (CashDeposit.recorded_at, CashDeposit.id)
    return await page(db, asked, order, before, lambda *row: row)
