"""Refunds as others see them: drivers and programs, and the reconciliation of a day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import RefundMethod, RefundState
from domain.receipt import ReceiptNumberError, RefundFacts, parse_receipt_number, receipt_number
from server.database import Connected, fetch
from server.payments import cases
from server.payments.models import Charge, Money, Refund, RefundReceipt
from server.payments.queries import ChargeView


async def awaited_at_bank(db: AsyncSession) -> dict[str, Refund]:
    """Refunds by transfer that no movement of the account was matched with yet, by number.

    Locked, so that none is withdrawn while a movement is being taken for it.
    """
    rows = await db.scalars(
        select(Refund)
        .where(Refund.method == RefundMethod.TRANSFER, Refund.statement_line_id.is_(None))
        .where(Refund.state.in_((RefundState.TRANSFER_DUE, RefundState.DONE)))
        .order_by(Refund.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {refund.number: refund for refund in rows}


async def made_between(
    db: AsyncSession, first: date, last: date
) -> Sequence[tuple[Refund, Charge, Money]]:
    """Refunds the acquirer made within a span of business days: of which charge and money."""
    rows = await db.execute(
        select(Refund, Charge, Money)
        .join(Charge, Charge.id == Refund.charge_id)
        .join(Money, Money.id == Refund.money_id)
        .where(Refund.method == RefundMethod.ACQUIRER, Refund.state == RefundState.DONE)
        .where(Refund.business_day.between(first, last))
    )
    return [(refund, charge, money) for refund, charge, money in rows]


@dataclass(frozen=True)
class Returned:
    """A refund as the driver is told of it: never by whom, nor while it is not approved."""

    number: str
    amount_rp: int
    state: str
    at: datetime
    receipt: dict[str, Any] | None
    """What its proof says, once the money is back."""


TOLD = """
    SELECT number, amount_rp, state, COALESCE(refunded_at, decided_at, requested_at), facts
    FROM refunds LEFT JOIN refund_receipts ON refund_id = id
    WHERE charge_id = $1 AND state = ANY($2::text[]) ORDER BY sequence
"""


async def told_of(db: Connected, charge_id: UUID) -> list[Returned]:
    """The approved refunds of a charge, the oldest first."""
    rows = await fetch(db, TOLD, charge_id, list(cases.APPROVED | {RefundState.REFUSED}))
    return [Returned(*row) for row in rows]


async def of_view(db: Connected, view: ChargeView) -> list[Returned]:
    """The refunds to show with a charge; none is looked for before money came."""
    return [] if view.money_flag is None else await told_of(db, view.id)


async def find_receipt(db: AsyncSession, text: str) -> RefundFacts | None:
    """What the proof of a typed or scanned refund number says; None when there is none."""
    try:
        number = receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError:
        return None
    facts = await db.scalar(
        select(RefundReceipt.facts)
        .join(Refund, Refund.id == RefundReceipt.refund_id)
        .where(Refund.number == number)
    )
    return None if facts is None else RefundFacts.from_json(facts)
