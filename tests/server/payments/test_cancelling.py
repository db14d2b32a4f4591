"""Cancelling: dead at the acquirer first, never over money that came, and only by whose it is."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server import sample
from server.identity.service import RoleNotAllowed
from server.payments import cancelling
from server.payments.acquirer import AcquirerRefused, AcquirerUnknown
from server.payments.cancelling import CancelUncertain, ChargeAlreadyPaid, ChargeNotOpen
from tests.server.payments.conftest import FLAT


async def cancel(office, charge_id, *, login: str = sample.OFFICER) -> None:
    (officer,) = await office.rows("SELECT id FROM officers WHERE login = :login", login=login)
    wired = office.wired
    await cancelling.cancel(
        office.transactions,
        wired.acquirer,
        wired.announcer,
        wired.books,
        charge_id,
        officer["id"],
        "salah kendaraan",
        now=datetime.now(UTC),
    )


def answering(outcome: Exception):
    async def answer(*_told):
        raise outcome

    return answer


async def test_a_cancelled_charge_is_dead_at_the_acquirer_and_frees_its_stay(office, sandbox):
    charge_id = await office.request()
    for _ in range(2):
        await cancel(office, charge_id)
    assert (await office.story(charge_id))[-1] == ("issued", "cancelled", sample.OFFICER)
    assert await office.stay(charge_id) == ("voided", "voided")
    qris = (await office.charge(charge_id))["qris"]
    refused = await sandbox.client.post("/wallet/pay", json={"qris": qris, "outcome": "pay"})
    assert refused.status_code == 409
    await office.tell(charge_id)
    (money,) = await office.rows("SELECT flag FROM money WHERE charge_id = :id", id=charge_id)
    assert money["flag"] == "late"


async def test_money_that_came_meanwhile_is_found_and_nothing_is_cancelled(office, sandbox):
    charge_id = await office.request()
    await sandbox.pay((await office.charge(charge_id))["qris"])
    for _ in range(2):
        with pytest.raises(ChargeAlreadyPaid):
            await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == "paid"


@pytest.mark.parametrize("outcome", [AcquirerUnknown("lost"), AcquirerRefused("4047714", "x")])
async def test_an_uncertain_answer_cancels_nothing(office, outcome):
    charge_id = await office.request()
    office.wired.acquirer.cancel = answering(outcome)
    with pytest.raises(CancelUncertain):
        await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == "issued"


async def test_where_the_acquirer_cannot_cancel_an_unpaid_charge_is_given_up_here(office):
    charge_id = await office.request()
    acquirer = office.wired.acquirer
    acquirer.profile = replace(acquirer.profile, cancels=False)
    await cancel(office, charge_id)
    assert (await office.charge(charge_id))["state"] == "cancelled"


async def test_what_is_over_cannot_be_cancelled_and_not_every_officer_may(office):
    charge_id = await office.request()
    with pytest.raises(RoleNotAllowed):
        await cancel(office, charge_id, login=sample.CHECKER)
    await office.inquire(charge_id, now=datetime.now(UTC) + timedelta(minutes=17))
    with pytest.raises(ChargeNotOpen):
        await cancel(office, charge_id)


async def test_a_payment_and_a_cancelling_at_once_never_both_win(office, sandbox):
    for number in range(5):
        charge_id = await office.request()
        await asyncio.gather(
            cancel(office, charge_id),
            office.tell(charge_id, rrn=f"77{number:010d}"),
            return_exceptions=True,
        )
        charge = await office.charge(charge_id)
        flags = {"paid": "exact", "cancelled": "late"}
        assert charge["money_flag"] == flags[charge["state"]]


async def test_an_attendant_cancels_what_the_shift_asked_for_and_nothing_else(office, api):
    headers = {"Authorization": f"Bearer {await office.open_shift()}"}
    body = {"vehicle_class": "car"}
    own = (await api.post(f"/v1/spots/{FLAT}/charges", json=body, headers=headers)).json()
    drivers = (await api.post(f"/v1/spots/{FLAT}/charges", json=body)).json()
    why = {"reason": "salah kendaraan"}
    path = "/v1/charges/{}/cancel"
    assert (await api.post(path.format(own["id"]), json=why)).status_code == 401
    answer = await api.post(path.format(drivers["id"]), json=why, headers=headers)
    assert answer.json()["slug"] == "charge-of-another"
    answer = await api.post(path.format(own["id"]), json=why, headers=headers)
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
