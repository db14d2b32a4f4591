"""What became of issued vouchers, what their sellers owe, and those that can still be printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.voucher import Voucher
from server.database import Connected, fetch
from server.errors import Problem
from server.payments import vouchers
from server.payments.books import Books
from server.payments.voucher_proposals import Range, VouchersEnded, batch_of, still_out
from server.payments.vouchers import NoSeal

MOST_ON_SHEETS = 500
"""Vouchers of one PDF: drawing them takes tens of seconds."""


class SheetsTooMany(Problem):
    slug = "voucher-sheets-too-many"
    status = 422
    title_id = (
        f"PDF memuat paling banyak {MOST_ON_SHEETS} voucher; cetak bagian demi bagian atau CSV"
    )
    title_en = f"A PDF has {MOST_ON_SHEETS} vouchers at most; print part by part, or as CSV"


@dataclass(frozen=True)
class Stock:
    """A batch at a moment; what ended before a period began is told apart from what did in it."""

    batch: int
    seller: str
    count: int
    value_rp: int
    vehicle_class: str | None
    valid_until: date
    issued_at: datetime
    issued_by: str
    redeemed_before: int
    redeemed: int
    voided_before: int
    voided: int

    @property
    def left(self) -> int:
        return self.count - self.redeemed - self.voided

    @property
    def left_before(self) -> int:
        return self.count - self.redeemed_before - self.voided_before

    @property
    def left_rp(self) -> int:
        """What is still owed to bearers, also of those that have expired."""
        return self.left * self.value_rp

    def expired(self, day: date) -> int:
        return self.left if self.valid_until < day else 0


STOCK = """
    SELECT b.number, b.seller, b.count, b.value_rp, b.vehicle_class, b.valid_until, b.issued_at,
        b.issued_by, e.redeemed_before, e.redeemed, e.voided_before, e.voided
    FROM (
        SELECT * FROM voucher_batches
        WHERE ($2::timestamptz IS NULL OR issued_at < $2) AND ($3 = '' OR seller = $3)
            AND ($4::int IS NULL OR number = $4) AND ($5::int IS NULL OR number < $5)
        ORDER BY number DESC LIMIT $6
    ) b CROSS JOIN LATERAL (
        SELECT count(charge_id) FILTER (WHERE ended_at < $1::timestamptz) AS redeemed_before,
            count(charge_id) AS redeemed,
            count(why) FILTER (WHERE ended_at < $1) AS voided_before, count(why) AS voided
        FROM voucher_ends
        WHERE batch = b.number AND ($2::timestamptz IS NULL OR ended_at < $2)
    ) e
    ORDER BY b.number DESC
"""


async def stock(
    db: Connected,
    until: datetime | None = None,
    *,
    since: datetime | None = None,
    seller: str = "",
    batch: int | None = None,
    below: int | None = None,
    limit: int | None = None,
) -> list[Stock]:
    """Batches as they are, or were before a moment, the newest first.

    `below` is a number to go on from.
    """
    rows = await fetch(db, STOCK, since or until, until, seller, batch, below, limit)
    return [Stock(*row) for row in rows]


async def issued(db: Connected) -> tuple[int, int]:
    """How many batches there are, and vouchers in them; to count their ends takes long."""
    ((batches, count),) = await fetch(
        db, "SELECT count(*), coalesce(sum(count), 0)::bigint FROM voucher_batches"
    )
    return batches, count


@dataclass(frozen=True)
class Account:
    """A seller's account (1170) over some business days."""

    seller: str
    before_rp: int
    given_rp: int
    voided_rp: int
    paid_rp: int

    @property
    def owed_rp(self) -> int:
        return self.before_rp + self.given_rp - self.voided_rp - self.paid_rp


# A batch and a voiding name themselves as sources; all else is what a seller paid in.
ACCOUNTS = """
    SELECT p.party,
        coalesce(sum(p.amount_rp) FILTER (WHERE e.business_day < $1), 0)::bigint,
        coalesce(sum(p.amount_rp) FILTER (WHERE e.business_day >= $1 AND k.kind = 'given'), 0)
            ::bigint,
        coalesce(-sum(p.amount_rp) FILTER (WHERE e.business_day >= $1 AND k.kind = 'voided'), 0)
            ::bigint,
        coalesce(-sum(p.amount_rp) FILTER (WHERE e.business_day >= $1 AND k.kind = 'paid'), 0)
            ::bigint
    FROM ledger_postings p JOIN ledger_entries e ON e.id = p.entry_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN e.source LIKE 'vouchers:%' THEN 'given'
            WHEN e.source LIKE 'vouchers-voided:%' THEN 'voided' ELSE 'paid' END AS kind
    ) k
    WHERE p.account_code = '1170' AND e.business_day <= $2
    GROUP BY p.party ORDER BY p.party
"""


async def accounts(db: Connected, first: date, last: date) -> list[Account]:
    return [Account(*row) for row in await fetch(db, ACCOUNTS, first, last)]


async def signed(
    db: AsyncSession, which: Range, books: Books, today: date, most: int | None = None
) -> Sequence[tuple[Voucher, str]]:
    """Vouchers that can still be used, with the texts of their QRs, to be printed.

    Raises VoucherBatchNotFound, VoucherRangeUnfit, NoSeal, VouchersEnded, or SheetsTooMany where
    there are more than `most`.
    """
    batch, numbers = await batch_of(db, which.batch), await still_out(db, which)
    if books.seal is None:
        raise NoSeal
    if not numbers or batch.valid_until < today:
        raise VouchersEnded
    if most is not None and len(numbers) > most:
        raise SheetsTooMany(f"{len(numbers)}")
    return list(vouchers.texts(batch, books.seal, numbers))
