"""What the office's page shows of the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import tree
from server.audit.export import codes, covering
from server.audit.models import AuditChange, AuditCheckpoint, AuditLeaf
from server.audit.sealed import SEALED, Source
from server.audit.tiles import Tree
from server.errors import NotFound

DAYS = 7
MOST = 50
LEGS = 12
"""An entry is asked for by its id, and its postings have the line's number after it."""


@dataclass(frozen=True)
class Found:
    """Rows whose key was asked for, and changes of it or by somebody of that name."""

    leaves: Sequence[AuditLeaf]
    changes: Sequence[AuditChange]


async def sealed_by_day(
    db: AsyncSession, timezone: ZoneInfo, now: datetime
) -> Sequence[tuple[date, int]]:
    rows = await db.execute(
        text("""SELECT (sealed_at AT TIME ZONE :zone)::date AS day, count(*) AS rows
            FROM audit_leaves WHERE sealed_at >= :since GROUP BY 1 ORDER BY 1 DESC"""),
        {"zone": str(timezone), "since": now - timedelta(days=DAYS)},
    )
    return [(row.day, row.rows) for row in rows]


async def checkpoints(db: AsyncSession) -> Sequence[AuditCheckpoint]:
    latest = select(AuditCheckpoint).order_by(AuditCheckpoint.made_at.desc()).limit(DAYS)
    return (await db.scalars(latest)).all()


async def search(db: AsyncSession, asked: str) -> Found:
    keys = [asked, *(f"{asked} {line}" for line in range(1, LEGS + 1))]
    leaves = (
        select(AuditLeaf)
        .where(AuditLeaf.table_name.in_(SEALED), AuditLeaf.key.in_(keys))
        .order_by(AuditLeaf.seq)
        .limit(MOST)
    )
    changes = (
        select(AuditChange)
        .where(
            or_(
                AuditChange.key == asked,
                AuditChange.who == asked,
                AuditChange.state["login"].astext == asked,
                AuditChange.state["code"].astext == asked,
            )
        )
        .order_by(AuditChange.id.desc())
        .limit(MOST)
    )
    return Found((await db.scalars(leaves)).all(), (await db.scalars(changes)).all())


async def proof(db: AsyncSession, seq: int) -> dict[str, Any]:
    """One row as it was sealed, with what proves it; raises NotFound or NoCheckpoint."""
    leaf = await db.get(AuditLeaf, seq)
    if leaf is None:
        raise NotFound
    checkpoint = await covering(db, seq)
    source = Source(leaf.table_name, SEALED[leaf.table_name])
    row = (
        await db.execute(
            text(f"SELECT {source.values} AS row FROM {source.name} t WHERE {source.named}"),
            source.parts(leaf.key),
        )
    ).first()
    if row is None:
        raise NotFound
    path = await Tree(db, checkpoint.size).hashes(tree.inclusion(seq, checkpoint.size))
    return {
        "seq": seq,
        "row": source.data(row.row).decode(),
        "proof": codes(path),
        "checkpoint": checkpoint.note,
    }
