"""The office's pages of what handhelds recorded and the server refused."""

from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request, Response

from server import pages
from server.casework.models import CaseKind
from server.database import Transaction
from server.identity import devices
from server.office import boards, case_list, queries
from server.office.signed_in import OfficerDep, Within
from server.payments.wiring import WiringDep
from server.sync import quarantine

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
    return pages.render(
        request,
        TEMPLATES,
        "quarantine.html",
        books=wired.books,
        case=case,
        shown=await devices.find(db, case.device_id),
        events=await quarantine.events_of(db, case_id),
        closed_by=await queries.officer_name(db, case.closed_by),
        board=await boards.plain_board(db, officer, CaseKind.QUARANTINE, case_id),
    )
