"""Vouchers: batches and what became of them, and the two officers who issue and void them."""

import asyncio
import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from domain.tariff import VehicleClass
from server import pages
from server.database import Transaction, TransactionsDep
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.ledger import postings
from server.ledger import reports as ledger
from server.office import taken_out
from server.office.signed_in import OfficerDep, confirmed
from server.pages import Blank
from server.payments import voucher_proposals as proposals
from server.payments import voucher_sheets, voucher_stock
from server.payments.voucher_models import VoucherAct
from server.payments.voucher_proposals import Range
from server.payments.voucher_stock import MOST_ON_SHEETS
from server.payments.vouchers import Issue
from server.payments.wiring import WiringDep
from server.spots.states import ProposalState

router = APIRouter(prefix="/vouchers")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/vouchers"
PAGE, LATEST = 50, 20

Reason = Annotated[str, Form(min_length=1, max_length=200)]
Number = Annotated[int, Form(ge=1, le=10_000)]


@router.get("")
async def vouchers_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    seller: Annotated[str, Query(max_length=80)] = "",
    below: Annotated[int | None, Blank, Query(ge=1, le=10_000)] = None,
) -> Response:
    now = datetime.now(UTC)
    today = wired.books.day(now)
    rows = await voucher_stock.stock(db, seller=seller, below=below, limit=PAGE + 1)
    sellers = await voucher_stock.accounts(db, date.min, wired.books.business_day(now))
    return pages.render(
        request,
        TEMPLATES,
        "vouchers.html",
        books=wired.books,
        today=today,
        rows=rows[:PAGE],
        issued=await voucher_stock.issued(db),
        sellers=sellers,
        sellers_named=[(one.seller, one.seller) for one in sellers],
        seller=seller,
        is_first=below is None,
        after=rows[PAGE - 1].batch if len(rows) > PAGE else None,
        latest=await proposals.latest(db, LATEST),
        classes=list(VehicleClass),
        may_propose=Right.ISSUE_VOUCHERS in MAY[Role(officer.role)],
    )


@router.post("/issues")
async def propose_issue(
    officer: Annotated[Officer, confirmed(Right.ISSUE_VOUCHERS)],
    db: Transaction,
    wired: WiringDep,
    seller: Annotated[str, Form(min_length=1, max_length=80)],
    count: Number,
    value_rp: Annotated[int, Form(ge=1, le=proposals.MOST_RP)],
    valid_until: Annotated[date, Form()],
    reason: Reason,
    vehicle_class: Annotated[VehicleClass | None, Blank, Form()] = None,
) -> Response:
    wanted = Issue(seller, count, value_rp, vehicle_class, valid_until)
    now = datetime.now(UTC)
    asked = await proposals.propose_issue(db, officer.id, wanted, reason, wired.books, now=now)
    return RedirectResponse(f"{HERE}/proposals/{asked}", 303)


@router.get("/proposals/{proposal_id}")
async def proposal_page(
    proposal_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    one = await proposals.found(db, proposal_id)
    rights, waits = MAY[Role(officer.role)], one.state is ProposalState.REQUESTED
    own = one.row.proposed_by == officer.id
    batch, voided, seller = None, 0, one.row.seller or ""
    if one.row.act == VoucherAct.VOID:
        which = proposals.range_of(one.row)
        batch = await proposals.batch_of(db, which.batch)
        voided, seller = len(await proposals.still_out(db, which)), batch.seller
    change_rp = one.amount_rp if batch is None else -voided * batch.value_rp
    owed_rp = await ledger.balance_of(db, postings.VOUCHER_SELLERS, seller)
    return pages.render(
        request,
        TEMPLATES,
        "voucher-proposal.html",
        books=wired.books,
        one=one,
        batch=batch,
        voided=voided,
        is_late=batch is not None and batch.valid_until < wired.books.day(datetime.now(UTC)),
        owed_rp=owed_rp,
        owed_after_rp=owed_rp + change_rp,
        class_of=VehicleClass,
        waits=waits,
        may_decide=waits and not own and Right.DECIDE_VOUCHERS in rights,
        may_withdraw=waits and own and Right.ISSUE_VOUCHERS in rights,
    )


@router.post("/proposals/{proposal_id}/decision")
async def decide(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_VOUCHERS)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Reason,
) -> Response:
    approve, now = decision == "approve", datetime.now(UTC)
    await proposals.decide(
        db, officer.id, proposal_id, wired.books, approve=approve, why=why, now=now
    )
    return RedirectResponse(f"{HERE}/proposals/{proposal_id}", 303)


@router.post("/proposals/{proposal_id}/withdrawal")
async def withdraw(
    proposal_id: UUID,
    officer: Annotated[Officer, confirmed(Right.ISSUE_VOUCHERS)],
    db: Transaction,
    why: Reason,
) -> Response:
    await proposals.withdraw(db, officer.id, proposal_id, why, now=datetime.now(UTC))
    return RedirectResponse(f"{HERE}/proposals/{proposal_id}", 303)


@router.get("/{number}")
async def batch_page(
    number: int, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    now = datetime.now(UTC)
    await proposals.batch_of(db, number)
    (one,) = await voucher_stock.stock(db, batch=number)
    return pages.render(
        request,
        TEMPLATES,
        "voucher.html",
        books=wired.books,
        today=wired.books.day(now),
        one=one,
        class_of=VehicleClass,
        latest=await proposals.latest(db, LATEST, batch=number),
        taken=await taken_out.latest(db, taken_out.SHEETS, {"batch": f"{number:04}"}, LATEST),
        most_on_sheets=MOST_ON_SHEETS,
        may_propose=Right.ISSUE_VOUCHERS in MAY[Role(officer.role)],
    )


@router.post("/{number}/voids")
async def propose_void(
    number: int,
    officer: Annotated[Officer, confirmed(Right.ISSUE_VOUCHERS)],
    db: Transaction,
    wired: WiringDep,
    first: Number,
    last: Number,
    reason: Reason,
) -> Response:
    which, now = Range(number, first, last), datetime.now(UTC)
    asked = await proposals.propose_void(db, officer.id, which, reason, wired.books, now=now)
    return RedirectResponse(f"{HERE}/proposals/{asked}", 303)


@router.post("/{number}/sheets")
async def sheets(
    number: int,
    officer: Annotated[Officer, confirmed(Right.ISSUE_VOUCHERS)],
    transactions: TransactionsDep,
    wired: WiringDep,
    first: Number,
    last: Number,
    form: Annotated[str, Form(pattern="^(csv|pdf)$")],
) -> Response:
    """The vouchers themselves, to be printed: whoever has this file can park by it."""
    now = datetime.now(UTC)
    which = Range(number, first, last)
    today, most = wired.books.day(now), MOST_ON_SHEETS if form == "pdf" else None
    async with transactions.begin() as db:
        batch = await proposals.batch_of(db, number)
        signed = await voucher_stock.signed(db, which, wired.books, today, most)
    content = await asyncio.to_thread(voucher_sheets.file, signed, form, wired.books.regency)
    what = taken_out.vouchers(batch, which, wired.books)
    sha256 = hashlib.sha256(content).digest()
    await taken_out.record(transactions, officer.login, what, form, sha256, len(signed), now=now)
    kind = "application/pdf" if form == "pdf" else "text/csv; charset=utf-8"
    name = f"voucher-{number:04}-{first}-{last}.{form}"
    return Response(
        content,
        media_type=kind,
        headers=pages.SECURITY_HEADERS
        | {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'},
    )
