"""The map of all spots: what stands there now, and where something is wrong.

The table is the map's data. Where Leaflet was installed and scripts run, it draws them on tiles of
the regency's own file, or on a grid; without, the server's drawing stays.
"""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from domain.closure import closed
from server import pages
from server.database import Transaction, fetch
from server.errors import NotFound
from server.identity import fleet
from server.office.signal import drawn
from server.office.signed_in import OfficerDep, Within
from server.payments.wiring import WiringDep
from server.spots import closures, geojson
from server.spots.units import Scope

router = APIRouter(prefix="/map")
TEMPLATES = Path(__file__).parent / "templates"
LEAFLET = pages.HERE / "static" / "npm" / "leaflet" / "leaflet-src.esm.js"
MOST = 500
PARKED = timedelta(hours=12)
"""A stay without an end that began before is no longer looked for."""
WITHOUT_TIME = timedelta(hours=2)
"""So long a stay that was paid for and bought no time is taken to be there."""
KINDS = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp"}


class TileNotFound(NotFound):
    slug = "tile-not-found"
    title_id = "Potongan peta ini tidak ada"
    title_en = "There is no such piece of the map"


class Standing(StrEnum):
    """What is shown of a spot, the most pressing first."""

    CLOSED = "closed"
    SIGN = "sign"
    UNPAID = "unpaid"
    PAID = "paid"
    FREE = "free"


@dataclass(frozen=True)
class Place:
    code: str
    place: str
    zone: str
    latitude: float
    longitude: float
    paid: int
    unpaid: int
    sign_wrong: bool
    closed: bool = False

    @property
    def standing(self) -> Standing:
        if self.closed:
            return Standing.CLOSED
        if self.sign_wrong:
            return Standing.SIGN
        if self.unpaid:
            return Standing.UNPAID
        return Standing.PAID if self.paid else Standing.FREE


PLACES = """
    SELECT s.code, s.place, z.name AS zone, s.latitude, s.longitude, o.paid, o.unpaid,
        EXISTS (SELECT FROM sign_cases c WHERE c.spot_id = s.id AND c.closed_at IS NULL)
            AS sign_wrong
    FROM spots s JOIN zones z ON z.id = s.zone_id CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE p.state = 'paid' AND (v.ends_at > $1 OR v.started_at > $2))
                AS paid,
            count(*) FILTER (WHERE p.state IS DISTINCT FROM 'paid') AS unpaid
        FROM parking_sessions v LEFT JOIN payments p ON p.id = v.id
        WHERE v.spot_id = s.id AND v.started_at > $3 AND v.state = 'open'
    ) o
    WHERE ($4 = '' OR z.code = $4) AND ($6::uuid[] IS NULL OR z.id = ANY($6))
    ORDER BY s.code LIMIT $5
"""


@dataclass(frozen=True)
class Post:
    """The spot where a device last took a vehicle; it is the `nth` silent one there, from 0."""

    code: str
    place: str
    latitude: float
    longitude: float
    nth: int


@dataclass(frozen=True)
class SilentDevice:
    """A device on shift that is not heard any more; without a post where it took no vehicle."""

    id: UUID
    name: str
    attendant: str
    heard_at: datetime
    post: Post | None


