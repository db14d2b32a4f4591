"""Where one may park, for people: zones with how full they are, and each zone's spots on a drawing.

Told as open data tells it: rounded, and of a quarter of an hour ago.
"""

from collections.abc import Sequence
from math import cos, radians
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from server import pages
from server.open_data import service
from server.open_data.answers import AskedDep
from server.open_data.service import Zone, blur
from server.spots import service as spots

router = APIRouter(include_in_schema=False)
TEMPLATES = Path(__file__).parent / "templates"

WIDTH, HEIGHT, MARGIN = 480, 320, 24
A_PAGE = 100
"""Spots, so that a page stays under 30 kB."""


@router.get("/peta")
async def zones_page(asked: AskedDep) -> Response:
    zones = await asked.zones()
    at, counted = await asked.occupancy()
    taken = service.by_zone(counted)
    places = drawn([zone.centre for zone in zones])
    return pages.render(
        asked.request,
        TEMPLATES,
        "map.html",
        books=asked.books,
        zones=[
            (zone, blur(taken.get(zone.id, 0)), free(zone, taken.get(zone.id, 0)), place)
            for zone, place in zip(zones, places, strict=True)
        ],
        size=(WIDTH, HEIGHT),
        at=at,
    )


def free(zone: Zone, taken: int) -> int | None:
    """About how many spots are free; None where a spot holds as many vehicles as find room."""
    if not all(spot.exclusive for spot in zone.spots):
        return None
    return max(0, len(zone.spots) - blur(taken))


@router.get("/peta/{code}")
async def zone_page(
    code: str, asked: AskedDep, page: Annotated[int, Query(ge=1, le=1_000)] = 1
) -> Response:
    zone = next((zone for zone in await asked.zones() if zone.code == code.upper()), None)
    if zone is None:
        raise spots.ZoneNotFound(code[:20])
    shown = zone.spots[(page - 1) * A_PAGE : page * A_PAGE]
    return pages.render(
        asked.request,
        TEMPLATES,
        "map_zone.html",
        books=asked.books,
        zone=zone,
        spots=shown,
        page=page,
        is_last=page * A_PAGE >= len(zone.spots),
        places=drawn([(spot.latitude, spot.longitude) for spot in shown]),
        size=(WIDTH, HEIGHT),
    )


def drawn(places: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """Latitudes and longitudes as points of a drawing of WIDTH by HEIGHT, north up."""
    if not places:
        return []
    south, north = min(lat for lat, _ in places), max(lat for lat, _ in places)
    west, east = min(lon for _, lon in places), max(lon for _, lon in places)
    narrow = cos(radians((south + north) / 2))
    across, up = (east - west) * narrow or 1e-6, (north - south) or 1e-6
    scale = min((WIDTH - 2 * MARGIN) / across, (HEIGHT - 2 * MARGIN) / up)
    left, top = (WIDTH - across * scale) / 2, (HEIGHT - up * scale) / 2
    return [
        (round(left + (lon - west) * narrow * scale), round(top + (north - lat) * scale))
        for lat, lon in places
    ]
