"""An officer's own account over HTTP: a password alone changes nothing where there is more."""

from datetime import UTC, datetime, timedelta

import httpx
import pyotp
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select, text

from server import sample
from server.database import Transactions
from server.identity import second_factor, tries
from server.identity.models import Officer, OfficerPasskey
from server.limits import RateLimit
from tests.server.cluster import PASSWORD
from tests.server.conftest import SIGN_IN_KEY
from tests.server.office.test_rights import OF_ONESELF

SHOWING = {"/office/account/second-factor", "/office/confirm/passkey"}
KEY = SecretStr(SIGN_IN_KEY)


async def sign_in(
    api: httpx.AsyncClient, login: str = sample.OFFICER, password: str = PASSWORD
) -> None:
    api.cookies.clear()
    answer = await api.post("/office/sign-in", data={"login": login, "password": password})
    assert answer.status_code == 303


async def treasurer(transactions: Transactions) -> Officer:
    async with transactions.begin() as db:
        found = await db.scalar(select(Officer).where(Officer.login == sample.OFFICER))
    assert found is not None
    return found


@pytest.fixture
async def passkey(transactions: Transactions) -> None:
    officer = await treasurer(transactions)
    async with transactions.begin() as db:
        db.add(
            OfficerPasskey(
                credential_id=b"kunci",
                officer_id=officer.id,
                public_key=b"",
                sign_count=0,
                name="Laptop",
                added_at=datetime.now(UTC),
            )
        )


@pytest.mark.usefixtures("passkey")
@pytest.mark.parametrize("asked_of", ["own choice", "money", "all"])
async def test_a_password_does_nothing_for_who_has_a_passkey(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    asked_of: str,
    subtests: pytest.Subtests,
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"second_factor": asked_of})
    await sign_in(api)
    forms = {"password": PASSWORD, "name": "Milik lain", "new": "kata sandi milik lain"}
    for path in sorted(OF_ONESELF - SHOWING):
        with subtests.test(path):
            filled = path.format(credential="a3VuY2k", sign_in_id="0" * 32)
            sent = {"json": {"credential": {}, "name": "x"}} if path.endswith("/passkeys") else {}
            data = {} if sent else {"data": forms | {"code": "000000"}}
            answer = await api.post(filled, **sent, **data)
            assert (answer.status_code, answer.json()["slug"]) == (403, "second-factor-needed")
    answer = await api.get("/office/payouts")
    assert (answer.status_code, answer.json()["slug"]) == (403, "second-factor-needed")
    assert (await api.get("/office")).headers["location"] == "/office/account"
    page = (await api.get("/office/account")).text
    assert 'href="/office/confirm?back=/office"' in page
    assert "Laptop" not in page  # nothing is told of the account either
    assert (await api.get("/office/confirm?back=/office")).status_code == 200
    async with transactions.begin() as db:
        assert await db.scalar(text("SELECT count(*) FROM officer_totps")) == 0
        assert await db.scalar(text("SELECT count(*) FROM officer_passkeys")) == 1
    assert (await api.post("/office/sign-out")).status_code == 303
    await sign_in(api)  # by the same password as before


async def wrong_codes(api: httpx.AsyncClient, path: str) -> list[int]:
    """How the door answers to one wrong code after another."""
    wrong = {"code": "000000"}
    return [(await api.post(path, data=wrong)).status_code for _ in range(tries.OF_LOGIN.tries + 3)]


async def refusals(transactions: Transactions) -> int:
    async with transactions.begin() as db:
        found = await db.scalar(
            text("SELECT count(*) FROM officer_changes WHERE act IN ('refused', 'not-confirmed')")
        )
    return int(found or 0)


async def test_codes_are_not_guessed_in_the_account(
    api: httpx.AsyncClient, app: FastAPI, transactions: Transactions, now: datetime
) -> None:
    """Neither of an app that waits for its first code, nor of one that is asked for."""
    app.state.office_limit = RateLimit(1000)
    officer, long_ago = await treasurer(transactions), now - timedelta(days=9)
    await sign_in(api)
    assert (await api.post("/office/account/totp", data={"password": PASSWORD})).status_code == 200
    told = await wrong_codes(api, "/office/account/totp/confirmation")
    assert told == [422] * tries.OF_LOGIN.tries + [429] * 3
    assert await refusals(transactions) == tries.OF_LOGIN.tries
    async with transactions.begin() as db:
        await db.execute(text("DELETE FROM sign_in_tries"))
        secret, _ = await second_factor.begun(db, officer, KEY, "uji")
        await second_factor.finish(db, officer, KEY, pyotp.TOTP(secret).at(long_ago), now=long_ago)
    # The browser is as one that came by the city's portal: its officer has shown one factor.
    told = await wrong_codes(api, "/office/account/second-factor")
    assert told == [403] * tries.OF_LOGIN.tries + [429] * 3
    assert await refusals(transactions) == 2 * tries.OF_LOGIN.tries
    # The password gives no new tries to who has not shown the code.
    answer = await api.post("/office/account/totp/removal", data={"password": PASSWORD})
    assert (answer.status_code, answer.json()["slug"]) == (403, "second-factor-needed")
    code = {"code": pyotp.TOTP(secret).now()}
    assert (await api.post("/office/account/second-factor", data=code)).status_code == 429
    async with transactions.begin() as db:
        await db.execute(text("DELETE FROM sign_in_tries"))
    answer = await api.post("/office/account/second-factor", data=code)
    assert (answer.status_code, answer.headers["location"]) == (303, "/office")
    assert (await api.get("/office/payouts")).status_code == 200
