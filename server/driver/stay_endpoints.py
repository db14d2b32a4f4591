"""The page of one stay, for whoever has its link: until when it is paid, more time, leaving."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from server import pages
from server.database import Transaction, TransactionsDep, new_id
from server.driver import reminders, service
from server.driver.reminders import Push, PushServiceUnknown, Subscription
from server.errors import language_of
from server.parking.models import UnendedStay
from server.parking.service import StayOver
from server.payments import open_charges, stays
from server.payments.issuing import LONGEST_STAY_MINUTES
from server.payments.wiring import WiringDep

router = APIRouter(tags=["driver"], include_in_schema=False)
TEMPLATES = Path(__file__).parent / "templates"


@router.get("/s/{stay_id}")
async def stay_page(stay_id: UUID, request: Request, db: Transaction, wired: WiringDep) -> Response:
    now = datetime.now(UTC)
    account = await stays.look(db, stay_id, wired.books)
    until = account.paid_until
    seconds_left = max(0, int((until - now).total_seconds())) if until else 0
    push: Push | None = request.app.state.push
    extendable = service.may_extend(account, now)
    return pages.render(
        request,
        TEMPLATES,
        "stay.html",
        books=wired.books,
        stay=account,
        until=until,
        seconds_left=seconds_left,
        time_left=service.clock(seconds_left),
        ending=bool(seconds_left) and seconds_left <= service.LAST_MINUTES.total_seconds(),
        extensions=service.extensions(account) if extendable else [],
        owed=service.owed(account, now),
        unended=await db.get(UnendedStay, stay_id),
        parked_minutes=int(((account.row.ended_at or now) - account.row.started_at).total_seconds())
        // 60,
        new_charge_id=new_id(),
        push_key=push.public if push and extendable else "",
    )


class ExtendForm(BaseModel):
    """`id` is that of the new charge, so that a double tap makes one."""

    id: UUID
    minutes: int = Field(ge=1, le=LONGEST_STAY_MINUTES)


@router.post("/s/{stay_id}/extend")
async def extend_stay(
    stay_id: UUID,
    form: Annotated[ExtendForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        spot = (await stays.look(db, stay_id, wired.books)).place.code
    async with open_charges.asked_by_driver(request, form.id, spot, now=now):
        await service.extend(transactions, wired, stay_id, form.id, form.minutes, now=now)
    return RedirectResponse(f"/c/{form.id}", 303)


class LeaveForm(BaseModel):
    id: UUID


@router.post("/s/{stay_id}/leave")
async def leave(
    stay_id: UUID,
    form: Annotated[LeaveForm, Form()],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """Ends a stay that is paid for at its end, and asks for the money."""
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        spot = (await stays.look(db, stay_id, wired.books)).place.code
    async with open_charges.asked_by_driver(request, form.id, spot, now=now):
        owes = await service.leave(transactions, wired, stay_id, form.id, now=now)
    return RedirectResponse(f"/c/{form.id}" if owes else f"/s/{stay_id}", 303)


class PushKeys(BaseModel):
    p256dh: str = Field(max_length=200, repr=False)
    auth: str = Field(max_length=100, repr=False)


class PushSubscription(BaseModel):
    """A PushSubscription, as its toJSON() gives it (Push API, W3C)."""

    model_config = ConfigDict(extra="ignore")

    endpoint: str = Field(max_length=1000)
    keys: PushKeys


@router.post("/s/{stay_id}/reminder", status_code=204)
async def remind(
    stay_id: UUID,
    body: PushSubscription,
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> None:
    """Has this browser told before the stay runs out, for as long as it runs."""
    request.app.state.driver_limit.check(request)
    push: Push | None = request.app.state.push
    if push is None:
        raise PushServiceUnknown
    wanted = Subscription(body.endpoint, body.keys.p256dh, body.keys.auth, language_of(request))
    push.check(wanted)
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        account = await stays.lock(db, stay_id, wired.books)
        if account.paid_until is None or account.paid_until <= now:
            raise StayOver
        await reminders.keep(db, stay_id, wanted)
