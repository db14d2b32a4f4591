"""Closing a shift: counted against the books, only with every record there, once."""

import asyncio
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from server import sample, verify
from server.casework.models import CaseKind
from server.database import Transactions, new_id
from server.identity.models import Shift, ShiftClosing, ShiftDifference
from server.ledger import reports
from tests.server.cluster import PASSWORD
from tests.server.deciding import close_by_two
from tests.server.handhelds import Handheld, nonce_for, on_shift

SPOT_CLASS = {"vehicle_class": "motorcycle"}


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def shift_of(transactions: Transactions, handheld: Handheld) -> str:
    async with transactions.begin() as db:
        newest = select(Shift.id).where(Shift.device_id == handheld.device_id)
        return str(await db.scalar(newest.order_by(Shift.opened_at.desc()).limit(1)))


async def take_cash(api: httpx.AsyncClient, handheld: Handheld, spot: str) -> httpx.Response:
    body = {"id": str(new_id()), **SPOT_CLASS}
    return await api.post(f"/v1/spots/{spot}/cash-charges", json=body, auth=handheld.signed)


async def spots(api: httpx.AsyncClient, handheld: Handheld) -> list[str]:
    told = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    return [spot["code"] for spot in told["spots"]]


async def count(
    api: httpx.AsyncClient, handheld: Handheld, shift_id: str, counted_rp: int, shown_rp: int
) -> dict[str, Any]:
    """The count as a signed event that has arrived, and the request that goes with it."""
    body = {"shift_id": shift_id, "counted_rp": counted_rp, "shown_rp": shown_rp}
    event = handheld.event("shift_closed", body=body)
    answer = await api.post("/v1/sync", json={"events": [event]}, auth=handheld.signed)
    assert answer.json()["results"][0]["outcome"] == "accepted", answer.text
    return {"seq": event["seq"], "counted_rp": counted_rp, "shown_rp": shown_rp}


async def close(
    api: httpx.AsyncClient, handheld: Handheld, shift_id: str, body: dict[str, Any]
) -> httpx.Response:
    path = f"/v1/devices/{handheld.device_id}/shifts/{shift_id}/close"
    return await api.post(path, json=body, auth=handheld.signed)


async def invariants(transactions: Transactions) -> list[str]:
    async with transactions.begin() as db:
        return [name for name, found in (await verify.broken(db)).items() if found]


