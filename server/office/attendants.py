"""The office's pages of attendants: who they are, where they work, and whether they may."""

import io
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from domain import card as kta
from server import pages
from server.database import Transaction, fetch
from server.errors import InvalidRequest
from server.identity import attendants, card_pictures, cards
from server.identity import units as tree
from server.identity.attendants import Particulars
from server.identity.models import Attendant, Officer
from server.identity.service import AttendantNotFound, Right, rights_of
from server.identity.states import AttendantState
from server.ledger import postings
from server.office.refunds import Reason
from server.office.signed_in import OfficerDep, Within, allowed, confirmed
from server.pages import Blank, DayOrNone
from server.payments.wiring import WiringDep
from server.reconciliation import payees
from server.spots import assignments, units
from server.spots.assignments import Hours
from server.spots.units import MoveNotFound, Scope, Subject

router = APIRouter(prefix="/attendants")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/attendants"
PAGE = 100
SHIFTS_SHOWN = 10
CARD_LIFETIME = timedelta(days=365)
Manager = Annotated[Officer, confirmed(Right.MANAGE_ATTENDANTS)]

LIST = """
    SELECT a.id, a.code, a.name, a.state, a.sk_until, x.opened_at, w.spots,
        r.id IS NOT NULL AS asked, r.name AS new_name, r.nik_digest IS NOT NULL AS new_nik,
        coalesce(r.proposed_by <> $1, false) AS of_another
    FROM attendants a
    LEFT JOIN attendant_requests r ON r.attendant_id = a.id AND r.decided_at IS NULL
    LEFT JOIN LATERAL (
        SELECT h.opened_at FROM shifts h WHERE h.attendant_id = a.id AND h.expires_at > $2
        AND NOT EXISTS (SELECT FROM shift_closings c WHERE c.shift_id = h.id)
        ORDER BY h.opened_at DESC LIMIT 1
    ) x ON true
    LEFT JOIN LATERAL (
        SELECT string_agg(DISTINCT s.code, ', ') AS spots, array_agg(DISTINCT z.code) AS zones
        FROM spot_assignments g JOIN spots s ON s.id = g.spot_id JOIN zones z ON z.id = s.zone_id
        WHERE g.attendant_id = a.id AND g.valid_from <= $3
        AND (g.valid_until IS NULL OR g.valid_until >= $3)
    ) w ON true
    WHERE NOT EXISTS (
        SELECT FROM unnest($4::text[]) word
        WHERE position(lower(word) IN lower(a.code || ' ' || a.name)) = 0
    )
    AND ($5::text IS NULL OR $5 = ANY(w.zones))
    AND CASE $6::text WHEN 'requested' THEN r.id IS NOT NULL
        WHEN 'on-shift' THEN x.opened_at IS NOT NULL ELSE $6 IS NULL OR a.state = $6 END
    AND ($7::text IS NULL OR a.code > $7) AND ($9::uuid[] IS NULL OR a.unit_id = ANY($9))
    ORDER BY a.code LIMIT $8
"""
SHIFTS = """
    SELECT h.id, h.opened_at, h.expires_at > $2 AS fresh, c.closed_at
    FROM shifts h LEFT JOIN shift_closings c ON c.shift_id = h.id
    WHERE h.attendant_id = $1 ORDER BY h.opened_at DESC LIMIT $3
"""
Shown = Literal["requested", "active", "stopped", "on-shift", ""]


