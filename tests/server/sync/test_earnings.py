"""Hak saya hari ini: the books' own sums, of whose charge it was."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from domain.payout import DEFAULT, PayoutRule
from server.database import Transactions, new_id
from server.identity import service as identity
from server.ledger import service as ledger
from server.payments.arrivals import Arrival, record_one
from server.payments.books import Books
from server.payments.models import Charge, Inquiry
from server.workdays import Workdays
from tests.server.booking import told_paid
from tests.server.handhelds import Handheld, nonce_for, on_shift
from tests.server.reconciliation import paying
from tests.server.sync.test_closing import close, count, shift_of, spots, take_cash

RELIEF, PIN = "J-002", "222222"


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def pay(
    transactions: Transactions, books: Books, charge_id: str, amount_rp: int, now: datetime
) -> None:
    """The acquirer says, when asked, that it holds so much."""
    async with transactions.begin() as db:
        charge = await db.get_one(Charge, UUID(charge_id))
        told = told_paid(charge.reference, amount_rp)
        inquiry = Inquiry(charge_id=charge.id, asked_at=now, status="paid", answer=told)
        db.add(inquiry)
        await db.flush()
        came = Arrival(
            charge.acquirer_reference or "x", "RRN1", amount_rp, now, inquiry_id=inquiry.id
        )
        await record_one(db, charge.acquirer, charge.reference, came, books, now=now)


async def test_a_charge_counts_for_who_made_it_also_when_paid_on_the_reliefs_shift(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    books: Books,
    now: datetime,
) -> None:
    spot, other, third, *_ = await spots(api, handheld)
    cash_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    asked = [
        await api.post(
            f"/v1/spots/{code}/charges",
            json={"id": str(new_id()), "vehicle_class": "motorcycle"},
            auth=handheld.signed,
        )
        for code in (other, third)
    ]
    qris, late = (answer.json() for answer in asked)
    ahead = {"id": str(new_id()), "vehicle_class": "motorcycle"}
    answer = await api.post(f"/v1/spots/{spot}/pooled-charges", json=ahead, auth=handheld.signed)
    assert answer.json()["state"] == "issued", "nobody has been asked to pay this one"
    told = (await api.get("/v1/shifts/current/earnings", auth=handheld.signed)).json()
    (bp,) = told["attendant_bp"]
    assert (told["gross_rp"], told["cash_owed_rp"]) == (cash_rp, cash_rp)
    assert told["share_rp"] == told["unpaid_share_rp"] == cash_rp * bp // 10_000 > 0
    assert [(p["why"], p["count"]) for p in told["pending"]] == [("unconfirmed", 2)]
    pays_on = books.workdays.kept(DEFAULT.payout_of(books.day(now)))
    assert date.fromisoformat(told["payout_on"]) == pays_on

    body = await count(api, handheld, shift := await shift_of(transactions, handheld), 0, cash_rp)
    assert (await close(api, handheld, shift, body)).status_code == 200
    async with transactions.begin() as db:
        await identity.add_attendant(db, code=RELIEF, name="Pengganti", pin=PIN)
    handheld.token = ""
    opened = await api.post(
        "/v1/shifts",
        json=handheld.shift_request(await nonce_for(api, handheld), attendant=RELIEF, pin=PIN),
    )
    handheld.token = opened.json()["token"]
    await pay(transactions, books, qris["id"], qris["amount_rp"], now)
    await pay(transactions, books, late["id"], late["amount_rp"] + 500, now)
    relief = (await api.get("/v1/shifts/current/earnings", auth=handheld.signed)).json()
    assert (relief["gross_rp"], relief["unpaid_share_rp"], relief["pending"]) == (0, 0, [])

    handheld.token = ""
    answer = await api.post(
        "/v1/shifts", json=handheld.shift_request(await nonce_for(api, handheld))
    )
    handheld.token = answer.json()["token"]
    own = (await api.get("/v1/shifts/current/earnings", auth=handheld.signed)).json()
    assert own["gross_rp"] == cash_rp + qris["amount_rp"]
    assert own["cash_owed_rp"] == cash_rp
    # The wrong amount did not pay the charge: the driver may still pay it.
    over_rp = late["amount_rp"] + 500
    assert [(p["why"], p["count"], p["amount_rp"]) for p in own["pending"]] == [
        ("unconfirmed", 1, late["amount_rp"]),
        ("over", 1, over_rp),
    ]


async def test_a_share_that_was_paid_is_told_to_its_attendant_alone(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, books: Books
) -> None:
    spot, *_ = await spots(api, handheld)
    cash_rp = (await take_cash(api, handheld, spot)).json()["amount_rp"]
    await paying.pay_shares(transactions, books, datetime.now(UTC))
    path = "/v1/shifts/current/share-slips"
    (slip,) = (await api.get(path, auth=handheld.signed)).json()["slips"]
    (bp,) = slip["parts_bp"]
    assert (slip["gross_rp"], slip["days"], slip["taken_back_rp"], slip["rest_rp"]) == (
        cash_rp, 1, 0, 0
    )  # fmt: skip
    assert slip["amount_rp"] == slip["share_rp"] == cash_rp * bp // 10_000 > 0
    shift = await shift_of(transactions, handheld)
    body = await count(api, handheld, shift, 0, cash_rp)
    assert (await close(api, handheld, shift, body)).status_code == 200
    async with transactions.begin() as db:
        await identity.add_attendant(db, code=RELIEF, name="Pengganti", pin=PIN)
    handheld.token = ""
    asked = handheld.shift_request(await nonce_for(api, handheld), attendant=RELIEF, pin=PIN)
    handheld.token = (await api.post("/v1/shifts", json=asked)).json()["token"]
    assert (await api.get(path, auth=handheld.signed)).json() == {"slips": []}


def test_a_payout_of_a_holiday_is_made_on_the_next_working_day() -> None:
    workdays = Workdays({date(2026, 11, 23): "hari jadi kabupaten"})
    eve, sunday = date(2026, 12, 24), date(2026, 11, 22)
    assert workdays.kept(DEFAULT.payout_of(eve)) == date(2026, 12, 28), "Christmas, a weekend"
    assert workdays.kept(DEFAULT.payout_of(sunday)) == date(2026, 11, 24), "the regency's own"
    assert workdays.kept(PayoutRule((7,), 0).payout_of(sunday)) == sunday, "the rule means it"


async def test_the_office_says_when_shares_are_paid(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    day = books.day(now)
    fridays = PayoutRule((5,), 2)
    async with transactions.begin() as db:
        assert await ledger.payout_rule(db, day) == DEFAULT
        for _ in range(2):
            assert await ledger.add_payout_rule(db, fridays, valid_from=day, regulation="SK 1")
        assert not await ledger.add_payout_rule(db, DEFAULT, valid_from=day, regulation="SK 2")
        assert await ledger.payout_rule(db, day - timedelta(days=1)) == DEFAULT
        assert await ledger.payout_rule(db, day + timedelta(days=9)) == fridays