# Whose they are goes by the attendant's unit, as everywhere; where they stand by the zone's.
SILENT = """
    SELECT silent.id, silent.name, silent.attendant, silent.heard_at, s.code, s.place, s.latitude,
        s.longitude, row_number() OVER (PARTITION BY s.id ORDER BY silent.heard_at) - 1 AS nth,
        count(*) OVER () AS in_all
    FROM (
        SELECT DISTINCT ON (d.id) d.id, d.name, a.name AS attendant, r.reported_at AS heard_at,
            h.id AS shift_id, h.opened_at
        FROM shifts h JOIN devices d ON d.id = h.device_id
        JOIN device_reports r ON r.device_id = d.id JOIN attendants a ON a.id = h.attendant_id
        WHERE h.expires_at > $1 AND r.reported_at < $2
        AND NOT EXISTS (SELECT FROM shift_closings x WHERE x.shift_id = h.id)
        AND ($3::uuid[] IS NULL OR a.unit_id = ANY($3))
        ORDER BY d.id, h.opened_at DESC
    ) silent
    LEFT JOIN LATERAL (
        SELECT took.spot_id FROM (
            SELECT v.spot_id, v.started_at FROM shifts own
            JOIN payments p ON p.shift_id = own.id
            JOIN parking_sessions v ON v.id = p.parking_session_id
            WHERE own.device_id = silent.id AND own.opened_at > $6
            UNION ALL
            SELECT v.spot_id, v.started_at FROM parking_sessions v
            WHERE v.shift_id = silent.shift_id AND v.started_at >= silent.opened_at
        ) took ORDER BY took.started_at DESC LIMIT 1
    ) at ON true
    LEFT JOIN spots s ON s.id = at.spot_id AND ($4::uuid[] IS NULL OR s.zone_id = ANY($4))
    LEFT JOIN zones z ON z.id = s.zone_id
    WHERE $5 = '' OR z.code = $5
    ORDER BY silent.heard_at, silent.id LIMIT $7
"""
LOOKED_BACK = timedelta(days=7)
"""A device that took nothing on its shift yet stands where it did on one of before."""


@router.get("")
async def map_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    zone: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    now = datetime.now(UTC)
    places = await _places(db, zone, now, own)
    silent, silent_in_all = await _silent(db, zone, now, own)
    posts = [device.post for device in silent if device.post]
    zones = await own.zone_names(db)
    seen = {code for code, _ in zones}
    outlines = [outline for code, outline in await geojson.outlines(db, zone) if code in seen]
    return pages.render(
        request,
        TEMPLATES,
        "map.html",
        books=wired.books,
        now=now,
        found=places,
        map=drawn(
            [*places, *posts], [ring for outline in outlines for ring in geojson.rings(outline)]
        ),
        outlines=outlines,
        zone=zone,
        zones=zones,
        most=MOST,
        posts=posts,
        silent_devices=silent,
        silent=silent_in_all,
        leaflet=LEAFLET.exists(),
        tiles=wired.settings.map_tiles is not None,
    )


async def _places(db: AsyncSession, zone: str, now: datetime, own: Scope) -> list[Place]:
    since = (now, now - WITHOUT_TIME, now - PARKED)
    rows = await fetch(db, PLACES, *since, zone, MOST, own.zones)
    standing = await closures.standing(db, now)
    return [Place(**row, closed=closed(standing, row["code"], now) is not None) for row in rows]


async def _silent(
    db: AsyncSession, zone: str, now: datetime, own: Scope
) -> tuple[list[SilentDevice], int]:
    """The longest silent first, and how many there are with those that are left out."""
    since = (now, now - fleet.SILENT)
    rows = await fetch(db, SILENT, *since, own.units, own.zones, zone, now - LOOKED_BACK, MOST)
    devices = [
        SilentDevice(id_, name, attendant, heard_at, Post(*post) if post[0] else None)
        for id_, name, attendant, heard_at, *post, _ in rows
    ]
    return devices, rows[0]["in_all"] if rows else 0


@router.get("/tiles/{zoom}/{column}/{row}")
async def tile(
    zoom: int, column: int, row: int, officer: OfficerDep, own: Within, wired: WiringDep
) -> Response:
    """A tile of the regency's MBTiles file, which counts its rows from the south."""
    file = wired.settings.map_tiles
    if file is None or not 0 <= zoom <= 24 or not 0 <= row < 2**zoom or not 0 <= column < 2**zoom:
        raise TileNotFound
    found = await asyncio.to_thread(_read_tile, file, zoom, column, 2**zoom - 1 - row)
    if found is None:
        raise TileNotFound
    content, kind = found
    return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=86400"})


def _read_tile(file: Path, zoom: int, column: int, row: int) -> tuple[bytes, str] | None:
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as tiles:
        found = tiles.execute(
            "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
            (zoom, column, row),
        ).fetchone()
        told = tiles.execute("SELECT value FROM metadata WHERE name = 'format'").fetchone()
    return None if found is None else (found[0], KINDS.get(told[0] if told else "", "image/png"))
