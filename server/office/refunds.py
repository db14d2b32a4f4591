"""The office's pages of one charge and of refunds: ask, decide, prove a transfer; cancel."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from domain.payment import (
    REFUND_UNDECIDED,
    CaseState,
    ChargeState,
    RefundMethod,
    RefundReason,
    RefundState,
)
from server import pages
from server.casework.models import CaseKind
from server.complaints import refund_wishes
from server.database import Transaction, TransactionsDep, new_id
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right, rights_of
from server.office import boards, queries
from server.office.lists import DaysDep
from server.office.signed_in import OfficerDep, Within, confirmed
from server.pages import Before, Blank
from server.payments import cancelling, refunds
from server.payments.models import Charge, Refund, RefundProof
from server.payments.queries import charge_view
from server.payments.refunds import RefundLimits, RefundRequest
from server.payments.returning import RefundNotFound
from server.payments.service import ChargeNotFound
from server.payments.wiring import WiringDep
from server.reconciliation import service as reconciliation
from server.reconciliation import transfers
from server.sync import wishes

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"

Reason = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/refunds")
async def refunds_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    days: DaysDep,
    of: str = "",
    state: Annotated[RefundState | None, Blank] = None,
    before: Before = None,
) -> Response:
    """All refunds; `of` is a receipt's number, or a charge's id, to look for."""
    charge_id = await queries.find_charge(db, of[:100]) if of else None
    if charge_id is not None:
        return RedirectResponse(f"/office/charges/{charge_id}", 303)
    which = days.has(Refund.requested_at, wired.books)
    if state is not None:
        which &= Refund.state == state
    return pages.render(
        request,
        TEMPLATES,
        "refunds.html",
        books=wired.books,
        refunds=await queries.latest_refunds(db, which, before),
        days=days,
        state=state,
        all_states=list(RefundState),
        not_found=of,
    )


@router.get("/charges/{charge_id}")
async def charge_page(
    charge_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    own.must_see(await queries.zone_of_charge(db, charge_id), ChargeNotFound)
    charge = await charge_view(db, charge_id)
    if charge is None:
        raise ChargeNotFound
    rights, row = rights_of(officer), await db.get_one(Charge, charge_id)
    return pages.render(
        request,
        TEMPLATES,
        "charge.html",
        books=wired.books,
        charge=charge,
        acquirer=row.acquirer,
        matches=await reconciliation.matches_of(db, row, wired.books),
        money=await queries.money_of(db, charge_id),
        refunds=await queries.refunds_of(db, charge_id),
        wish=await wishes.of_charge(db, charge_id),
        own_wish=await refund_wishes.of_charge(db, charge_id),
        may_ask=Right.REQUEST_REFUND in rights,
        may_cancel=Right.CANCEL_CHARGE in rights and charge.state == ChargeState.ISSUED,
        reasons=list(RefundReason),
        methods=list(RefundMethod),
        new_refund_id=new_id(),
    )


@router.post("/charges/{charge_id}/refunds")
async def request_refund(
    charge_id: UUID,
    officer: Annotated[Officer, confirmed(Right.REQUEST_REFUND)],
    db: Transaction,
    wired: WiringDep,
    refund_id: Annotated[UUID, Form(alias="id")],
    money_id: Annotated[UUID, Form()],
    amount_rp: Annotated[int, Form(gt=0, le=10_000_000_000)],
    reason: Annotated[RefundReason, Form()],
    explanation: Reason,
    method: Annotated[RefundMethod, Form()],
) -> Response:
    settings = wired.settings
    await refunds.request(
        db,
        officer.id,
        RefundRequest(refund_id, money_id, amount_rp, reason, explanation, method),
        wired.acquirers,
        RefundLimits(settings.refund_limit_rp, settings.refund_days),
        wired.books,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/refunds/{refund_id}", 303)


@router.post("/charges/{charge_id}/cancel")
async def cancel_charge(
    charge_id: UUID,
    officer: Annotated[Officer, confirmed(Right.CANCEL_CHARGE)],
    transactions: TransactionsDep,
    wired: WiringDep,
    reason: Reason,
) -> Response:
    await cancelling.cancel(
        transactions,
        wired.acquirers,
        wired.announcer,
        wired.books,
        charge_id,
        officer.id,
        reason,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/charges/{charge_id}", 303)


@router.get("/refunds/{refund_id}")
async def refund_page(
    refund_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    refund = await db.get(Refund, refund_id)
    if refund is None:
        raise RefundNotFound
    rights = MAY[Role(officer.role)]
    waits = refund.state == RefundState.REQUESTED and Right.DECIDE_REFUND in rights
    return pages.render(
        request,
        TEMPLATES,
        "refund.html",
        books=wired.books,
        refund=refund,
        cases=await queries.cases_of_refund(db, refund_id),
        transfer_cases=await transfers.of_refund(db, refund_id),
        steps=await queries.steps_of_refund(db, refund_id),
        asked_by=await queries.officer_name(db, refund.requested_by),
        decided_by=await queries.officer_name(db, refund.decided_by),
        may_decide=waits and refund.requested_by != officer.id,
        may_transfer=refund.state == RefundState.TRANSFER_DUE and Right.RECORD_TRANSFER in rights,
        may_withdraw=refund.state == RefundState.TRANSFER_DUE and Right.DECIDE_REFUND in rights,
        board=await boards.board(
            db,
            officer,
            CaseKind.REFUND,
            refund_id,
            CaseState.OPEN if refund.state in REFUND_UNDECIDED else CaseState.CLOSED,
            reopenable=False,
        ),
        today=wired.books.day(datetime.now(UTC)),
    )


@router.post("/refunds/{refund_id}/decision")
async def decide_refund(
    refund_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_REFUND)],
    transactions: TransactionsDep,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|reject)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    now = datetime.now(UTC)
    if decision == "approve":
        await refunds.approve(
            transactions,
            wired.acquirers,
            wired.announcer,
            wired.books,
            officer.id,
            refund_id,
            now=now,
        )
    else:
        async with transactions.begin() as db:
            await refunds.reject(db, officer.id, refund_id, why or "-", now=now)
    return RedirectResponse(f"/office/refunds/{refund_id}", 303)


@router.post("/refunds/{refund_id}/transfer")
async def record_transfer(
    refund_id: UUID,
    officer: Annotated[Officer, confirmed(Right.RECORD_TRANSFER)],
    db: Transaction,
    wired: WiringDep,
    reference: Annotated[str, Form(min_length=1, max_length=60)],
    on: Annotated[pages.Day, Form()],
    proof: Annotated[bytes, File(), Field(max_length=refunds.PROOF_BYTES + 1)],
) -> Response:
    await refunds.record_transfer(
        db,
        officer.id,
        refund_id,
        reference=reference,
        on=on,
        proof=proof,
        books=wired.books,
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/refunds/{refund_id}", 303)


@router.post("/refunds/{refund_id}/withdrawal")
async def withdraw_transfer(
    refund_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_REFUND)],
    db: Transaction,
    wired: WiringDep,
    reason: Reason,
) -> Response:
    now = datetime.now(UTC)
    await refunds.withdraw_transfer(db, officer.id, refund_id, reason, wired.books, now=now)
    return RedirectResponse(f"/office/refunds/{refund_id}", 303)


@router.get("/refunds/{refund_id}/proof")
async def proof_of_transfer(refund_id: UUID, officer: OfficerDep, db: Transaction) -> Response:
    """The uploaded file as it came; a browser saves it and never shows it as a page of ours."""
    refund = await db.get(Refund, refund_id)
    proof = None if refund is None else await db.get(RefundProof, refund.proof_id)
    if refund is None or proof is None:
        raise RefundNotFound
    ending = proof.media_type.rpartition("/")[2]
    return Response(
        proof.content,
        media_type=proof.media_type,
        headers=pages.SECURITY_HEADERS
        | {"Content-Disposition": f'attachment; filename="{refund.number}.{ending}"'},
    )
