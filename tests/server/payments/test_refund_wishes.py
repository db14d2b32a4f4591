"""A wish for money back that a handheld told: one case a charge, closed by a refund or people."""

from uuid import UUID

import pytest

from server import sample
from tests.server.cluster import PASSWORD
from tests.server.handhelds import on_shift
from tests.server.payments.conftest import violations
from tests.server.payments.refunding import Desk
from tests.server.payments.test_invariants import as_superuser
from tests.server.payments.test_takings import push

CASES = "SELECT id, owner, amount_rp, state, outcome FROM cases WHERE kind = 'refund-wished'"
HELD = "SELECT reason FROM quarantined_events ORDER BY received_at"
SPOT = "PSR-001-U"


@pytest.fixture
async def handheld(api, transactions, now):
    return await on_shift(api, transactions, now)


@pytest.fixture
async def paid(office, api, handheld):
    body = {"vehicle_class": "car"}
    answer = await api.post(f"/v1/spots/{SPOT}/charges", json=body, auth=handheld.signed)
    charge_id = UUID(answer.json()["id"])
    await office.tell(charge_id)
    return charge_id


def wish(handheld, charge_id, reason="paid_twice"):
    body = {"charge_id": str(charge_id), "reason": reason, "attendant": sample.ATTENDANT}
    return handheld.event("refund_wished", body=body)


async def test_a_wish_is_one_case_in_the_offices_inbox(office, api, handheld, paid, database_url):
    events = [wish(handheld, paid), wish(handheld, paid, "other")]
    assert await push(api, handheld, *events) == ["accepted"] * 2
    assert await push(api, handheld, *events) == ["duplicate"] * 2
    (case,) = await office.rows(CASES)
    assert (case["state"], case["owner"]) == ("open", "bendahara penerimaan")
    assert case["amount_rp"] == 4_000
    assert await violations(database_url) == {}
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    assert "pengemudi minta uang kembali" in (await api.get("/office/cases")).text
    page = (await api.get(f"/office/cases/{case['id']}")).text
    assert "dibayar dua kali" in page
    assert "Juru Parkir Contoh, HP 1" in page
    charge = (await api.get(f"/office/charges/{paid}")).text
    assert '<option value="paid_twice" selected>' in charge


async def test_what_is_no_case_is_held_and_named(office, api, handheld, transactions, now, paid):
    other = await on_shift(api, transactions, now)
    answer = await api.post(
        f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car"}, auth=handheld.signed
    )
    events = [
        wish(handheld, answer.json()["id"]),
        wish(handheld, handheld.device_id),
        wish(handheld, "x"),
    ]
    assert await push(api, handheld, *events) == ["quarantined"] * 3
    assert await push(api, other, wish(other, paid)) == ["quarantined"]
    reasons = [row["reason"] for row in await office.rows(HELD)]
    assert reasons == ["not-paid", "unknown-charge", "unknown-charge", "other-device"]
    assert await office.rows(CASES) == []


async def test_a_wish_that_is_held_is_not_shown(office, api, handheld, transactions, now, paid):
    other = await on_shift(api, transactions, now)
    await push(api, other, wish(other, paid, "not_parked"))
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    page = f"/office/charges/{paid}"
    assert "Pengemudi minta uang kembali" not in (await api.get(page)).text
    await push(api, handheld, wish(handheld, paid))
    assert '<option value="paid_twice" selected>' in (await api.get(page)).text


@pytest.mark.parametrize("reason", ["rubbish", None, ["x"], {"a": 1}])
async def test_a_reason_nobody_knows_is_another_reason(office, api, handheld, paid, reason):
    assert await push(api, handheld, wish(handheld, paid, reason)) == ["accepted"]
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    (case,) = await office.rows(CASES)
    for page in (f"/office/cases/{case['id']}", f"/office/charges/{paid}"):
        answer = await api.get(page)
        assert (answer.status_code, "lainnya" in answer.text) == (200, True)


async def test_two_officers_close_it(office, api, handheld, paid):
    await push(api, handheld, wish(handheld, paid))
    (case,) = await office.rows(CASES)
    await office.clarify(case["id"], "hanya sekali")
    assert (await office.rows(CASES))[0]["outcome"] == "clarified"


async def test_the_refund_that_was_wished_for_closes_it(
    office, api, handheld, sandbox, owner_url, database_url
):
    desk = await Desk.at(office, sandbox, owner_url)
    body = {"vehicle_class": "car"}
    made = await api.post(f"/v1/spots/{SPOT}/charges", json=body, auth=handheld.signed)
    charge_id = UUID(made.json()["id"])
    await sandbox.pay(made.json()["qris"])
    await office.inquire(charge_id)
    await push(api, handheld, wish(handheld, charge_id))
    (money,) = await desk.money(charge_id)
    await desk.approve(await desk.ask(money["id"], 4_000))
    (case,) = await office.rows(CASES)
    assert (case["state"], case["outcome"]) == ("closed", "refunded")
    assert await violations(database_url) == {}


async def test_a_wish_without_its_case_is_noticed(
    office, api, handheld, paid, database_url, owner_url
):
    await push(api, handheld, wish(handheld, paid))
    await as_superuser(owner_url, "DELETE FROM cases")
    named = f"{handheld.device_id} 1"
    found = await violations(database_url)
    assert found.pop("I8-audit"), "the audit log misses it too"
    assert found == {"I8-refund-wish-has-a-case": [named]}
