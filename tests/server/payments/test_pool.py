"""Barcodes issued ahead: paid and claimed in either order, once, and by their own handheld only."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from server.database import new_id
from server.payments import pool
from tests.server.handhelds import Handheld
from tests.server.payments.conftest import EXCLUSIVE, FLAT, HOURLY, Office

SHOWN_AT = "2026-11-21T09:00:00.000Z"


@pytest.fixture
async def handheld(office: Office) -> Handheld:
    return await office.open_shift()


async def keep(
    api: httpx.AsyncClient, handheld: Handheld, spot: str = FLAT, **changes: Any
) -> httpx.Response:
    body = {"id": str(new_id()), "vehicle_class": "car", **changes}
    return await api.post(f"/v1/spots/{spot}/pooled-charges", json=body, auth=handheld.signed)


async def kept(api: httpx.AsyncClient, handheld: Handheld, spot: str = FLAT) -> UUID:
    minutes = {"minutes": 60} if spot == HOURLY else {}
    answer = await keep(api, handheld, spot, **minutes)
    assert (answer.status_code, answer.json().get("state")) == (201, "issued"), answer.text
    return UUID(answer.json()["id"])


async def claim(
    api: httpx.AsyncClient, handheld: Handheld, charge_id: UUID, **changes: Any
) -> httpx.Response:
    body = {"shown_at": SHOWN_AT, **changes}
    return await api.post(f"/v1/charges/{charge_id}/claim", json=body, auth=handheld.signed)


async def stay_of(office: Office, charge_id: UUID) -> dict[str, Any]:
    rows = await office.rows("SELECT * FROM parking_sessions WHERE id = :id", id=charge_id)
    return rows[0]


async def test_a_pooled_barcode_can_be_paid_and_takes_no_room(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    answer = await keep(api, handheld, EXCLUSIVE, minutes=60)
    told = answer.json()
    assert (answer.status_code, told["state"], told["spot"]) == (201, "issued", EXCLUSIVE)
    assert told["qris"].startswith("000201")
    life = datetime.fromisoformat(told["expires_at"]) - datetime.fromisoformat(told["created_at"])
    assert life == timedelta(hours=24)
    assert await office.stay(UUID(told["id"])) == ("requested", "reserved")
    # The place is free, and its display shows no barcode that was not asked for there.
    shown = await api.get(f"/v1/spots/{EXCLUSIVE}/barcode.png")
    assert shown.status_code == 404
    assert (await api.post(
        f"/v1/spots/{EXCLUSIVE}/charges", json={"vehicle_class": "car", "minutes": 60}
    )).status_code == 201  # fmt: skip


async def test_asked_for_again_it_is_the_same_barcode(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id = str(new_id())
    first, again = [await keep(api, handheld, id=charge_id) for _ in range(2)]
    assert first.json() == again.json()
    other = await keep(api, await office.open_shift(), id=charge_id)
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")
    assert await office.count("pooled_charges") == 1


async def test_claimed_then_paid(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id = await kept(api, handheld)
    answer = await claim(api, handheld, charge_id, plate="KH 1234 AB")
    assert (answer.status_code, answer.json()["state"]) == (200, "issued")
    assert await office.stay(charge_id) == ("requested", "open")
    await office.tell(charge_id)
    told = (await api.get(f"/v1/charges/{charge_id}")).json()
    assert (told["state"], told["money_flag"]) == ("paid", "exact")
    assert (told["receipt"]["plate"], told["receipt"]["attendant_code"]) == ("KH 1••• AB", "J-001")


@pytest.mark.parametrize("spot", [FLAT, HOURLY])
async def test_paid_then_claimed(
    api: httpx.AsyncClient, office: Office, handheld: Handheld, spot: str
) -> None:
    """The usual order: the driver's phone has a connection, and the handheld has none."""
    charge_id = await kept(api, handheld, spot)
    paid_at = datetime.now(UTC) + timedelta(hours=5)
    amount_rp = (await office.charge(charge_id))["amount_rp"]
    # The driver pays hours after the barcode was issued, and gets receipt and proof at once.
    await office.tell(charge_id, amount_rp, now=paid_at)
    told = (await api.get(f"/v1/charges/{charge_id}")).json()
    assert (told["state"], told["money_flag"]) == ("paid", "exact")
    receipt = told["receipt"]
    assert receipt["spot_code"] == spot
    assert receipt["started_at"] == receipt["paid_at"]
    stay = await stay_of(office, charge_id)
    assert stay["state"] == "open"
    assert stay["ends_at"] == (
        None if spot == FLAT else stay["started_at"] + timedelta(hours=1)
    )  # fmt: skip

    claimed = await claim(api, handheld, charge_id, plate="KH 1234 AB")
    assert (claimed.status_code, claimed.json()["state"]) == (200, "paid")
    assert claimed.json()["receipt"] == receipt
    after = await stay_of(office, charge_id)
    assert after == {**stay, "plate_masked": "KH 1••• AB", "plate_hash": after["plate_hash"]}
    assert await office.count("receipts") == await office.count("money") == 1


