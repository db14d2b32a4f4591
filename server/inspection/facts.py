"""Facts of inspections that handhelds recorded, taken into the books with the event itself."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import EventKind, happened_at
from domain.sign import SignFault
from domain.tariff import VehicleClass
from server.errors import Problem
from server.identity import service as identity
from server.identity.models import Attendant
from server.inspection import signs, stays
from server.inspection.models import HeadCount, SignCheck, StayCheck
from server.parking.models import ParkingSession
from server.spots import service as spots
from server.spots.service import KnownSpot

log = structlog.get_logger()

LOOKED_BACK = timedelta(days=1)
"""How long before a count a stay may have begun that still stood there."""

Word = Annotated[str, Field(max_length=80)]


class Fact(BaseModel):
    """A fact's body."""

    model_config = ConfigDict(extra="forbid", strict=True)

    spot: Word
    attendant: Word | None = None


class SignChecked(Fact):
    fault: Annotated[SignFault | None, Field(strict=False)]
    seen: dict[Word, Word | None] = Field(max_length=6)


class StayChecked(Fact):
    asked_by: Literal["plate", "receipt", "proof", "spot", "notice"]
    result: Literal[
        "live", "just-expired", "expired", "none", "unknown", "forged", "void", "noticed"
    ]
    stay_id: Annotated[UUID | None, Field(strict=False)]
    list_age_s: int | None = Field(ge=0, lt=2**31)


class HeadsCounted(Fact):
    counted: dict[Annotated[VehicleClass, Field(strict=False)], Annotated[int, Field(ge=0, le=999)]]


KINDS: dict[str, type[Fact]] = {
    EventKind.SIGN_CHECKED: SignChecked,
    EventKind.STAY_CHECKED: StayChecked,
    EventKind.HEADS_COUNTED: HeadsCounted,
}


async def take(
    db: AsyncSession,
    device_id: UUID,
    kind: str,
    seq: int,
    at: str,
    body: dict[str, Any],
    *,
    now: datetime,
) -> None:
    """Keep what a fact of an inspection says.

    One that is not of its kind's shape stays in the journal only: refusing it would break the
    chain of all that follow.
    """
    if kind not in KINDS:
        return
    try:
        fact = KINDS[kind].model_validate(body)
        told_at = happened_at(at, now)
        spot = await spots.find(db, fact.spot)
    except (ValidationError, ValueError, Problem):
        log.warning("fact_unfit", reason=kind, device_id=str(device_id))
        return
    attendant_id = await _who(db, device_id, fact.attendant)
    if attendant_id is None:
        log.warning("fact_unfit", reason="nobody", device_id=str(device_id))
        return
    whose = {"device_id": device_id, "seq": seq, "attendant_id": attendant_id}
    when = {"told_at": told_at, "received_at": now}
    await _keep(db, fact, spot, whose | when | {"spot_id": spot.id})


async def _who(db: AsyncSession, device_id: UUID, code: str | None) -> UUID | None:
    """Whom the fact names; older handhelds name nobody, and then it is who was on shift last."""
    named: UUID | None = await db.scalar(select(Attendant.id).where(Attendant.code == code))
    return named or await identity.last_attendant(db, device_id)


async def _keep(db: AsyncSession, fact: Fact, spot: KnownSpot, row: dict[str, Any]) -> None:
    if isinstance(fact, SignChecked):
        fault = fact.fault and fact.fault.value
        await signs.record(db, SignCheck(**row, fault=fault, seen=fact.seen))
    elif isinstance(fact, StayChecked):
        known = None
        if fact.stay_id is not None:
            known = await db.get(ParkingSession, fact.stay_id)
        told = {"asked_by": fact.asked_by, "result": fact.result, "list_age_s": fact.list_age_s}
        db.add(StayCheck(**row, **told, stay_id=None if known is None else known.id))
    elif isinstance(fact, HeadsCounted):
        at = row["told_at"]
        nearby = await stays.today(db, spot.zone_code, at - LOOKED_BACK)
        counted = {name.value: count for name, count in fact.counted.items()}
        db.add(HeadCount(**row, counted=counted, recorded=stays.recorded(nearby, at)))
    await db.flush()
