"""The statement of the regency's own account (RKUD), told from the collecting one by its number.

Most of what moves there is other money of the regency: it is kept as it came, in no entry and no
case. A credit that names an STS confirms it. One that names a batch or a slip that still awaits as
much is its money, which was paid straight into that account: no STS has to hand it in any more.
What names a batch that does not await it is in no entry, and a case: a transfer of ours, mostly.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.ledger import postings
from server.ledger import service as ledger
from server.payments.books import Books
from server.reconciliation import movements, transfers
from server.reconciliation.files import StatementRow
from server.reconciliation.matching import batches_named, named_together
from server.reconciliation.models import (
    ClearedMovement,
    Remittance,
    SettlementLine,
    StatementLine,
)
from server.reconciliation.movements import PAID_OUT_WITHIN, Slip
from server.reconciliation.states import RemittanceState

HANDED_IN = (RemittanceState.APPROVED, RemittanceState.SEEN)


async def record(
    db: AsyncSession, file_id: UUID, rows: Sequence[StatementRow], books: Books, now: datetime
) -> None:
    """Keep new movements, and take what of them is money of ours."""
    lines = [
        StatementLine(
            id=new_id(), file_id=file_id, ledger_account=postings.RKUD, **movements.kept(row)
        )
        for row in rows
    ]
    db.add_all(lines)
    await db.flush()
    since = min(row.value_date for row in rows) - PAID_OUT_WITHIN
    numbers = await db.scalars(
        select(Remittance)
        .where(Remittance.state != RemittanceState.DECLINED, Remittance.direct.is_(False))
        .order_by(Remittance.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    awaited = {remittance.number: remittance for remittance in numbers}
    spelled = movements.spellings(awaited)
    named, left = set(), []
    for line in lines:
        number = movements.number_spelled(line, spelled)
        if number is None:
            left.append(line)
        elif line.amount_rp:
            db.add(ClearedMovement(statement_line_id=line.id, name=number))
            named.add(number)
    batches = await movements.batches_since(db, since)
    slips = await movements.slips_since(db, since, books)
    await db.flush()
    await _post(db, left, batches, slips, now)
    for number in sorted(named):
        await confirm(db, awaited[number], now)


async def explain(
    db: AsyncSession,
    batches: Collection[str],
    about: date,
    now: datetime,
    slips: Mapping[str, Slip] | None = None,
) -> None:
    """Movements that came before the batches or slips whose money they are."""
    lines = await db.scalars(
        select(StatementLine)
        .where(StatementLine.ledger_account == postings.RKUD, StatementLine.amount_rp != 0)
        .where(StatementLine.value_date.between(about - PAID_OUT_WITHIN, about + PAID_OUT_WITHIN))
        .where(~exists().where(ClearedMovement.statement_line_id == StatementLine.id))
        .order_by(StatementLine.value_date, StatementLine.id)
    )
    await _post(db, lines, batches, slips or {}, now)


@dataclass(frozen=True)
class _Payouts:
    """What batches bring, and what came of it: each sum with all batches that it names."""

    net_rp: Mapping[str, int]
    came: list[tuple[set[str], int]]

    def take(self, line: StatementLine) -> bool:
        """Whether the batches named await the sum; more is what was handed in under their name."""
        named = set(batches_named(line.narrative, self.net_rp))
        together = named_together(named, [names for names, _ in self.came])
        net_rp = sum(self.net_rp.get(name, 0) for name in together)
        came_rp = sum(rp for names, rp in self.came if names & together) + line.amount_rp
        fits = min(net_rp, 0) <= came_rp <= max(net_rp, 0)
        if fits:
            self.came.append((named, line.amount_rp))
        return fits


async def _payouts(db: AsyncSession, since: date) -> _Payouts:
    recent = select(SettlementLine.batch_id).where(SettlementLine.settlement_date >= since)
    nets = await db.execute(
        select(SettlementLine.batch_id, func.sum(SettlementLine.net_rp))
        .where(SettlementLine.settlement_date >= since - PAID_OUT_WITHIN)
        .where(SettlementLine.batch_id.in_(recent))
        .group_by(SettlementLine.batch_id)
    )
    net_rp = {name: int(rp) for name, rp in nets}
    paying = movements.cleared()
    cleared = await db.execute(
        select(paying.c.name, StatementLine.narrative, StatementLine.amount_rp)
        .join(StatementLine, StatementLine.id == paying.c.statement_line_id)
        .where(paying.c.name.in_(recent))
    )
    came = [({name, *batches_named(told, net_rp)}, rp) for name, told, rp in cleared]
    return _Payouts(net_rp, came)


async def _post(
    db: AsyncSession,
    lines: Iterable[StatementLine],
    batches: Collection[str],
    slips: Mapping[str, Slip],
    now: datetime,
) -> None:
    payouts = None
    for line in sorted(lines, key=lambda line: line.value_date):
        name = movements.clears(line, batches, slips) if line.amount_rp else None
        if name in batches:
            payouts = payouts or await _payouts(db, line.value_date - 2 * PAID_OUT_WITHIN)
            if not payouts.take(line):
                name = movements.clears(line, (), slips)
                if name is None:
                    await transfers.open_case(
                        db,
                        transfers.RKUD_NOT_AWAITED,
                        line.amount_rp,
                        now,
                        statement_line_id=line.id,
                    )
        if name is None:
            continue
        account = postings.IN_TRANSIT
        if name not in batches:
            account = postings.DEPOSITS_IN_TRANSIT
            slips[name].left_rp -= line.amount_rp
        await ledger.record(
            db,
            postings.for_bank_credit(line.amount_rp, account, postings.RKUD),
            source=f"rkud:{line.id}",
            description=f"Langsung ke RKUD: {name}",
            business_day=line.value_date,
            now=now,
        )
        db.add(ClearedMovement(statement_line_id=line.id, name=name))
    await db.flush()


async def confirm(db: AsyncSession, remittance: Remittance, now: datetime) -> None:
    """Whether the whole sum of an STS came; another sum is a case."""
    if remittance.direct or remittance.state not in HANDED_IN:
        return
    came_rp, last = (
        await db.execute(
            select(
                func.coalesce(func.sum(StatementLine.amount_rp), 0),
                func.max(StatementLine.value_date),
            )
            .join(ClearedMovement, ClearedMovement.statement_line_id == StatementLine.id)
            .where(ClearedMovement.name == remittance.number)
            .where(StatementLine.ledger_account == postings.RKUD)
        )
    ).one()
    differs_rp = int(came_rp) - remittance.amount_rp
    remittance.confirmed_on = last if differs_rp == 0 else None
    await db.flush()
    if last is not None and differs_rp:
        await transfers.open_case(
            db, transfers.STS_DIFFERS, differs_rp, now, remittance_id=remittance.id
        )
