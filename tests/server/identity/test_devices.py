"""A device's life on a real database: one officer's code enrols it, another lets it in."""

import asyncio
import base64
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from domain.device import DEVICE_TABLE, DeviceState, LifeEvent, enrolment_text
from server import sample, verify
from server.database import Transactions
from server.identity import devices, service
from server.identity.devices import DeviceChanged, DeviceNotFound, EnrolmentRefused, OwnEnrolment
from server.identity.models import Device, DeviceChange, EnrolmentCode, Officer, Role
from server.identity.schemas import ReportDevice
from server.identity.service import DevicePending, RoleNotAllowed
from tests.server.handhelds import Handheld, approved, nonce_for, on_shift, pending


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


async def test_another_code_after_a_lost_answer_gives_the_device_that_waits(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    other = await issue_code(transactions, now)
    assert await enrol(transactions, other, handheld, now) == handheld.device_id
    with pytest.raises(EnrolmentRefused):
        await enrol(transactions, other, Handheld(), now)


async def test_another_code_does_not_enrol_a_known_key_again(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    await approve(transactions, sample.CHECKER, handheld, now)
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


async def test_an_officer_suspends_resumes_and_revokes_each_with_a_reason(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    maker = await officer(transactions, sample.OFFICER)
    seen = []
    for event in (LifeEvent.SUSPENDED, LifeEvent.RESUMED, LifeEvent.SUSPENDED, LifeEvent.REVOKED):
        async with transactions.begin() as db:
            await devices.change(db, maker, handheld.device_id, event, "hilang", now=now)
        seen.append(await state(transactions, handheld))
    assert seen == ["suspended", "active", "suspended", "revoked"]
    for event in (LifeEvent.SUSPENDED, LifeEvent.RESUMED, LifeEvent.REVOKED):
        async with transactions.begin() as db:
            with pytest.raises(DeviceChanged):
                await devices.change(db, maker, handheld.device_id, event, "x", now=now)
    with pytest.raises(ValueError, match="not one officer's"):
        async with transactions.begin() as db:
            await devices.change(
                db, maker, handheld.device_id, LifeEvent.APPROVED, "sendiri", now=now
            )


async def roll_code(transactions: Transactions, handheld: Handheld, now: datetime) -> str:
    maker = await officer(transactions, sample.OFFICER)
    async with transactions.begin() as db:
        return await devices.issue_roll_code(db, maker, handheld.device_id, "bocor", now=now)


async def roll(
    transactions: Transactions, code: str, new: Handheld, device_id: UUID, now: datetime
) -> UUID:
    async with transactions.begin() as db:
        return await devices.enrol(
            db, code=code, public_key=new.public_key, name="x", device_id=device_id, now=now
        )


async def test_a_new_key_is_approved_anew_and_events_of_the_old_one_stay_verifiable(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    old = await on_shift(api, transactions, now)
    sent, unsent = old.event(), old.event()
    await api.post("/v1/sync", json={"events": [sent]}, auth=old.signed)
    new = Handheld(device_id=old.device_id, chain=old.chain)
    code = await roll_code(transactions, old, now)
    for _ in range(2):  # the answer may be lost on its way
        assert await roll(transactions, code, new, old.device_id, now) == old.device_id
    assert await state(transactions, old) == DeviceState.PENDING
    await approve(transactions, sample.CHECKER, old, now)
    opened = await api.post("/v1/shifts", json=old.shift_request(await nonce_for(api, old)))
    assert opened.json()["slug"] == "device-not-active"
    opened = await api.post("/v1/shifts", json=new.shift_request(await nonce_for(api, new)))
    new.token = opened.json()["token"]
    answer = await api.post("/v1/sync", json={"events": [unsent, new.event()]}, auth=new.signed)
    assert [result["outcome"] for result in answer.json()["results"]] == ["accepted"] * 2
    assert await state(transactions, new) == DeviceState.ACTIVE  # and every chain verifies


async def test_a_code_for_a_new_key_serves_that_device_only(
    transactions: Transactions, now: datetime
) -> None:
    handheld, other = await approved(transactions, now), await approved(transactions, now)
    code = await roll_code(transactions, handheld, now)
    for device_id in (None, other.device_id):
        with pytest.raises(EnrolmentRefused):
            async with transactions.begin() as db:
                await devices.enrol(
                    db,
                    code=code,
                    public_key=Handheld().public_key,
                    name="HP",
                    device_id=device_id,
                    now=now,
                )
    plain = await issue_code(transactions, now)
    with pytest.raises(EnrolmentRefused):
        await roll(transactions, plain, Handheld(), handheld.device_id, now)
    assert await state(transactions, handheld) == DeviceState.ACTIVE


async def test_a_device_that_erased_itself_as_asked_is_revoked(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    maker = await officer(transactions, sample.OFFICER)
    async with transactions.begin() as db:
        with pytest.raises(DeviceChanged):
            await devices.wiped(db, handheld.device_id, now=now)
    async with transactions.begin() as db:
        await devices.ask_to_wipe(db, maker, handheld.device_id, "dicuri", now=now)
    assert await state(transactions, handheld) == DeviceState.ACTIVE
    for _ in range(2):
        async with transactions.begin() as db:
            await devices.wiped(db, handheld.device_id, now=now)
    assert await state(transactions, handheld) == DeviceState.REVOKED
    async with transactions.begin() as db:
        shown = await devices.find(db, handheld.device_id)
        changes = (await db.scalars(select(DeviceChange.why).order_by(DeviceChange.id))).all()
    assert shown.device.wiped_at == now
    assert changes[-2:] == ["minta hapus isi: dicuri", "semua terkirim, isinya dihapus"]


async def test_the_newest_report_is_what_the_office_sees(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    for version in ("0.1.0", "0.2.0"):
        async with transactions.begin() as db:
            told = ReportDevice(version=version)
            await devices.report(db, handheld.device_id, told, now=now)
    async with transactions.begin() as db:
        (shown,) = (await devices.all_devices(db)).rows
    assert shown.report is not None
    assert (shown.report.version, shown.report.reported_at) == ("0.2.0", now)


def test_nothing_leads_back_from_revoked() -> None:
    assert all(before is not DeviceState.REVOKED for before, _ in DEVICE_TABLE)
