"""All that came, one payment a line: filters and place stand in the page's address."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from domain.receipt import ReceiptNumberError, parse_receipt_number, receipt_number
from server import pages
from server.database import Transaction, fetch
from server.errors import InvalidRequest
from server.office.signed_in import OfficerDep, Within
from server.pages import Blank, DayOrNone
from server.paging import PAGE, Page
from server.payments.wiring import WiringDep
from server.spots.units import Scope

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
MOST_DAYS = 92
FLAGS = ("exact", "late", "over", "under", "duplicate", "returned")
METHODS = ("qris", "cash", "voucher", "pass")

Text = Annotated[Annotated[str, Field(max_length=60)] | None, Blank]
Rp = Annotated[Annotated[int, Field(ge=0, le=10**12)] | None, Blank]


class Filters(BaseModel):
    """What a line must be; a receipt or an RRN is found on whatever day it was."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    first: Annotated[DayOrNone, Field(alias="from")] = None
    last: Annotated[DayOrNone, Field(alias="to")] = None
    zone: Text = None
    spot: Text = None
    flag: Text = None
    method: Text = None
    attendant: Text = None
    least_rp: Rp = None
    most_rp: Rp = None
    receipt: Text = None
    rrn: Text = None
    before: Text = None
    """The line after which the page goes on: its day and its id."""


@dataclass(frozen=True)
class Line:
    id: UUID
    business_day: date
    paid_at: datetime
    charge_id: UUID
    spot: str | None
    vehicle_class: str | None
    attendant: str | None
    method: str
    rrn: str | None
    flag: str
    receipt: str | None
    amount_rp: int


LINES = """
    SELECT m.id, m.business_day, m.paid_at, m.charge_id, s.code AS spot, v.vehicle_class,
        a.code AS attendant, CASE WHEN p.pass_order_id IS NOT NULL THEN 'pass'
            WHEN m.acquirer IN ('cash', 'voucher') THEN m.acquirer ELSE 'qris' END AS method,
        m.rrn, m.flag, t.number AS receipt, m.amount_rp
    FROM money m JOIN charges c ON c.id = m.charge_id JOIN payments p ON p.id = c.payment_id
    LEFT JOIN parking_sessions v ON v.id = p.parking_session_id
    LEFT JOIN spots s ON s.id = v.spot_id LEFT JOIN zones z ON z.id = s.zone_id
    LEFT JOIN shifts h ON h.id = coalesce(m.shift_id, p.shift_id)
    LEFT JOIN attendants a ON a.id = h.attendant_id
    LEFT JOIN receipts t ON t.money_id = m.id
    WHERE """
OF_METHOD = {
    "pass": "p.pass_order_id IS NOT NULL",
    "cash": "m.acquirer = 'cash'",
    "voucher": "m.acquirer = 'voucher'",
    "qris": "m.acquirer NOT IN ('cash', 'voucher') AND p.pass_order_id IS NULL",
}


@router.get("/transactions")
async def transactions_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    told: Annotated[Filters, Query()],
) -> Response:
    last = told.last or wired.books.business_day(datetime.now(UTC))
    first = told.first or last
    return pages.render(
        request,
        TEMPLATES,
        "transactions.html",
        books=wired.books,
        told=told,
        first=first,
        last=last,
        lines=await _lines(db, told, first, last, own),
        zones=await own.zone_names(db),
        flags=FLAGS,
        all_methods=METHODS,
    )


async def _lines(
    db: AsyncSession, told: Filters, first: date, last: date, own: Scope
) -> Page[Line]:
    """The newest first."""
    values: list[object] = []
    of: list[str] = []
    if not own.is_whole:
        values.append(own.zones)
        of.append("z.id = ANY($1::uuid[])")
    for condition, told_values in _conditions(told, first, last):
        for value in told_values:
            values.append(value)
            condition = condition.replace("?", f"${len(values)}", 1)
        of.append(condition)
    order = f" ORDER BY m.business_day DESC, m.id DESC LIMIT {PAGE + 1}"
    lines = [Line(**row) for row in await fetch(db, LINES + " AND ".join(of) + order, *values)]
    more, shown = len(lines) > PAGE, lines[:PAGE]
    after = f"{shown[-1].business_day}_{shown[-1].id}" if more else None
    return Page(shown, after, not told.before)


def _conditions(told: Filters, first: date, last: date) -> Iterator[tuple[str, tuple[object, ...]]]:
    """What a line must fulfil, `?` for each value."""
    if not told.receipt and not told.rrn:
        if not timedelta(0) <= last - first <= timedelta(days=MOST_DAYS):
            raise InvalidRequest(f"from, to: at most {MOST_DAYS} days, the first one first")
        yield "m.business_day BETWEEN ? AND ?", (first, last)
    asked: tuple[tuple[str, object], ...] = (
        ("t.number = ?", told.receipt and _number(told.receipt)),
        ("m.rrn = ?", told.rrn and told.rrn.strip()),
        ("z.code = ?", told.zone and told.zone.strip().upper()),
        ("s.code = ?", told.spot and told.spot.strip().upper()),
        ("a.code = ?", told.attendant and told.attendant.strip().upper()),
        ("m.flag = ?", told.flag),
        ("m.amount_rp >= ?", told.least_rp),
        ("m.amount_rp <= ?", told.most_rp),
    )
    for condition, value in asked:
        if value is not None:
            yield condition, (value,)
    if told.flag and told.flag != "exact":
        yield "m.flag <> 'exact'", ()  # said again, as the index of what is held says it
    if told.method:
        yield OF_METHOD.get(told.method, "false"), ()
    if told.before:
        yield "(m.business_day, m.id) < (?, ?)", _place(told.before)


def _number(text: str) -> str:
    try:
        return receipt_number(*parse_receipt_number(text))
    except ReceiptNumberError:
        return ""  # no receipt has it, so nothing is found


def _place(text: str) -> tuple[date, UUID]:
    day, _, line = text.partition("_")
    try:
        return date.fromisoformat(day), UUID(line)
    except ValueError as exc:
        raise InvalidRequest("before: not a line of this list") from exc