@router.get("")
async def attendants_page(
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
    q: Annotated[str, Query(max_length=80)] = "",
    zone: Annotated[str, Query(max_length=10)] = "",
    state: Shown = "",
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    now = datetime.now(UTC)
    today = wired.books.day(now)
    told = (q.split(), zone or None, state or None, after)
    rows = await fetch(db, LIST, officer.id, now, today, *told, PAGE + 1, own.units)
    rights = rights_of(officer)
    kept = {"q": q, "zone": zone, "state": state}
    more = len(rows) > PAGE
    return pages.render(
        request,
        TEMPLATES,
        "attendants.html",
        books=wired.books,
        attendants=rows[:PAGE],
        told=kept,
        today=today,
        zones=await own.zone_names(db),
        units=await tree.tree(db, officer.unit_id),
        unit_id=officer.unit_id,
        may_manage=Right.MANAGE_ATTENDANTS in rights,
        may_decide=Right.APPROVE_ATTENDANT in rights and any(row["of_another"] for row in rows),
        takes_nik=wired.settings.person_key is not None,
        signs_cards=wired.books.seal is not None,
        next_page=f"?{urlencode({**kept, 'after': rows[PAGE - 1]['code']})}" if more else None,
    )


def particulars(
    name: Annotated[str, Form(min_length=1, max_length=attendants.LONGEST_NAME)],
    nik: Annotated[str, Form(max_length=40)] = "",
    sk_number: Annotated[str, Form(max_length=attendants.LONGEST_SK)] = "",
    sk_from: Annotated[DayOrNone, Form()] = None,
    sk_until: Annotated[DayOrNone, Form()] = None,
) -> Particulars:
    return Particulars(name, "".join(nik.split()), sk_number.strip(), sk_from, sk_until)


Told = Annotated[Particulars, Depends(particulars)]


@router.post("")
async def add(
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
    code: Annotated[str, Form(min_length=2, max_length=40)],
    told: Told,
    why: Reason,
    unit: Annotated[UUID | None, Blank, Form()] = None,
) -> Response:
    """Here as below, that a unit's officer keeps to it is asked where it is done, so of the
    commands, too."""
    code, key, now = code.strip().upper(), wired.settings.person_key, datetime.now(UTC)
    added = await attendants.add(db, officer.id, code, told, why, key, unit_id=unit, now=now)
    return RedirectResponse(f"{HERE}/{added}", 303)


@router.post("/decisions")
async def decide(
    officer: Annotated[Officer, confirmed(Right.APPROVE_ATTENDANT)],
    db: Transaction,
    _: Within,
    attendant: Annotated[list[UUID], Form(min_length=1, max_length=PAGE)],
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
    why: Reason,
) -> Response:
    """Of one attendant or of many, all or none."""
    approve, now = decision == "approve", datetime.now(UTC)
    for one in sorted(set(attendant)):
        await attendants.decide(db, officer.id, one, why, approve=approve, now=now)
    alone = len(attendant) == 1
    return RedirectResponse(f"{HERE}/{attendant[0]}" if alone else f"{HERE}?state=requested", 303)


async def _seen(db: AsyncSession, own: Scope, attendant_id: UUID) -> Attendant:
    """Raises AttendantNotFound also of one elsewhere."""
    shown = await attendants.find(db, attendant_id)
    own.must_hold(shown.unit_id, AttendantNotFound)
    return shown


@router.get("/{attendant_id}")
async def attendant_page(
    attendant_id: UUID,
    request: Request,
    officer: OfficerDep,
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    shown = await _seen(db, own, attendant_id)
    asked = await attendants.open_request(db, attendant_id)
    move = await units.open_move(db, shown)
    rights = rights_of(officer)
    now = datetime.now(UTC)
    today = wired.books.day(now)
    may_manage = Right.MANAGE_ATTENDANTS in rights
    choices = await tree.tree(db, officer.unit_id)
    return pages.render(
        request,
        TEMPLATES,
        "attendant.html",
        books=wired.books,
        shown=shown,
        of_unit=await tree.find(db, shown.unit_id),
        units=choices,
        has_units=len(choices) > 1 or not own.is_whole,
        asked=asked,
        move=move,
        may_decide_move=move is not None
        and Right.APPROVE_ATTENDANT in rights
        and move.proposed_by != officer.id
        and own.holds(move.to_id),
        today=today,
        placed=await assignments.of_attendant(db, attendant_id, today),
        card=await cards.current(db, attendant_id),
        shifts=await fetch(db, SHIFTS, attendant_id, now, SHIFTS_SHOWN),
        changes=await attendants.history(db, attendant_id),
        is_active=shown.state == AttendantState.ACTIVE,
        may_manage=may_manage,
        may_resume=may_manage and asked is None and shown.state == AttendantState.STOPPED,
        may_decide=asked is not None
        and Right.APPROVE_ATTENDANT in rights
        and asked.proposed_by != officer.id,
        sees_nik=rights & {Right.MANAGE_ATTENDANTS, Right.APPROVE_ATTENDANT},
        takes_nik=wired.settings.person_key is not None,
        signs_cards=wired.books.seal is not None,
        account=(await payees.agreed(db)).get((postings.ATTENDANT_PAYABLE, shown.code)),
        told_account=(await payees.waiting(db)).get((postings.ATTENDANT_PAYABLE, shown.code)),
        may_pay=Right.PAY_SHARES in rights,
        keeps=wired.settings.payee_key is not None,
    )


def _back(attendant_id: UUID) -> Response:
    return RedirectResponse(f"{HERE}/{attendant_id}", 303)


@router.post("/{attendant_id}/particulars")
async def change(
    attendant_id: UUID,
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
    told: Told,
    why: Reason,
) -> Response:
    key, now = wired.settings.person_key, datetime.now(UTC)
    await attendants.change(db, officer.id, attendant_id, told, why, key, now=now)
    return _back(attendant_id)


@router.post("/{attendant_id}/stop")
async def stop(
    attendant_id: UUID, officer: Manager, db: Transaction, _: Within, why: Reason
) -> Response:
    await attendants.stop(db, officer.id, attendant_id, why, now=datetime.now(UTC))
    return _back(attendant_id)


@router.post("/{attendant_id}/requests")
async def ask_to_resume(
    attendant_id: UUID, officer: Manager, db: Transaction, _: Within, why: Reason
) -> Response:
    await attendants.propose(db, officer.id, attendant_id, why, now=datetime.now(UTC))
    return _back(attendant_id)


@router.post("/{attendant_id}/pin")
async def new_pin(
    attendant_id: UUID,
    request: Request,
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
) -> Response:
    """The answer itself shows the PIN: of it only a hash is kept, so no other page can."""
    pin = await attendants.new_pin(db, officer.id, attendant_id, now=datetime.now(UTC))
    return pages.render(
        request,
        TEMPLATES,
        "attendant-pin.html",
        books=wired.books,
        shown=await attendants.find(db, attendant_id),
        pin=pin,
    )


@router.post("/{attendant_id}/moves")
async def ask_to_move(
    attendant_id: UUID,
    officer: Manager,
    db: Transaction,
    own: Within,
    to: Annotated[UUID, Form()],
    why: Reason,
) -> Response:
    code = (await _seen(db, own, attendant_id)).code
    now = datetime.now(UTC)
    await units.propose(db, officer.id, Subject.ATTENDANT, code, to, why, now=now)
    return _back(attendant_id)


@router.post("/{attendant_id}/moves/{move_id}/decision")
async def decide_move(
    attendant_id: UUID,
    move_id: UUID,
    officer: Annotated[Officer, confirmed(Right.APPROVE_ATTENDANT)],
    db: Transaction,
    own: Within,
    decision: Annotated[str, Form(pattern="^(approve|decline)$")],
) -> Response:
    """What was shown is decided, and no other move of the attendant."""
    move = await units.open_move(db, await _seen(db, own, attendant_id))
    if move is None or move.id != move_id:
        raise MoveNotFound
    approve = decision == "approve"
    await units.decide(db, officer.id, move_id, approve=approve, now=datetime.now(UTC))
    return _back(attendant_id)


@router.post("/{attendant_id}/assignments")
async def assign(
    attendant_id: UUID,
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
    spot: Annotated[str, Form(min_length=1, max_length=2000)],
    day: Annotated[list[int], Form(max_length=7)],
    starts: Annotated[time, Form()],
    ends: Annotated[time, Form()],
    first: Annotated[DayOrNone, Form()] = None,
    last: Annotated[DayOrNone, Form()] = None,
) -> Response:
    now = datetime.now(UTC)
    begins = first or wired.books.day(now)
    hours = Hours(frozenset(day), starts, ends, begins, last)
    codes = spot.replace(",", " ").split()
    await assignments.assign(db, officer.id, attendant_id, codes, hours, now=now)
    return _back(attendant_id)


@router.post("/{attendant_id}/assignments/{assignment_id}/end")
async def end_assignment(
    attendant_id: UUID,
    assignment_id: UUID,
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
) -> Response:
    now = datetime.now(UTC)
    told = (attendant_id, assignment_id, wired.books.day(now))
    await assignments.end(db, officer.id, *told, now=now)
    return _back(attendant_id)


@router.post("/{attendant_id}/cards")
async def issue_card(
    attendant_id: UUID,
    officer: Manager,
    db: Transaction,
    wired: WiringDep,
    _: Within,
    why: Reason,
    lost: Annotated[bool, Form()] = False,
) -> Response:
    """A new card, good as long as the letter of assignment; a lost one is good no more."""
    now = datetime.now(UTC)
    manage = Right.MANAGE_ATTENDANTS
    _officer, shown = await attendants.theirs(db, officer.id, manage, attendant_id)
    if shown.state != AttendantState.ACTIVE or wired.books.seal is None:
        raise attendants.AttendantChanged
    if lost:
        await cards.revoke(db, shown.code, why, now=now)
    today = wired.books.day(now)
    until = card_until(shown.code, shown.sk_until, today)
    await cards.issue(db, shown.code, until, now=now)
    await attendants.note(db, attendant_id, "card-made", officer.login, why, now=now)
    return _back(attendant_id)


def card_until(attendant: str, sk_until: date | None, today: date) -> date:
    if sk_until is not None and sk_until < today:
        raise InvalidRequest(f"sk_until: the letter of assignment of {attendant} has ended")
    year = today + CARD_LIFETIME
    return year if sk_until is None else min(year, sk_until)


@router.get("/{attendant_id}/card.pdf")
async def card_picture(
    attendant_id: UUID,
    officer: Annotated[Officer, allowed(Right.MANAGE_ATTENDANTS)],
    db: Transaction,
    wired: WiringDep,
    own: Within,
) -> Response:
    """The card as it was issued, to be printed in its real size; it is signed anew, alike."""
    await _seen(db, own, attendant_id)
    card, seal, books = await cards.current(db, attendant_id), wired.books.seal, wired.books
    if card is None or seal is None:
        raise attendants.AttendantChanged
    picture = card_pictures.draw(card, kta.sign(seal, card), books.regency, books.agency)
    out = io.BytesIO()
    picture.save(out, "PDF", resolution=card_pictures.DPI)
    return Response(
        out.getvalue(),
        media_type="application/pdf",
        headers=pages.SECURITY_HEADERS
        | {"Content-Disposition": f'attachment; filename="kta-{card.attendant}.pdf"'},
    )
