"""Imports and comparisons run one at a time: each must see all of what came before."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

ONE_AT_A_TIME = 0x7265636F6E
"""The key of the advisory lock; nothing but that it is ours."""


async def one_at_a_time(db: AsyncSession) -> None:
    """Until commit no other import or reconciliation runs.

    One lock for both kinds, since a batch explains movements and a movement looks for its batch.
    """
    await db.execute(select(func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
