"""The revenue office's pages: see today and a business day, take in files, reconcile."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from server import pages, paging
from server.database import Transaction, TransactionsDep
from server.identity.models import Officer
from server.identity.service import NotSignedIn, Right
from server.identity.sign_ins import SecondFactorNeeded
from server.office import (
    acquirers,
    attendants,
    audit,
    cards,
    cases,
    casework,
    closures,
    complaints,
    corrections,
    days,
    deposits,
    devices,
    health,
    imports,
    inspection,
    ledger,
    money,
    notices,
    officers,
    own_account,
    passkeys,
    payouts,
    places,
    portal,
    quarantine,
    queries,
    refunds,
    reports,
    rules,
    scheduled,
    shifts,
    signal,
    signing_in,
    spots,
    tariffs,
    today,
    units,
    voids,
    vouchers,
)
from server.office.signed_in import allowed, confirmed, shown_enough, signed_in
from server.pages import Day, DayOrNone
from server.payments.wiring import WiringDep
from server.reconciliation import closing
from server.reconciliation import service as reconciliation
from server.reconciliation.actions import ACTIONS
from server.reconciliation.mappings import SettlementMapping, StatementMapping, choices
from server.reconciliation.service import Imported
from server.webhooks import queries as webhooks

router = APIRouter(prefix="/office", tags=["office"], include_in_schema=False)
# Signal stands before the devices, scheduled before the reports: those take any word.
for right, parts in (
    (
        Right.SEE_BOOKS,
        (days, deposits, payouts, ledger, refunds, cases, money, tariffs, rules, vouchers),
    ),
    (
        Right.SEE_WORK,
        (
            acquirers,
            complaints,
            notices,
            signal,
            devices,
            attendants,
            cards,
            shifts,
            quarantine,
            voids,
            spots,
            closures,
            places,
            scheduled,
            reports,
        ),
    ),
    (Right.SEE_SIGNS, (inspection,)),
    (Right.SEE_AUDIT, (audit, health)),
):
    for part in parts:
        router.include_router(part.router, dependencies=[allowed(right)])
for part in (
    signing_in,
    passkeys,
    portal,
    own_account,
    officers,
    units,
    imports,
    corrections,
    casework,
):
    router.include_router(part.router)
TEMPLATES = Path(__file__).parent / "templates"


@router.get("")
async def first_page(
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
    karcis_office: Annotated[str, Cookie()] = "",
) -> Response:
    """Today's figures, or where else who asks may go, or has to."""
    try:
        found = await signed_in(request, transactions, karcis_office)
        officer = shown_enough(request, found)
    except NotSignedIn:
        return RedirectResponse("/office/sign-in", 303)
    except SecondFactorNeeded:
        return RedirectResponse("/office/account", 303)
    if Right.SEE_BOOKS not in request.state.rights:
        sees_work = Right.SEE_WORK in request.state.rights
        return RedirectResponse("/office/shifts" if sees_work else "/office/signs", 303)
    # As a bookmark of a business day may say; that is of the whole regency.
    if "date" in request.query_params and request.state.scope.is_whole:
        return RedirectResponse(f"/office/reconciliation?{request.url.query}", 303)
    async with transactions.begin() as db:
        return await today.today_page(request, officer, db, wired.books, request.state.scope)


@router.get("/reconciliation")
async def day_page(
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
    day: Annotated[DayOrNone, Query(alias="date")] = None,
    lines: int | None = None,
    total_rp: int = 0,
    known: int = 0,
    paid_page: Annotated[int, Query(alias="paid", ge=1, le=10_000)] = 1,
) -> Response:
    """A business day; once a file was taken in, `lines`, `total_rp`, `known` say what it did.

    `paid` is a page of the payouts that the bank's movements agree with.
    """
    shown = day or wired.books.business_day(datetime.now(UTC))
    all_differences, all_cases = await queries.count_open(db)
    compared = await closing.last_comparison(db, shown)
    matched = compared.matched if compared else None
    paid = (matched or {}).get("paid", [])[(paid_page - 1) * paging.PAGE :]
    return pages.render(
        request,
        TEMPLATES,
        "day.html",
        books=wired.books,
        officer=officer,
        day=shown,
        imported=None if lines is None else Imported(lines, total_rp, known),
        zones=await queries.collected_by_zone(db, shown),
        held=await queries.held_on(db, shown),
        settled=await queries.settled_on(db, shown, wired.books),
        money=await queries.latest_money(db, shown),
        matched=matched,
        payouts=paid[: paging.PAGE],
        paid_page=paid_page,
        more_payouts=len(paid) > paging.PAGE,
        all_differences=all_differences,
        all_cases=all_cases,
        differences=await queries.open_differences(db, shown),
        actions=ACTIONS,
        acquirers=wired.acquirers.names,
        mappings={
            "settlement": choices(SettlementMapping, wired.settings.settlement_mapping),
            "statement": choices(StatementMapping, wired.settings.statement_mapping),
        },
        compared=compared,
        close=await closing.live(db, shown),
        given_up=await webhooks.given_up(db),
        cases=await queries.open_cases(db, shown, wired.books),
    )


@router.post("/reconcile")
async def reconcile(
    day: Annotated[Day, Form(alias="date")],
    officer: Annotated[Officer, allowed(Right.RECONCILE)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    await reconciliation.reconcile(db, day, wired.books, now=datetime.now(UTC))
    return RedirectResponse(f"/office/reconciliation?date={day}#selisih", 303)


@router.post("/close")
async def close_day(
    day: Annotated[Day, Form(alias="date")],
    officer: Annotated[Officer, confirmed(Right.CLOSE_DAY)],
    db: Transaction,
    wired: WiringDep,
    note: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    await closing.prepare(db, day, officer.id, wired.books, note, now=datetime.now(UTC))
    return RedirectResponse(f"/office/days/{day}", 303)
