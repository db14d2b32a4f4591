"""A device's life on a real database: one officer's code enrols it, another lets it in."""

import asyncio
import base64
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from domain.device import DEVICE_TABLE, DeviceState, enrolment_text
from server import sample, verify
from server.database import Transactions
from server.identity import devices, service
from server.identity.devices import DeviceChanged, DeviceNotFound, EnrolmentRefused, OwnEnrolment
from server.identity.models import Device, DeviceChange, EnrolmentCode, Officer, Role
from server.identity.service import DevicePending, RoleNotAllowed
from tests.server.handhelds import Handheld, pending


async def issue_code(transactions: Transactions, now: datetime) -> str:
    async with transactions.begin() as db:
        return await sample.enrolment_code(db, now=now)


async def enrol(transactions: Transactions, code: str, handheld: Handheld, now: datetime) -> UUID:
    async with transactions.begin() as db:
        handheld.device_id = await devices.enrol(
            db, code=code, public_key=handheld.public_key, name="HP", now=now
        )
    return handheld.device_id


async def officer(transactions: Transactions, login: str) -> UUID:
    async with transactions.begin() as db:
        return await service.officer_named(db, login)


async def approve(
    transactions: Transactions, login: str, handheld: Handheld, now: datetime
) -> None:
    officer_id = await officer(transactions, login)
    async with transactions.begin() as db:
        await devices.approve(db, officer_id, handheld.device_id, "uji", now=now)


async def state(transactions: Transactions, handheld: Handheld) -> DeviceState:
    async with transactions.begin() as db:
        assert not any((await verify.broken(db)).values())
        return await devices.state_of(db, handheld.device_id)


async def test_a_code_enrols_one_device_and_keeps_only_its_hash(
    transactions: Transactions, now: datetime
) -> None:
    code = await issue_code(transactions, now)
    device_id = await enrol(transactions, code, Handheld(), now)
    with pytest.raises(EnrolmentRefused):
        await enrol(transactions, code, Handheld(), now)
    async with transactions.begin() as db:
        assert (await db.scalars(select(Device.id))).all() == [device_id]
        stored = (await db.scalars(select(EnrolmentCode.code_hash))).one()
    assert code.encode() not in stored


async def test_a_code_may_be_typed_as_it_is_read_or_scanned_as_it_is_drawn(
    transactions: Transactions, now: datetime
) -> None:
    for written in (
        enrolment_text(await issue_code(transactions, now)).lower(),
        f" KARCIS-ENROL:{enrolment_text(await issue_code(transactions, now))}\n",
    ):
        await enrol(transactions, written, Handheld(), now)


async def test_enrolling_again_after_a_lost_answer_gives_the_same_device(
    transactions: Transactions, now: datetime
) -> None:
    code, handheld = await issue_code(transactions, now), Handheld()
    first = await enrol(transactions, code, handheld, now)
    assert await enrol(transactions, code, handheld, now + timedelta(seconds=9)) == first


async def test_another_code_does_not_enrol_a_known_key_again(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    other = await issue_code(transactions, now)
    with pytest.raises(EnrolmentRefused):
        await enrol(transactions, other, handheld, now + timedelta(seconds=1))
    # Nothing of the refused try was kept: the code still enrols the device it was made for.
    await enrol(transactions, other, Handheld(), now + timedelta(seconds=2))


async def test_of_two_devices_racing_for_one_code_one_is_enrolled(
    transactions: Transactions, now: datetime
) -> None:
    code = await issue_code(transactions, now)
    outcomes = await asyncio.gather(
        *(enrol(transactions, code, Handheld(), now) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(outcome, UUID) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, EnrolmentRefused) for outcome in outcomes) == 3


async def test_an_enrolment_code_ends_after_a_day(
    transactions: Transactions, now: datetime
) -> None:
    code = await issue_code(transactions, now)
    with pytest.raises(EnrolmentRefused):
        await enrol(transactions, code, Handheld(), now + devices.CODE_LIFETIME)


@pytest.mark.parametrize(
    "key",
    ["", "not base64 !", base64.b64encode(b"short").decode(), base64.b64encode(b"x" * 33).decode()],
)
async def test_a_rubbish_key_is_refused_and_does_not_use_up_the_code(
    transactions: Transactions, now: datetime, key: str
) -> None:
    code = await issue_code(transactions, now)
    with pytest.raises(EnrolmentRefused):
        async with transactions.begin() as db:
            await devices.enrol(db, code=code, public_key=key, name="HP", now=now)
    await enrol(transactions, code, Handheld(), now)


async def test_who_made_the_code_may_not_approve_whatever_the_role_has_become(
    transactions: Transactions, owner: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    with pytest.raises(RoleNotAllowed):
        await approve(transactions, sample.OFFICER, handheld, now)
    async with owner.begin() as db:
        await db.execute(
            update(Officer)
            .where(Officer.login == sample.OFFICER)
            .values(role=Role.VERIFIKATOR.value)
        )
    with pytest.raises(OwnEnrolment):
        await approve(transactions, sample.OFFICER, handheld, now)
    assert await state(transactions, handheld) == DeviceState.PENDING
    async with transactions.begin() as db:
        with pytest.raises(DevicePending):
            await service.issue_nonce(db, handheld.device_id, now=now)


async def test_another_officer_approves_once_and_each_change_says_who(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    await approve(transactions, sample.CHECKER, handheld, now)
    assert await state(transactions, handheld) == DeviceState.ACTIVE
    with pytest.raises(DeviceChanged):
        await approve(transactions, sample.CHECKER, handheld, now)
    async with transactions.begin() as db:
        changes = (await db.scalars(select(DeviceChange).order_by(DeviceChange.id))).all()
    assert [(c.state_before, c.state_after, c.who) for c in changes] == [
        ("pending", "pending", "perangkat"),
        ("pending", "active", sample.CHECKER),
    ]


async def test_a_device_that_is_rejected_never_works(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    checker = await officer(transactions, sample.CHECKER)
    async with transactions.begin() as db:
        await devices.reject(db, checker, handheld.device_id, "bukan milik kita", now=now)
    assert await state(transactions, handheld) == DeviceState.REVOKED
    with pytest.raises(DeviceChanged):
        await approve(transactions, sample.CHECKER, handheld, now)


async def test_nobody_without_the_right_makes_a_code(
    transactions: Transactions, now: datetime
) -> None:
    checker = await officer(transactions, sample.CHECKER)
    async with transactions.begin() as db:
        with pytest.raises(RoleNotAllowed):
            await devices.issue_code(db, checker, now=now)
    with pytest.raises(DeviceNotFound):
        await approve(transactions, sample.CHECKER, Handheld(), now)


def test_nothing_leads_back_from_revoked() -> None:
    assert all(before is not DeviceState.REVOKED for before, _ in DEVICE_TABLE)
