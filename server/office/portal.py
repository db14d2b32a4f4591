"""The office's door by way of the city's portal, and back."""

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Cookie, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession

from server import pages
from server.database import TransactionsDep
from server.identity import sign_ins, single_sign_on
from server.identity.models import Officer
from server.identity.single_sign_on import Attempt, Portal, PortalRefused, PortalUnavailable, Told
from server.office.signed_in import SignedInDep, inside
from server.office.signing_in import asker_of, with_cookie
from server.payments.wiring import Wiring, WiringDep

router = APIRouter(prefix="/portal")
TEMPLATES = Path(__file__).parent / "templates"
COOKIE = "karcis_portal"
HERE = "/office/portal"
OFFICE = "/office"
Short = Annotated[str, Query(max_length=4000)]


def portal_of(request: Request) -> Portal:
    portal: Portal | None = request.app.state.portal
    if portal is None:
        raise PortalUnavailable("KARCIS_OIDC_ISSUER is not set")
    return portal


@router.get("")
async def go(request: Request, transactions: TransactionsDep, wired: WiringDep) -> Response:
    request.app.state.office_limit.check(request)
    async with transactions.begin() as db:
        state, attempt = await single_sign_on.begin(db, now=datetime.now(UTC))
    return await _on_the_way(request, wired, state, attempt)


@router.get("/confirm")
async def go_once_more(
    request: Request,
    transactions: TransactionsDep,
    found: SignedInDep,
    wired: WiringDep,
    back: Short = OFFICE,
) -> Response:
    """Who is signed in shows the portal anew who they are, and comes `back` to their form."""
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        state, attempt = await single_sign_on.begin(db, now=now, sign_in_id=found.sign_in.id)
    return await _on_the_way(request, wired, state, attempt, inside(back))


async def _on_the_way(
    request: Request, wired: Wiring, state: str, attempt: Attempt, back: str = OFFICE
) -> Response:
    response = RedirectResponse(await portal_of(request).way_there(state, attempt), 303)
    response.set_cookie(
        COOKIE,
        f"{state}{quote(back)}",
        max_age=int(single_sign_on.ATTEMPT_LIFETIME.total_seconds()),
        path=HERE,
        httponly=True,
        samesite="lax",  # it has to come along when the portal sends the browser back
        secure=wired.books.base_url.startswith("https"),
    )
    return response


@router.get("/return")
async def come_back(
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
    state: Short = "",
    code: Short = "",
    karcis_portal: Annotated[str, Cookie()] = "",
) -> Response:
    """Back from the portal. A page of ours leads on: a browser that another site sent here would
    not send our cookie along with a redirect.
    """
    now, portal = datetime.now(UTC), portal_of(request)
    began, _, rest = karcis_portal.partition("/")
    if not state or not secrets.compare_digest(state.encode(), began.encode()):
        raise PortalRefused
    attempt = await single_sign_on.take(transactions, state, now=now)
    if not code:
        raise PortalRefused
    told = await portal.told_by(code, attempt, now)
    async with transactions.begin() as db:
        officer = await single_sign_on.officer_of(db, told)
        token = await _token(db, officer, told, attempt, request, now)
    response = pages.render(
        request,
        TEMPLATES,
        "portal-return.html",
        books=wired.books,
        back=inside(unquote("/" + rest)),
    )
    response.delete_cookie(COOKIE, path=HERE)
    return with_cookie(response, token, wired.books)


async def _token(
    db: AsyncSession,
    officer: Officer,
    told: Told,
    attempt: Attempt,
    request: Request,
    now: datetime,
) -> str:
    strong = told.both_factors
    if attempt.sign_in_id is None:
        asker = asker_of(request)
        return await sign_ins.open_(
            db, officer, "portal", asker, strong=strong, confirmed=False, now=now
        )
    before = await sign_ins.signed_in_as(db, attempt.sign_in_id, now=now)
    if before.officer.id != officer.id:
        raise PortalRefused
    return await sign_ins.strengthen(db, before, "portal", now=now, strong=strong)
