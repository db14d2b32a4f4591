"""The office's pages of closing: the calendar of a month, and the closes of one day."""

import calendar
import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi import Path as PathPart
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import language_of
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.moments import day_text
from server.office import queries
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, confirmed
from server.pages import Day
from server.payments.books import Books
from server.payments.wiring import WiringDep
from server.reconciliation import closing
from server.reconciliation.closing import DayCloseNotFound
from server.reconciliation.models import DayClose
from server.reports import day_close
from server.reports.downloads import Reader
from server.reports.table import Said, shown
from server.workdays import Workdays

router = APIRouter(prefix="/days")
TEMPLATES = Path(__file__).parent / "templates"
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
LATE_SHOWN = 20
PREPARED = Said("Disiapkan", "Prepared")
STEPS = {
    "locked": Said("Dikunci", "Locked"),
    "declined": Said("Ditolak", "Declined"),
    "reopening": Said("Diminta dibuka lagi", "Asked to be reopened"),
    "reopened": Said("Dibuka lagi", "Reopened"),
}
"""What came to be of a close, as its paper tells."""


@router.get("")
async def days_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    month: Annotated[str, Query(max_length=7)] = "",
) -> Response:
    """A month of days and where each stands; this month unless the address names another."""
    today = wired.books.business_day(datetime.now(UTC))
    shown = month if MONTH.fullmatch(month) else f"{today:%Y-%m}"
    first = date.fromisoformat(f"{shown}-01")
    last = first.replace(day=calendar.monthrange(first.year, first.month)[1])
    workdays: Workdays = request.app.state.workdays
    days = [first + timedelta(days=n) for n in range(last.day)]
    due = {day: workdays.after(day, wired.settings.closing_working_days) for day in days}
    return pages.render(
        request,
        TEMPLATES,
        "days.html",
        books=wired.books,
        month=shown,
        before=f"{first - timedelta(days=1):%Y-%m}",
        after=f"{last + timedelta(days=1):%Y-%m}",
        days=await closing.calendar(db, first, last, today, due),
        holidays={day for day in days if not workdays.is_open(day)},
    )


@router.get("/{day}")
async def close_page(
    day: Day, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    """Every close of a day, the last one with what can be done about it."""
    closes = await closing.closes_of(db, day)
    rights = MAY[Role(officer.role)]
    newest = closes[0] if closes else None
    workdays: Workdays = request.app.state.workdays
    late, entries = (
        (0, []) if newest is None else await closing.late_entries(db, newest, LATE_SHOWN)
    )
    return pages.render(
        request,
        TEMPLATES,
        "close.html",
        books=wired.books,
        day=day,
        closes=closes,
        unchanged={close.id: closing.digest(close.snapshot) == close.sha256 for close in closes},
        steps={close.id: await queries.steps_of_close(db, close.id) for close in closes},
        prepared_by={
            close.id: await queries.officer_name(db, close.prepared_by) for close in closes
        },
        newest=newest,
        late=late,
        late_entries=[(entry, wired.books.business_day(entry.recorded_at)) for entry in entries],
        came_late=await closing.posted_for_closed(db, day, wired.books, LATE_SHOWN),
        lists={close.id: day_close.sections(close.snapshot) for close in closes},
        exceptions=day_close.EXCEPTIONS,
        shown=shown,
        say=language_of(request),
        due_on=workdays.after(day, wired.settings.closing_working_days),
        is_over=day < wired.books.business_day(datetime.now(UTC)),
        reconciled_at=await closing.last_reconciled(db, day),
        may_prepare=Right.CLOSE_DAY in rights,
        may_lock=Right.LOCK_DAY in rights,
    )


@router.get("/{day}/{number}.pdf")
async def close_paper(
    day: Day,
    number: Annotated[int, PathPart(ge=1, le=10_000)],
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """A close as a paper to keep on file, signed where the office has a key."""
    async with transactions.begin() as db:
        close = await _numbered(db, day, number)
        prepared_by = await queries.officer_name(db, close.prepared_by)
        steps = await queries.steps_of_close(db, close.id)
    language = language_of(request)
    when = partial(_moment, books=wired.books, language=language)
    acts = [(PREPARED, f"{prepared_by}, {when(close.prepared_at)}")]
    acts += [(STEPS[s.state], f"{s.who}, {when(s.at)}. {s.why}".strip()) for s in steps]
    reader = Reader(officer.login, request.state.rights, language)
    signer = request.app.state.report_signer
    now = datetime.now(UTC)
    file = await day_close.make(transactions, close, acts, wired.books, reader, signer, now=now)
    headers = {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(file.content, headers=headers, media_type=file.media_type)


def _moment(at: datetime, books: Books, language: str) -> str:
    local = at.astimezone(books.timezone)
    return f"{day_text(local, language)} {local:%H.%M}"


@router.post("/{day}/decision")
async def decide(
    day: Day,
    officer: Annotated[Officer, confirmed(Right.LOCK_DAY)],
    db: Transaction,
    number: Annotated[int, Form(ge=0, le=10_000)],
    decision: Annotated[str, Form(pattern="^(lock|decline)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    close = await _numbered(db, day, number)
    now = datetime.now(UTC)
    if decision == "lock":
        await closing.lock(db, officer.id, close.id, now=now)
    else:
        await closing.decline(db, officer.id, close.id, why or "-", now=now)
    return RedirectResponse(f"/office/days/{day}", 303)


@router.post("/{day}/reopening")
async def ask_reopening(
    day: Day,
    officer: Annotated[Officer, confirmed(Right.CLOSE_DAY)],
    db: Transaction,
    number: Annotated[int, Form(ge=0, le=10_000)],
    reason: Reason,
) -> Response:
    close = await _numbered(db, day, number)
    await closing.ask_reopening(db, officer.id, close.id, reason, now=datetime.now(UTC))
    return RedirectResponse(f"/office/days/{day}", 303)


@router.post("/{day}/reopening/decision")
async def decide_reopening(
    day: Day,
    officer: Annotated[Officer, confirmed(Right.LOCK_DAY)],
    db: Transaction,
    number: Annotated[int, Form(ge=0, le=10_000)],
    decision: Annotated[str, Form(pattern="^(agree|refuse)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    close = await _numbered(db, day, number)
    agree = decision == "agree"
    await closing.decide_reopening(
        db, officer.id, close.id, why or "-", agree=agree, now=datetime.now(UTC)
    )
    return RedirectResponse(f"/office/days/{day}", 303)


async def _numbered(db: Transaction, day: date, number: int) -> DayClose:
    """Raises DayCloseNotFound."""
    for close in await closing.closes_of(db, day):
        if close.number == number:
            return close
    raise DayCloseNotFound
