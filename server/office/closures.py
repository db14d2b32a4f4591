"""Which streets are closed, were and will be; an officer closes one at once, and opens it again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, NaiveDatetime

from domain.closure import ClosureReason
from server import pages
from server.casework.models import CaseKind
from server.database import Transaction
from server.identity.models import Officer
from server.identity.service import Right, rights_of
from server.office import case_list
from server.office.signed_in import OfficerDep, Within, confirmed
from server.pages import Blank
from server.payments.wiring import WiringDep
from server.spots import closures
from server.spots.closures import When
from server.sync import closed_streets

router = APIRouter(prefix="/closures")
TEMPLATES = Path(__file__).parent / "templates"
PAGE = 50

LocalTime = Annotated[NaiveDatetime, Field(ge=datetime(2000, 1, 1), le=datetime(2999, 12, 31))]  # noqa: DTZ001 - the regency's zone comes to it below
"""As a browser sends it: the clock of the regency, without a zone."""
LocalOrNone = Annotated[LocalTime | None, Blank]


@router.get("")
async def closures_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    when: When = When.NOW,
    zone: Annotated[str, Query(max_length=10)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    now = datetime.now(UTC)
    rows = await closures.listed(db, zone, when, PAGE * (page - 1), PAGE + 1, own, now=now)
    shown = rows[:PAGE]
    return pages.render(
        request,
        TEMPLATES,
        "closures.html",
        books=wired.books,
        found=shown,
        collected=await closed_streets.of_closures(db, [one.id for one in shown]),
        zone=zone,
        zones=await own.zone_names(db),
        chosen=when,
        page=page,
        more=len(rows) > PAGE,
        reasons=list(ClosureReason),
        sees_money=CaseKind.SUSPENSE in case_list.kinds_of(officer, own),
        may_close=Right.CLOSE_STREET in rights_of(officer),
    )


@router.post("")
async def close(
    officer: Annotated[Officer, confirmed(Right.CLOSE_STREET)],
    db: Transaction,
    wired: WiringDep,
    _: Within,
    zone: Annotated[str, Form(max_length=10)],
    reason: Annotated[ClosureReason, Form()],
    spot: Annotated[str, Form(max_length=40)] = "",
    starts: Annotated[LocalOrNone, Form()] = None,
    ends: Annotated[LocalOrNone, Form()] = None,
    note: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """A spot where one is named, else the zone; at once where no time is told.

    That it is of the officer's own unit is asked where it is done, so of the command, too.
    """
    now, clock = datetime.now(UTC), wired.books.timezone
    begins = _of(starts, clock)
    await closures.close(
        db,
        officer.id,
        spot.strip() or zone,
        reason,
        starts=begins,
        ends=_of(ends, clock),
        note=note,
        now=now,
    )
    when = When.COMING if begins is not None and begins > now else When.NOW
    return RedirectResponse(f"/office/closures?when={when.value}", 303)


@router.post("/{closure_id}/end")
async def end(
    closure_id: UUID,
    officer: Annotated[Officer, confirmed(Right.CLOSE_STREET)],
    db: Transaction,
    _: Within,
    why: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    await closures.end(db, officer.id, closure_id, why, now=datetime.now(UTC))
    return RedirectResponse("/office/closures?when=past", 303)


def _of(told: datetime | None, clock: ZoneInfo) -> datetime | None:
    return told and told.replace(tzinfo=clock)
