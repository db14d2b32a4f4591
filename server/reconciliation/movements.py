"""What moves on the bank account: payouts of batches, deposits of cash, transfers of refunds.

Which of them one is, is chosen once, from what is awaited when it is posted, and kept. A movement
that is none is held in suspense with a case, until a later settlement file, a deposit or two
officers say what it is.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Subquery,
    Text,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from domain.payment import CaseOutcome
from server.database import Insertions, new_id
from server.ledger import postings
from server.ledger import service as ledger
from server.ledger.models import Entry
from server.ledger.service import NewEntry
from server.payments import cases, refund_queries
from server.payments.books import Books
from server.payments.models import Case, Refund
from server.payments.proposals import POSTED
from server.reconciliation.files import StatementRow
from server.reconciliation.matching import (
    DifferenceKind,
    Known,
    Movement,
    batch_named,
    batches_named,
    named_together,
)
from server.reconciliation.models import (
    CashDeposit,
    ClearedMovement,
    Remittance,
    SettlementLine,
    StatementLine,
)
from server.reconciliation.payout_models import PayoutLine, PayoutRun
from server.reconciliation.states import (
    LineState,
    RemittanceEvent,
    RemittanceState,
    RunState,
    advance_remittance,
)

Transfer = Refund | Remittance
"""What the office sends from the account, and awaits as a debit that names its number."""

PAID_OUT_WITHIN = timedelta(days=31)
"""How long after its day the money of a batch or a deposit may still come."""

# What the sources of entries about one movement begin with; its id follows.
MOVEMENT = "movement:"
EXPLAINED = "explained:"


@dataclass
class Slip:
    """A bank's slip of cash paid in: since when, and how much of it has not come yet."""

    since: date
    """The calendar day on which its business day began: in the evening before, by some rules."""
    left_rp: int

    def fits(self, line: StatementRow | StatementLine) -> bool:
        """Whether a movement that names the slip can be its cash; any other names it by chance."""
        last = self.since + PAID_OUT_WITHIN
        return 0 < line.amount_rp <= self.left_rp and self.since <= line.value_date <= last


@dataclass
class Leaving:
    """A run of shares: how much of it the bank took so far, less what it gave back of it.

    It may take a run whole or line by line, and leave out what failed or give it back.
    """

    run: PayoutRun
    paid_rp: int
    taken_rp: int

    def fits(self, row: StatementRow) -> bool:
        """Never is more taken than the run, nor given back what the bank said was paid."""
        taken_rp = self.taken_rp - row.amount_rp
        return taken_rp <= self.run.amount_rp if row.amount_rp < 0 else taken_rp >= self.paid_rp


@dataclass(frozen=True)
class Awaited:
    """What a movement may name; a slip's cash and a transfer are no longer, once they came."""

    batches: Collection[str]
    slips: Mapping[str, Slip]
    transfers: dict[str, Transfer]
    runs: Mapping[str, Leaving]


async def record(
    db: AsyncSession,
    file_id: UUID,
    rows: Sequence[StatementRow],
    books: Books,
    now: datetime,
) -> None:
    """Keep new movements, and post each as what it is, or else into suspense."""
    since = min(row.value_date for row in rows) - PAID_OUT_WITHIN
    transfers: dict[str, Transfer] = {
        **await refund_queries.awaited_at_bank(db),
        **await _handed_in(db),
    }
    awaited = Awaited(
        await batches_since(db, since),
        await slips_since(db, since, books),
        transfers,
        await _paid_out(db),
    )
    lines = {new_id(): row for row in rows}
    insertions = Insertions()
    insertions.add(
        StatementLine,
        [{"id": line_id, "file_id": file_id, **kept(row)} for line_id, row in lines.items()],
    )
    entries, cleared, held = [], [], []
    transferred, seen = {}, dict[str, UUID]()
    for line_id, row in lines.items():
        if not row.amount_rp:
            continue
        account = None
        if (transfer := _transfer_named(row, awaited.transfers)) is not None:
            account = _in_transit(transfer)
            transferred[line_id] = awaited.transfers.pop(transfer.number)
        elif (run := _run_named(row, awaited.runs)) is not None:
            account = postings.PAYOUTS_IN_TRANSIT
            run.taken_rp -= row.amount_rp
            seen.setdefault(run.run.number, line_id)
            cleared.append({"statement_line_id": line_id, "name": run.run.number})
        elif (name := clears(row, awaited.batches, awaited.slips)) is not None:
            account = postings.IN_TRANSIT
            if name not in awaited.batches:
                account = postings.DEPOSITS_IN_TRANSIT
                awaited.slips[name].left_rp -= row.amount_rp
            cleared.append({"statement_line_id": line_id, "name": name})
        else:
            held.append((line_id, row.amount_rp))
        entries.append(_entry(line_id, row, account))
    insertions.add(ClearedMovement, cleared)
    ledger.add_entries(insertions, entries, now=now)
    await insertions.write(db)
    for line_id, transfer in transferred.items():
        transfer.statement_line_id = line_id
        if isinstance(transfer, Remittance):
            transfer.state = _seen(transfer)
    for number, line_id in seen.items():
        paid_out = awaited.runs[number].run
        paid_out.statement_line_id = paid_out.statement_line_id or line_id
    await cases.open_cases(db, DifferenceKind.UNKNOWN_MOVEMENT, "statement_line_id", held, now)


