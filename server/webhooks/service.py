"""Recording facts to be told, and who is to be told them."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.webhooks.facts import Fact

# One statement however many facts there are: payments are confirmed many at a time.
_PUBLISH = text("""
    INSERT INTO outbox (id, type, data, happened_at)
    SELECT id, type, CAST(data AS jsonb), happened_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:types AS text[]),
                CAST(:data AS text[]), CAST(:moments AS timestamptz[]))
         AS fact (id, type, data, happened_at)
""")


async def publish(db: AsyncSession, facts: Sequence[Fact]) -> None:
    """Record facts in the transaction that makes them true: both are committed, or neither."""
    if not facts:
        return
    await db.execute(
        _PUBLISH,
        {
            "ids": [new_id() for _ in facts],
            "types": [fact.type for fact in facts],
            "data": [fact.model_dump_json() for fact in facts],
            "moments": [fact.happened_at for fact in facts],
        },
    )
