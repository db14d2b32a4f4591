"""The office's pages of what handhelds recorded and the server refused."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request, Response

from server import pages
from server.casework.models import CaseKind
from server.database import Transaction
from server.identity import devices
from server.identity.service import Right, rights_of
from server.office import boards, case_list, queries
from server.office.signed_in import OfficerDep, Within
from server.payments.wiring import WiringDep
from server.sync import held_cash, quarantine
from server.sync.held_cash import HeldCashEnd

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/quarantine/{case_id}")
async def case_page(
    case_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    await case_list.must_see(db, own, CaseKind.QUARANTINE, case_id)
    case = await quarantine.find(db, case_id)
    held = await held_cash.of_case(db, case_id)
    waits, may_book = bool(held_cash.bookable(held)), Right.PROPOSE_CASE in rights_of(officer)
    ends = list(HeldCashEnd) if waits and may_book else ()
    board = await boards.plain_board(db, officer, CaseKind.QUARANTINE, case_id, outcomes=ends)
    return pages.render(
        request,
        TEMPLATES,
        "quarantine.html",
        books=wired.books,
        case=case,
        shown=await devices.find(db, case.device_id),
        events=await quarantine.events_of(db, case_id),
        held=held,
        unbooked_rp=sum(one.told_rp for one in held if not one.is_booked),
        closed_by=await queries.officer_name(db, case.closed_by),
        board=replace(board, may_propose=board.may_propose and (may_book or not waits)),
    )
