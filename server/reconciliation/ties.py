"""Movements in suspense that two officers match with what they pay, where the bank named nothing.

As if it had been named, but for who says so: what they decide stands as long as their entry does.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from prometheus_client import Gauge
from sqlalchemy import Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.payment import CaseOutcome, CaseState
from server.casework.service import CaseNotFound, OutcomeUnfit
from server.database import Transactions, fetch
from server.ledger import postings
from server.payments import proposals
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import movements, turns
from server.reconciliation.matching import Batch, compare_payouts
from server.reconciliation.models import SettlementLine, StatementLine
from server.reconciliation.movements import PAID_OUT_WITHIN

STILL_OWED = """SELECT c.id, c.amount_rp, e.business_day FROM cases c
    JOIN ledger_entries e ON e.id = c.entry_id
    WHERE c.posted_as = 'given_back' AND NOT EXISTS (
        SELECT FROM cases s WHERE s.posted_as = 'sent_back' AND s.pays = c.id::text)"""
"""The cases that hold strangers' money, each with the day from which it is owed back."""
OWED_RP = Gauge("karcis_to_give_back_rupiah", "Strangers' money that did not go back yet")
OWED_DAYS = Gauge(
    "karcis_to_give_back_oldest_working_days", "Working days since the oldest of it was owed"
)


@dataclass(frozen=True)
class Candidate:
    """What a movement may pay: since when it is awaited, and how much of it is open."""

    name: str
    since: date
    open_rp: int
    clears: str


@dataclass(frozen=True)
class Stray:
    """A stranger's money that must go back, and did not yet; its sum is that of the debit."""

    case_id: UUID
    since: date
    narrative: str


@dataclass(frozen=True)
class Owed:
    """What is owed back to strangers; `working_days` since two officers said so of the oldest."""

    count: int
    amount_rp: int
    working_days: int


@dataclass(frozen=True)
class Proposal:
    """How a case should end, and why; a zone or what it pays where the outcome asks for one."""

    outcome: CaseOutcome
    reason: str
    zone: str | None = None
    pays: str | None = None


async def candidates(db: AsyncSession, case: Case, books: Books) -> list[Candidate]:
    """The batches and slips of its days that await money still; first those of the very sum."""
    if case.statement_line_id is None or CaseOutcome.MATCHED not in proposals.fitting(case):
        return []
    line = await db.get_one(StatementLine, case.statement_line_id)
    found = [*await _batches(db, line), *await _slips(db, line, books)]
    return sorted(
        found,
        key=lambda one: (
            one.open_rp != line.amount_rp,
            abs(line.value_date - one.since),
            one.name,
        ),
    )


async def strays(db: AsyncSession, case: Case) -> list[Stray]:
    """The strangers' money of just its sum that a debit may have sent back, the oldest first."""
    if CaseOutcome.SENT_BACK not in proposals.fitting(case):
        return []
    sent = aliased(Case)
    gone = select(sent.pays).where(sent.posted_as == CaseOutcome.SENT_BACK)
    rows = await db.execute(
        select(Case.id, StatementLine.value_date, StatementLine.narrative)
        .join(StatementLine, StatementLine.id == Case.statement_line_id)
        .where(Case.state == CaseState.CLOSED, Case.outcome == CaseOutcome.GIVEN_BACK)
        .where(Case.amount_rp == -case.amount_rp, cast(Case.id, Text).not_in(gone))
        .order_by(StatementLine.value_date, Case.id)
    )
    return [Stray(*row) for row in rows]


async def owed(db: AsyncSession, books: Books, *, now: datetime) -> Owed:
    rows = await fetch(db, STILL_OWED)
    today = books.business_day(now)
    since = min((row["business_day"] for row in rows), default=today)
    total_rp = sum(row["amount_rp"] for row in rows)
    return Owed(len(rows), total_rp, books.workdays.late(since, today))


async def watch(transactions: Transactions, books: Books, *, now: datetime) -> None:
    async with transactions.begin() as db:
        found = await owed(db, books, now=now)
    OWED_RP.set(found.amount_rp)
    OWED_DAYS.set(found.working_days)


