"""What an attendant is owed and owes today: the books' own sums, for the screen of a handheld."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.parking import StayState
from domain.payment import ChargeState
from server.identity.models import Shift
from server.identity.service import OnShift
from server.ledger import postings, reports
from server.ledger import service as ledger
from server.ledger.models import Entry, Posting
from server.parking.models import ParkingSession
from server.payments.books import Books
from server.payments.models import Case, Charge, Money, Payment
from server.reconciliation import payouts, share_slips
from server.spots.models import Spot, Zone
from server.sync import schemas

RECENT = timedelta(days=3)
"""No charge lives as long: what was paid today was asked for on a shift that began since."""
SLIPS = 5
UNCONFIRMED = (ChargeState.ISSUING, ChargeState.ISSUE_UNKNOWN, ChargeState.ISSUED)


async def of_shift(
    db: AsyncSession, shift: OnShift, books: Books, *, now: datetime
) -> schemas.Earnings:
    """Whose charge it was counts, not on whose shift it was paid."""
    day = books.business_day(now)
    gross_rp, zones = await _collected(db, shift.attendant_id, now, books)
    payout = await ledger.payout_rule(db, day)
    received = await payouts.received_by(db, shift.attendant_code)
    return schemas.Earnings(
        as_of=now,
        day=day,
        gross_rp=gross_rp,
        attendant_bp=await _rates(db, zones, now, books),
        share_rp=await _share(db, shift.attendant_code, now, books),
        unpaid_share_rp=-await reports.balance_of(
            db, postings.ATTENDANT_PAYABLE, shift.attendant_code
        ),
        in_payout_rp=received.waiting_rp,
        last_payout_rp=received.last_rp,
        last_payout_at=received.last_at,
        cash_owed_rp=await reports.owed_by(db, shift.attendant_code),
        pending=[
            *await _unconfirmed(db, shift.attendant_id, now),
            *await _in_suspense(db, shift.attendant_id),
        ],
        payout_on=books.workdays.kept(payout.payout_of(day)),
    )


async def slips_of(db: AsyncSession, shift: OnShift, books: Books) -> schemas.ShareSlips:
    """What this attendant was paid last, each with what it was for."""
    told = []
    for run, line, account in await share_slips.newest_of(db, shift.attendant_code, SLIPS):
        found = await share_slips.reckoned(db, run, line)
        told.append(
            schemas.ShareSlip(
                number=f"{run.number}-{line.position}",
                paid_on=books.day(line.told_at or run.prepared_at),
                first_day=found.first,
                last_day=found.last,
                days=found.days,
                gross_rp=found.gross_rp,
                parts_bp=list(found.parts_bp),
                share_rp=found.share_rp,
                taken_back_rp=found.taken_back_rp,
                rest_rp=found.rest_rp,
                amount_rp=line.amount_rp,
                account=f"{account.bank} ...{account.ending}",
                reference=line.evidence,
            )
        )
    return schemas.ShareSlips(slips=told)


async def _collected(
    db: AsyncSession, attendant_id: UUID, now: datetime, books: Books
) -> tuple[int, Sequence[UUID]]:
    """What was paid today for the attendant's charges, and in which zones."""
    rows = (
        await db.execute(
            select(Spot.zone_id, func.sum(Money.amount_rp))
            .select_from(Money)
            .join(Charge, Charge.id == Money.charge_id)
            .join(Payment, Payment.id == Charge.payment_id)
            .join(Shift, Shift.id == Payment.shift_id)
            .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
            .join(Spot, Spot.id == ParkingSession.spot_id)
            .where(Money.business_day == books.business_day(now), Money.flag == "exact")
            .where(Shift.attendant_id == attendant_id, Shift.opened_at > now - RECENT)
            .group_by(Spot.zone_id)
        )
    ).all()
    return sum(int(rp) for _, rp in rows), [zone_id for zone_id, _ in rows]


async def _rates(db: AsyncSession, zones: Sequence[UUID], now: datetime, books: Books) -> list[int]:
    """The attendant's parts that hold today, each once: of these zones, or of all without any."""
    day = books.business_day(now)
    rules = await ledger.share_rules(db, day, day)
    of_zones = zones or (await db.scalars(select(Zone.id))).all()
    picked = [ledger.pick(rules, zone_id, day) for zone_id in of_zones]
    return sorted({rule.attendant_bp if rule else 0 for rule in picked})


async def _share(db: AsyncSession, attendant: str, now: datetime, books: Books) -> int:
    """Today's share, less what refunds of today took back."""
    total = await db.scalar(
        select(func.coalesce(func.sum(Posting.amount_rp), 0))
        .join(Entry, Entry.id == Posting.entry_id)
        .where(Posting.account_code == postings.ATTENDANT_PAYABLE, Posting.party == attendant)
        .where(Entry.business_day == books.business_day(now))
    )
    return -int(total or 0)


async def _unconfirmed(
    db: AsyncSession, attendant_id: UUID, now: datetime
) -> list[schemas.Pending]:
    """Charges that a driver may be paying right now; not those kept ahead for nobody yet."""
    row = await db.execute(
        select(func.count(), func.coalesce(func.sum(Charge.amount_rp), 0))
        .join(Payment, Payment.id == Charge.payment_id)
        .join(Shift, Shift.id == Payment.shift_id)
        .join(ParkingSession, ParkingSession.id == Payment.parking_session_id)
        .where(ParkingSession.state != StayState.RESERVED)
        .where(Shift.attendant_id == attendant_id, Shift.opened_at > now - RECENT)
        .where(Charge.state.in_(UNCONFIRMED), Charge.expires_at > now)
    )
    count, amount_rp = row.one()
    return [schemas.Pending(why="unconfirmed", count=count, amount_rp=amount_rp)] if count else []


async def _in_suspense(db: AsyncSession, attendant_id: UUID) -> list[schemas.Pending]:
    """Money for the attendant's charges that did not fit them, until its case is closed."""
    rows = await db.execute(
        select(Case.kind, func.count(), func.sum(Case.amount_rp))
        .join(Money, Money.id == Case.money_id)
        .join(Charge, Charge.id == Money.charge_id)
        .join(Payment, Payment.id == Charge.payment_id)
        .join(Shift, Shift.id == Payment.shift_id)
        .where(Shift.attendant_id == attendant_id)
        # What was recognised counts as earned, also while officers look at it once more.
        .where(Case.state != "closed", Case.entry_id.is_(None))
        .group_by(Case.kind)
        .order_by(Case.kind)
    )
    return [schemas.Pending(why=why, count=count, amount_rp=rp) for why, count, rp in rows]
