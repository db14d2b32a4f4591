"""The office's inbox of cases, and what officers do about one of any kind."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.payment import CaseState
from server import pages
from server.casework import service as casework
from server.casework.models import MOST_WORDS, CaseKind
from server.casework.service import CaseNotFound, CaseNotReopenable, OutcomeUnfit
from server.complaints import service as complaints
from server.complaints.models import Complaint
from server.database import Transaction, TransactionsDep
from server.errors import language_of
from server.identity.models import Officer
from server.identity.service import Right, RoleNotAllowed
from server.inspection.models import SignCase
from server.office import case_files, case_list, queries, settling
from server.office.boards import board, place, plain_board
from server.office.case_list import Band, Order, State, Wanted, Whose
from server.office.refunds import Reason
from server.office.settling import PLAIN
from server.office.signed_in import OfficerDep, Within, allowed, confirmed
from server.pages import Blank
from server.payments import proposals, unended
from server.payments.models import Case, Refund
from server.payments.wiring import WiringDep
from server.reconciliation import claims, discrepancies, payees, transfers
from server.reconciliation.actions import ACTIONS
from server.reconciliation.claims import Ending
from server.reconciliation.discrepancies import Resolution
from server.reconciliation.matching import DifferenceKind
from server.reconciliation.models import (
    Discrepancy,
    FeeClaim,
    Remittance,
    SettlementLine,
    StatementLine,
    TransferCase,
)
from server.reconciliation.payout_models import PayoutLine, PayoutRun
from server.reports.downloads import Reader
from server.spots.models import Spot
from server.spots.units import Scope
from server.sync.held_cash import HeldCashEnd

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"

ROWS = {
    CaseKind.DISCREPANCY: Discrepancy,
    CaseKind.SUSPENSE: Case,
    CaseKind.REFUND: Refund,
    CaseKind.COMPLAINT: Complaint,
    CaseKind.CLAIM: FeeClaim,
}
"""The tables of the kinds that are not PLAIN."""


def back(kind: CaseKind, case_id: UUID) -> Response:
    return RedirectResponse(f"{place(kind, case_id)}#pekerjaan", 303)


# The list


def asked(
    officer: OfficerDep,
    own: Within,
    kind: Annotated[CaseKind | None, Blank] = None,
    whose: Whose = Whose.ALL,
    age: Annotated[str, Query(pattern="^(|0-1|2-3|4-7|8-)$")] = "",
    state: State = State.WAITING,
    q: Annotated[str, Query(max_length=100)] = "",
    order: Order = Order.AGE,
    after: Annotated[str, Query(max_length=100)] = "",
) -> Wanted:
    """What the address says, of what the role sees; raises RoleNotAllowed."""
    seen = case_list.kinds_of(officer, own)
    if kind is not None and kind not in seen:
        raise RoleNotAllowed
    band = Band(age) if age else None
    kinds = seen if kind is None else [kind]
    return Wanted(kinds, officer.id, own, whose, band, state, q.strip(), order, after)


AskedDep = Annotated[Wanted, Depends(asked)]


@router.get("/cases.csv")
async def cases_file(
    request: Request,
    officer: OfficerDep,
    transactions: TransactionsDep,
    wired: WiringDep,
    own: Within,
    wanted: AskedDep,
) -> Response:
    """The same cases on one page; that they were taken out is on record."""
    now = datetime.now(UTC)
    reader = Reader(officer.login, request.state.rights, language_of(request))
    content = await case_files.make(transactions, wired.books, wanted, reader, now=now)
    name = f"kasus-{wired.books.day(now)}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type="text/csv; charset=utf-8")


@router.get("/cases")
async def cases_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    wanted: AskedDep,
    kind: Annotated[CaseKind | None, Blank] = None,
    age: str = "",
) -> Response:
    """All cases that the role sees, filtered by what the address says."""
    now, seen = datetime.now(UTC), case_list.kinds_of(officer, own)
    shown = await case_list.page(db, wired.books, wanted, now=now)
    chosen = {
        "kind": kind or "", "whose": wanted.whose, "age": age, "state": wanted.state,
        "q": wanted.text, "order": wanted.order,
    }  # fmt: skip
    return pages.render(
        request,
        TEMPLATES,
        "cases.html",
        books=wired.books,
        shown=shown,
        counts=await case_list.counts(db, wired.books, seen, own, now=now),
        chosen=chosen,
        next_page=urlencode({**chosen, "after": shown.after}),
        first_page=urlencode(chosen),
        is_first=not wanted.after,
        kinds=seen,
        bands=list(Band),
        states=list(State),
        place=place,
    )


# What officers do about one


async def _refuse_unknown(db: AsyncSession, own: Scope, kind: CaseKind, case_id: UUID) -> None:
    """Raises CaseNotFound."""
    await case_list.must_see(db, own, kind, case_id)
    if kind in PLAIN:
        await settling.state(db, kind, case_id)
    elif await db.get(ROWS[kind], case_id) is None:
        raise CaseNotFound


@router.post("/casework/{kind}/{case_id}/assignment")
async def assign(
    kind: CaseKind,
    case_id: UUID,
    officer: Annotated[Officer, allowed(Right.WORK_CASE)],
    db: Transaction,
    own: Within,
    assignee: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """`assignee` is a login, or empty for nobody in particular."""
    await _refuse_unknown(db, own, kind, case_id)
    to = None
    if assignee:
        to = await db.scalar(select(Officer.id).where(Officer.login == assignee))
        if to is None:
            raise casework.OfficerUnfit
    await casework.assign(db, officer.id, kind, case_id, to, now=datetime.now(UTC))
    if to and to not in {one.id for one in await case_list.assignable(db, kind, case_id)}:
        raise casework.OfficerElsewhere
    return back(kind, case_id)


@router.post("/casework/{kind}/{case_id}/comments")
async def comment(
    kind: CaseKind,
    case_id: UUID,
    officer: Annotated[Officer, allowed(Right.WORK_CASE)],
    db: Transaction,
    own: Within,
    words: Annotated[str, Form(min_length=1, max_length=MOST_WORDS, pattern=r"\S")],
) -> Response:
    await _refuse_unknown(db, own, kind, case_id)
    await casework.comment(db, officer.id, kind, case_id, words.strip(), now=datetime.now(UTC))
    return back(kind, case_id)


@router.post("/casework/{kind}/{case_id}/proposal")
async def propose(
    kind: CaseKind,
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.WORK_CASE)],
    db: Transaction,
    own: Within,
    why: Reason,
    outcome: Annotated[Resolution | Ending | HeldCashEnd | None, Form()] = None,
    source: Annotated[str, Form(max_length=50)] = "",
) -> Response:
    """`source` names the money that ends a claim."""
    await case_list.must_see(db, own, kind, case_id)
    now = datetime.now(UTC)
    if kind in PLAIN:
        end = outcome if isinstance(outcome, HeldCashEnd) else None
        await settling.propose(db, officer.id, kind, case_id, why, end=end, now=now)
    elif kind is CaseKind.DISCREPANCY and outcome in set(Resolution):
        await discrepancies.propose(db, officer.id, case_id, Resolution(outcome), why, now=now)
    elif kind is CaseKind.CLAIM and outcome in set(Ending):
        await claims.propose(db, officer.id, case_id, Ending(outcome), source, why, now=now)
    else:
        raise OutcomeUnfit
    return back(kind, case_id)


@router.post("/casework/{kind}/{case_id}/decision")
async def decide(
    kind: CaseKind,
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_CASE)],
    db: Transaction,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(accept|decline)$")],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    accept, now = decision == "accept", datetime.now(UTC)
    if kind in PLAIN:
        await settling.decide(
            db, officer.id, kind, case_id, accept=accept, why=why, books=wired.books, now=now
        )
    elif kind is CaseKind.DISCREPANCY:
        await discrepancies.decide(
            db, officer.id, case_id, wired.books, accept=accept, why=why, now=now
        )
    elif kind is CaseKind.CLAIM:
        await claims.decide(db, officer.id, case_id, wired.books, accept=accept, why=why, now=now)
    else:
        raise OutcomeUnfit
    return back(kind, case_id)


@router.post("/casework/{kind}/{case_id}/reopening")
async def reopen(
    kind: CaseKind,
    case_id: UUID,
    officer: Annotated[Officer, confirmed(Right.WORK_CASE)],
    db: Transaction,
    own: Within,
    why: Reason,
) -> Response:
    await case_list.must_see(db, own, kind, case_id)
    now = datetime.now(UTC)
    if kind in PLAIN:
        await settling.reopen(db, officer.id, kind, case_id, why, now=now)
    elif kind is CaseKind.DISCREPANCY:
        await discrepancies.reopen(db, officer.id, case_id, why, now=now)
    elif kind is CaseKind.CLAIM:
        await claims.reopen(db, officer.id, case_id, why, now=now)
    elif kind is CaseKind.SUSPENSE:
        await proposals.reopen(db, officer.id, case_id, why, now=now)
    elif kind is CaseKind.COMPLAINT:
        await complaints.reopen(db, officer.id, case_id, why, now=now)
    else:  # a refund that was refused is asked for anew
        raise CaseNotReopenable
    return back(kind, case_id)


# The pages of kinds that have no other


@router.get("/discrepancies/{case_id}")
async def discrepancy_page(
    case_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    row = await db.get(Discrepancy, case_id)
    if row is None:
        raise CaseNotFound
    state = CaseState(row.state)
    fitting = await discrepancies.fitting(db, row)
    now = datetime.now(UTC)
    return pages.render(
        request,
        TEMPLATES,
        "discrepancy.html",
        books=wired.books,
        row=row,
        age_days=max(0, (wired.books.day(now) - wired.books.day(row.opened_at)).days),
        action=ACTIONS[DifferenceKind(row.kind)],
        suspense=await queries.case_of_difference(db, row),
        claim=await db.scalar(
            select(FeeClaim.id)
            .where(FeeClaim.discrepancy_id == row.id)
            .order_by(FeeClaim.opened_at.desc())
            .limit(1)
        ),
        board=await board(
            db,
            officer,
            CaseKind.DISCREPANCY,
            case_id,
            state,
            outcomes=fitting,
            reopenable=row.outcome is not None,
        ),
    )


@router.get("/claims/{case_id}")
async def claim_page(
    case_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    claim = await db.get(FeeClaim, case_id)
    if claim is None:
        raise CaseNotFound
    state = CaseState(claim.state)
    sources = await claims.sources(db, claim) if state is CaseState.OPEN else ()
    fitting = claims.fitting(claim)
    if claim.ended_entry_id is None and not sources:
        fitting = tuple(one for one in fitting if one is not Ending.PAID)
    now = datetime.now(UTC)
    return pages.render(
        request,
        TEMPLATES,
        "claim.html",
        books=wired.books,
        claim=claim,
        difference=await db.get_one(Discrepancy, claim.discrepancy_id),
        age_days=max(0, (wired.books.day(now) - wired.books.day(claim.opened_at)).days),
        line=await db.get(SettlementLine, claim.settlement_line_id)
        if claim.settlement_line_id
        else None,
        board=await board(
            db,
            officer,
            CaseKind.CLAIM,
            case_id,
            state,
            outcomes=fitting,
            sources=sources if claim.ended_entry_id is None else (),
            reopenable=claim.outcome in (Ending.PAID, Ending.REFUSED),
        ),
    )


@router.get("/transfers/{case_id}")
async def transfer_page(
    case_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    case = await db.get(TransferCase, case_id)
    if case is None:
        raise CaseNotFound
    line = await db.get(PayoutLine, case.payout_line_id) if case.payout_line_id else None
    run_id = line.run_id if line else case.payout_run_id
    told = case.statement_line_id
    now = datetime.now(UTC)
    return pages.render(
        request,
        TEMPLATES,
        "transfer.html",
        books=wired.books,
        case=case,
        line=line,
        called=(await payees.parties(db, wired.books.regency)).called,
        run=await db.get(PayoutRun, run_id) if run_id else None,
        refund=await db.get(Refund, case.refund_id) if case.refund_id else None,
        remittance=await db.get(Remittance, case.remittance_id) if case.remittance_id else None,
        movement=await db.get(StatementLine, told) if told else None,
        mended=await transfers.is_mended(db, case_id),
        age_days=max(0, (wired.books.day(now) - wired.books.day(case.opened_at)).days),
        board=await plain_board(db, officer, CaseKind.TRANSFER, case_id),
    )


@router.get("/unended-stays/{case_id}")
async def unended_page(
    case_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    await case_list.must_see(db, own, CaseKind.UNENDED, case_id)
    return pages.render(
        request,
        TEMPLATES,
        "unended.html",
        books=wired.books,
        u=await unended.find(db, case_id),
        paid=await unended.is_paid(db, case_id),
        board=await plain_board(db, officer, CaseKind.UNENDED, case_id),
    )


@router.get("/sign-cases/{case_id}")
async def sign_case_page(
    case_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_SIGNS)],
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    await case_list.must_see(db, own, CaseKind.SIGN, case_id)
    case = await db.get(SignCase, case_id)
    if case is None:
        raise CaseNotFound
    return pages.render(
        request,
        TEMPLATES,
        "sign-case.html",
        books=wired.books,
        case=case,
        spot=await db.get_one(Spot, case.spot_id),
        board=await plain_board(db, officer, CaseKind.SIGN, case_id),
    )