async def test_a_count_that_agrees_ends_the_shift_and_its_token(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    spot, other, *_ = await spots(api, handheld)
    amounts = [(await take_cash(api, handheld, code)).json()["amount_rp"] for code in (spot, other)]
    body = await count(api, handheld, shift_id, sum(amounts), sum(amounts))
    answer = await close(api, handheld, shift_id, body)
    assert (answer.status_code, answer.json()["difference_rp"]) == (200, 0)
    assert answer.json()["expected_rp"] == sum(amounts)
    # Its answer may have been lost: asked again it is the same, though the token is worth nothing.
    assert (await close(api, handheld, shift_id, body)).json() == answer.json()
    refused = await api.get("/v1/masterdata", auth=handheld.signed)
    assert (refused.status_code, refused.json()["slug"]) == (401, "not-signed-in")
    async with transactions.begin() as db:
        assert await db.scalar(select(ShiftDifference)) is None
    assert await invariants(transactions) == []


async def test_a_difference_is_a_case_with_an_owner_and_corrects_nothing(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    shift_id = await shift_of(transactions, handheld)
    spot, *_ = await spots(api, handheld)
    taken_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    body = await count(api, handheld, shift_id, 500, taken_rp)
    assert (await close(api, handheld, shift_id, body)).json()["difference_rp"] == 500 - taken_rp
    async with transactions.begin() as db:
        case = await db.scalar(select(ShiftDifference))
        assert case is not None
        assert (case.difference_rp, case.owner) == (500 - taken_rp, "bendahara penerimaan")
        assert await reports.owed_by(db, sample.ATTENDANT) == taken_rp
    await close_by_two(transactions, CaseKind.COUNT, case.shift_id, "uang kembalian", now)
    async with transactions.begin() as db:
        assert await reports.owed_by(db, sample.ATTENDANT) == taken_rp
    assert await invariants(transactions) == []


async def test_cash_that_was_told_and_never_booked_is_a_case_whatever_was_counted(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    """Refused with its stay, say: who keeps it counts just what the books expect."""
    spot, *_ = await spots(api, handheld)
    booked_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    shift = await shift_of(transactions, handheld)
    body = await count(api, handheld, shift, booked_rp, booked_rp + 4_000)
    assert (await close(api, handheld, shift, body)).status_code == 200
    async with transactions.begin() as db:
        (difference,) = await db.scalars(select(ShiftDifference))
        assert difference.difference_rp == 4_000
    assert await invariants(transactions) == []


async def test_a_missing_record_blocks_and_is_named(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    lost = handheld.event()
    told = {"shift_id": shift_id, "counted_rp": 0, "shown_rp": 0}
    counted = handheld.event("shift_closed", body=told)
    body = {"seq": 2, "counted_rp": 0, "shown_rp": 0}
    answer = await close(api, handheld, shift_id, body)
    assert (answer.status_code, answer.json()["slug"]) == (409, "records-missing")
    assert answer.json()["missing"] == [1, 2]
    await api.post("/v1/sync", json={"events": [counted]}, auth=handheld.signed)
    # Held back, as its predecessor is not there: wanted again after that one, or once it came.
    answer = await close(api, handheld, shift_id, body)
    assert answer.json()["missing"] == [1, 2]
    await api.post("/v1/sync", json={"events": [lost]}, auth=handheld.signed)
    answer = await close(api, handheld, shift_id, body)
    assert answer.json()["missing"] == [2]
    await api.post("/v1/sync", json={"events": [counted]}, auth=handheld.signed)
    assert (await close(api, handheld, shift_id, body)).status_code == 200


async def test_what_is_quarantined_is_not_missing(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    unstorable = handheld.event(body={"text": "\0"})
    told = {"shift_id": shift_id, "counted_rp": 0, "shown_rp": 0}
    counted = handheld.event("shift_closed", body=told)
    await api.post("/v1/sync", json={"events": [unstorable, counted]}, auth=handheld.signed)
    body = {"seq": 2, "counted_rp": 0, "shown_rp": 0}
    assert (await close(api, handheld, shift_id, body)).status_code == 200


async def test_a_refused_claim_of_a_barcode_hinders_no_close(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    claimed = {"shown_at": "2026-11-21T09:00:00Z"}
    answer = await api.post(f"/v1/charges/{new_id()}/claim", json=claimed, auth=handheld.signed)
    assert answer.status_code == 404
    body = await count(api, handheld, shift_id, 0, 0)
    assert (await close(api, handheld, shift_id, body)).status_code == 200


async def test_the_count_is_what_the_device_signed(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    body = await count(api, handheld, shift_id, 2000, 2000)
    answer = await close(api, handheld, shift_id, body | {"counted_rp": 0})
    assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    stranger = await on_shift(api, transactions, datetime.now().astimezone())
    answer = await close(api, stranger, shift_id, body)
    assert (answer.status_code, answer.json()["slug"]) == (404, "shift-not-found")


async def test_two_counts_at_once_close_once(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    bodies = [await count(api, handheld, shift_id, rp, 0) for rp in (0, 1000)]
    answers = await asyncio.gather(
        *(close(api, handheld, shift_id, body) for body in bodies for _ in range(3))
    )
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    won = {a.json()["counted_rp"] for a in answers if a.status_code == 200}
    assert len(won) == 1
    assert {a.json()["slug"] for a in answers if a.status_code == 409} == {"shift-closed"}
    assert await invariants(transactions) == []


async def test_cash_that_meets_the_close_is_in_its_sum_or_in_no_shift(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    codes = await spots(api, handheld)
    body = await count(api, handheld, shift_id, 0, 0)
    *taken, closed = await asyncio.gather(
        *(take_cash(api, handheld, code) for code in codes[:6]),
        close(api, handheld, shift_id, body),
    )
    assert {answer.status_code for answer in taken} <= {201, 401}
    booked_rp = sum(a.json()["amount_rp"] for a in taken if a.status_code == 201)
    assert closed.json()["expected_rp"] == booked_rp
    assert await invariants(transactions) == []


async def test_the_office_ends_the_shift_of_a_lost_device(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    shift_id = await shift_of(transactions, handheld)
    spot, *_ = await spots(api, handheld)
    taken_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    assert "sedang bertugas" in (await api.get(f"/office/shifts/{shift_id}")).text
    form = {"why": "perangkat hilang", "password": PASSWORD}
    answer = await api.post(f"/office/shifts/{shift_id}/end", data=form)
    assert answer.status_code == 303, answer.text
    # Cash that no charge stands for is told, whatever else a device wrote in its journal.
    cash = [
        handheld.event(
            "cash_taken", body={"shift_id": shift_id, "charge_id": "?", "quoted_rp": quoted_rp}
        )
        for quoted_rp in ("x", None, -5, [1], 10**15, 3_000_000_000)
    ]
    answer = await api.post("/v1/sync", json={"events": cash}, auth=handheld.signed)
    assert {told["outcome"] for told in answer.json()["results"]} == {"accepted"}, answer.text
    page = (await api.get(f"/office/shifts/{shift_id}")).text
    assert "3.000.000.000" in page
    assert "ditutup dari kantor" in page
    assert "perangkat hilang" in page
    assert (await take_cash(api, handheld, spot)).status_code == 401
    async with transactions.begin() as db:
        closed = await db.scalar(select(ShiftClosing))
        assert closed is not None
        assert (closed.counted_rp, closed.expected_rp) == (None, taken_rp)
        assert await reports.owed_by(db, sample.ATTENDANT) == taken_rp
    assert await invariants(transactions) == []


async def test_a_shift_that_lapsed_uncounted_is_shown_as_not_closed(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, owner: Transactions
) -> None:
    async with owner.begin() as db:
        shift = await db.scalar(select(Shift))
        assert shift is not None
        shift.expires_at = shift.opened_at
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    assert "habis waktu, tidak ditutup" in (await api.get("/office/shifts")).text
    # A new shift is a new one: the lapsed one stays open until somebody closes it.
    handheld.token = ""
    answer = await api.post(
        "/v1/shifts", json=handheld.shift_request(await nonce_for(api, handheld))
    )
    assert answer.status_code == 201
    assert "sedang bertugas" in (await api.get("/office/shifts")).text