async def test_a_claim_counts_once(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id = await kept(api, handheld)
    first, again = [await claim(api, handheld, charge_id) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    # As a handheld restored from a backup would: the same barcode, for another driver.
    other = await claim(api, handheld, charge_id, shown_at="2026-11-21T10:00:00Z")
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")
    assert await reasons(office) == ["idempotency-conflict"]


async def reasons(office: Office) -> list[str]:
    rows = await office.rows("SELECT reason FROM quarantined_events ORDER BY id")
    return [row["reason"] for row in rows]


async def test_what_is_not_its_own_is_refused_and_kept(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id, usual = await kept(api, handheld), await office.request()
    stranger = await office.open_shift()
    refused = [
        await claim(api, stranger, charge_id),
        await claim(api, handheld, usual),
        await claim(api, handheld, new_id()),
    ]
    assert [(answer.status_code, answer.json()["slug"]) for answer in refused] == [
        (403, "barcode-of-another"),
        (404, "charge-not-found"),
        (404, "charge-not-found"),
    ]
    assert await reasons(office) == [answer.json()["slug"] for answer in refused]
    assert await office.stay(charge_id) == ("requested", "reserved")
    # Its money is not lost for that: it is posted with a receipt, at the spot it was issued for.
    await office.tell(charge_id)
    assert (await office.charge(charge_id))["money_flag"] == "exact"


async def test_what_nobody_was_shown_expires_and_is_told_to_nobody(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    unused, shown = await kept(api, handheld), await kept(api, handheld)
    await claim(api, handheld, shown)
    later = (await office.charge(unused))["expires_at"] + timedelta(minutes=2)
    for charge_id in (unused, shown):
        await office.inquire(charge_id, now=later)
        assert (await office.charge(charge_id))["state"] == "expired"
        assert await office.stay(charge_id) == ("voided", "voided")
    facts = await office.rows("SELECT data->>'charge_id' AS id FROM outbox")
    assert [fact["id"] for fact in facts] == [str(shown)]
    # The claim of a handheld that comes back later still is noted, and money is held with a case.
    assert (await claim(api, handheld, unused)).json()["state"] == "expired"
    await office.tell(unused, now=later + timedelta(minutes=1))
    assert (await office.charge(unused))["money_flag"] == "late"
    assert [case["kind"] for case in await office.rows("SELECT kind FROM cases")] == ["late"]


async def test_what_was_paid_and_never_claimed_gets_a_case_until_it_is(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    paid, shown, _unused = [await kept(api, handheld) for _ in range(3)]
    await claim(api, handheld, shown)
    for charge_id in (paid, shown):
        await office.tell(charge_id, rrn=f"6261{charge_id.int % 10**8:08d}")
    over = (await office.charge(paid))["expires_at"] + timedelta(minutes=1)
    for now in (over - timedelta(minutes=2), over, over + timedelta(minutes=5)):
        async with office.transactions.begin() as db:
            await pool.look_for_unclaimed(db, now=now)
        cases = await office.rows("SELECT kind, state, charge_id, amount_rp, outcome FROM cases")
        assert len(cases) == (now >= over)
    (case,) = cases
    assert (case["kind"], case["state"], case["charge_id"]) == ("never-claimed", "open", paid)
    assert (await claim(api, handheld, paid)).json()["state"] == "paid"
    (case,) = await office.rows("SELECT state, outcome FROM cases")
    assert (case["state"], case["outcome"]) == ("closed", "explained")


async def test_it_is_asked_about_hourly_until_it_is_shown(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    charge_id = await kept(api, handheld)
    now = datetime.now(UTC) + timedelta(hours=2)
    await office.inquire(charge_id, now=now)
    assert (await office.charge(charge_id))["next_inquiry_at"] == now + timedelta(hours=1)
    await claim(api, handheld, charge_id)
    due = (await office.charge(charge_id))["next_inquiry_at"]
    assert due <= datetime.now(UTC)
    await office.inquire(charge_id)
    assert (await office.charge(charge_id))["next_inquiry_at"] < due + timedelta(minutes=2)


async def test_a_device_keeps_only_so_many(
    api: httpx.AsyncClient, office: Office, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_POOLED", 2)
    first, _ = [await kept(api, handheld) for _ in range(2)]
    more = await keep(api, handheld)
    assert (more.status_code, more.json()["slug"]) == (409, "pool-full")
    await claim(api, handheld, first)
    await kept(api, handheld)
    await kept(api, await office.open_shift())
