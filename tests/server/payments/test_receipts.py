"""Receipts: numbered without gaps, complete, and known only by their exact number."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from domain.payment import MoneyFlag
from domain.receipt import ReceiptFacts, parse_receipt_number
from server import sample
from server.payments import receipts
from server.payments.arrivals import Arrival, record_one
from server.payments.models import Inquiry
from server.payments.receipts import ReceiptNotFound
from tests.server.payments.conftest import CAR_RP, FLAT, HOURLY, Office

OTHER_ZONE = "PLB-001-U"


async def sequences(office: Office, series: str) -> list[int]:
    rows = await office.rows(
        "SELECT sequence FROM receipts WHERE series = :series ORDER BY sequence", series=series
    )
    return [row["sequence"] for row in rows]


async def test_thirty_payments_at_once_are_numbered_one_to_thirty(office):
    here = [await office.request() for _ in range(30)]
    there = [await office.request(OTHER_ZONE) for _ in range(3)]
    now = datetime.now(UTC)
    told = await asyncio.gather(
        *(office.tell(charge_id, rrn=str(n), now=now) for n, charge_id in enumerate(here + there))
    )
    assert {answer.code for answer in told} == {"2005200"}
    year = now.astimezone(office.wired.books.timezone).year
    assert await sequences(office, f"PSR-{year}") == list(range(1, 31))
    assert await sequences(office, f"PLB-{year}") == [1, 2, 3]
    numbers = [row["number"] for row in await office.rows("SELECT number FROM receipts")]
    assert len({parse_receipt_number(number) for number in numbers}) == 33


async def test_a_payment_that_is_rolled_back_leaves_no_gap(office):
    charges = [await office.request() for _ in range(3)]
    for number, charge_id in enumerate(charges):
        if number == 1:
            with pytest.raises(ZeroDivisionError):
                await record_then_fail(office, charge_id)
        assert (await office.tell(charge_id, rrn=str(number))).code == "2005200"
    rows = await office.rows("SELECT sequence FROM receipts ORDER BY sequence")
    assert [row["sequence"] for row in rows] == [1, 2, 3]
    assert await office.count("money") == 3


async def record_then_fail(office: Office, charge_id: UUID) -> None:
    """All of a payment in one transaction, receipt included, that does not commit."""
    now = datetime.now(UTC)
    async with office.transactions.begin() as db:
        asked = Inquiry(charge_id=charge_id, asked_at=now, status="paid", answer={})
        db.add(asked)
        await db.flush()
        arrival = Arrival("77", "9", CAR_RP, now, inquiry_id=asked.id)
        flag = await record_one(db, "sandbox", charge_id.hex, arrival, office.wired.books, now=now)
        assert flag is MoneyFlag.EXACT
        raise ZeroDivisionError


async def test_the_year_of_the_series_is_the_regencys_own(office):
    """23.59 and 00.00 WIB on 31 December are both still 31 December in UTC."""
    zone = office.wired.books.timezone
    eve = datetime(2026, 12, 31, 23, 59, 59, tzinfo=zone)
    for number, paid_at in enumerate((eve, eve + timedelta(seconds=1))):
        assert paid_at.astimezone(UTC).date().isoformat() == "2026-12-31"
        charge_id = await office.request()
        extra = {"rrn": str(number), "paidTime": paid_at.isoformat()}
        now = paid_at + timedelta(seconds=2)
        answer = await office.tell(charge_id, rrn=None, now=now, additionalInfo=extra)
        assert answer.code == "2005200"
    rows = await office.rows("SELECT series, sequence FROM receipts ORDER BY series")
    assert [tuple(row.values()) for row in rows] == [("PSR-2026", 1), ("PSR-2027", 1)]
    days = await office.rows("SELECT business_day FROM money ORDER BY paid_at")
    assert [row["business_day"].isoformat() for row in days] == ["2026-12-31", "2027-01-01"]


async def test_a_receipt_says_all_it_must_wherever_it_is_shown(office, api):
    charge_id = await office.request(HOURLY, minutes=90, plate="kh 1234 ab")
    started = (await office.charge(charge_id))["created_at"]
    now = datetime.now(UTC)
    assert (await office.tell(charge_id, 6_000, "626100000009", now=now)).code == "2005200"

    view = (await api.get(f"/v1/charges/{charge_id}")).json()
    facts = ReceiptFacts.from_json(view["receipt"])
    books = office.wired.books
    assert facts.regency == sample.REGENCY
    assert facts.agency == books.agency
    assert facts.complaint == books.complaint
    assert facts.regulation == "Perda Contoh 1/2024 (sampel)"
    assert (facts.spot_code, facts.zone) == (HOURLY, "Rumah Sakit Contoh")
    assert facts.place == "Jl. Sehat Contoh Utara 21"
    assert facts.plate == "KH 1••• AB"
    assert (facts.started_at, facts.paid_at) == (started, now)
    assert facts.started_at.utcoffset() == timedelta(hours=7)
    assert facts.amount_rp == 6_000 == sum(line.amount_rp for line in facts.lines)
    assert [line.amount_rp for line in facts.lines] == [4_000, 2_000]
    assert (facts.method, facts.rrn) == ("QRIS", "626100000009")
    assert facts.reference == charge_id.hex
    assert facts.verify_url == f"http://127.0.0.1:8080/r/{facts.number}"
    assert facts.attendant_code is None

    for typed in (facts.number, facts.number.lower().replace("-", " ")):
        shown = (await api.get(f"/v1/receipts/{typed}")).json()
        nobody = {"plate": None, "rrn": None, "reference": ""}
        assert shown["facts"] == view["receipt"] | nobody
        until = started + timedelta(minutes=90)
        assert datetime.fromisoformat(shown["valid_until"]) == until
        assert (shown["valid"], shown["standing"], shown["refunded_rp"]) == (True, "valid", 0)
    page = await api.get(facts.verify_url, headers={"Accept": "text/html"})
    assert page.status_code == 200
    for fact in (facts.number, "Rp6.000", facts.spot_code):
        assert fact in page.text
    for fact in ("KH 1", "626100000009", charge_id.hex, str(charge_id)):
        assert fact not in page.text
    own = await api.get(f"/r/{facts.number}?c={charge_id}", headers={"Accept": "text/html"})
    for fact in (facts.number, "KH 1••• AB", "626100000009"):
        assert fact in own.text
    everything = [await office.rows(f"SELECT * FROM {table}") for table in TABLES]
    assert "1234" not in repr(everything).replace(charge_id.hex, "").replace(str(charge_id), "")


TABLES = ("parking_sessions", "payments", "receipts", "notifications")


async def test_a_receipt_names_the_attendant_who_asked(office, api):
    handheld = await office.open_shift()
    body = {"vehicle_class": "car"}
    asked = await api.post(f"/v1/spots/{FLAT}/charges", json=body, auth=handheld.signed)
    charge_id = UUID(asked.json()["id"])
    await office.tell(charge_id)
    facts = (await api.get(f"/v1/charges/{charge_id}")).json()["receipt"]
    assert (facts["attendant_code"], facts["attendant_name"]) == ("J-001", "Juru Parkir Contoh")


async def test_a_number_that_is_not_exactly_a_receipts_is_not_known(office, api):
    charge_id = await office.request()
    await office.tell(charge_id)
    number = (await api.get(f"/v1/charges/{charge_id}")).json()["receipt"]["number"]
    head, check = number[:-1], number[-1]
    wrong = [head + other for other in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" if other != check]
    swapped = [number[:i] + b + a + number[i + 2 :] for i, (a, b) in enumerate(pairwise(number))]
    wrong += [text for text in swapped if text.replace("-", "") != number.replace("-", "")]
    wrong += ["PSR-2026-000002-" + "0", "x", "%00", "..", "karcis", "9" * 300]
    for text in wrong:
        answer = await api.get(f"/v1/receipts/{text}")
        assert answer.status_code == 404, text
        assert answer.headers["content-type"] == "application/problem+json"
    missing = (await api.get(f"/v1/receipts/{wrong[0]}")).json()
    assert missing["slug"] == "receipt-not-found"
    assert (await api.get(f"/r/{wrong[0]}", headers={"Accept": "text/html"})).status_code == 404
    with pytest.raises(ReceiptNotFound):
        async with office.transactions.begin() as db:
            await receipts.find(db, wrong[0])
