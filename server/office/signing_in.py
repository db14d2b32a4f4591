"""The office's door: signing in and out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Cookie, Form, Request, Response
from fastapi.responses import RedirectResponse

from server import pages
from server.database import Transaction, TransactionsDep
from server.errors import Problem
from server.identity import passkeys, passwords, sign_ins, staff
from server.identity.service import SignInRefused
from server.identity.sign_ins import Asker
from server.identity.tries import TooManyTries
from server.limits import address_of
from server.office.signed_in import COOKIE
from server.payments.books import Books
from server.payments.wiring import Wiring, WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"
FIRST = "first-sign-in.html"


@router.get("/sign-in")
async def sign_in_page(request: Request, wired: WiringDep) -> Response:
    return _page(request, wired, None)


def _page(
    request: Request, wired: Wiring, refused: Problem | None, template: str = "sign-in.html"
) -> Response:
    wait_s = (refused.retry_after_s if refused else None) or 0
    return pages.render(
        request,
        TEMPLATES,
        template,
        books=wired.books,
        status=refused.status if refused else 200,
        headers={"Retry-After": str(wait_s)} if wait_s else None,
        refused=refused is not None,
        wait_minutes=-(-wait_s // 60),
        shortest=passwords.SHORTEST,
        portal=request.app.state.portal is not None,
        passkeys=passkeys.site_of(wired.books.base_url) is not None,
    )


@router.post("/sign-in")
async def sign_in(
    login: Annotated[str, Form(max_length=80)],
    password: Annotated[str, Form(max_length=200)],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
    code: Annotated[str, Form(max_length=40)] = "",
    karcis_office: Annotated[str, Cookie()] = "",
) -> Response:
    """A new token at each signing in: one that somebody planted before is worth nothing."""
    request.app.state.office_limit.check(request)
    key, now = wired.settings.sign_in_key, datetime.now(UTC)
    try:
        token = await sign_ins.by_password(
            transactions, login, password, code, asker_of(request), key, now=now
        )
    except (SignInRefused, TooManyTries) as refused:
        return _page(request, wired, refused)
    async with transactions.begin() as db:
        await sign_ins.sign_out(db, karcis_office, now=now)
    return with_cookie(RedirectResponse("/office", 303), token, wired.books)


def asker_of(request: Request) -> Asker:
    return Asker(address_of(request), request.headers.get("user-agent", ""))


def with_cookie(response: Response, token: str, books: Books) -> Response:
    """The answer, with which the browser is signed in."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(sign_ins.LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=books.base_url.startswith("https"),
    )
    return response


@router.get("/first-sign-in")
async def first_sign_in_page(request: Request, wired: WiringDep) -> Response:
    return _page(request, wired, None, FIRST)


@router.post("/first-sign-in")
async def first_sign_in(
    login: Annotated[str, Form(max_length=80)],
    code: Annotated[str, Form(max_length=40)],
    new: Annotated[str, Form(max_length=200)],
    request: Request,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """With the code of the office an officer chooses the password, and goes on to the account."""
    request.app.state.office_limit.check(request)
    asker, now = asker_of(request), datetime.now(UTC)
    try:
        token = await staff.sign_in_first(transactions, login, code, new, asker, now=now)
    except (SignInRefused, TooManyTries) as refused:
        return _page(request, wired, refused, FIRST)
    return with_cookie(RedirectResponse("/office/account", 303), token, wired.books)


@router.post("/sign-out")
async def sign_out(db: Transaction, karcis_office: Annotated[str, Cookie()] = "") -> Response:
    await sign_ins.sign_out(db, karcis_office, now=datetime.now(UTC))
    response = RedirectResponse("/office/sign-in", 303)
    response.delete_cookie(COOKIE)
    return response
