"""The ledger's pages: balances, statements, downloads, and the deposits of attendants' cash."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from server import pages
from server.database import Transaction, TransactionsDep, new_id
from server.identity.models import Officer
from server.identity.service import Right
from server.ledger import postings, reports
from server.office.signed_in import OfficerDep, confirmed
from server.pages import Day, DayOrNone
from server.payments.wiring import WiringDep
from server.reconciliation import deposits
from server.reconciliation.deposits import Deposit

router = APIRouter(prefix="/ledger")
TEMPLATES = Path(__file__).parent / "templates"
LINES_ON_A_PAGE = 500
CSV_TYPE = "text/csv; charset=utf-8"

First = Annotated[Day, Query(alias="from")]
Last = Annotated[Day, Query(alias="to")]
Party = Annotated[str | None, Query(max_length=200)]


@router.get("")
async def ledger_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    day: Annotated[DayOrNone, Query(alias="date")] = None,
) -> Response:
    today = wired.books.business_day(datetime.now(UTC))
    return pages.render(
        request,
        TEMPLATES,
        "ledger.html",
        books=wired.books,
        day=day or today,
        today=today,
        first_of_month=today.replace(day=1),
        accounts=await reports.trial_balance(db, day),
        held=await reports.party_balances(db, postings.CASH_HELD),
        payable=[
            (account, party)
            for account in (postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE)
            for party in await reports.party_balances(db, account)
        ],
        cash_held=postings.CASH_HELD,
        debit_credit=reports.debit_credit,
        deposit_id=new_id(),
    )


@router.get("/trial-balance.csv")
async def trial_balance(
    officer: OfficerDep, db: Transaction, day: Annotated[Day, Query(alias="date")]
) -> Response:
    written = reports.trial_balance_csv(await reports.trial_balance(db, day))
    return Response(written, headers=_download(f"neraca-saldo-{day}.csv"), media_type=CSV_TYPE)


@router.get("/journal.csv")
async def journal(
    officer: OfficerDep, transactions: TransactionsDep, first: First, last: Last
) -> Response:
    async def lines() -> AsyncIterator[str]:
        async with transactions.begin() as db:
            async for line in reports.journal_csv(db, first, last):
                yield line

    headers = _download(f"jurnal-{first}-{last}.csv")
    return StreamingResponse(lines(), headers=headers, media_type=CSV_TYPE)


@router.get("/accounts/{account}.csv")
async def account_csv(
    account: str,
    officer: OfficerDep,
    db: Transaction,
    first: First,
    last: Last,
    party: Party = None,
) -> Response:
    told = await reports.statement(db, account, first, last, party=party or None)
    headers = _download(f"buku-besar-{told.code}-{first}-{last}.csv")
    return Response(reports.statement_csv(told), headers=headers, media_type=CSV_TYPE)


@router.get("/accounts/{account}")
async def account_page(
    request: Request,
    account: str,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    first: Annotated[DayOrNone, Query(alias="from")] = None,
    last: Annotated[DayOrNone, Query(alias="to")] = None,
    party: Party = None,
) -> Response:
    until = last or wired.books.business_day(datetime.now(UTC))
    since = first or until - timedelta(days=30)
    told = await reports.statement(
        db, account, since, until, party=party or None, limit=LINES_ON_A_PAGE + 1
    )
    return pages.render(
        request,
        TEMPLATES,
        "account.html",
        books=wired.books,
        told=told,
        debit_credit=reports.debit_credit,
        lines=told.lines[:LINES_ON_A_PAGE],
        cut=len(told.lines) > LINES_ON_A_PAGE,
    )


@router.post("/deposits")
async def record_deposit(
    deposit_id: Annotated[UUID, Form(alias="id")],
    attendant: Annotated[str, Form(max_length=80)],
    amount_rp: Annotated[int, Form(gt=0, le=10_000_000_000)],
    reference: Annotated[str, Form(max_length=100)],
    deposited_on: Annotated[Day, Form()],
    officer: Annotated[Officer, confirmed(Right.RECORD_DEPOSIT)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    deposit = Deposit(deposit_id, attendant, amount_rp, reference, deposited_on)
    await deposits.record(db, deposit, wired.books, officer.id, now=datetime.now(UTC))
    return RedirectResponse("/office/ledger#kas", 303)


def _download(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
