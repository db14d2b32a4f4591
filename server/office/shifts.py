"""The office's pages of shifts: open, lapsed and closed, what was counted, and why it differed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import BigInteger, Executable, Text, case, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import EventKind
from server import pages
from server.casework.models import CaseKind
from server.database import Transaction
from server.identity.models import (
    Attendant,
    Device,
    Officer,
    Shift,
    ShiftClosing,
    ShiftDifference,
)
from server.identity.service import Right, rights_of
from server.ledger import reports
from server.office import boards, queries
from server.office.lists import DaysDep
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, confirmed
from server.pages import Before
from server.paging import page
from server.payments.models import Charge
from server.payments.wiring import WiringDep
from server.sync import closing
from server.sync.models import DeviceEvent

router = APIRouter(prefix="/shifts")
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class ShownShift:
    """A shift with its people; without a closing it is open, or lapsed with nothing counted."""

    shift: Shift
    attendant: str
    attendant_name: str
    device: str
    closing: ShiftClosing | None
    difference: ShiftDifference | None

    def state(self, now: datetime) -> str:
        """A key of the template's words."""
        if self.closing is None:
            return "open" if self.shift.expires_at > now else "lapsed"
        if self.closing.forced_by is not None:
            return "ended"
        if self.difference is None:
            return "agrees"
        return "differs" if self.difference.explained_at is None else "explained"


SHIFTS = (
    select(Shift, Attendant.code, Attendant.name, Device.name, ShiftClosing, ShiftDifference)
    .join(Attendant, Attendant.id == Shift.attendant_id)
    .join(Device, Device.id == Shift.device_id)
    .outerjoin(ShiftClosing, ShiftClosing.shift_id == Shift.id)
    .outerjoin(ShiftDifference, ShiftDifference.shift_id == Shift.id)
)


async def _shown(db: AsyncSession, which: Executable) -> Sequence[ShownShift]:
    return [ShownShift(*row) for row in await db.execute(which)]


@router.get("")
async def shifts_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    days: DaysDep,
    attendant: Annotated[str, Query(max_length=40)] = "",
    before: Before = None,
) -> Response:
    """Differences that nobody explained first, then shifts that nobody closed, then the newest."""
    unexplained = (ShiftDifference.shift_id.is_not(None)) & ShiftDifference.explained_at.is_(None)
    urgent = case((unexplained, 2), (ShiftClosing.shift_id.is_(None), 1), else_=0)
    of_unit = SHIFTS.where(own.unit(Attendant.unit_id), days.has(Shift.opened_at, wired.books))
    if attendant:
        of_unit = of_unit.where(Attendant.code == attendant.strip().upper())
    order = (urgent, Shift.opened_at, Shift.id)
    return pages.render(
        request,
        TEMPLATES,
        "shifts.html",
        books=wired.books,
        shifts=await page(db, of_unit, order, before, ShownShift),
        days=days,
        attendant=attendant,
        now=datetime.now(UTC),
    )


@router.get("/{shift_id}")
async def shift_page(
    shift_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    found = await _shown(db, SHIFTS.where(Shift.id == shift_id, own.unit(Attendant.unit_id)))
    if not found:
        raise closing.ShiftNotFound
    (shown,) = found
    rights = rights_of(officer)
    return pages.render(
        request,
        TEMPLATES,
        "shift.html",
        books=wired.books,
        shown=shown,
        taken_rp=await closing.cash_taken_on(db, shift_id),
        unbooked_rp=await _unbooked(db, shown.shift),
        owed_rp=await reports.owed_by(db, shown.attendant),
        forced_by=shown.closing and await queries.officer_name(db, shown.closing.forced_by),
        explained_by=shown.difference
        and await queries.officer_name(db, shown.difference.explained_by),
        may_end=shown.closing is None and Right.CLOSE_SHIFT in rights,
        board=shown.difference and await boards.plain_board(db, officer, CaseKind.COUNT, shift_id),
        now=datetime.now(UTC),
    )


async def _unbooked(db: AsyncSession, shift: Shift) -> int:
    """Cash the device recorded on a shift whose charge the office refused, or never had."""
    charge_id = DeviceEvent.body["charge_id"].astext
    booked = select(Charge.id).where(cast(Charge.id, Text) == charge_id).exists()
    # Whatever a device wrote is in its journal; only a whole number of rupiah can be counted.
    quoted_rp = func.substring(DeviceEvent.body["quoted_rp"].astext, "^[0-9]{1,12}$")
    total = await db.scalar(
        select(func.coalesce(func.sum(cast(quoted_rp, BigInteger)), 0))
        .where(DeviceEvent.device_id == shift.device_id)
        .where(DeviceEvent.kind == EventKind.CASH_TAKEN.value)
        .where(DeviceEvent.body["shift_id"].astext == str(shift.id), ~booked)
    )
    return int(total or 0)


@router.post("/{shift_id}/end")
async def end(
    shift_id: UUID,
    officer: Annotated[Officer, confirmed(Right.CLOSE_SHIFT)],
    db: Transaction,
    own: Within,
    why: Reason,
) -> Response:
    await own.must_find(db, own.shift(literal(shift_id)), closing.ShiftNotFound)
    await closing.force(db, officer.id, shift_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"/office/shifts/{shift_id}", 303)
