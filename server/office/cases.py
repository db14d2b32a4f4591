"""The office's page of a case of suspense: what it holds and why, its proposals and decision."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from domain.payment import CaseOutcome, CaseState
from server import pages
from server.casework.models import CaseKind
from server.casework.service import CaseNotFound
from server.complaints import contacts, refund_wishes
from server.database import Transaction
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import boards, queries
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, confirmed
from server.payments import cases, proposals
from server.payments.models import Case, Money, Refund
from server.payments.voucher_models import VoucherRefusal
from server.payments.wiring import WiringDep
from server.reconciliation import ties
from server.reconciliation.models import StatementLine
from server.spots import service as spots
from server.spots.models import Zone
from server.sync import takings, wishes

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/cases/{case_id}")
async def case_page(
    case_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    case = await db.get(Case, case_id)
    if case is None:
        raise CaseNotFound
    about = await db.get(Refund, case.refund_id) if case.refund_id else None
    money = await db.get(Money, case.money_id) if case.money_id else None
    refused = case.voucher_refusal_id
    voucher = await db.get(VoucherRefusal, refused) if refused else None
    line = case.statement_line_id
    movement = await db.get(StatementLine, line) if line else None
    zone = await db.get(Zone, case.zone_id) if case.zone_id else None
    rights = MAY[Role(officer.role)]
    may_propose = case.state == CaseState.OPEN and Right.PROPOSE_CASE in rights
    own_wish = await refund_wishes.of_charge(db, case.charge_id) if case.charge_id else None
    key = wired.settings.contact_key
    return pages.render(
        request,
        TEMPLATES,
        "case.html",
        books=wired.books,
        case=case,
        held_rp=await cases.held_rp(db, case),
        refund=about,
        money=money,
        movement=movement,
        voucher=voucher,
        zone=zone,
        takings=await takings.of_charge(db, case.charge_id) if case.charge_id else [],
        wish=await wishes.of_charge(db, case.charge_id) if case.charge_id else None,
        own_wish=own_wish,
        contact=contacts.open_(own_wish.contact, key)
        if own_wish and Right.PROPOSE_CASE in rights
        else None,
        zones=await spots.zone_names(db),
        steps=await queries.steps_of_case(db, case_id),
        proposed_by=await queries.officer_name(db, case.proposed_by),
        outcomes=proposals.fitting(case),
        candidates=await ties.candidates(db, case, wired.books) if may_propose else [],
        strays=await ties.strays(db, case) if may_propose else [],
        sent_back_by=await proposals.sent_back_by(db, case),
        may_propose=may_propose,
        may_decide=case.state == CaseState.PROPOSED
        and Right.DECIDE_CASE in rights
        and case.proposed_by != officer.id,
        board=await boards.board(
            db,
            officer,
            CaseKind.SUSPENSE,
            case_id,
            CaseState(case.state),
            reopenable=case.outcome in proposals.REOPENABLE,
        ),
        now=datetime.now(UTC),
    )


@router.post("/cases/{case_id}/proposal")
async def propose(
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.PROPOSE_CASE)],
    db: Transaction,
    wired: WiringDep,
    outcome: Annotated[CaseOutcome, Form()],
    reason: Reason,
    zone: Annotated[str, Form(max_length=8)] = "",
    pays: Annotated[str, Form(max_length=200)] = "",
    stray: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    chosen = stray if outcome is CaseOutcome.SENT_BACK else pays
    told = ties.Proposal(outcome, reason, zone or None, chosen or None)
    await ties.propose(db, officer.id, case_id, told, wired.books, now=datetime.now(UTC))
    return RedirectResponse(f"/office/cases/{case_id}", 303)


@router.post("/cases/{case_id}/decision")
async def decide(
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_CASE)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(accept|decline)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    await ties.decide(
        db,
        officer.id,
        case_id,
        wired.books,
        accept=decision == "accept",
        why=why,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/cases/{case_id}", 303)
