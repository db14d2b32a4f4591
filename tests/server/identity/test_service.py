"""Shifts and sign-ins: who may act, decided by the service on a real database."""

import asyncio
import base64
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from server import sample
from server.database import Transactions
from server.identity import service
from server.identity.models import Attendant, Device, Shift
from server.identity.service import (
    DeviceNotActive,
    DeviceRevoked,
    NotSignedIn,
    ShiftIdTaken,
    SignInLocked,
    SignInRefused,
)
from tests.server.handhelds import Handheld, approved


async def nonce_for(transactions: Transactions, handheld: Handheld, now: datetime) -> str:
    async with transactions.begin() as db:
        return await service.issue_nonce(db, handheld.device_id, now=now)


async def open_shift(
    transactions: Transactions, handheld: Handheld, now: datetime, **changes: str
) -> service.OpenedShift:
    nonce = changes.pop("nonce", "") or await nonce_for(transactions, handheld, now)
    body = handheld.shift_request(nonce, **changes)
    return await service.open_shift(
        transactions,
        shift_id=UUID(body["id"]),
        device_id=UUID(body["device_id"]),
        attendant_code=body["attendant"],
        pin=body["pin"],
        nonce=body["nonce"],
        signature=body["signature"],
        now=now,
    )


async def test_a_shift_opens_and_its_token_names_attendant_and_device(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    opened = await open_shift(transactions, handheld, now)
    async with transactions.begin() as db:
        found = await service.who_is_on_shift(db, opened.token, now=now)
        hashes = (await db.scalars(select(Shift.token_hash))).all()
    assert found == opened.shift
    assert (found.device_id, found.attendant_code) == (handheld.device_id, sample.ATTENDANT)
    assert opened.token.encode() not in hashes[0]


async def test_a_token_dies_with_its_shift_and_with_its_device(
    transactions: Transactions, owner: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    opened = await open_shift(transactions, handheld, now)
    async with owner.begin() as db:
        with pytest.raises(NotSignedIn):
            await service.who_is_on_shift(db, opened.token, now=opened.expires_at)
        (await db.get_one(Device, handheld.device_id)).state = "revoked"
        await db.flush()
        with pytest.raises(DeviceRevoked):
            await service.who_is_on_shift(db, opened.token, now=now)
        with pytest.raises(DeviceRevoked):
            await service.issue_nonce(db, handheld.device_id, now=now)


async def test_a_nonce_serves_once(transactions: Transactions, now: datetime) -> None:
    handheld = await approved(transactions, now)
    nonce = await nonce_for(transactions, handheld, now)
    await open_shift(transactions, handheld, now, nonce=nonce)
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now, nonce=nonce)


async def test_a_nonce_is_used_up_even_by_a_wrong_pin(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    nonce = await nonce_for(transactions, handheld, now)
    with pytest.raises(SignInRefused):
        await open_shift(transactions, handheld, now, nonce=nonce, pin="000000")
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now, nonce=nonce)


async def test_a_nonce_of_another_device_or_a_stale_one_opens_nothing(
    transactions: Transactions, now: datetime
) -> None:
    handheld, other = await approved(transactions, now), await approved(transactions, now)
    foreign = await nonce_for(transactions, other, now)
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now, nonce=foreign)
    stale = await nonce_for(transactions, handheld, now)
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now + service.NONCE_LIFETIME, nonce=stale)
    # The owner of the foreign nonce can still use it.
    await open_shift(transactions, other, now, nonce=foreign)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64 !", base64.b64encode(b"x" * 64)])
async def test_only_the_devices_own_key_opens_its_shift(
    transactions: Transactions, now: datetime, signature: str | bytes
) -> None:
    handheld = await approved(transactions, now)
    text = signature if isinstance(signature, str) else signature.decode()
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now, signature=text)
    thief = Handheld(device_id=handheld.device_id)
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, thief, now)


async def test_a_signature_binds_the_attendant_it_was_made_for(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    nonce = await nonce_for(transactions, handheld, now)
    signed_for_another = handheld.shift_request(nonce, attendant="J-999")["signature"]
    with pytest.raises(DeviceNotActive):
        await open_shift(transactions, handheld, now, nonce=nonce, signature=signed_for_another)


async def test_a_shift_id_is_taken_once(transactions: Transactions, now: datetime) -> None:
    handheld, other = await approved(transactions, now), await approved(transactions, now)
    opened = await open_shift(transactions, handheld, now)
    for device in (handheld, other):
        with pytest.raises(ShiftIdTaken):
            await open_shift(transactions, device, now, id=str(opened.shift.shift_id))
    async with transactions.begin() as db:
        assert await service.who_is_on_shift(db, opened.token, now=now) == opened.shift


async def test_wrong_pins_are_counted_and_lock_for_a_quarter_of_an_hour(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    for _ in range(service.PIN_TRIES):
        with pytest.raises(SignInRefused):
            await open_shift(transactions, handheld, now, pin="000000")
    with pytest.raises(SignInLocked) as locked:
        await open_shift(transactions, handheld, now)
    assert locked.value.retry_after_s == service.PIN_LOCK.total_seconds() + 1
    almost = now + service.PIN_LOCK - timedelta(seconds=1)
    with pytest.raises(SignInLocked):
        await open_shift(transactions, handheld, almost)
    await open_shift(transactions, handheld, now + service.PIN_LOCK)


async def test_the_right_pin_starts_the_count_again(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    for _ in range(2):
        for _ in range(service.PIN_TRIES - 1):
            with pytest.raises(SignInRefused):
                await open_shift(transactions, handheld, now, pin="000000")
        await open_shift(transactions, handheld, now)
    async with transactions.begin() as db:
        assert await db.scalar(select(Attendant.failed_tries)) == 0


async def test_wrong_pins_sent_at_once_are_all_counted(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    outcomes = await asyncio.gather(
        *(
            open_shift(transactions, handheld, now, pin=f"00000{number}")
            for number in range(service.PIN_TRIES + 2)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, SignInRefused) for outcome in outcomes) == service.PIN_TRIES
    assert sum(isinstance(outcome, SignInLocked) for outcome in outcomes) == 2


async def test_an_unknown_attendant_is_refused_as_a_wrong_pin_is(
    transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    with pytest.raises(SignInRefused) as unknown:
        await open_shift(transactions, handheld, now, attendant="J-404")
    with pytest.raises(SignInRefused) as wrong:
        await open_shift(transactions, handheld, now, pin="000000")
    assert unknown.value.body("id") == wrong.value.body("id")
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(Shift)) == 0
