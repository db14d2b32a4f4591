"""The office's page of where the server is heard badly: each street in a table and on a map."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import cos, radians
from pathlib import Path
from typing import Protocol

from fastapi import APIRouter, Request, Response
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from server import pages
from server.database import Transaction
from server.identity.models import SpotLink
from server.office.signed_in import OfficerDep, Within
from server.payments.wiring import WiringDep
from server.spots.models import Spot, Zone
from server.spots.units import WHOLE, Scope

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"

LOOKED_BACK = timedelta(days=14)
MOST_STREETS = 500
WIDTH, HEIGHT, MARGIN = 480, 320, 30
FEW_PULSES = 50
"""About a minute at the spot: of less, nothing is said."""


class Hearing(StrEnum):
    DEAD = "dead"
    BROKEN = "broken"
    SLOW = "slow"
    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Street:
    zone: str
    place: str
    latitude: float
    longitude: float
    pulses: int
    lost: int
    answer_ms: int

    @property
    def hearing(self) -> Hearing:
        if self.pulses < FEW_PULSES:
            return Hearing.UNKNOWN
        if self.lost * 2 >= self.pulses:
            return Hearing.DEAD
        if self.lost * 20 >= self.pulses:
            return Hearing.BROKEN
        return Hearing.SLOW if self.latency_ms > 500 else Hearing.GOOD

    @property
    def latency_ms(self) -> int:
        """The reports' medians, each weighed by its answered pulses."""
        return self.answer_ms // max(1, self.pulses - self.lost)

    @property
    def lost_percent(self) -> int:
        return self.lost * 100 // max(1, self.pulses)


@dataclass(frozen=True)
class Map:
    """Where each one stands in a drawing of WIDTH by HEIGHT, north up; `rings` around them."""

    places: Sequence[tuple[int, int]] = field(default_factory=list)
    rings: Sequence[Sequence[tuple[int, int]]] = field(default_factory=list)
    width: int = WIDTH
    height: int = HEIGHT


@router.get("/devices/signal")
async def signal_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep, own: Within
) -> Response:
    since = datetime.now(UTC) - LOOKED_BACK
    found = await streets(db, since, own)
    return pages.render(
        request,
        TEMPLATES,
        "signal.html",
        books=wired.books,
        streets=found,
        map=drawn(found),
        days=LOOKED_BACK.days,
    )


async def streets(db: AsyncSession, since: datetime, own: Scope = WHOLE) -> list[Street]:
    """Every street of the list of spots, the worst heard first."""
    heard = (
        select(
            SpotLink.spot_code,
            func.sum(SpotLink.pulses).label("pulses"),
            func.sum(SpotLink.lost).label("lost"),
            func.sum(SpotLink.answer_ms).label("answer_ms"),
        )
        .where(SpotLink.day >= since.date())
        .group_by(SpotLink.spot_code)
        .subquery()
    )
    rows = await db.execute(
        select(
            Zone.name,
            Spot.place,
            func.avg(Spot.latitude),
            func.avg(Spot.longitude),
            func.coalesce(func.sum(heard.c.pulses), 0),
            func.coalesce(func.sum(heard.c.lost), 0),
            func.coalesce(func.sum(heard.c.answer_ms), 0),
        )
        .join(Zone, Zone.id == Spot.zone_id)
        .outerjoin(heard, heard.c.spot_code == Spot.code)
        .where(own.zone(Zone.id))
        .group_by(Zone.name, Spot.place)
        .order_by(Zone.name, Spot.place)
        .limit(MOST_STREETS)
    )
    found = [
        Street(zone, place, latitude, longitude, int(pulses), int(lost), int(answer_ms))
        for zone, place, latitude, longitude, pulses, lost, answer_ms in rows
    ]
    worst_first = list(Hearing)
    return sorted(found, key=lambda street: worst_first.index(street.hearing))


class Placed(Protocol):
    """Something at a place on the earth."""

    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...


def drawn(found: Sequence[Placed], rings: Sequence[Sequence[Sequence[float]]] = ()) -> Map:
    """What was found by its coordinates: one scale both ways, the middle in the middle.

    `rings` are drawn as far as they come into view, in GeoJSON's order of coordinates.
    """
    if not found:
        return Map()
    shrink = cos(radians(found[0].latitude))  # degrees of longitude are shorter than of latitude
    east = [street.longitude * shrink for street in found]
    south = [-street.latitude for street in found]
    spans = (max(east) - min(east), max(south) - min(south))
    scale = min(
        (room - 2 * MARGIN) / max(span, 1e-9)
        for room, span in zip((WIDTH, HEIGHT), spans, strict=True)
    )
    middle_east, middle_south = ((max(values) + min(values)) / 2 for values in (east, south))

    def at(longitude: float, latitude: float) -> tuple[int, int]:
        along = int((longitude * shrink - middle_east) * scale) + WIDTH // 2
        return along, int((-latitude - middle_south) * scale) + HEIGHT // 2

    return Map(
        [at(place.longitude, place.latitude) for place in found],
        [[at(corner[0], corner[1]) for corner in ring] for ring in rings],
    )
