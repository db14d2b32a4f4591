"""Officers signing in: two factors, nothing taken twice, waits that grow, browsers that end."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pyotp
import pytest
from pydantic import SecretStr
from sqlalchemy import select, text, update

from server import sample
from server.database import Transactions
from server.identity import second_factor, sign_ins, tries
from server.identity.models import Officer, OfficerTotp
from server.identity.second_factor import CodeRefused, SecondFactorNotConfigured
from server.identity.service import NotSignedIn, PasswordRefused, SignInRefused
from server.identity.sign_ins import Asker, PasswordTooShort, SignedIn
from server.identity.tries import TooManyTries
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.conftest import SIGN_IN_KEY

KEY = SecretStr(SIGN_IN_KEY)
DESK = Asker("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0 Safari/537.36")
IDLE = timedelta(hours=1)


async def sign_in(
    transactions: Transactions,
    now: datetime,
    password: str = PASSWORD,
    code: str = "",
    *,
    login: str = sample.OFFICER,
    asker: Asker = DESK,
) -> str:
    return await sign_ins.by_password(transactions, login, password, code, asker, KEY, now=now)


async def who(transactions: Transactions, token: str, now: datetime) -> SignedIn:
    async with transactions.begin() as db:
        return await sign_ins.who(db, token, now=now, idle=IDLE)


async def enrol(transactions: Transactions, now: datetime) -> tuple[pyotp.TOTP, list[str]]:
    """The treasurer's app, and recovery codes."""
    async with transactions.begin() as db:
        officer = await db.scalar(select(Officer).where(Officer.login == sample.OFFICER))
        assert officer is not None
        await second_factor.begin(db, officer, KEY, now=now)
        secret, address = await second_factor.begun(db, officer, KEY, "Karcis")
        app = pyotp.parse_uri(address)
        assert isinstance(app, pyotp.TOTP)
        assert app.secret == secret
        with pytest.raises(CodeRefused):
            await second_factor.finish(db, officer, KEY, "000000", now=now - timedelta(days=9))
        codes = await second_factor.finish(db, officer, KEY, app.at(now), now=now)
    return app, codes


async def test_a_browser_is_signed_in_until_it_is_idle_too_long_or_the_day_is_over(
    transactions: Transactions, now: datetime
) -> None:
    for login, password in ((sample.OFFICER, "salah"), ("siapa", PASSWORD)):
        with pytest.raises(SignInRefused):
            await sign_in(transactions, now, password, login=login)
    token = await sign_in(transactions, now)
    found = await who(transactions, token, now)
    assert (found.officer.login, found.sign_in.strong) == (sample.OFFICER, False)
    assert sign_ins.browser_named(found.sign_in.browser) == "Chrome, Linux"
    for minutes in range(50, 480, 50):  # in use all day
        await who(transactions, token, now + timedelta(minutes=minutes))
    with pytest.raises(NotSignedIn):
        await who(transactions, token, now + sign_ins.LIFETIME)
    other = await sign_in(transactions, now)
    with pytest.raises(NotSignedIn):
        await who(transactions, other, now + IDLE)
    async with transactions.begin() as db:
        await sign_ins.sign_out(db, token, now=now)
    with pytest.raises(NotSignedIn):
        await who(transactions, token, now)


async def test_an_officer_who_is_switched_off_is_out_at_once(
    transactions: Transactions, now: datetime
) -> None:
    token = await sign_in(transactions, now)
    async with transactions.begin() as db:
        await db.execute(update(Officer).values(switched_off_at=now))
    with pytest.raises(NotSignedIn):
        await who(transactions, token, now)
    with pytest.raises(SignInRefused):
        await sign_in(transactions, now)


async def test_a_code_counts_once_and_only_near_its_time(
    transactions: Transactions, now: datetime
) -> None:
    app, _ = await enrol(transactions, now)
    step = timedelta(seconds=30)
    later = now + 10 * step
    for code in ("", app.at(later - 2 * step), app.at(later + 2 * step), app.at(now)):
        with pytest.raises(SignInRefused):
            await sign_in(transactions, later, code=code)
    token = await sign_in(transactions, later, code=app.at(later - step))  # the phone is slow
    assert (await who(transactions, token, later)).sign_in.strong
    await sign_in(transactions, later, code=app.at(later + step))  # another one is fast
    for used in (later - step, later, later + step):
        with pytest.raises(SignInRefused):
            await sign_in(transactions, later, code=app.at(used))


async def test_one_code_at_two_doors_opens_one(transactions: Transactions, now: datetime) -> None:
    app, _ = await enrol(transactions, now)
    later = now + timedelta(minutes=5)
    outcomes = await asyncio.gather(
        *(sign_in(transactions, later, code=app.at(later)) for _ in range(3)),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "SignInRefused",
        "SignInRefused",
        "str",
    ]


