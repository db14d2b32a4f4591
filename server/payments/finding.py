"""Finding a payment again by what the driver's wallet shows of it, and by nothing less."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from server.announcements import Announcer
from server.database import Connected, Transactions, autocommit, fetch
from server.payments import inquiries
from server.payments.acquirer import Acquirers
from server.payments.books import Books


@dataclass(frozen=True)
class Shown:
    """What a wallet shows of a payment: a reference (RRN, the acquirer's or ours), amount, day."""

    reference: str
    amount_rp: int
    day: date


@dataclass(frozen=True)
class Found:
    """The charge that was paid; money that did not fit its charge has no receipt."""

    charge_id: UUID
    receipt_number: str | None


PAID = """
    SELECT c.id, r.number FROM money m
    JOIN charges c ON c.id = m.charge_id
    LEFT JOIN receipts r ON r.money_id = m.id
    WHERE m.business_day = $1 AND m.amount_rp = $2
      AND (m.rrn = $3 OR m.acquirer_reference = $3 OR c.reference = lower($3))
    LIMIT 2
"""
SILENT = """
    SELECT acquirer, reference FROM charges
    WHERE (reference = lower($1) OR acquirer = ANY($2::text[]) AND acquirer_reference = $1)
      AND amount_rp = $3 AND paid_at IS NULL AND acquirer = ANY($2::text[])
"""


async def find(
    transactions: Transactions,
    acquirers: Acquirers,
    announcer: Announcer,
    books: Books,
    shown: Shown,
    *,
    now: datetime,
) -> Found | None:
    """The one payment that fits; for a charge nobody told of yet, the acquirer is asked first."""
    async with autocommit(transactions) as db:
        found = await _paid(db, shown)
        if found is not None:
            return found
        silent = await fetch(db, SILENT, shown.reference, acquirers.names, shown.amount_rp)
    if not silent:
        return None
    for name, reference in silent:  # two acquirers may have given the same reference
        await inquiries.inquire(transactions, acquirers[name], announcer, books, reference, now)
    async with autocommit(transactions) as db:
        return await _paid(db, shown)


async def _paid(db: Connected, shown: Shown) -> Found | None:
    rows = await fetch(db, PAID, shown.day, shown.amount_rp, shown.reference)
    return Found(*rows[0]) if len(rows) == 1 else None
