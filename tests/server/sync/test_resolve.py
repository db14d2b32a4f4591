"""What a scanned text is: our charge, our spot, our receipt, somebody's QRIS, or nothing known."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import qris
from domain.parking import spot_code
from domain.receipt import receipt_number
from server.database import Transactions
from server.payments.books import Books
from tests.server.booking import book
from tests.server.conftest import Sandbox
from tests.server.handhelds import Handheld, on_shift

BASE = "http://127.0.0.1:8080"
SPOT = "PSR-001-U"
RECEIPT = receipt_number("PSR-2026", 1)


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


@pytest.fixture
async def paid(transactions: Transactions, books: Books) -> None:
    """A payment whose receipt is RECEIPT."""
    async with transactions.begin() as db:
        await book(
            db,
            books,
            reference="kami",
            acquirer_reference="ACQ",
            rrn="100000000001",
            amount_rp=4000,
            paid_at=datetime(2026, 3, 1, tzinfo=UTC),
        )


async def resolve(api: httpx.AsyncClient, handheld: Handheld, text: str) -> dict[str, Any]:
    answer = await api.post("/v1/barcodes/resolve", json={"text": text}, auth=handheld.signed)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    filled = {k for k, v in told.items() if v is not None} - {"kind", "amount_rp"}
    assert len(filled) == 1
    return told


async def test_our_charge_is_known_by_its_barcode(
    api: httpx.AsyncClient, sandbox: Sandbox, handheld: Handheld
) -> None:
    body = {"vehicle_class": "car"}
    charge = (await api.post(f"/v1/spots/{SPOT}/charges", json=body)).json()
    told = await resolve(api, handheld, charge["qris"])
    assert (told["kind"], told["charge"]["id"]) == ("charge", charge["id"])
    # One character off is no charge of ours, and no valid QRIS either.
    told = await resolve(api, handheld, charge["qris"][:-1] + "!")
    assert (told["kind"], told["charge"]) == ("unknown", None)


async def test_our_spot_is_known_by_code_and_by_sign(
    api: httpx.AsyncClient, handheld: Handheld, subtests: pytest.Subtests
) -> None:
    for text in (SPOT, "psr001u", f"{BASE}/p/{SPOT}", f"{BASE}/p/{SPOT}?lang=en"):
        with subtests.test(text):
            told = await resolve(api, handheld, text)
            assert told["kind"] == "spot"
            assert (told["spot"]["code"], told["spot"]["zone"]["code"]) == (SPOT, "PSR")


@pytest.mark.usefixtures("paid")
async def test_our_receipt_is_known_by_number_and_by_its_qr(
    api: httpx.AsyncClient, handheld: Handheld, subtests: pytest.Subtests
) -> None:
    for text in (RECEIPT, RECEIPT.lower(), f"{BASE}/r/{RECEIPT}"):
        with subtests.test(text):
            told = await resolve(api, handheld, text)
            assert told["kind"] == "receipt"
            assert (told["receipt"]["number"], told["receipt"]["amount_rp"]) == (RECEIPT, 4000)


async def test_another_merchants_qris_is_named(
    api: httpx.AsyncClient, sandbox: Sandbox, handheld: Handheld
) -> None:
    body = {"vehicle_class": "car"}
    ours = qris.parse((await api.post(f"/v1/spots/{SPOT}/charges", json=body)).json()["qris"])
    foreign = qris.encode(replace(ours, name="WARUNG LAIN", city="JAUH", amount="7500"))
    told = await resolve(api, handheld, foreign)
    assert (told["kind"], told["amount_rp"]) == ("foreign-qris", 7500)
    assert (told["merchant"]["name"], told["merchant"]["city"]) == ("WARUNG LAIN", "JAUH")


NOT_OURS = [
    f"https://karcis.example/p/{SPOT}",
    f"{BASE}.evil.example/p/{SPOT}",
    f"http://evil.example/{BASE}/p/{SPOT}",
    f"{BASE.replace('http', 'https')}/p/{SPOT}",
    f"http://127.0.0.1:8081/p/{SPOT}",
    f"https://karcis.example/r/{RECEIPT}",
    f"{BASE}@evil.example/p/{SPOT}",
    f"{BASE}/p/",
    f"{BASE}/",
    spot_code("PSR", 999),
    receipt_number("PSR-2026", 2),
    "PSR-001-V",
    "http://[",
    "://",
    "a\0b",
    f"{BASE}/p/{SPOT}\0",
    "halo",
    " ",
    "9" * 4096,
    "BEGIN:VCARD\nFN:Budi\nEND:VCARD",
    "\U0001f697",
]


@pytest.mark.usefixtures("paid")
async def test_what_is_not_ours_is_unknown(
    api: httpx.AsyncClient, handheld: Handheld, subtests: pytest.Subtests
) -> None:
    for text in NOT_OURS:
        with subtests.test(repr(text[:60])):
            told = await resolve(api, handheld, text)
            assert told["kind"] == "unknown"
            assert told["text_kind"]


async def test_text_must_be_there_and_not_endless(
    api: httpx.AsyncClient, handheld: Handheld
) -> None:
    for body in ({}, {"text": ""}, {"text": "x" * 4097}, {"text": 5}):
        answer = await api.post("/v1/barcodes/resolve", json=body, auth=handheld.signed)
        assert answer.status_code == 422


async def test_master_data_is_all_a_handheld_needs(
    api: httpx.AsyncClient, handheld: Handheld, books: Books
) -> None:
    told = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    assert told["regency"] == {
        "name": books.regency,
        "agency": books.agency,
        "complaint": books.complaint,
        "porporasi": "",
        "timezone": "Asia/Jakarta",
        "day_ends": "24.00",
        "site": books.base_url,
    }
    assert told["vehicle_classes"] == ["motorcycle", "car", "truck"]
    assert len(told["spots"]) == 40
    assert told["spots"] == sorted(told["spots"], key=lambda spot: spot["code"])
    spot = next(spot for spot in told["spots"] if spot["code"] == SPOT)
    assert spot == {
        "code": SPOT,
        "place": "Jl. Melati Contoh Utara 7",
        "zone": {"code": "PSR", "name": "Pasar Contoh"},
    }
    tariffs = {tariff["zone"]: tariff["version"] for tariff in told["tariffs"]}
    assert set(tariffs) == {spot["zone"]["code"] for spot in told["spots"]}
    assert tariffs["PSR"]["rates"]["car"] == {"kind": "flat", "amount_rp": 4000}
