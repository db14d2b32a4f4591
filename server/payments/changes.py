"""Every change of what officers decide leaves a row: when, from what to what, by whom, and why."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import Base, new_id


async def keep(
    db: AsyncSession,
    change: type[Base],
    before: StrEnum,
    after: StrEnum,
    *,
    who: str,
    why: str,
    now: datetime,
    **subject: UUID,
) -> None:
    """`subject` is the column that names what changed, and its id."""
    await db.execute(
        insert(change).values(
            id=new_id(),
            changed_at=now,
            state_before=before.value,
            state_after=after.value,
            who=who,
            why=why[:200],
            **subject,
        )
    )