def clears(
    row: StatementRow | StatementLine, batches: Collection[str], slips: Mapping[str, Slip]
) -> str | None:
    """The batch or slip whose money a movement is; None for one nobody knows."""
    fitting = [reference for reference, slip in slips.items() if slip.fits(row)]
    return batch_named(row.narrative, {*batches, *fitting})


def _in_transit(transfer: Transfer) -> str:
    if isinstance(transfer, Remittance):
        return postings.REMITTED_IN_TRANSIT
    return postings.TRANSFERS_IN_TRANSIT


def _seen(remittance: Remittance) -> str:
    return advance_remittance(RemittanceState(remittance.state), RemittanceEvent.SEEN).value


async def _handed_in(db: AsyncSession) -> dict[str, Remittance]:
    """What was handed in to the regency by transfers that no movement was matched with yet."""
    rows = await db.scalars(
        select(Remittance)
        .where(Remittance.state == RemittanceState.APPROVED, Remittance.direct.is_(False))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {remittance.number: remittance for remittance in rows}


async def _paid_out(db: AsyncSession) -> dict[str, Leaving]:
    """Approved runs of shares, by number."""
    runs = await db.scalars(
        select(PayoutRun)
        .where(PayoutRun.state == RunState.APPROVED)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    paid = await db.execute(
        select(PayoutLine.run_id, func.sum(PayoutLine.amount_rp))
        .where(PayoutLine.state == LineState.PAID)
        .group_by(PayoutLine.run_id)
    )
    cleared = exists().where(
        ClearedMovement.statement_line_id == StatementLine.id,
        ClearedMovement.name == PayoutRun.number,
    )
    taken = await db.execute(
        select(PayoutRun.id, -func.sum(StatementLine.amount_rp))
        .join(StatementLine, or_(StatementLine.id == PayoutRun.statement_line_id, cleared))
        .group_by(PayoutRun.id)
    )
    paid_rp = {run_id: int(rp) for run_id, rp in paid}
    taken_rp = {run_id: int(rp) for run_id, rp in taken}
    return {
        run.number: Leaving(run, paid_rp.get(run.id, 0), taken_rp.get(run.id, 0)) for run in runs
    }


def _run_named(row: StatementRow, runs: Mapping[str, Leaving]) -> Leaving | None:
    """The run that a debit pays, or that a credit gives back a part of."""
    number = number_named(row, runs)
    return runs[number] if number is not None and runs[number].fits(row) else None


def _transfer_named(
    row: StatementRow | StatementLine, transfers: Mapping[str, Transfer]
) -> Transfer | None:
    """What a debit transfers, of just that sum."""
    number = number_named(row, transfers)
    found = None if number is None else transfers[number]
    return found if found is not None and found.amount_rp == -row.amount_rp else None


def number_named(row: StatementRow | StatementLine, numbers: Collection[str]) -> str | None:
    """The number a narrative names, with or without hyphens."""
    return number_spelled(row, spellings(numbers))


def spellings(numbers: Collection[str]) -> dict[str, str]:
    return {
        spelling: number for number in numbers for spelling in (number, number.replace("-", ""))
    }


def number_spelled(row: StatementRow | StatementLine, spelled: Mapping[str, str]) -> str | None:
    named = batch_named(row.narrative, spelled)
    return None if named is None else spelled[named]


def kept(row: StatementRow) -> dict[str, Any]:
    """All of a movement but where its file has it."""
    return {name: value for name, value in vars(row).items() if name != "place"}


def _entry(line_id: UUID, row: StatementRow, account: str | None) -> NewEntry:
    known = f"statement:{row.account}:{row.statement_reference}:{row.line_number}"
    return NewEntry(
        postings.for_unknown_movement(row.amount_rp)
        if account is None
        else postings.for_bank_credit(row.amount_rp, account),
        source=f"{MOVEMENT}{line_id}" if account is None else known,
        description=f"Mutasi bank {row.statement_reference}",
        business_day=row.value_date,
    )


async def explain_batches(
    db: AsyncSession, batches: Collection[str], latest: date, now: datetime
) -> None:
    """Movements that came before the batches they pay out; `latest` is when the last was settled.

    A settlement file is the acquirer's word: it also undoes what people had recognised.
    """
    unexplained = await db.scalars(
        select(StatementLine).where(
            _in_suspense(), StatementLine.value_date <= latest + PAID_OUT_WITHIN
        )
    )
    for line in unexplained:
        name = batch_named(line.narrative, batches)
        if name is not None:
            await _explain(db, line, name, postings.IN_TRANSIT, now)


async def seen_before_approval(db: AsyncSession) -> list[UUID]:
    """The debits in suspense that name an STS which nobody has decided yet, of just its sum."""
    prepared = await db.scalars(
        select(Remittance).where(
            Remittance.state == RemittanceState.PREPARED, Remittance.direct.is_(False)
        )
    )
    waiting: dict[str, Transfer] = {remittance.number: remittance for remittance in prepared}
    if not waiting:
        return []
    sums = [-transfer.amount_rp for transfer in waiting.values()]
    lines = await db.scalars(
        select(StatementLine)
        .where(_in_suspense(), StatementLine.amount_rp.in_(sums))
        .where(not_(recognised(Case.statement_line_id, StatementLine.id)))
        .order_by(StatementLine.value_date, StatementLine.id)
    )
    found = []
    for line in lines:
        if (transfer := _transfer_named(line, waiting)) is not None:
            del waiting[transfer.number]
            found.append(line.id)
    return found


async def explain_remittance(db: AsyncSession, remittance: Remittance, now: datetime) -> None:
    """A debit that came before the STS it is was approved; what officers have decided stands."""
    unexplained = await db.scalars(
        select(StatementLine)
        .where(_in_suspense(), StatementLine.amount_rp == -remittance.amount_rp)
        .where(not_(recognised(Case.statement_line_id, StatementLine.id)))
        .order_by(StatementLine.value_date, StatementLine.id)
    )
    for line in unexplained:
        if _transfer_named(line, {remittance.number: remittance}) is not None:
            await _post_explained(db, line, remittance.number, postings.REMITTED_IN_TRANSIT, now)
            remittance.statement_line_id = line.id
            remittance.state = _seen(remittance)
            await db.flush()
            return


async def explain_slip(
    db: AsyncSession, reference: str, since: date, books: Books, now: datetime
) -> None:
    """Credits that came before the deposit they are; first that of the very sum still awaited.

    A deposit is an officer's word: what two officers have decided stands.
    """
    slip = (await slips_since(db, since, books))[reference]
    unexplained = await db.scalars(
        select(StatementLine)
        .where(_in_suspense(), not_(recognised(Case.statement_line_id, StatementLine.id)))
        .where(StatementLine.value_date >= slip.since)
        .order_by(
            StatementLine.amount_rp != slip.left_rp,
            StatementLine.value_date,
            StatementLine.id,
        )
    )
    for line in unexplained:
        if slip.fits(line) and batch_named(line.narrative, [reference]) is not None:
            slip.left_rp -= line.amount_rp
            await _explain(db, line, reference, postings.DEPOSITS_IN_TRANSIT, now)


async def _explain(
    db: AsyncSession, line: StatementLine, name: str, account: str, now: datetime
) -> None:
    await _post_explained(db, line, name, account, now)
    db.add(ClearedMovement(statement_line_id=line.id, name=name))


async def _post_explained(
    db: AsyncSession, line: StatementLine, name: str, account: str, now: datetime
) -> None:
    await ledger.record(
        db,
        postings.for_explained_movement(line.amount_rp, account),
        source=f"{EXPLAINED}{line.id}",
        description=f"Mutasi {line.statement_reference} adalah {name}",
        business_day=line.value_date,
        now=now,
    )
    await cases.explained(db, Case.statement_line_id, line.id, name, now)


async def to_compare(
    db: AsyncSession, day: date, awaited: Collection[str]
) -> tuple[list[Movement], set[str]]:
    """What pays out a day's batches and slips, also those of earlier days, and what is unknown.

    And further batches that a sum pays together with one of them: all of these are compared whole.
    """
    since = day - PAID_OUT_WITHIN
    paying = cleared()
    of_day = and_(
        paying.c.name.is_(None),
        StatementLine.value_date == day,
        StatementLine.ledger_account.is_(None),
    )
    rows = await db.execute(
        select(
            StatementLine,
            paying.c.name,
            paying.c.known,
            recognised(Case.statement_line_id, StatementLine.id),
        )
        .outerjoin(paying, paying.c.statement_line_id == StatementLine.id)
        .where(StatementLine.value_date >= since, StatementLine.amount_rp != 0)
        .where(or_(paying.c.name.is_not(None), of_day))
        .where(not_(exists().where(Refund.statement_line_id == StatementLine.id)))
        .where(not_(exists().where(Remittance.statement_line_id == StatementLine.id)))
        .where(not_(exists().where(PayoutRun.statement_line_id == StatementLine.id)))
    )
    batches = await batches_since(db, since)
    lines = [
        (line, name, known, decided, _named(line, name, batches))
        for line, name, known, decided in rows
    ]
    together = named_together(awaited, [named for *_, named in lines])
    moved = [
        Movement(
            f"{line.account}/{line.statement_reference}/{line.line_number}",
            line.amount_rp,
            name,
            decided,
            also=tuple(sorted(named - {name})),
            value_on=line.value_date,
            known=Known(known or Known.NAMED),
        )
        for line, name, known, decided, named in lines
        if name is None or name in together
    ]
    return moved, together & batches


def _named(line: StatementLine, name: str | None, batches: Collection[str]) -> set[str]:
    """What a movement pays: what it is in the books, and the batches it names beside that one."""
    if name is None:
        return set()
    if name not in batches:
        return {name}
    return {name, *batches_named(line.narrative, batches)}


def cleared() -> Subquery:
    """What each movement pays: as it was named, or as two officers decided."""
    named = select(
        ClearedMovement.statement_line_id,
        ClearedMovement.name,
        literal(Known.NAMED.value).label("known"),
    )
    decided = select(Case.statement_line_id, Case.pays, literal(Known.BY_OFFICERS.value)).where(
        Case.posted_as == CaseOutcome.MATCHED
    )
    return union_all(named, decided).subquery()


async def batches_since(db: AsyncSession, since: date) -> set[str]:
    batches = await db.scalars(
        select(SettlementLine.batch_id).distinct().where(SettlementLine.settlement_date >= since)
    )
    return set(batches)


async def slips_since(db: AsyncSession, since: date, books: Books) -> dict[str, Slip]:
    """The slips with which cash was paid in since a day, for all who paid in with them."""
    recent = select(CashDeposit.reference).where(CashDeposit.deposited_on >= since)
    rows = await db.execute(
        select(
            CashDeposit.reference,
            func.min(CashDeposit.deposited_on),
            func.sum(CashDeposit.amount_rp),
        )
        .where(CashDeposit.reference.in_(recent))
        .group_by(CashDeposit.reference)
    )
    paying = cleared()
    came = await db.execute(
        select(paying.c.name, func.sum(StatementLine.amount_rp))
        .join(StatementLine, StatementLine.id == paying.c.statement_line_id)
        .where(paying.c.name.in_(recent))
        .group_by(paying.c.name)
    )
    came_rp = {name: int(amount_rp) for name, amount_rp in came}
    return {
        reference: Slip(
            books.day(books.business_days.bounds(first)[0]),
            int(amount_rp) - came_rp.get(reference, 0),
        )
        for reference, first, amount_rp in rows
    }


def _in_suspense() -> ColumnElement[bool]:
    """Whether a movement was unknown when it came, and no file or deposit has explained it.

    Nor have two officers found that it paid a claim, or is a stranger's money that went back.
    """
    sent = aliased(Case)
    return and_(
        posted(MOVEMENT, StatementLine.id),
        not_(posted(EXPLAINED, StatementLine.id)),
        not_(paid_claims(Case.statement_line_id, StatementLine.id)),
        not_(
            exists().where(
                Case.statement_line_id == StatementLine.id,
                Case.posted_as == CaseOutcome.GIVEN_BACK,
                sent.posted_as == CaseOutcome.SENT_BACK,
                sent.pays == cast(Case.id, Text),
            )
        ),
    )


def paid_claims(
    subject: InstrumentedAttribute[UUID | None], line_id: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """Whether two officers found that money of a line paid claims on an acquirer."""
    return exists().where(subject == line_id, Case.claims_rp > 0)


def posted(prefix: str, line_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether the ledger holds the entry that such a source names for a line."""
    return exists().where(Entry.source == literal(prefix) + cast(line_id, Text))


def stands() -> ColumnElement[bool]:
    """Whether a settlement line is what the acquirer says now: no correction has taken it back."""
    later = aliased(SettlementLine)
    return and_(
        SettlementLine.takes_back_id.is_(None),
        ~exists().where(later.takes_back_id == SettlementLine.id),
    )


def recognised(
    subject: InstrumentedAttribute[UUID | None], line_id: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    """Whether two officers closed the case of a line, or what it paid."""
    decided = (*POSTED, CaseOutcome.CLAIM_PAID)
    return exists().where(subject == line_id, Case.outcome.in_(decided))
