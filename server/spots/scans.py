"""How often each spot's sign was scanned on each day, and nothing of by whom.

Counted in memory, so that a driver's page waits for no write, and written every minute: what a
process counted in its last minute may be lost with it, and is missed by nobody.
"""

import asyncio
from collections import Counter
from datetime import date
from uuid import UUID

import structlog
from sqlalchemy.dialects.postgresql import insert as upsert

from server.database import Transactions
from server.spots.models import SignScan

log = structlog.get_logger()

EACH_S = 60.0


class Scans:
    def __init__(self) -> None:
        self._counted: Counter[tuple[UUID, date]] = Counter()

    def count(self, spot_id: UUID, day: date) -> None:
        self._counted[spot_id, day] += 1

    async def write(self, transactions: Transactions) -> None:
        """Add what was counted to the days' counts; what cannot be written now is kept."""
        counted, self._counted = self._counted, Counter()
        if not counted:
            return
        rows = [
            {"spot_id": spot_id, "day": day, "scans": scans}
            for (spot_id, day), scans in sorted(counted.items())  # in one order: nobody waits twice
        ]
        statement = upsert(SignScan).values(rows)
        try:
            async with transactions.begin() as db:
                await db.execute(
                    statement.on_conflict_do_update(
                        index_elements=[SignScan.spot_id, SignScan.day],
                        set_={"scans": SignScan.scans + statement.excluded.scans},
                    )
                )
        except BaseException as exc:
            self._counted.update(counted)
            if not isinstance(exc, Exception):
                raise
            log.warning("scans_not_written", error=type(exc).__name__)

    async def run(self, transactions: Transactions) -> None:
        while True:
            await asyncio.sleep(EACH_S)
            await self.write(transactions)