async def test_a_recovery_code_takes_the_place_of_the_app_once(
    transactions: Transactions, now: datetime
) -> None:
    _, codes = await enrol(transactions, now)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    await sign_in(transactions, now, code=codes[0].lower().replace("-", " "))
    with pytest.raises(SignInRefused):
        await sign_in(transactions, now, code=codes[0])
    with pytest.raises(SignInRefused):  # the codes are of one officer
        await sign_in(transactions, now, CHECKER_PASSWORD, codes[1], login="siapa")
    async with transactions.begin() as db:
        officer_id = await _id(transactions)
        assert (await second_factor.standing(db, officer_id)).codes_left == len(codes) - 1
        await second_factor.new_recovery_codes(db, officer_id, now=now)
    with pytest.raises(SignInRefused):
        await sign_in(transactions, now, code=codes[1])


async def _id(transactions: Transactions) -> UUID:
    async with transactions.begin() as db:
        found = await db.scalar(select(Officer.id).where(Officer.login == sample.OFFICER))
    assert found is not None
    return UUID(str(found))


async def test_the_database_alone_gives_no_codes(transactions: Transactions, now: datetime) -> None:
    app, codes = await enrol(transactions, now)
    async with transactions.begin() as db:
        sealed = await db.scalar(select(OfficerTotp.secret))
        assert sealed is not None
        assert app.secret.encode() not in sealed
        other = SecretStr("kunci lain yang sama panjangnya, ya")
        officer_id = await _id(transactions)
        with pytest.raises(SecondFactorNotConfigured):
            await second_factor.taken(db, officer_id, other, app.at(now), now=now)
        for table in ("officer_changes", "officer_recovery_codes", "officer_totps"):
            rows = "\n".join(await db.scalars(text(f"SELECT t::text FROM {table} t")))
            assert PASSWORD not in rows
            assert codes[0] not in rows
            assert codes[0].replace("-", "") not in rows


async def test_wrong_tries_make_a_login_wait_longer_and_longer(
    transactions: Transactions, now: datetime
) -> None:
    """Whether there is such an officer makes no difference."""
    for login in (sample.OFFICER, "siapa"):
        at = now
        for _ in range(tries.OF_LOGIN.tries):
            with pytest.raises(SignInRefused):
                await sign_in(transactions, at, "salah", login=login, asker=Asker(login, ""))
        waits = []
        for _ in range(6):
            with pytest.raises(TooManyTries) as told:
                await sign_in(transactions, at, login=login, asker=Asker(login, ""))
            waits.append(told.value.retry_after_s or 0)
            at += timedelta(seconds=waits[-1])
            with pytest.raises(SignInRefused):
                await sign_in(transactions, at, "salah", login=login, asker=Asker(login, ""))
        assert [(wait - 1) // 60 for wait in waits] == [1, 2, 4, 8, 15, 15]
    at += timedelta(minutes=16)
    await sign_in(transactions, at)
    with pytest.raises(SignInRefused):  # and begins anew
        await sign_in(transactions, at, "salah")
    await sign_in(transactions, at)


async def test_an_address_that_tries_many_logins_waits_too(
    transactions: Transactions, now: datetime
) -> None:
    for number in range(tries.OF_ADDRESS.tries):
        with pytest.raises(SignInRefused):
            await sign_in(transactions, now, "salah", login=f"tebak{number}")
    with pytest.raises(TooManyTries):
        await sign_in(transactions, now)
    await sign_in(transactions, now, asker=Asker("192.0.2.8", ""))
    await sign_in(transactions, now + timedelta(hours=1))


async def test_many_guesses_at_once_are_no_more_than_one_after_another(
    transactions: Transactions, now: datetime
) -> None:
    outcomes = await asyncio.gather(
        *(sign_in(transactions, now, "salah") for _ in range(8)), return_exceptions=True
    )
    refused = sum(isinstance(outcome, SignInRefused) for outcome in outcomes)
    assert refused == tries.OF_LOGIN.tries
    assert sum(isinstance(outcome, TooManyTries) for outcome in outcomes) == 8 - refused


async def test_a_person_confirms_by_password_or_code(
    transactions: Transactions, now: datetime
) -> None:
    app, _ = await enrol(transactions, now)
    later = now + timedelta(minutes=5)
    found = await who(transactions, await sign_in(transactions, later, code=app.at(later)), later)
    at = later + timedelta(minutes=1)
    for typed in (PASSWORD, app.at(at)):
        await sign_ins.confirm(transactions, found, typed, KEY, DESK.address, now=at)
    for typed in ("salah", app.at(at)):
        with pytest.raises(PasswordRefused):
            await sign_ins.confirm(transactions, found, typed, KEY, DESK.address, now=at)


async def test_a_new_password_signs_every_other_browser_out(
    transactions: Transactions, now: datetime
) -> None:
    old, mine = [await sign_in(transactions, now) for _ in range(2)]
    found = await who(transactions, mine, now)
    async with transactions.begin() as db:
        with pytest.raises(PasswordTooShort):
            await sign_ins.change_password(db, found, "pendek", now=now)
        await sign_ins.change_password(db, found, "kata sandi yang lain", now=now)
    await who(transactions, mine, now)
    with pytest.raises(NotSignedIn):
        await who(transactions, old, now)
    with pytest.raises(SignInRefused):
        await sign_in(transactions, now)
    await sign_in(transactions, now, "kata sandi yang lain")
    async with transactions.begin() as db:
        acts = [change.act for change in await sign_ins.history(db, found.officer.id)]
    assert sorted(set(acts)) == ["password-changed", "refused", "sign-in-ended", "signed-in"]
