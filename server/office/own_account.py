"""An officer's own account: where it is signed in, its password, its second factor."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from webauthn.helpers import bytes_to_base64url

from server import pages
from server.database import Transaction, TransactionsDep
from server.identity import passkeys, passwords, second_factor, sign_ins, tries
from server.identity.second_factor import CodeRefused
from server.identity.sign_ins import SecondFactorNeeded, SignedIn
from server.limits import address_of
from server.office.signed_in import SignedInDep, confirm, shown_enough
from server.office.signing_in import with_cookie
from server.payments import barcodes
from server.payments.wiring import Wiring, WiringDep

router = APIRouter(prefix="/account")
TEMPLATES = Path(__file__).parent / "templates"
HERE = "/office/account"
Code = Annotated[str, Form(min_length=1, max_length=40)]


async def whole(found: SignedInDep) -> SignedIn:
    """Who has shown the second factor, if there is one. Without it a password changes nothing."""
    if found.shown_half:
        raise SecondFactorNeeded
    return found


WholeDep = Annotated[SignedIn, Depends(whole)]


async def own(found: WholeDep, _: Annotated[SignedIn, Depends(confirm)]) -> SignedIn:
    """Who may change the account: confirmed besides."""
    return found


OwnDep = Annotated[SignedIn, Depends(own)]


@router.get("")
async def account_page(
    request: Request, found: SignedInDep, db: Transaction, wired: WiringDep
) -> Response:
    try:
        shown_enough(request, found)
    except SecondFactorNeeded:
        weak = True
    else:
        weak = False
    officer = found.officer
    now, idle = datetime.now(UTC), wired.settings.office_idle
    return pages.render(
        request,
        TEMPLATES,
        "own-account.html",
        books=wired.books,
        officer=officer,
        sign_in=found.sign_in,
        weak=weak,
        half=found.shown_half,
        keys=await passkeys.of_officer(db, officer.id),
        key_text=bytes_to_base64url,
        site=passkeys.site_of(wired.books.base_url),
        possible=wired.settings.sign_in_key is not None,
        factor=await second_factor.standing(db, officer.id),
        sign_ins=await sign_ins.of_officer(db, officer.id, now=now, idle=idle),
        browser_named=sign_ins.browser_named,
        changes=await sign_ins.history(db, officer.id),
        shortest=passwords.SHORTEST,
    )


@router.post("/second-factor")
async def show_second_factor(
    code: Code,
    request: Request,
    found: SignedInDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    """Who signed in by one factor alone shows the other."""
    request.app.state.office_limit.check(request)
    key, address, now = wired.settings.sign_in_key, address_of(request), datetime.now(UTC)
    token = await sign_ins.show_factor(transactions, found, code, key, address, now=now)
    return with_cookie(RedirectResponse("/office", 303), token, wired.books)


@router.post("/totp")
async def begin_totp(
    request: Request, found: OwnDep, db: Transaction, wired: WiringDep
) -> Response:
    key = wired.settings.sign_in_key
    await second_factor.begin(db, found.officer, key, now=datetime.now(UTC))
    return await _totp_page(request, found, db, wired, refused=False)


async def _totp_page(
    request: Request, found: SignedIn, db: Transaction, wired: Wiring, *, refused: bool
) -> Response:
    issuer = f"Karcis {wired.books.regency}"
    key = wired.settings.sign_in_key
    secret, address = await second_factor.begun(db, found.officer, key, issuer)
    drawn = base64.b64encode(barcodes.png(address)).decode()
    return pages.render(
        request,
        TEMPLATES,
        "totp.html",
        books=wired.books,
        status=422 if refused else 200,
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        picture=f"data:image/png;base64,{drawn}",
        refused=refused,
    )


@router.post("/totp/confirmation")
async def finish_totp(
    code: Code,
    request: Request,
    found: WholeDep,
    transactions: TransactionsDep,
    wired: WiringDep,
) -> Response:
    request.app.state.office_limit.check(request)
    officer, address, now = found.officer, address_of(request), datetime.now(UTC)
    key = wired.settings.sign_in_key
    await tries.claim(transactions, officer.login, address, now=now)
    async with transactions.begin() as db:
        try:
            codes = await second_factor.finish(db, officer, key, code, now=now)
        except CodeRefused:
            await sign_ins.note(db, officer.id, "refused", officer.login, address, now=now)
            return await _totp_page(request, found, db, wired, refused=True)
        await tries.forgive(db, officer.login, address)
        await sign_ins.note(db, officer.id, "totp-added", officer.login, "", now=now)
        await sign_ins.end_all(db, officer.id, officer.login, now=now, but=found.sign_in.id)
        token = await sign_ins.strengthen(db, found, "totp", now=now)
    return with_cookie(_codes_page(request, wired, codes), token, wired.books)


def _codes_page(request: Request, wired: Wiring, codes: list[str]) -> Response:
    """The answer itself shows the codes: only their digests are kept, so no other page can."""
    return pages.render(request, TEMPLATES, "recovery-codes.html", books=wired.books, codes=codes)


@router.post("/totp/removal")
async def remove_totp(found: OwnDep, db: Transaction) -> Response:
    officer = found.officer
    await second_factor.remove(db, officer.id)
    await sign_ins.note(db, officer.id, "totp-removed", officer.login, "", now=datetime.now(UTC))
    return RedirectResponse(HERE, 303)


@router.post("/recovery-codes")
async def new_recovery_codes(
    request: Request, found: OwnDep, db: Transaction, wired: WiringDep
) -> Response:
    officer, now = found.officer, datetime.now(UTC)
    codes = await second_factor.new_recovery_codes(db, officer.id, now=now)
    await sign_ins.note(db, officer.id, "recovery-codes-made", officer.login, "", now=now)
    return _codes_page(request, wired, codes)


@router.post("/password")
async def change_password(
    new: Annotated[str, Form(max_length=200)], found: OwnDep, db: Transaction
) -> Response:
    await sign_ins.change_password(db, found, new, now=datetime.now(UTC))
    return RedirectResponse(HERE, 303)


@router.post("/sign-ins/end-others")
async def end_others(found: WholeDep, db: Transaction) -> Response:
    officer = found.officer
    now = datetime.now(UTC)
    await sign_ins.end_all(db, officer.id, officer.login, now=now, but=found.sign_in.id)
    return RedirectResponse(HERE, 303)


@router.post("/sign-ins/{sign_in_id}/end")
async def end_one(sign_in_id: UUID, found: WholeDep, db: Transaction) -> Response:
    officer = found.officer
    await sign_ins.end(db, officer.id, sign_in_id, officer, now=datetime.now(UTC))
    return RedirectResponse(HERE, 303)
