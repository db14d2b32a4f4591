"""Signed checkpoints: what the log was on a day, told to others, so that none can rewrite it."""

import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import service
from server.audit.models import AuditCheckpoint
from server.audit.notes import Signer
from server.audit.tiles import Tree
from server.database import Transactions
from server.errors import Problem

log = structlog.get_logger()


class NoCheckpoint(Problem):
    slug = "no-checkpoint"
    status = 404
    title_id = "Belum ada titik periksa catatan audit"
    title_en = "There is no checkpoint of the audit log yet"


class DayNotSigned(Problem):
    slug = "day-not-signed"
    status = 409
    title_id = "Catatan hari ini belum masuk titik periksa; coba besok"
    title_en = "No checkpoint covers this day yet; try again tomorrow"


async def newest(db: AsyncSession) -> AuditCheckpoint | None:
    latest = select(AuditCheckpoint).order_by(AuditCheckpoint.made_at.desc()).limit(1)
    return (await db.scalars(latest)).first()


async def make(db: AsyncSession, signer: Signer, *, now: datetime) -> AuditCheckpoint:
    """Sign what the log is now, unless that is signed already; raises NoCheckpoint if it is empty.

    The next one has to extend this one: whoever keeps it can have that proved.
    """
    size = (await service.head(db)).size
    if not size:
        raise NoCheckpoint
    known = await newest(db)
    if known is not None and known.size == size and signer.believes(known.note):
        return known
    root = await Tree(db, size).root(size)
    made = AuditCheckpoint(made_at=now, size=size, root=root, note=signer.sign(size, root))
    db.add(made)
    await db.flush()
    log.info("audit_checkpoint", count=size)
    return made


@dataclass(frozen=True)
class Keeper:
    """Seals again and again, and signs once a day; others fetch checkpoints from `directory`."""

    transactions: Transactions
    signer: Signer | None
    directory: Path | None
    timezone: ZoneInfo

    async def keep(self, *, now: datetime, all_rows: bool = False) -> None:
        await service.seal(self.transactions, now=now, all_rows=all_rows)
        if self.signer is not None:
            await self._sign(self.signer, now)

    async def _sign(self, signer: Signer, now: datetime) -> None:
        """A checkpoint as soon as the day has begun."""
        async with self.transactions.begin() as db:
            known = await newest(db)
            if known is None or self._day(known.made_at) < self._day(now):
                if not (await service.head(db)).size:
                    return
                known = await make(db, signer, now=now)
        if self.directory is not None:
            write(self.directory, known, self._day(known.made_at))

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.timezone).date()


def write(directory: Path, checkpoint: AuditCheckpoint, day: date) -> None:
    """Put a checkpoint's file in its place, whole or not at all; one that is there stays."""
    directory.mkdir(parents=True, exist_ok=True)
    place = directory / f"{day}-{checkpoint.size}.txt"
    if place.exists():
        return
    part = place.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(checkpoint.note.encode())
    part.rename(place)
