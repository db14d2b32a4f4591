"""The numbers of what the office writes: 1, 2, 3 … in each year, without a gap."""

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain import check_digit
from server.payments.models import ReceiptSeries

RECEIPT_OF_DEPOSIT = "TBP"
REMITTANCE = "STS"
PAYOUT = "BGH"


async def take(db: AsyncSession, kind: str, year: int) -> tuple[str, int]:
    """The year's series of a kind and its next number.

    Locked until commit, so that what is undone leaves no gap. Small letters, since a zone may be
    called as a kind is.
    """
    name = f"{kind.lower()}-{year}"
    statement = upsert(ReceiptSeries).values(series=name, last=1)
    last = await db.execute(
        statement.on_conflict_do_update(
            index_elements=[ReceiptSeries.series], set_={"last": ReceiptSeries.last + 1}
        ).returning(ReceiptSeries.last)
    )
    return name, int(last.scalar_one())


def written(series: str, sequence: int) -> str:
    """As people write it: ``STS-2026-000001-C``, with a check character."""
    return check_digit.append(f"{series.upper()}-{sequence:06d}")
