"""Signs that used to be scanned and are not any more: torn off, covered, or stuck over."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.dialects.postgresql import insert as upsert

from server.database import Transactions, fetch, new_id
from server.inspection.models import OWNER, SILENT, SignCase

log = structlog.get_logger()

LOOKED_BACK = timedelta(days=90)
BEFORE = 20
"""By how many operating days it is told what a sign used to be."""

# A day on which nobody scanned anything says nothing of any sign: a holiday, a server that was off.
OPERATING = """
    SELECT DISTINCT day FROM sign_scans WHERE day < $1 AND day >= $2 ORDER BY day DESC LIMIT $3
"""

# A sign was scanned on half of the days before. An attendant who found it right has scanned it too,
# and what an officer closed is looked at anew.
GONE_SILENT = """
    SELECT s.spot_id FROM sign_scans s
    JOIN signs n ON n.spot_id = s.spot_id AND n.state IN ('made', 'mounted', 'damaged')
    WHERE s.day = ANY($1::date[]) AND n.printed_at < $4
      AND NOT EXISTS (
          SELECT FROM sign_scans l WHERE l.spot_id = s.spot_id AND l.day = ANY($2::date[])
      )
      AND NOT EXISTS (
          SELECT FROM sign_checks c
          WHERE c.spot_id = s.spot_id AND c.fault IS NULL AND c.received_at >= $4
      )
      AND NOT EXISTS (
          SELECT FROM sign_cases k WHERE k.spot_id = s.spot_id AND k.closed_at >= $4
      )
    GROUP BY s.spot_id HAVING 2 * count(*) >= $3
"""


async def look(
    transactions: Transactions, days: int, timezone: ZoneInfo, *, today: date, now: datetime
) -> int:
    """Open a case for each sign that was silent on so many operating days; how many."""
    async with transactions.begin() as db:
        rows = await fetch(db, OPERATING, today, today - LOOKED_BACK, days + BEFORE)
        operating = [row["day"] for row in rows]
        silent, before = operating[:days], operating[days:]
        if len(before) < days:  # nobody can say yet what is usual
            return 0
        since = datetime.combine(silent[-1], time(), timezone)
        found = await fetch(db, GONE_SILENT, before, silent, len(before), since)
        for row in found:
            await db.execute(
                upsert(SignCase)
                .values(
                    id=new_id(), spot_id=row["spot_id"], fault=SILENT, owner=OWNER, opened_at=now
                )
                .on_conflict_do_nothing()
            )
    log.info("silent_signs", count=len(found))
    return len(found)
