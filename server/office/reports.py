"""The office's reports: which there are, each on screen, and each as a file."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import language_of
from server.identity.service import Right
from server.office.signed_in import OfficerDep, Within
from server.pages import DayOrNone
from server.payments.wiring import WiringDep
from server.reports import catalogue, downloads, schedules, table
from server.reports.downloads import Form, Reader
from server.reports.schedules import Every
from server.reports.table import Asked, Comparison, Filter, Kind, Period, Report

router = APIRouter(prefix="/reports")
TEMPLATES = Path(__file__).parent / "templates"
ROWS = 100
"""On one page of a screen."""
DOWNLOADS, SCHEDULED = 50, 5

Text = Annotated[Annotated[str, Field(max_length=80)] | None, pages.Blank]


def filters(
    zone: Annotated[Text, Query()] = None,
    spot: Annotated[Text, Query()] = None,
    vehicle: Annotated[Text, Query(alias="class")] = None,
    attendant: Annotated[Text, Query()] = None,
    acquirer: Annotated[Text, Query()] = None,
) -> dict[Filter, str]:
    given = zip(Filter, (zone, spot, vehicle, attendant, acquirer), strict=True)
    return {name: value.strip() for name, value in given if value is not None}


async def asked(
    wired: WiringDep,
    own: Within,
    given: Annotated[Mapping[Filter, str], Depends(filters)],
    first: Annotated[DayOrNone, Query(alias="from")] = None,
    last: Annotated[DayOrNone, Query(alias="to")] = None,
    compare: Annotated[Annotated[Comparison | None, pages.Blank], Query()] = None,
) -> Asked:
    """Without any days, those of this month so far; raises PeriodUnfit."""
    today = wired.books.business_day(datetime.now(UTC))
    until = last or today
    period = Period(first or until.replace(day=1), until)
    return Asked(period, wired.books, today, given, compare, own.zone_codes)


AskedDep = Annotated[Asked, Depends(asked)]


def narrowed(report: Report, wanted: Asked, rights: frozenset[Right]) -> Asked:
    """What the report offers this reader of what was asked for."""
    offered = report.offered(rights)
    known = {name: value for name, value in wanted.filters.items() if name in offered}
    comparison = wanted.comparison if report.comparable else None
    return replace(wanted, filters=known, comparison=comparison)


@router.get("")
async def reports_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep, own: Within
) -> Response:
    """Who sees the audit log also sees what was taken out last, and by whom."""
    rights: frozenset[Right] = request.state.rights
    found: dict[str, list[Report]] = {}
    language = language_of(request)
    for report in catalogue.REPORTS.values():
        if report.needs in rights and (own.is_whole or report.keeps_to_zones):
            found.setdefault(report.group.in_(language), []).append(report)
    sees_audit = Right.SEE_AUDIT in rights
    return pages.render(
        request,
        TEMPLATES,
        "reports.html",
        books=wired.books,
        catalogue=found,
        downloads=await downloads.newest(db, DOWNLOADS) if sees_audit else None,
        scheduled=await schedules.files(db, officer.id, SCHEDULED),
        title_of=title_of,
    )


@router.get("/{name}.{form}")
async def report_file(
    request: Request,
    name: str,
    form: Form,
    officer: OfficerDep,
    transactions: TransactionsDep,
    own: Within,
    wanted: AskedDep,
) -> Response:
    rights: frozenset[Right] = request.state.rights
    report = catalogue.find(name, rights, is_whole=own.is_whole)
    file = await downloads.make(
        transactions,
        report,
        narrowed(report, wanted, rights),
        form,
        Reader(officer.login, rights, language_of(request)),
        request.app.state.report_signer,
        now=datetime.now(UTC),
    )
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(file.content, headers=headers, media_type=file.media_type)


@router.get("/{name}")
async def report_page(
    request: Request,
    name: str,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    wanted: AskedDep,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    rights: frozenset[Right] = request.state.rights
    language = language_of(request)
    report = catalogue.find(name, rights, is_whole=own.is_whole)
    made = await table.build(db, report, narrowed(report, wanted, rights), rights)
    last_page = max(1, -(-len(made.rows) // ROWS))
    page = min(page, last_page)
    return pages.render(
        request,
        TEMPLATES,
        "report.html",
        books=wired.books,
        report=report,
        offered=report.offered(rights),
        asked=made.asked,
        table=made,
        rows=made.rows[(page - 1) * ROWS : page * ROWS],
        page=page,
        last_page=last_page,
        query_without_page=_query(made.asked),
        zones=await own.zone_names(db) if Filter.ZONE in report.filters else [],
        classes=[(kind.value, kind.label(language)) for kind in VehicleClass],
        comparisons=Comparison,
        forms=Form,
        kinds=Kind,
        shown=table.shown,
        say=language,
        every=Every,
        mails=request.app.state.mailer is not None,
    )


def title_of(name: str, language: str) -> str:
    """A report's title; its name where it is of a version that knew it."""
    report = catalogue.REPORTS.get(name)
    return name if report is None else report.title.in_(language)


def _query(wanted: Asked) -> dict[str, str]:
    """The address's query of what was asked for, without a page's number."""
    told = {"from": str(wanted.period.first), "to": str(wanted.period.last)}
    told |= {name.value: value for name, value in wanted.filters.items()}
    return told if wanted.comparison is None else told | {"compare": wanted.comparison.value}
