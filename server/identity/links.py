"""How well the server is heard along the streets, as the handhelds' reports tell it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Transactions
from server.identity.models import SpotLink
from server.identity.schemas import SpotHeard

KEPT = timedelta(days=30)


async def add(db: AsyncSession, heard: Sequence[SpotHeard], *, now: datetime) -> None:
    """Count what one device heard into the day's sums."""
    sums: dict[str, Counter[str]] = {}
    for at in heard:
        answered = at.pulses - at.lost
        sums.setdefault(at.spot, Counter()).update(
            pulses=at.pulses, lost=at.lost, answer_ms=answered * (at.median_ms or 0)
        )
    # In one order everywhere, so that two reports of the same spots wait and never deadlock.
    for spot, counts in sorted(sums.items()):
        row = upsert(SpotLink).values(spot_code=spot, day=now.astimezone(UTC).date(), **counts)
        added = {name: getattr(SpotLink, name) + row.excluded[name] for name in counts}
        await db.execute(
            row.on_conflict_do_update(index_elements=[SpotLink.spot_code, SpotLink.day], set_=added)
        )


async def prune(transactions: Transactions, *, now: datetime) -> None:
    async with transactions.begin() as db:
        await db.execute(delete(SpotLink).where(SpotLink.day < now.astimezone(UTC).date() - KEPT))
