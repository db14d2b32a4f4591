"""Officers come in, and get other rights, by two others; out they go at once."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from server import sample
from server.database import Transactions
from server.identity import service, sign_ins, staff
from server.identity.models import Officer, OfficerPasskey, OfficerRequest, Role
from server.identity.service import NotSignedIn, Right, RoleNotAllowed, SignInRefused
from server.identity.sign_ins import Asker, PasswordTooShort
from server.identity.staff import LoginTaken, OwnRights, RequestDecided, RequestOpen
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD

DESK = Asker("192.0.2.7", "uji")
NEW = "kata sandi pilihan sendiri"


@pytest.fixture
async def admin(transactions: Transactions) -> UUID:
    async with transactions.begin() as db:
        await service.add_officer(db, login="adm", name="Adm", role=Role.ADMIN, password=PASSWORD)
    return await _id(transactions, "adm")


async def _id(transactions: Transactions, login: str) -> UUID:
    async with transactions.begin() as db:
        return await service.officer_named(db, login)


async def ask(
    transactions: Transactions,
    by: UUID,
    officer_id: UUID,
    role: Role,
    now: datetime,
    *,
    reset: bool = False,
) -> UUID:
    async with transactions.begin() as db:
        return await staff.propose(db, by, officer_id, role, "uji", reset=reset, now=now)


async def decide(
    transactions: Transactions, request_id: UUID, now: datetime, *, approve: bool = True
) -> None:
    checker = await _id(transactions, sample.CHECKER)
    async with transactions.begin() as db:
        await staff.decide(db, checker, request_id, "uji", approve=approve, now=now)


async def open_request(transactions: Transactions, officer_id: UUID) -> UUID:
    async with transactions.begin() as db:
        found = (await staff.find(db, officer_id)).open_request
    assert found is not None
    return found.id


async def test_a_new_officer_comes_in_by_two_others_and_a_code(
    transactions: Transactions, admin: UUID, now: datetime
) -> None:
    async with transactions.begin() as db:
        added = await staff.add(db, admin, "siti", "Siti", Role.KOORDINATOR, "baru", now=now)
    with pytest.raises(staff.SetupNotPossible):
        async with transactions.begin() as db:
            await staff.issue_setup_code(db, admin, added, now=now)
    await decide(transactions, await open_request(transactions, added), now)
    async with transactions.begin() as db:
        code = await staff.issue_setup_code(db, admin, added, now=now)
    for wrong in ("x", ""):
        with pytest.raises(SignInRefused):
            await staff.sign_in_first(transactions, "siti", wrong, NEW, DESK, now=now)
    late = now + staff.CODE_LIFETIME
    with pytest.raises(SignInRefused):
        await staff.sign_in_first(transactions, "siti", code, NEW, DESK, now=late)
    with pytest.raises(PasswordTooShort):
        await staff.sign_in_first(transactions, "siti", code, "pendek", DESK, now=now)
    token = await staff.sign_in_first(transactions, "siti", code, NEW, DESK, now=now)
    async with transactions.begin() as db:
        assert (await sign_ins.who(db, token, now=now)).officer.role == Role.KOORDINATOR
    with pytest.raises(SignInRefused):
        await staff.sign_in_first(transactions, "siti", code, NEW, DESK, now=now)
    await sign_ins.by_password(transactions, "siti", NEW, "", DESK, None, now=now)
    with pytest.raises(LoginTaken):
        async with transactions.begin() as db:
            await staff.add(db, admin, "siti", "Siti", Role.AUDITOR, "lagi", now=now)
    async with transactions.begin() as db:
        acts = [change.act for change in reversed(await sign_ins.history(db, added))]
        text_of_all = "\n".join(await db.scalars(text("SELECT t::text FROM officer_changes t")))
    assert acts[:3] == ["requested", "approved", "setup-code-made"]
    assert code not in text_of_all
    assert NEW not in text_of_all


async def test_nobody_decides_what_they_asked_for_or_is_about_them(
    transactions: Transactions, admin: UUID, now: datetime
) -> None:
    checker = await _id(transactions, sample.CHECKER)
    asked = await ask(transactions, admin, checker, Role.ADMIN, now)
    with pytest.raises(RequestOpen):
        await ask(transactions, admin, checker, Role.AUDITOR, now)
    with pytest.raises(OwnRights):
        await decide(transactions, asked, now)
    with pytest.raises(RoleNotAllowed):  # who may ask may not decide
        async with transactions.begin() as db:
            await staff.decide(db, admin, asked, "uji", approve=True, now=now)
    for column in ("proposed_by", "officer_id"):  # nor does the database take it
        with pytest.raises(DBAPIError, match=r"maker_checker|own_rights"):
            async with transactions.begin() as db:
                await db.execute(
                    text(
                        f"UPDATE officer_requests SET decided_by = {column}, decided_at = now(),"
                        " approved = true"
                    )
                )
    treasurer = await _id(transactions, sample.OFFICER)
    refused = await ask(transactions, admin, treasurer, Role.ADMIN, now)
    await decide(transactions, refused, now, approve=False)
    with pytest.raises(RequestDecided):
        await decide(transactions, refused, now)
    async with transactions.begin() as db:
        assert (await staff.find(db, treasurer)).officer.role == Role.BENDAHARA


async def test_who_lost_phone_and_password_comes_in_anew(
    transactions: Transactions, admin: UUID, now: datetime
) -> None:
    """The passkey in the phone as well, without which the password would do nothing."""
    treasurer = await _id(transactions, sample.OFFICER)
    async with transactions.begin() as db:
        db.add(
            OfficerPasskey(
                credential_id=b"hilang",
                officer_id=treasurer,
                public_key=b"",
                sign_count=0,
                name="Ponsel",
                added_at=now,
            )
        )
    login = (transactions, sample.OFFICER, PASSWORD, "", DESK, None)
    token = await sign_ins.by_password(*login, now=now)
    await decide(
        transactions,
        await ask(transactions, admin, treasurer, Role.BENDAHARA, now, reset=True),
        now,
    )
    async with transactions.begin() as db:
        with pytest.raises(NotSignedIn):
            await sign_ins.who(db, token, now=now)
    with pytest.raises(SignInRefused):
        await sign_ins.by_password(*login, now=now)
    async with transactions.begin() as db:
        code = await staff.issue_setup_code(db, admin, treasurer, now=now)
    token = await staff.sign_in_first(transactions, sample.OFFICER, code, NEW, DESK, now=now)
    async with transactions.begin() as db:
        assert not (await sign_ins.who(db, token, now=now)).shown_half


async def test_who_is_switched_off_is_out_and_their_rights_with_them(
    transactions: Transactions, admin: UUID, now: datetime
) -> None:
    checker = await _id(transactions, sample.CHECKER)
    login = (transactions, sample.CHECKER, CHECKER_PASSWORD, "", DESK, None)
    token = await sign_ins.by_password(*login, now=now)
    with pytest.raises(OwnRights):
        async with transactions.begin() as db:
            await staff.switch_off(db, admin, admin, "uji", now=now)
    async with transactions.begin() as db:
        await staff.switch_off(db, admin, checker, "cuti", now=now)
    async with transactions.begin() as db:
        with pytest.raises(NotSignedIn):
            await sign_ins.who(db, token, now=now)
        with pytest.raises(RoleNotAllowed):
            await service.acting(db, checker, Right.DECIDE_REFUND)
    with pytest.raises(SignInRefused):
        await sign_ins.by_password(*login, now=now + timedelta(minutes=1))
    other = await _other_checker(transactions, now)
    asked = await ask(transactions, admin, checker, Role.VERIFIKATOR, now)
    async with transactions.begin() as db:
        await staff.decide(db, other, asked, "kembali", approve=True, now=now)
    await sign_ins.by_password(*login, now=now + timedelta(minutes=2))


async def _other_checker(transactions: Transactions, now: datetime) -> UUID:
    """Let in by the operator of the server, as the first officers are."""
    async with transactions.begin() as db:
        assert await staff.add_at_once(db, "lain", "Lain", Role.VERIFIKATOR, now=now)
        assert await db.scalar(select(OfficerRequest.id)) is None
        found = await db.scalar(select(Officer.id).where(Officer.login == "lain"))
    assert found is not None
    return UUID(str(found))
