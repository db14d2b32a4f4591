"""Events that were refused: kept as they came, each once, in a case that two officers close.

A device has one open case at most; what it pushes while that is open belongs to it.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from server.database import new_id
from server.errors import Problem
from server.sync.models import QuarantineCase, QuarantinedEvent

log = structlog.get_logger()

OWNER = "admin sistem"
"""Who answers for devices."""
MOST_SHOWN = 500


class QuarantineCaseNotFound(Problem):
    slug = "quarantine-case-not-found"
    status = 404
    title_id = "Kasus perangkat ini tidak dikenal"
    title_en = "This case of a device is not known"


async def keep(
    db: AsyncSession, device_id: UUID, event: dict[str, Any], reason: str, *, now: datetime
) -> None:
    """Keep a refused event, and open the device's case where none is open; again is harmless."""
    digest = hashlib.sha256(json.dumps(event, sort_keys=True).encode()).digest()
    known = await db.scalar(
        select(QuarantinedEvent.id).where(
            QuarantinedEvent.device_id == device_id, QuarantinedEvent.digest == digest
        )
    )
    if known is not None:
        return
    await db.execute(
        upsert(QuarantineCase)
        .values(id=new_id(), device_id=device_id, owner=OWNER, opened_at=now)
        .on_conflict_do_nothing()
    )
    case_id = await db.scalar(
        select(QuarantineCase.id)
        .where(QuarantineCase.device_id == device_id, QuarantineCase.closed_at.is_(None))
        .with_for_update()
    )
    db.add(
        QuarantinedEvent(
            device_id=device_id,
            case_id=case_id,
            digest=digest,
            event=event,
            reason=reason,
            received_at=now,
        )
    )
    await db.flush()
    log.warning("event_quarantined", device_id=str(device_id), reason=reason)


async def grew_since(db: AsyncSession, case_id: UUID, moment: datetime) -> bool:
    """Whether events came to a case after somebody had looked at it."""
    later = select(QuarantinedEvent.id).where(
        QuarantinedEvent.case_id == case_id, QuarantinedEvent.received_at > moment
    )
    return await db.scalar(later.limit(1)) is not None


async def find(db: AsyncSession, case_id: UUID) -> QuarantineCase:
    case = await db.get(QuarantineCase, case_id)
    if case is None:
        raise QuarantineCaseNotFound
    return case


async def events_of(db: AsyncSession, case_id: UUID) -> Sequence[QuarantinedEvent]:
    rows = await db.scalars(
        select(QuarantinedEvent)
        .where(QuarantinedEvent.case_id == case_id)
        .order_by(QuarantinedEvent.received_at, QuarantinedEvent.id)
        .limit(MOST_SHOWN)
    )
    return rows.all()
