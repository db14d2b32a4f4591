"""The spots of every zone with what hangs there."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from server import pages
from server.database import Transaction, fetch
from server.office.signed_in import OfficerDep, Within
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
PAGE = 100

SPOTS = """
    SELECT s.code, s.place, z.name AS zone, s.exclusive, n.state AS sign, n.version,
        (SELECT max(day) FROM sign_scans c WHERE c.spot_id = s.id) AS scanned_on
    FROM spots s JOIN zones z ON z.id = s.zone_id
    LEFT JOIN signs n ON n.spot_id = s.id AND n.state NOT IN ('replaced', 'withdrawn')
    WHERE ($1::text IS NULL OR z.code = $1) AND ($2::text IS NULL OR s.code > $2)
        AND ($4::uuid[] IS NULL OR z.id = ANY($4))
    ORDER BY s.code LIMIT $3
"""
After = Annotated[str | None, Query(max_length=40)]


@router.get("/spots")
async def spots_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    zone: Annotated[str, Query(max_length=10)] = "",
    after: After = None,
) -> Response:
    rows = await fetch(db, SPOTS, zone or None, after, PAGE + 1, own.zones)
    return pages.render(
        request,
        TEMPLATES,
        "spots.html",
        books=wired.books,
        spots=rows[:PAGE],
        zone=zone,
        zones=await own.zone_names(db),
        after=rows[PAGE - 1]["code"] if len(rows) > PAGE else None,
    )
