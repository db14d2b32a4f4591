"""Passkeys in the office: add one, sign in by it, show by it once more who is at the screen."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, Field
from webauthn.helpers import base64url_to_bytes

from server import pages
from server.database import Transaction
from server.identity import passkeys, sign_ins
from server.identity.passkeys import PasskeyNotFound, needed_site
from server.office.own_account import HERE, OwnDep, WholeDep
from server.office.signed_in import SignedInDep, inside
from server.office.signing_in import asker_of, with_cookie
from server.payments.wiring import WiringDep

router = APIRouter()
TEMPLATES = Path(__file__).parent / "templates"


class Answer(BaseModel):
    """What the browser's authenticator has answered."""

    credential: dict[str, Any]


class NewKey(Answer):
    name: str = Field(min_length=1, max_length=60)


@router.post("/sign-in/passkey/options")
async def sign_in_options(request: Request, db: Transaction, wired: WiringDep) -> Response:
    request.app.state.office_limit.check(request)
    site = needed_site(wired.books.base_url)
    options = await passkeys.request_options(db, site, now=datetime.now(UTC))
    return Response(options, media_type="application/json")


@router.post("/sign-in/passkey")
async def sign_in(body: Answer, request: Request, db: Transaction, wired: WiringDep) -> Response:
    """A passkey is both factors, and has just been shown."""
    request.app.state.office_limit.check(request)
    now = datetime.now(UTC)
    site = needed_site(wired.books.base_url)
    officer = await passkeys.proven(db, site, body.credential, now=now)
    token = await sign_ins.open_(
        db, officer, "passkey", asker_of(request), strong=True, confirmed=True, now=now
    )
    return with_cookie(JSONResponse({}), token, wired.books)


@router.post("/account/passkeys/begin")
async def begin(
    name: Annotated[str, Form(min_length=1, max_length=60)],
    request: Request,
    found: OwnDep,
    db: Transaction,
    wired: WiringDep,
) -> Response:
    site = needed_site(wired.books.base_url)
    called = f"Karcis {wired.books.regency}"
    options = await passkeys.creation_options(
        db, found.officer, site, called, now=datetime.now(UTC)
    )
    return pages.render(
        request, TEMPLATES, "passkey.html", books=wired.books, options=options, name=name
    )


@router.post("/account/passkeys")
async def add(body: NewKey, found: WholeDep, db: Transaction, wired: WiringDep) -> Response:
    """The challenge was made for this officer, who had confirmed then."""
    now = datetime.now(UTC)
    officer = found.officer
    site = needed_site(wired.books.base_url)
    await passkeys.add(db, officer, site, body.credential, body.name, now=now)
    await sign_ins.note(db, officer.id, "passkey-added", officer.login, body.name, now=now)
    await sign_ins.end_all(db, officer.id, officer.login, now=now, but=found.sign_in.id)
    token = await sign_ins.strengthen(db, found, "passkey", now=now)
    return with_cookie(JSONResponse({}, 201), token, wired.books)


@router.post("/account/passkeys/{credential}/removal")
async def remove(credential: str, found: OwnDep, db: Transaction) -> Response:
    try:
        credential_id = base64url_to_bytes(credential)
    except ValueError as exc:
        raise PasskeyNotFound from exc
    name = await passkeys.remove(db, found.officer.id, credential_id)
    officer = found.officer
    now = datetime.now(UTC)
    await sign_ins.note(db, officer.id, "passkey-removed", officer.login, name, now=now)
    return RedirectResponse(HERE, 303)


@router.get("/confirm")
async def confirm_page(
    request: Request, found: SignedInDep, db: Transaction, wired: WiringDep, back: str = "/office"
) -> Response:
    """For who has no password at hand: show it once, and the forms ask no more for some minutes."""
    site = passkeys.site_of(wired.books.base_url)
    officer_id, now = found.officer.id, datetime.now(UTC)
    has = site is not None and bool(await passkeys.of_officer(db, officer_id))
    options = (
        await passkeys.request_options(db, site, now=now, officer_id=officer_id)
        if site is not None and has
        else None
    )
    return pages.render(
        request,
        TEMPLATES,
        "confirm.html",
        books=wired.books,
        options=options,
        portal=found.officer.portal_account is not None and request.app.state.portal is not None,
        back=inside(back),
        minutes=int(sign_ins.CONFIRMED_FOR.total_seconds()) // 60,
    )


@router.post("/confirm/passkey")
async def confirm(body: Answer, found: SignedInDep, db: Transaction, wired: WiringDep) -> Response:
    now = datetime.now(UTC)
    site = needed_site(wired.books.base_url)
    await passkeys.proven(db, site, body.credential, now=now, officer_id=found.officer.id)
    token = await sign_ins.strengthen(db, found, "passkey", now=now)
    return with_cookie(JSONResponse({}), token, wired.books)
