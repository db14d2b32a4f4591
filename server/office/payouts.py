"""The office's pages of shares: who is owed, runs of payouts, the bank's file, what it said."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import queries
from server.office.signed_in import OfficerDep, confirmed
from server.pages import Day
from server.payments.wiring import WiringDep
from server.reconciliation import papers, payouts
from server.reconciliation.papers import Letterhead, ShareSlip
from server.reconciliation.payout_models import PayoutRun
from server.reconciliation.payouts import PayoutNotFound, ToldAccount
from server.reports.downloads import Form as FileForm
from server.reports.models import ReportDownload

router = APIRouter(prefix="/payouts")
TEMPLATES = Path(__file__).parent / "templates"
SHOWN = 50
BULK_FILE = "berkas-bank"


@router.get("")
async def payouts_page(
    request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    return pages.render(
        request,
        TEMPLATES,
        "payouts.html",
        books=wired.books,
        payees=await payouts.payees(db),
        runs=await payouts.latest(db, SHOWN),
        yesterday=wired.books.day(datetime.now(UTC)) - timedelta(days=1),
        keeps=wired.settings.payee_key is not None,
        may_pay=Right.PAY_SHARES in MAY[Role(officer.role)],
    )


@router.post("/accounts")
async def record_account(
    officer: Annotated[Officer, confirmed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
    payee: Annotated[str, Form(pattern="^[0-9]{4}:.{1,100}$")],
    bank: Annotated[str, Form(min_length=2, max_length=40)],
    holder: Annotated[str, Form(min_length=2, max_length=80)],
    number: Annotated[str, Form(min_length=6, max_length=30)],
) -> Response:
    code, _, party = payee.partition(":")
    told = ToldAccount(code, party, bank, holder, number)
    key = wired.settings.payee_key
    await payouts.record_account(db, officer.id, told, key, now=datetime.now(UTC))
    return RedirectResponse("/office/payouts", 303)


@router.post("")
async def prepare(
    officer: Annotated[Officer, confirmed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
    until: Annotated[Day, Form()],
) -> Response:
    run = await payouts.prepare(db, officer.id, until, wired.books, now=datetime.now(UTC))
    return RedirectResponse(f"/office/payouts/{run.id}", 303)


@router.get("/{run_id}")
async def run_page(
    run_id: UUID, request: Request, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    run = await _found(db, run_id)
    rights = MAY[Role(officer.role)]
    return pages.render(
        request,
        TEMPLATES,
        "payout.html",
        books=wired.books,
        run=run,
        lines=await payouts.lines_of(db, run_id),
        firsts=await payouts.never_paid_before(db, run_id),
        made_by=await queries.officer_name(db, run.prepared_by),
        decided_by=await queries.officer_name(db, run.decided_by),
        may_decide=run.state == "prepared"
        and Right.DECIDE_PAYOUT in rights
        and run.prepared_by != officer.id,
        may_pay=Right.PAY_SHARES in rights,
    )


@router.post("/{run_id}/decision")
async def decide(
    run_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_PAYOUT)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    agree = decision == "approve"
    await payouts.decide(db, officer.id, run_id, why or "-", agree=agree, now=datetime.now(UTC))
    return RedirectResponse(f"/office/payouts/{run_id}", 303)


@router.post("/{run_id}/results")
async def tell(
    run_id: UUID,
    officer: Annotated[Officer, confirmed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
    line: Annotated[list[int], Form(max_length=10_000)],
    result: Annotated[str, Form(pattern="^(paid|failed)$")],
    evidence: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    await payouts.tell(
        db,
        officer.id,
        run_id,
        line,
        evidence,
        wired.books,
        paid=result == "paid",
        now=datetime.now(UTC),
    )
    return RedirectResponse(f"/office/payouts/{run_id}", 303)


@router.post("/{run_id}/bank.csv")
async def bulk_file(
    run_id: UUID,
    officer: Annotated[Officer, confirmed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    """What the bank is to pay; it shows the account numbers, so who took it out is on record."""
    run = await _found(db, run_id)
    settings = wired.settings
    file = await payouts.bulk_file(db, run, settings.payout_columns, settings.payee_key)
    db.add(
        ReportDownload(
            who=officer.login,
            report=BULK_FILE,
            form=FileForm.CSV.value,
            first_day=run.until,
            last_day=run.until,
            filters={"run": run.number},
            row_count=file.row_count,
            sha256=hashlib.sha256(file.content).digest(),
            made_at=datetime.now(UTC),
        )
    )
    return Response(
        file.content,
        media_type="text/csv; charset=utf-8",
        headers=pages.SECURITY_HEADERS
        | {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{run.number}.csv"',
        },
    )


@router.get("/{run_id}/{position}/slip.pdf")
async def slip(
    run_id: UUID, position: int, officer: OfficerDep, db: Transaction, wired: WiringDep
) -> Response:
    """What a payee was paid, to be handed over."""
    run = await _found(db, run_id)
    for line, account in await payouts.lines_of(db, run_id):
        if line.position == position and line.told_at is not None and line.entry_id is not None:
            told = ShareSlip(
                number=f"{run.number}/{position}",
                payee=await payouts.name_of(db, line),
                amount_rp=line.amount_rp,
                until=run.until,
                account=f"{account.bank}, ...{account.ending}, a.n. {account.holder}",
                evidence=line.evidence,
                paid_on=wired.books.day(line.told_at),
            )
            head = Letterhead(wired.books.regency, wired.books.agency)
            return Response(
                papers.share_slip(head, told),
                media_type="application/pdf",
                headers=pages.SECURITY_HEADERS
                | {"Content-Disposition": f'inline; filename="{run.number}-{position}.pdf"'},
            )
    raise PayoutNotFound


async def _found(db: Transaction, run_id: UUID) -> PayoutRun:
    run = await db.get(PayoutRun, run_id)
    if run is None:
        raise PayoutNotFound
    return run