async def _batches(db: AsyncSession, line: StatementLine) -> list[Candidate]:
    first, last = line.value_date - PAID_OUT_WITHIN, line.value_date + PAID_OUT_WITHIN
    names = set(
        await db.scalars(
            select(SettlementLine.batch_id)
            .distinct()
            .where(SettlementLine.settlement_date.between(first, last))
        )
    )
    moved, together = await movements.to_compare(db, first, names)
    rows = await db.execute(
        select(
            SettlementLine.batch_id,
            func.min(SettlementLine.settlement_date),
            func.sum(SettlementLine.net_rp),
        )
        .where(SettlementLine.settlement_date >= first - 2 * PAID_OUT_WITHIN)
        .where(SettlementLine.batch_id.in_(names | together))
        .group_by(SettlementLine.batch_id)
    )
    told = {name: (since, int(net_rp)) for name, since, net_rp in rows}
    batches = {name: Batch(net_rp) for name, (_, net_rp) in told.items()}
    received_rp = compare_payouts(batches, moved).received_rp
    found = [
        Candidate(
            name, told[name][0], told[name][1] - received_rp.get(name, 0), postings.IN_TRANSIT
        )
        for name in names
    ]
    # A debit takes back what came too much, and a credit never does.
    return [one for one in found if one.open_rp * line.amount_rp > 0]


async def _slips(db: AsyncSession, line: StatementLine, books: Books) -> list[Candidate]:
    slips = await movements.slips_since(db, line.value_date - PAID_OUT_WITHIN, books)
    return [
        Candidate(reference, slip.since, slip.left_rp, postings.DEPOSITS_IN_TRANSIT)
        for reference, slip in slips.items()
        if slip.fits(line)
    ]


async def propose(
    db: AsyncSession,
    officer_id: UUID,
    case_id: UUID,
    told: Proposal,
    books: Books,
    *,
    now: datetime,
) -> None:
    """Say how a case of suspense should end. Raises OutcomeUnfit for what awaits no such money."""
    case = await _case(db, case_id)
    pays = None
    if told.outcome is CaseOutcome.MATCHED and case.entry_id is None:
        pays = (await _chosen(db, case, told.pays, books)).name
    elif told.outcome is CaseOutcome.SENT_BACK and case.entry_id is None:
        pays = await _chosen_stray(db, case, told.pays)
    zone = told.zone if told.outcome is CaseOutcome.RECOGNISED else None
    await proposals.propose(
        db, officer_id, case_id, told.outcome, zone, told.reason, now=now, pays=pays
    )


async def decide(
    db: AsyncSession,
    officer_id: UUID,
    case_id: UUID,
    books: Books,
    *,
    accept: bool,
    why: str,
    now: datetime,
) -> None:
    """Close a case of suspense as proposed, or send it back; raises SamePerson, OutcomeUnfit."""
    case = await _case(db, case_id)
    clears = None
    if accept and case.state == CaseState.PROPOSED and case.entry_id is None:
        if case.proposed_outcome == CaseOutcome.MATCHED:
            clears = (await _chosen(db, case, case.pays, books)).clears
        elif case.proposed_outcome == CaseOutcome.SENT_BACK:
            await _chosen_stray(db, case, case.pays)
    await proposals.decide(
        db, officer_id, case_id, books, accept=accept, why=why, now=now, clears=clears
    )


async def _chosen(db: AsyncSession, case: Case, name: str | None, books: Books) -> Candidate:
    for one in await candidates(db, case, books):
        if one.name == name:
            return one
    raise OutcomeUnfit("choose a batch or slip that awaits such money")


async def _chosen_stray(db: AsyncSession, case: Case, name: str | None) -> str:
    for one in await strays(db, case):
        if str(one.case_id) == name:
            return name
    raise OutcomeUnfit("choose money of just that sum that must still be given back")


async def _case(db: AsyncSession, case_id: UUID) -> Case:
    """Raises CaseNotFound. Files and comparisons, which look at a movement's money too, wait."""
    case = await db.get(Case, case_id)
    if case is None:
        raise CaseNotFound
    if case.statement_line_id is not None:
        await turns.one_at_a_time(db)
        await db.refresh(case)
    return case
