"""Reports that are made by themselves: planned on a report's page, fetched from a list."""

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi import Form as FormField
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.errors import language_of
from server.identity.service import Right
from server.office.reports import AskedDep, narrowed, title_of
from server.office.signed_in import OfficerDep
from server.payments.wiring import WiringDep
from server.reports import catalogue, schedules
from server.reports.downloads import Form, ReportTooLong
from server.reports.schedules import Every, Wish
from server.reports.table import FILTERS

router = APIRouter(prefix="/reports")
TEMPLATES = Path(__file__).parent / "templates"
FILES, SCHEDULES = 50, 200


@router.get("/scheduled")
async def scheduled_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    everybody: Annotated[bool, Query(alias="all")] = False,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """An officer's own; who sees the audit log may see all that there are, without their files."""
    sees_all = Right.SEE_AUDIT in request.state.rights
    of = None if everybody and sees_all else officer.id
    found = await schedules.files(db, of, FILES + 1, (page - 1) * FILES)
    return pages.render(
        request,
        TEMPLATES,
        "scheduled.html",
        books=wired.books,
        officer=officer,
        schedules=await schedules.schedules(db, of, SCHEDULES),
        files=found[:FILES],
        page=page,
        has_more=len(found) > FILES,
        sees_all=sees_all,
        everybody=of is None,
        title_of=title_of,
        filters=FILTERS,
        too_long=ReportTooLong().body(language_of(request))["title"],
    )


@router.get("/scheduled/{file_id}")
async def scheduled_file(file_id: UUID, officer: OfficerDep, db: Transaction) -> Response:
    file = await schedules.fetch(db, officer, file_id, now=datetime.now(UTC))
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(file.content, headers=headers, media_type=file.media_type)


@router.post("/{name}/schedules")
async def plan(
    request: Request,
    name: str,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    wanted: AskedDep,
    every: Annotated[Every, FormField()],
    at: Annotated[time, FormField()],
    form: Annotated[Form, FormField()],
    mail_to: Annotated[str, FormField(max_length=200)] = "",
) -> Response:
    """With the filters of the report's page, which stand in the address."""
    rights: frozenset[Right] = request.state.rights
    report = catalogue.find(name, rights)
    asked = narrowed(report, wanted, rights)
    wish = Wish(
        report=report,
        filters=asked.filters,
        comparison=asked.comparison,
        every=every,
        at=at.replace(tzinfo=None),
        form=form,
        language=language_of(request),
        mail_to=mail_to.strip(),
    )
    mails = request.app.state.mailer is not None
    await schedules.plan(db, officer, wish, wired.books, mails=mails, now=datetime.now(UTC))
    return RedirectResponse("/office/reports/scheduled", 303)


@router.post("/schedules/{schedule_id}/end")
async def end(schedule_id: UUID, officer: OfficerDep, db: Transaction) -> Response:
    await schedules.end(db, officer.id, schedule_id, now=datetime.now(UTC))
    return RedirectResponse("/office/reports/scheduled", 303)
