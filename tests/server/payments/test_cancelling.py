"""Cancelling: dead at the acquirer first, never over money that came, and only by whose it is."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import AsyncMock, Mock
from uuid import UUID

import pytest

from server import sample
from server.database import new_id
from server.identity.service import RoleNotAllowed
from server.payments import cancelling
from server.payments.acquirer import (
    AcquirerRefused,
    AcquirerUnknown,
    InquiryAnswer,
    PaidStatus,
)
from server.payments.cancelling import (
    CancelUncertain,
    ChargeAlreadyPaid,
    ChargeNotOpen,
)
from server.payments.service import ChargeNotFound
from tests.server.payments.conftest import EXCLUSIVE, FLAT, LIFETIME, Office

WHY = "salah kendaraan"


async def cancel(
    office: Office,
    charge_id: UUID,
    *,
    login: str = sample.OFFICER,
    now: datetime | None = None,
    announce: Callable[[UUID], None] = lambda _charge_id: None,
) -> None:
    (officer,) = await office.rows("SELECT id FROM officers WHERE login = :login", login=login)
    await cancelling.cancel(
        office.transactions,
        office.wired.acquirers,
        Mock(announce=announce),
        office.wired.books,
        charge_id,
        officer["id"],
        WHY,
        now=now or datetime.now(UTC),
    )


def says(office: Office, status: PaidStatus, refusal: Exception, *, cancels: bool = True) -> None:
    """An acquirer that does not say that the charge is cancelled; asked, it answers `status`."""
    acquirer = office.wired.acquirers.first
    acquirer.profile = replace(acquirer.profile, cancels=cancels)
    acquirer.cancel = AsyncMock(side_effect=refusal)
    acquirer.inquire = AsyncMock(return_value=InquiryAnswer(status, {}))


async def test_a_cancelled_charge_is_dead_at_the_acquirer_and_frees_its_stay(office, sandbox):
    charge_id, now = await office.request(EXCLUSIVE, minutes=60), datetime.now(UTC)
    heard: list[UUID] = []
    await cancel(office, charge_id, now=now, announce=heard.append)
    asked_again = office.wired.acquirers.first.cancel = AsyncMock()
    await cancel(office, charge_id, announce=heard.append)
    asked_again.assert_not_called()
    assert heard == [charge_id]
    assert await office.count("inquiries") == 0, "its own word is enough"

    (change,) = await office.rows(
        "SELECT state_before, who, why, changed_at FROM charge_changes"
        " WHERE charge_id = :id AND state_after = 'cancelled'",
        id=charge_id,
    )
    assert tuple(change.values()) == ("issued", sample.OFFICER, WHY, now)
    assert await office.stay(charge_id) == ("voided", "voided")
    await office.request(EXCLUSIVE, minutes=60)
    qris = (await office.charge(charge_id))["qris"]
    refused = await sandbox.client.post("/wallet/pay", json={"qris": qris, "outcome": "pay"})
    assert refused.status_code == 409


async def test_money_that_came_meanwhile_is_found_and_nothing_is_cancelled(office, sandbox):
    charge_id = await office.request()
    await sandbox.pay((await office.charge(charge_id))["qris"])
    for _ in range(2):
        with pytest.raises(ChargeAlreadyPaid):
            await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == "paid"


LOST, REFUSED = AcquirerUnknown("lost"), AcquirerRefused("4047714", "x")
UNPAID, UNKNOWN, GONE = PaidStatus.UNPAID, PaidStatus.UNKNOWN, PaidStatus.CANCELLED


@pytest.mark.parametrize(
    ("refusal", "status", "cancels", "ends"),
    [
        (LOST, GONE, True, "cancelled"),
        (REFUSED, GONE, True, "cancelled"),
        (REFUSED, PaidStatus.NOT_FOUND, True, "cancelled"),
        (LOST, UNPAID, True, "issued"),  # it can still be paid there
        (REFUSED, UNPAID, True, "issued"),
        (REFUSED, UNKNOWN, True, "issued"),
        (REFUSED, UNPAID, False, "cancelled"),  # it cannot be ended there, so it is given up here
        (REFUSED, UNKNOWN, False, "issued"),
    ],
)
async def test_what_the_acquirer_does_not_confirm_an_inquiry_decides(
    office, refusal, status, cancels, ends
):
    charge_id = await office.request()
    says(office, status, refusal, cancels=cancels)
    if ends == "issued":
        with pytest.raises(CancelUncertain) as uncertain:
            await cancel(office, charge_id)
        assert uncertain.value.retry_after_s == 5
        assert await office.stay(charge_id) == ("requested", "open")
    else:
        await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == ends
    assert office.wired.acquirers.first.cancel.called == cancels


async def test_what_is_over_or_unknown_cannot_be_cancelled_nor_by_every_officer(office):
    charge_id = await office.request()
    with pytest.raises(RoleNotAllowed):
        await cancel(office, charge_id, login=sample.CHECKER)
    with pytest.raises(ChargeNotFound):
        await cancel(office, new_id())
    await office.inquire(charge_id, now=(await office.charge(charge_id))["expires_at"])
    with pytest.raises(ChargeNotOpen):
        await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == "expired"


async def test_a_charge_that_expires_during_the_inquiry_is_not_cancelled_too(office):
    charge_id = await office.request()
    says(office, PaidStatus.UNPAID, LOST)
    with pytest.raises(ChargeNotOpen):
        await cancel(office, charge_id, now=datetime.now(UTC) + LIFETIME)
    assert (await office.story(charge_id))[-1] == ("issued", "expired", "clock")


async def test_two_who_cancel_at_once_both_succeed_and_leave_one_change(office):
    charge_id = await office.request()
    await asyncio.gather(*(cancel(office, charge_id) for _ in range(4)))
    assert [after for _, after, _ in await office.story(charge_id)] == [
        "issuing", "issued", "cancelled",
    ]  # fmt: skip


async def test_an_attendant_cancels_what_the_shift_asked_for_and_nothing_else(office, api):
    signed = (await office.open_shift()).signed
    body = {"vehicle_class": "car"}
    own = (await api.post(f"/v1/spots/{FLAT}/charges", json=body, auth=signed)).json()
    drivers = (await api.post(f"/v1/spots/{FLAT}/charges", json=body)).json()
    path = "/v1/charges/{}/cancel"
    why = {"reason": WHY}
    assert (await api.post(path.format(own["id"]), json=why)).status_code == 401
    answer = await api.post(path.format(drivers["id"]), json=why, auth=signed)
    assert (answer.status_code, answer.json()["slug"]) == (403, "charge-of-another")
    signed = (await office.open_shift()).signed  # signed in again
    answer = await api.post(path.format(own["id"]), json=why, auth=signed)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert (await office.story(UUID(own["id"])))[-1] == ("issued", "cancelled", "J-001")
