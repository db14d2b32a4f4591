"""Settlement files sent again, corrected: asked for, looked at, and decided by another officer."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import FileRefused
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right
from server.office.imports import Chosen, FileNotTaken, Whose, name_of, terms_of
from server.office.signed_in import allowed, confirmed
from server.payments.wiring import WiringDep
from server.reconciliation import corrections, daily
from server.reconciliation.corrections import CorrectedFile
from server.reconciliation.files import MAX_BYTES
from server.reconciliation.mappings import MappingRefused, SettlementMapping, chosen
from server.spots.states import ProposalState

router = APIRouter(prefix="/corrections")
TEMPLATES = Path(__file__).parent / "templates"
MOST_SHOWN = 500
Words = Annotated[str, Form(min_length=1, max_length=200)]


def _page(correction_id: UUID) -> Response:
    return RedirectResponse(f"/office/corrections/{correction_id}", 303)


@router.post("")
async def propose(
    file: UploadFile,
    officer: Annotated[Officer, confirmed(Right.TAKE_IN_FILES)],
    db: Transaction,
    wired: WiringDep,
    reason: Words,
    mapping: Chosen = "",
    acquirer: Whose = "",
) -> Response:
    """Ask that a file counts instead of what earlier ones told."""
    terms = terms_of(wired, acquirer)
    try:
        told = CorrectedFile(
            terms.name,
            name_of(file),
            await file.read(MAX_BYTES + 1),
            chosen(SettlementMapping, mapping, terms.settlement_mapping),
            mapping,
            terms.merchant_id,
        )
        now = datetime.now(UTC)
        made = await corrections.propose(db, officer.id, told, reason, wired.books, now)
    except FileRefused as exc:
        raise FileNotTaken(exc) from exc
    except MappingRefused as exc:
        raise FileNotTaken(FileRefused(exc.english, exc.indonesian)) from exc
    return _page(made)


@router.get("/{correction_id}")
async def correction_page(
    correction_id: UUID,
    request: Request,
    officer: Annotated[Officer, allowed(Right.SEE_BOOKS)],
    db: Transaction,
    wired: WiringDep,
) -> Response:
    """What a file changes, line by line."""
    found = await corrections.found(db, correction_id)
    may, is_own = MAY[Role(officer.role)], found.row.asked_by == officer.id
    waits = found.row.state == ProposalState.REQUESTED
    return pages.render(
        request,
        TEMPLATES,
        "correction.html",
        books=wired.books,
        correction=found,
        lines=found.row.lines[:MOST_SHOWN],
        more=max(len(found.row.lines) - MOST_SHOWN, 0),
        difference_rp=sum(
            line["after"]["net_rp"] - line["before"]["net_rp"] for line in found.row.lines
        ),
        may_decide=waits and not is_own and Right.DECIDE_CASE in may,
        may_withdraw=waits and is_own,
    )


@router.post("/{correction_id}/decision")
async def decide(
    correction_id: UUID,
    officer: Annotated[Officer, confirmed(Right.DECIDE_CASE)],
    transactions: TransactionsDep,
    wired: WiringDep,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Words,
) -> Response:
    now, imported = datetime.now(UTC), None
    try:
        async with transactions.begin() as db:
            if decision == "decline":
                await corrections.decline(db, officer.id, correction_id, why, now=now)
            else:
                row = (await corrections.found(db, correction_id)).row
                terms = terms_of(wired, row.acquirer)
                imported = await corrections.approve(
                    db,
                    officer.id,
                    correction_id,
                    wired.books,
                    mapping=chosen(SettlementMapping, row.mapping, terms.settlement_mapping),
                    merchant=terms.merchant_id,
                    why=why,
                    now=now,
                )
    except FileRefused as exc:
        raise FileNotTaken(exc) from exc
    except MappingRefused as exc:
        raise FileNotTaken(FileRefused(exc.english, exc.indonesian)) from exc
    if imported is not None:
        await daily.after_import(transactions, imported, wired.books, now=now)
    return _page(correction_id)


@router.post("/{correction_id}/withdrawal")
async def withdraw(
    correction_id: UUID,
    officer: Annotated[Officer, confirmed(Right.TAKE_IN_FILES)],
    db: Transaction,
    why: Words,
) -> Response:
    await corrections.withdraw(db, officer.id, correction_id, why, now=datetime.now(UTC))
    return _page(correction_id)
