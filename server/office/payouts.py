"""The office's pages of shares: who is owed, runs of payouts, the bank's file, what it said."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import FileRefused
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office import queries
from server.office.deposits import letterhead, signed
from server.office.imports import MOST_SHOWN, Chosen, FileNotTaken, Previewed, content_of, name_of
from server.office.signed_in import OfficerDep, allowed, confirmed
from server.office.taken_out import What
from server.pages import Before, Day
from server.payments.books import Books
from server.payments.wiring import WiringDep
from server.reconciliation import (
    papers,
    payees,
    payouts,
    previews,
    results,
    share_slips,
    transfers,
)
from server.reconciliation.mappings import MappingRefused, PayoutMapping, choices, chosen
from server.reconciliation.papers import Proof, ShareSlip
from server.reconciliation.payout_models import PayoutRun
from server.reconciliation.payouts import PayoutNotFound, ToldAccount
from server.reports.downloads import Form as FileForm
from server.reports.models import ReportDownload

router = APIRouter(prefix="/payouts")
TEMPLATES = Path(__file__).parent / "templates"
BULK_FILE = "berkas-bank"


@router.get("")
async def payouts_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    before: Before = None,
    taken: Annotated[str, Query(pattern=r"^(|\d{1,9}-\d{1,9}-\d{1,9})$")] = "",
) -> Response:
    """`taken` is what a bank's result just told: how many paid, failed, and known before."""
    owed = await payouts.payees(db)
    asked = await payouts.told_of(db, owed)
    return pages.render(
        request,
        TEMPLATES,
        "payouts.html",
        books=wired.books,
        payees=owed,
        called=(await payees.parties(db, wired.books.regency)).called,
        recorders={
            one.told.recorded_by: await queries.officer_name(db, one.told.recorded_by)
            for one in asked
            if one.told is not None
        },
        asked=asked,
        me=officer.id,
        may_decide=Right.DECIDE_PAYOUT in MAY[Role(officer.role)],
        runs=await payouts.latest(db, before),
        yesterday=wired.books.day(datetime.now(UTC)) - timedelta(days=1),
        keeps=wired.settings.payee_key is not None,
        mappings=choices(PayoutMapping, wired.settings.payout_result_mapping),
        taken=taken,
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
    attendant: Annotated[UUID | None, Form()] = None,
) -> Response:
    """`attendant` is whose page the form stands on, to go back to."""
    code, _, party = payee.partition(":")
    told = ToldAccount(code, party, bank, holder, number)
    key = wired.settings.payee_key
    await payouts.record_account(db, officer.id, told, key, now=datetime.now(UTC))
    place = "/office/payouts" if attendant is None else f"/office/attendants/{attendant}"
    return RedirectResponse(f"{place}#rekening", 303)


@router.post("/accounts/{account_id}/decision")
async def decide_account(
    account_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_PAYOUT)],
    db: Transaction,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Annotated[str, Form(min_length=1, max_length=200)],
) -> Response:
    agree = decision == "approve"
    await payees.decide(db, officer.id, account_id, why, agree=agree, now=datetime.now(UTC))
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


@router.get("/results/preview")
async def back_to_payouts(officer: Annotated[Officer, allowed(Right.PAY_SHARES)]) -> Response:
    """Where the page leads whoever asks for it in the other language: its file is not kept."""
    return RedirectResponse("/office/payouts", 303)


@router.post("/results/preview")
async def preview_results(
    file: UploadFile,
    request: Request,
    officer: Annotated[Officer, allowed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
    mapping: Chosen = "",
) -> Response:
    """What taking in a bank's result would do, or everything that is wrong with it."""
    configured = wired.settings.payout_result_mapping
    content = await content_of(file)
    shown: dict[str, Any] = {"preview": None, "faults": ()}
    try:
        shown["preview"] = await previews.results(
            db,
            name_of(file),
            content,
            wired.books,
            mapping=chosen(PayoutMapping, mapping, configured),
            now=datetime.now(UTC),
        )
    except FileRefused as exc:
        shown["faults"] = exc.faults
    except MappingRefused as exc:
        shown["faults"] = (exc,)
    return pages.render(
        request,
        TEMPLATES,
        "payout-result.html",
        books=wired.books,
        status=422 if shown["faults"] else 200,
        name=name_of(file),
        sha256=hashlib.sha256(content).hexdigest(),
        most=MOST_SHOWN,
        chosen=mapping,
        mappings=choices(PayoutMapping, configured),
        **shown,
    )


@router.post("/results")
async def take_in_results(
    file: UploadFile,
    officer: Annotated[Officer, confirmed(Right.PAY_SHARES)],
    db: Transaction,
    wired: WiringDep,
    mapping: Chosen = "",
    previewed: Previewed = "",
) -> Response:
    content = await content_of(file, previewed)
    try:
        told = await results.take_in(
            db,
            name_of(file),
            content,
            wired.books,
            mapping=chosen(PayoutMapping, mapping, wired.settings.payout_result_mapping),
            by=officer.id,
            now=datetime.now(UTC),
        )
    except FileRefused as exc:
        raise FileNotTaken(exc) from exc
    except MappingRefused as exc:
        raise FileNotTaken(FileRefused(exc.english, exc.indonesian)) from exc
    return RedirectResponse(f"/office/payouts?taken={told.paid}-{told.failed}-{told.known}", 303)


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
        called=(await payees.parties(db, wired.books.regency)).called,
        firsts=await payouts.never_paid_before(db, run_id),
        failures=await transfers.of_lines(db, run_id),
        transfer_cases=await transfers.of_run(db, run_id),
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
    run_id: UUID,
    position: int,
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """What a payee was paid, to be handed over."""
    async with transactions.begin() as db:
        told = await _slip(db, run_id, position, wired.books)

    def draw(proof: Proof) -> bytes:
        return papers.share_slip(letterhead(wired.books), told, proof)

    what = What("slip-bagi-hasil", told.until, told.until, {"number": told.number})
    name = told.number.replace("/", "-")
    return await signed(request, transactions, officer, draw, what, name)


async def _slip(db: AsyncSession, run_id: UUID, position: int, books: Books) -> ShareSlip:
    run = await _found(db, run_id)
    for line, account in await payouts.lines_of(db, run_id):
        if line.position == position and line.told_at is not None and line.entry_id is not None:
            return ShareSlip(
                number=f"{run.number}/{position}",
                payee=(await payees.parties(db, books.regency)).called(line.party),
                amount_rp=line.amount_rp,
                until=run.until,
                reckoned=await share_slips.reckoned(db, run, line),
                account=f"{account.bank}, ...{account.ending}, a.n. {account.holder}",
                evidence=line.evidence,
                paid_on=books.day(line.told_at),
            )
    raise PayoutNotFound


async def _found(db: Transaction, run_id: UUID) -> PayoutRun:
    run = await db.get(PayoutRun, run_id)
    if run is None:
        raise PayoutNotFound
    return run
