"""The spots of every zone with what hangs there, and the attendants with what they do now."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from server import pages
from server.database import Transaction, fetch
from server.office.signed_in import OfficerDep
from server.payments.wiring import WiringDep
from server.spots import service as spots

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
PAGE = 100

SPOTS = """
    SELECT s.code, s.place, z.name AS zone, s.exclusive, n.state AS sign, n.version,
        (SELECT max(day) FROM sign_scans c WHERE c.spot_id = s.id) AS scanned_on
    FROM spots s JOIN zones z ON z.id = s.zone_id
    LEFT JOIN signs n ON n.spot_id = s.id AND n.state NOT IN ('replaced', 'withdrawn')
    WHERE ($1::text IS NULL OR z.code = $1) AND ($2::text IS NULL OR s.code > $2)
    ORDER BY s.code LIMIT $3
"""
ATTENDANTS = """
    SELECT a.code, a.name, x.opened_at, (x.id IS NOT NULL) AS on_shift
    FROM attendants a LEFT JOIN LATERAL (
        SELECT h.id, h.opened_at FROM shifts h WHERE h.attendant_id = a.id AND h.expires_at > $1
        AND NOT EXISTS (SELECT FROM shift_closings c WHERE c.shift_id = h.id)
        ORDER BY h.opened_at DESC LIMIT 1
    ) x ON true
    WHERE $2::text IS NULL OR a.code > $2 ORDER BY a.code LIMIT $3
"""
After = Annotated[str | None, Query(max_length=40)]


@router.get("/spots")
async def spots_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    zone: Annotated[str, Query(max_length=10)] = "",
    after: After = None,
) -> Response:
    rows = await fetch(db, SPOTS, zone or None, after, PAGE + 1)
    return pages.render(
        request,
        TEMPLATES,
        "spots.html",
        books=wired.books,
        spots=rows[:PAGE],
        zone=zone,
        zones=await spots.zone_names(db),
        after=rows[PAGE - 1]["code"] if len(rows) > PAGE else None,
    )


@router.get("/attendants")
async def attendants_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep, after: After = None
) -> Response:
    rows = await fetch(db, ATTENDANTS, datetime.now(UTC), after, PAGE + 1)
    return pages.render(
        request,
        TEMPLATES,
        "attendants.html",
        books=wired.books,
        attendants=rows[:PAGE],
        after=rows[PAGE - 1]["code"] if len(rows) > PAGE else None,
    )
