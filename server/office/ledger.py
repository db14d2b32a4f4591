"""The ledger's pages: balances, statements, downloads, and the deposits of attendants' cash."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, TransactionsDep, new_id
from server.errors import InvalidRequest
from server.identity.models import Officer
from server.identity.service import Right
from server.ledger import postings, reports
from server.office.signed_in import OfficerDep, confirmed
from server.office.taken_out import What, csv_file
from server.pages import Day, DayOrNone
from server.payments.wiring import WiringDep
from server.reconciliation import deposits, payees
from server.reconciliation.deposits import Deposit

router = APIRouter(prefix="/ledger")
TEMPLATES = Path(__file__).parent / "templates"
LINES_ON_A_PAGE = 500

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
        called=(await payees.parties(db, wired.books.regency)).called,
        cash_held=postings.CASH_HELD,
        debit_credit=reports.debit_credit,
        deposit_id=new_id(),
    )


@router.get("/trial-balance.csv")
async def trial_balance(
    officer: OfficerDep, transactions: TransactionsDep, day: Annotated[Day, Query(alias="date")]
) -> Response:
    async def lines() -> AsyncIterator[str]:
        async with transactions.begin() as db:
            yield reports.trial_balance_csv(await reports.trial_balance(db, day))

    what, name = What("neraca-saldo", day, day), f"neraca-saldo-{day}.csv"
    return await csv_file(transactions, officer, what, name, lines(), now=datetime.now(UTC))


@router.get("/journal.csv")
async def journal(
    officer: OfficerDep, transactions: TransactionsDep, first: First, last: Last
) -> Response:
    _in_order(first, last)

    async def lines() -> AsyncIterator[str]:
        async with transactions.begin() as db:
            async for line in reports.journal_csv(db, first, last):
                yield line

    what, name = What("jurnal", first, last), f"jurnal-{first}-{last}.csv"
    return await csv_file(transactions, officer, what, name, lines(), now=datetime.now(UTC))


@router.get("/accounts/{account}.csv")
async def account_csv(
    account: str,
    officer: OfficerDep,
    transactions: TransactionsDep,
    first: First,
    last: Last,
    party: Party = None,
) -> Response:
    _in_order(first, last)

    async def lines() -> AsyncIterator[str]:
        async with transactions.begin() as db:
            told = await reports.statement(db, account, first, last, party=party or None)
            yield reports.statement_csv(told)

    filters = {"account": account} | ({"party": party} if party else {})
    what = What("buku-besar", first, last, filters)
    name = f"buku-besar-{account}-{first}-{last}.csv"
    return await csv_file(transactions, officer, what, name, lines(), now=datetime.now(UTC))


def _in_order(first: date, last: date) -> None:
    if last < first:
        raise InvalidRequest("from, to: the first day first")


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
