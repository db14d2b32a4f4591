"""The books of some business days against an acquirer's whole file and the bank's statements.

It asks and writes nothing: what a file says counts once it is taken in.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import literal, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from domain.business_days import BusinessDays
from domain.payment import RefundMethod, RefundState
from server.payments.models import Charge, Money, Refund
from server.reconciliation import matching, statements, volume
from server.reconciliation.mappings import SettlementMapping, StatementMapping
from server.reconciliation.matching import Booked, Difference, Movement

NEAR = timedelta(days=1)
"""How far beyond the period the other side of a line may lie."""


async def write_books(
    db: AsyncSession,
    path: Path,
    acquirer: str,
    first: date,
    last: date,
    how: SettlementMapping,
) -> int:
    """All money and refunds through an acquirer, as `volume.read_booked` reads them."""
    within = (first - NEAR, last + NEAR)
    money = (
        select(
            Money.business_day,
            Charge.reference,
            Money.acquirer_reference,
            Money.rrn,
            Money.amount_rp,
            null().label("returned_rrn"),
        )
        .join(Charge, Charge.id == Money.charge_id)
        .where(Money.acquirer == literal(acquirer), Money.business_day.between(*within))
    )
    returned = (
        select(
            Refund.business_day,
            Charge.reference,
            Money.acquirer_reference,
            Refund.acquirer_refund_number,
            -Refund.amount_rp,
            Money.rrn,
        )
        .join(Money, Money.id == Refund.money_id)
        .join(Charge, Charge.id == Refund.charge_id)
        .where(Money.acquirer == literal(acquirer), Refund.business_day.between(*within))
        .where(Refund.method == RefundMethod.ACQUIRER, Refund.state == RefundState.DONE)
    )
    lines: Any = await db.stream(union_all(money, returned))
    with volume.BookedFile(path, volume.ours_told(how)) as kept:
        async for day, *told in lines:
            kept.write(day, Booked(*told))
    return kept.count


def compare(
    engine: Any,
    ours: Path,
    booked_count: int,
    file: Path,
    how: SettlementMapping,
    merchant: str,
    of_bank: Sequence[bytes],
    bank_mapping: StatementMapping,
    period: tuple[date, date, BusinessDays],
    out: Path | None,
) -> volume.Compared:
    """Raises FileRefused. Without statements nothing is said of payouts."""
    moved = [row for content in of_bank for row in statements.read(content, bank_mapping)]

    def movements(batches: Iterable[str]) -> list[Movement]:
        known = list(batches)
        named = ((row, matching.batches_named(row.narrative, known)) for row in moved)
        return [
            Movement(
                f"{row.account}/{row.statement_reference}/{row.line_number}",
                row.amount_rp,
                names[0],
                also=names[1:],
                value_on=row.value_date,
            )
            for row, names in named
            if names
        ]

    with ExitStack() as stack:
        told = csv.writer(stack.enter_context(out.open("w", newline=""))) if out else None
        if told:
            told.writerow(("kind", "subject", "difference_rp", "ours_rp", "theirs_rp"))

        def tell(found: Difference) -> None:
            if told:
                told.writerow(
                    (found.kind, found.subject, found.difference_rp, found.ours_rp, found.theirs_rp)
                )

        return volume.compare(
            volume.read_booked(engine, ours, volume.ours_told(how)),
            volume.read_settled(engine, file, how, merchant),
            tell,
            movements,
            how=how,
            period=volume.Period(*period),
            payouts=bool(of_bank),
            booked_count=booked_count,
            settled_count=volume.lines_of(file, how),
        )
