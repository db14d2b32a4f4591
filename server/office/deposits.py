"""The office's pages of deposits to the regency's account: what waits, STS, receipts (TBP)."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, Transactions, TransactionsDep
from server.identity.models import Attendant, Officer, Role
from server.identity.service import MAY, Right
from server.ledger.models import Entry
from server.office import queries
from server.office.signed_in import OfficerDep, confirmed
from server.office.taken_out import What, record
from server.pages import Before
from server.payments.books import Books
from server.payments.wiring import WiringDep
from server.reconciliation import (
    deposits,
    numbers,
    papers,
    remittances,
    rkud,
    sources,
    transfers,
)
from server.reconciliation.models import CashDeposit, Remittance
from server.reconciliation.papers import DepositSlip, Letterhead, Proof, ReceiptOfDeposit
from server.reconciliation.remittances import RemittanceNotFound
from server.reports import downloads
from server.workdays import Workdays

router = APIRouter(prefix="/deposits")
TEMPLATES = Path(__file__).parent / "templates"


@router.get("")
async def deposits_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    before: Before = None,
    before_receipt: Before = None,
) -> Response:
    workdays: Workdays = request.app.state.workdays
    today = wired.books.day(datetime.now(UTC))
    within = wired.settings.deposit_working_days
    waiting = await remittances.waiting(db, workdays, within, wired.books, today)
    return pages.render(
        request,
        TEMPLATES,
        "deposits.html",
        books=wired.books,
        waiting=waiting,
        direct=await remittances.waiting(db, workdays, within, wired.books, today, direct=True),
        ready_rp=sum(one.amount_rp for one in waiting if one.is_closed),
        within=within,
        remittances=await remittances.latest(db, before),
        receipts=await deposits.receipted(db, before_receipt),
        written=numbers.written,
        may_make=Right.MAKE_REMITTANCE in MAY[Role(officer.role)],
    )


@router.post("")
async def make(
    officer: Annotated[Officer, confirmed(Right.MAKE_REMITTANCE)],
    db: Transaction,
    wired: WiringDep,
    direct: Annotated[bool, Form()] = False,
) -> Response:
    """With `direct` a paper over what acquirers paid into the regency's account themselves."""
    now = datetime.now(UTC)
    made = await remittances.prepare(db, officer.id, wired.books, direct=direct, now=now)
    return RedirectResponse(f"/office/deposits/{made.id}", 303)


@router.get("/{remittance_id}")
async def remittance_page(
    remittance_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    made = await _found(db, remittance_id)
    workdays: Workdays = request.app.state.workdays
    decided = made.decided_at or datetime.now(UTC)
    rights = MAY[Role(officer.role)]
    days = []
    for row in await remittances.days_of(db, made.id):
        due_on = workdays.after(row.day, wired.settings.deposit_working_days)
        days.append((row, due_on, workdays.late(due_on, wired.books.day(decided))))
    return pages.render(
        request,
        TEMPLATES,
        "remittance.html",
        books=wired.books,
        made=made,
        days=days,
        sources=await sources.of_remittance(db, made, wired.settings.revenue_code),
        transfer_cases=await transfers.of_remittance(db, made.id),
        made_by=await queries.officer_name(db, made.prepared_by),
        decided_by=await queries.officer_name(db, made.decided_by),
        may_decide=made.state == "prepared"
        and Right.DECIDE_REMITTANCE in rights
        and made.prepared_by != officer.id,
    )


@router.post("/{remittance_id}/decision")
async def decide(
    remittance_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_REMITTANCE)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    now = datetime.now(UTC)
    if decision == "approve":
        await remittances.approve(db, officer.id, remittance_id, wired.books, now=now)
    else:
        await remittances.decline(db, officer.id, remittance_id, why or "-", now=now)
    return RedirectResponse(f"/office/deposits/{remittance_id}", 303)


@router.get("/{remittance_id}/sts.pdf")
async def deposit_slip(
    remittance_id: UUID,
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    async with transactions.begin() as db:
        made = await _found(db, remittance_id)
        approved = made.state in rkud.HANDED_IN
        lines = await sources.of_remittance(db, made, wired.settings.revenue_code)
        told = DepositSlip(
            number=made.number,
            on=wired.books.day(made.decided_at or made.prepared_at),
            rkud=wired.settings.rkud,
            sources=[(line.code, line.words, line.amount_rp) for line in lines],
            days=[(row.day, row.amount_rp) for row in await remittances.days_of(db, made.id)],
            amount_rp=made.amount_rp,
            made_by=await queries.officer_name(db, made.prepared_by),
            approved_by=await queries.officer_name(db, made.decided_by) if approved else "",
        )

    def draw(proof: Proof) -> bytes:
        return papers.deposit_slip(letterhead(wired.books), told, proof)

    what = What("sts", told.on, told.on, {"number": made.number})
    return await signed(request, transactions, officer, draw, what, made.number)


@router.get("/receipts/{deposit_id}/tbp.pdf")
async def receipt_of_deposit(
    deposit_id: UUID,
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    async with transactions.begin() as db:
        deposit = await db.get(CashDeposit, deposit_id)
        if deposit is None or deposit.series is None or deposit.sequence is None:
            raise RemittanceNotFound
        attendant = await db.get(Attendant, deposit.attendant_id) if deposit.attendant_id else None
        told = ReceiptOfDeposit(
            number=numbers.written(deposit.series, deposit.sequence),
            payer=f"{attendant.name} ({attendant.code})" if attendant else deposit.payer or "",
            amount_rp=deposit.amount_rp,
            slip=deposit.reference,
            deposited_on=deposit.deposited_on,
            posted_on=(await db.get_one(Entry, deposit.entry_id)).business_day,
            received_by=await queries.officer_name(db, deposit.received_by),
        )

    def draw(proof: Proof) -> bytes:
        return papers.receipt_of_deposit(letterhead(wired.books), told, proof)

    what = What("tbp", told.deposited_on, told.deposited_on, {"number": told.number})
    return await signed(request, transactions, officer, draw, what, told.number)


async def _found(db: Transaction, remittance_id: UUID) -> Remittance:
    made = await db.get(Remittance, remittance_id)
    if made is None:
        raise RemittanceNotFound
    return made


def letterhead(books: Books) -> Letterhead:
    return Letterhead(books.regency, books.agency)


async def signed(
    request: Request,
    transactions: Transactions,
    officer: Officer,
    draw: Callable[[Proof], bytes],
    what: What,
    name: str,
) -> Response:
    """A paper of money as its PDF, signed and on record as reports are."""
    signer = request.app.state.report_signer
    now = datetime.now(UTC)
    content = await downloads.signed_paper(transactions, draw, officer.login, signer, now=now)
    digest = hashlib.sha256(content).digest()
    await record(transactions, officer.login, what, "pdf", digest, 1, now=now)
    return Response(
        content,
        media_type="application/pdf",
        headers=pages.SECURITY_HEADERS | {"Content-Disposition": f'inline; filename="{name}.pdf"'},
    )
