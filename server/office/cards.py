"""Sheets of attendants' cards, of many attendants at once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Response
from sqlalchemy import select

from domain.card import Card
from server.database import TransactionsDep
from server.identity import attendants, card_pictures, cards
from server.identity.models import Attendant, Officer
from server.identity.service import AttendantNotFound, Right
from server.identity.states import AttendantState
from server.office import taken_out
from server.office.attendants import PAGE, card_until
from server.office.refunds import Reason
from server.office.signed_in import Within, confirmed
from server.payments.vouchers import NoSeal
from server.payments.wiring import WiringDep

router = APIRouter(prefix="/attendants")


@router.post("/cards")
async def print_cards(
    officer: Annotated[Officer, confirmed(Right.MANAGE_ATTENDANTS)],
    transactions: TransactionsDep,
    wired: WiringDep,
    own: Within,
    attendant: Annotated[list[UUID], Form(min_length=1, max_length=PAGE)],
    paper: Annotated[Literal["a4", "a5"], Form()],
    why: Reason,
) -> Response:
    """The good cards of these attendants once more, and new ones for those who have none."""
    now, books = datetime.now(UTC), wired.books
    if books.seal is None:
        raise NoSeal("KARCIS_PROOF_KEY")
    today = books.day(now)
    printed: list[Card] = []
    async with transactions.begin() as db:
        asked = select(Attendant).where(Attendant.id.in_(attendant), own.unit(Attendant.unit_id))
        people: Sequence[Attendant] = (await db.scalars(asked.order_by(Attendant.code))).all()
        if len(people) < len(set(attendant)):
            raise AttendantNotFound
        for one in people:
            if one.state != AttendantState.ACTIVE:
                raise attendants.AttendantChanged(one.code)
            card, act = await cards.current(db, one.id), "card-printed"
            if card is None or card.valid_until < today:
                until = card_until(one.code, one.sk_until, today)
                card, act = await cards.issue(db, one.code, until, now=now), "card-made"
            await attendants.note(db, one.id, act, officer.login, why, now=now)
            printed.append(card)
    content = await asyncio.to_thread(
        card_pictures.printed,
        printed,
        books.seal,
        books.regency,
        books.agency,
        vest=paper == "a5",
    )
    told = {"paper": paper, "attendants": ", ".join(card.attendant for card in printed), "why": why}
    what = taken_out.What("kta", today, today, told)
    return await taken_out.pdf(
        transactions, officer, what, f"kta-{paper}.pdf", content, len(printed), now=now
    )
