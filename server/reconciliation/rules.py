"""By what a match is judged on a day: dated rules of the office, else the usual ones."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.reconciliation.matching import USUAL, Tolerances
from server.reconciliation.models import MatchingRule


async def tolerances(db: AsyncSession, day: date) -> Tolerances:
    row = await db.scalar(
        select(MatchingRule)
        .where(MatchingRule.valid_from <= day)
        .order_by(MatchingRule.valid_from.desc())
        .limit(1)
    )
    if row is None:
        return USUAL
    return Tolerances(
        row.fee_rounding_rp, row.late_after_days, row.heard_within_days, bool(row.working_days)
    )


async def add(db: AsyncSession, rule: Tolerances, *, valid_from: date, regulation: str) -> bool:
    """Whether it is in force from that day on: no other one starts then."""
    added = await db.scalar(
        upsert(MatchingRule)
        .values(
            valid_from=valid_from,
            regulation=regulation,
            **vars(rule) | {"working_days": rule.working_days or None},
        )
        .on_conflict_do_nothing(index_elements=[MatchingRule.valid_from])
        .returning(MatchingRule.valid_from)
    )
    return added is not None
