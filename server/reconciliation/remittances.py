"""Deposits of the office to the regency's account (RKUD), each by an STS.

An STS hands in what moved on the collecting account on days that are closed, and that no STS before
it listed: so that nothing is handed in twice and what comes late to a day goes with the next one.
Of what acquirers paid straight into the RKUD it is a paper that moves nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import ColumnElement, Text, cast, exists, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseOutcome
from domain.states import TransitionRefused
from server.database import Transactions, new_id
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.service import Right
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.models import Entry, Posting
from server.paging import Page, page
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import movements, numbers, rkud, sources, transfers, turns
from server.reconciliation.models import DayClose, Remittance, RemittedDay
from server.reconciliation.states import (
    CLOSED,
    RemittanceEvent,
    RemittanceState,
    advance_remittance,
)
from server.workdays import Workdays

LATE_DAYS = Gauge(
    "karcis_deposits_late_days", "Business days whose money should be in the regency's account"
)
WAITING_RP = Gauge(
    "karcis_deposits_waiting_rupiah", "On the collecting account and not handed in yet"
)


class NothingToRemit(Problem):
    slug = "nothing-to-remit"
    status = 409
    title_id = "Tidak ada uang dari hari yang sudah ditutup untuk disetor"
    title_en = "There is no money of closed days to hand in"


class RemittanceNotFound(NotFound):
    slug = "remittance-not-found"
    title_id = "STS ini tidak ada"
    title_en = "There is no such deposit to the regency (STS)"


class RemittanceNotPossible(Problem):
    slug = "remittance-not-possible"
    status = 409
    title_id = "STS ini sudah diputuskan"
    title_en = "This deposit to the regency (STS) was decided already"


class OwnRemittance(Problem):
    slug = "own-remittance"
    status = 403
    title_id = "Yang membuat STS tidak boleh menyetujuinya"
    title_en = "Who made the deposit to the regency (STS) may not approve it"


@dataclass(frozen=True)
class Waiting:
    """What of a business day is on the collecting account and in no STS; late in working days."""

    day: date
    amount_rp: int
    is_closed: bool
    due_on: date
    late: int


async def waiting(
    db: AsyncSession,
    workdays: Workdays,
    within: int,
    books: Books,
    today: date,
    *,
    direct: bool = False,
) -> list[Waiting]:
    """Day by day; `within` is how many working days after it a day's money is to be handed in.

    With `direct` what is in the RKUD already, and in no STS.
    """
    closed = set(await db.scalars(select(DayClose.day).where(DayClose.state.in_(CLOSED))))
    left = await _left(db, books.deposits_from, direct)
    due = {day: workdays.after(day, within) for day, _ in left}
    return [
        Waiting(day, amount_rp, day in closed, due[day], workdays.late(due[day], today))
        for day, amount_rp in left
    ]


async def _left(db: AsyncSession, since: date | None, direct: bool) -> list[tuple[date, int]]:
    """What moved on the collecting account by business day, less what an STS lists of it.

    With `direct` what moved on the regency's instead. Days before `since` were handed in without
    an STS of ours.
    """
    moved = (
        select(Entry.business_day.label("day"), func.sum(Posting.amount_rp).label("rp"))
        .join(Entry, Entry.id == Posting.entry_id)
        .where(*await _to_list(db, direct))
        .group_by(Entry.business_day)
        .subquery()
    )
    listed = (
        select(RemittedDay.day.label("day"), func.sum(RemittedDay.amount_rp).label("rp"))
        .join(Remittance, Remittance.id == RemittedDay.remittance_id)
        .where(Remittance.state != RemittanceState.DECLINED, Remittance.direct.is_(direct))
        .group_by(RemittedDay.day)
        .subquery()
    )
    left_rp = moved.c.rp - func.coalesce(listed.c.rp, 0)
    rows = await db.execute(
        select(moved.c.day, left_rp)
        .outerjoin(listed, listed.c.day == moved.c.day)
        .where(left_rp != 0, moved.c.day >= (since or date.min))
        .order_by(moved.c.day)
    )
    return [(day, int(amount_rp)) for day, amount_rp in rows]


async def _to_list(db: AsyncSession, direct: bool) -> tuple[ColumnElement[bool], ...]:
    """Which postings and entries are of money to be listed in an STS."""
    handed_in = exists().where(
        Posting.entry_id == Entry.id, Posting.account_code == postings.REMITTED_IN_TRANSIT
    )
    # A transfer that came before its STS was approved left the account by the entry of a movement
    # that nobody knew.
    seen_first = select(
        literal(movements.MOVEMENT) + cast(Remittance.statement_line_id, Text)
    ).where(Remittance.statement_line_id.is_not(None))
    # What a stranger sent by mistake is not the regency's, nor is it short of what goes back.
    strangers = select(literal(movements.MOVEMENT) + cast(Case.statement_line_id, Text)).where(
        Case.posted_as.in_((CaseOutcome.GIVEN_BACK, CaseOutcome.SENT_BACK)),
        Case.statement_line_id.is_not(None),
    )
    undecided = [
        f"{movements.MOVEMENT}{line_id}" for line_id in await movements.seen_before_approval(db)
    ]
    return (
        Posting.account_code == (postings.RKUD if direct else postings.BANK),
        ~handed_in.correlate(Entry),
        Entry.source.not_in(seen_first),
        Entry.source.not_in(undecided),
        Entry.source.not_in(strangers),
    )


async def _sources(
    db: AsyncSession, days: Sequence[tuple[date, int]], books: Books, direct: bool
) -> list[dict[str, Any]]:
    """Where what is left of these days came from.

    A day of which an STS listed a part without saying where that came from is not told apart.
    """
    asked = [day for day, _ in days]
    before = select(Remittance).where(
        Remittance.state != RemittanceState.DECLINED,
        Remittance.direct.is_(direct),
        exists().where(RemittedDay.remittance_id == Remittance.id, RemittedDay.day.in_(asked)),
    )
    listed: sources.Sums = Counter()
    unsaid = set()
    for one in await db.scalars(before):
        listed.update(sources.read(one.sources))
        if not one.sources:
            unsaid |= {row.day for row in await days_of(db, one.id)}
    entries = await db.scalars(
        select(Entry.id)
        .join(Posting, Posting.entry_id == Entry.id)
        .where(*await _to_list(db, direct), Entry.business_day.in_(set(asked) - unsaid))
    )
    account = postings.RKUD if direct else postings.BANK
    moved = await sources.moved(db, account, entries.all(), books.business_days)
    told = Counter({key: rp for key, rp in listed.items() if key[0] not in unsaid})
    return sources.left(moved, told, days)


async def prepare(
    db: AsyncSession, officer_id: UUID, books: Books, *, direct: bool = False, now: datetime
) -> Remittance:
    """An STS over all that waits of closed days. Raises NothingToRemit or RoleNotAllowed."""
    maker = await identity.acting(db, officer_id, Right.MAKE_REMITTANCE)
    await turns.one_at_a_time(db)
    closed = set(await db.scalars(select(DayClose.day).where(DayClose.state.in_(CLOSED))))
    left = await _left(db, books.deposits_from, direct)
    days = [(day, amount_rp) for day, amount_rp in left if day in closed]
    amount_rp = sum(rp for _, rp in days)
    if amount_rp <= 0:
        raise NothingToRemit
    came_from = await _sources(db, days, books, direct)
    series, sequence = await numbers.take(db, numbers.REMITTANCE, books.day(now).year)
    made = Remittance(
        id=new_id(),
        number=numbers.written(series, sequence),
        series=series,
        sequence=sequence,
        amount_rp=amount_rp,
        state=RemittanceState.PREPARED.value,
        prepared_by=maker.id,
        prepared_at=now,
        why="",
        direct=direct,
        sources=came_from,
    )
    db.add(made)
    await db.flush()
    db.add_all(RemittedDay(remittance_id=made.id, day=day, amount_rp=rp) for day, rp in days)
    await db.flush()
    return made


async def approve(
    db: AsyncSession, officer_id: UUID, remittance_id: UUID, books: Books, *, now: datetime
) -> None:
    """Another officer agrees, and it is posted; its transfer may have been seen already.

    Raises RemittanceNotFound, RemittanceNotPossible, OwnRemittance or RoleNotAllowed.
    """
    await turns.one_at_a_time(db)
    made, checker = await _to_decide(db, officer_id, remittance_id)
    after = _after(made, RemittanceEvent.APPROVED)
    if not made.direct:
        made.entry_id = await ledger.record(
            db,
            postings.for_remittance(made.amount_rp),
            source=f"remittance:{made.id}",
            description=f"Setoran ke RKUD, {made.number}",
            business_day=books.business_day(now),
            now=now,
        )
    made.state, made.decided_by, made.decided_at = after, checker, now
    if made.direct:  # it lists what a statement of that account told of
        made.confirmed_on = max(row.day for row in await days_of(db, made.id))
    await db.flush()
    if not made.direct:
        await movements.explain_remittance(db, made, now)
        await rkud.confirm(db, made, now)


async def decline(
    db: AsyncSession, officer_id: UUID, remittance_id: UUID, why: str, *, now: datetime
) -> None:
    """Another officer does not agree; its days wait again, and its number stays used."""
    made, checker = await _to_decide(db, officer_id, remittance_id)
    made.state = _after(made, RemittanceEvent.DECLINED)
    made.decided_by, made.decided_at, made.why = checker, now, why[:200]
    await db.flush()


async def _to_decide(
    db: AsyncSession, officer_id: UUID, remittance_id: UUID
) -> tuple[Remittance, UUID]:
    checker = await identity.acting(db, officer_id, Right.DECIDE_REMITTANCE)
    made: Remittance | None = await db.scalar(
        select(Remittance)
        .where(Remittance.id == remittance_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if made is None:
        raise RemittanceNotFound
    if made.prepared_by == checker.id:
        raise OwnRemittance
    return made, checker.id


def _after(made: Remittance, event: RemittanceEvent) -> str:
    try:
        return advance_remittance(RemittanceState(made.state), event).value
    except TransitionRefused as exc:
        raise RemittanceNotPossible from exc


async def days_of(db: AsyncSession, remittance_id: UUID) -> Sequence[RemittedDay]:
    rows = await db.scalars(
        select(RemittedDay)
        .where(RemittedDay.remittance_id == remittance_id)
        .order_by(RemittedDay.day)
    )
    return rows.all()


async def latest(db: AsyncSession, before: str | None) -> Page[Remittance]:
    return await page(db, select(Remittance), (Remittance.id,), before, lambda row: row)


async def watch(
    transactions: Transactions, workdays: Workdays, within: int, books: Books, *, now: datetime
) -> None:
    """Set the metrics, and open a case for each STS that is overdue."""
    async with transactions.begin() as db:
        await transfers.open_overdue(db, workdays, within, books, now)
        left = await waiting(db, workdays, within, books, books.day(now))
    LATE_DAYS.set(sum(one.late > 0 for one in left))
    WAITING_RP.set(sum(one.amount_rp for one in left))
