"""The driver's pages over HTTP: form, headers, and the refusals a person can bring about."""

import io
from uuid import uuid4

import httpx
import numpy as np
import pytest
import zxingcpp
from fastapi import FastAPI
from PIL import Image
from pyzbar import pyzbar
from sqlalchemy import delete, func, select

from server.database import Transactions
from server.driver.spot_pages import SpotPages
from server.payments.books import Books
from server.payments.models import Charge
from server.settings import Settings
from server.spots.models import Tariff

HTML = {"Accept": "text/html"}


async def test_pages_keep_strange_scripts_and_frames_out(api: httpx.AsyncClient) -> None:
    answer = await api.get("/p/psr001u", headers=HTML)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "style=" not in answer.text
    assert "onclick" not in answer.text
    assert "PSR-001-U" in answer.text


async def test_each_visit_has_an_id_of_its_own(api: httpx.AsyncClient) -> None:
    first, second = [(await api.get("/p/PSR-001-U")).text for _ in range(2)]
    assert first != second


async def test_a_spot_names_the_merchant_before_its_first_barcode(
    app: FastAPI,
    api: httpx.AsyncClient,
    settings: Settings,
    transactions: Transactions,
    books: Books,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Nama lain?" not in (await api.get("/p/PSR-001-U")).text, "no name is known"
    named = settings.model_copy(update={"merchant_name": "PARKIR CONTOH"})
    monkeypatch.setattr(
        app.state, "spot_pages", SpotPages(transactions, books, named, app.state.scans)
    )
    assert "<strong>PARKIR CONTOH</strong>" in (await api.get("/p/PSR-001-U")).text


FORMS: list[tuple[dict[str, str], int]] = [
    ({}, 303),
    ({"plate": "", "minutes": ""}, 303),
    ({"plate": "KH 1234 AB"}, 303),
    ({"plate": "KH<b>"}, 422),
    ({"plate": "K" * 17}, 422),
    ({"vehicle_class": "tank"}, 422),
    ({"minutes": "-1"}, 422),
    ({"minutes": "1441"}, 422),
    ({"told_rp": "x"}, 422),
    ({"id": "x"}, 422),
]


async def test_the_form_takes_what_it_asks_for_and_no_more(
    api: httpx.AsyncClient, transactions: Transactions, subtests: pytest.Subtests
) -> None:
    for changes, status in FORMS:
        with subtests.test(str(changes)):
            form = {"id": str(uuid4()), "vehicle_class": "car", **changes}
            answer = await api.post("/p/PSR-001-U", data=form, headers=HTML)
            assert answer.status_code == status
            if status == 303:
                assert answer.headers["location"] == f"/c/{form['id']}"
            else:
                assert answer.headers["content-type"].startswith("text/html")
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(Charge)) == 3


async def test_the_same_form_again_is_the_same_charge(api: httpx.AsyncClient) -> None:
    form = {"id": str(uuid4()), "vehicle_class": "car"}
    first = await api.post("/p/PSR-001-U", data=form)
    again = await api.post("/p/PSR-001-U", data=form)
    assert again.headers["location"] == first.headers["location"]
    other = await api.post("/p/PSR-001-U", data=form | {"vehicle_class": "truck"})
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")


async def test_an_hourly_spot_needs_to_know_how_long(api: httpx.AsyncClient) -> None:
    form = {"id": str(uuid4()), "vehicle_class": "car"}
    answer = await api.post("/p/RSU-003-I", data=form)
    assert (answer.status_code, answer.json()["slug"]) == (422, "stay-not-priced")
    form = {"id": str(uuid4()), "vehicle_class": "car", "minutes": "120"}
    for told in ({}, {"told_rp": "4000"}):
        shown = await api.post("/p/RSU-003-I", data=form | told)
        assert shown.status_code == 200
        assert 'name="told_rp" value="6000"' in shown.text
        assert form["id"] in shown.text
    answer = await api.post("/p/RSU-003-I", data=form | {"told_rp": "6000"})
    assert answer.status_code == 303


async def test_a_spot_code_can_be_typed(api: httpx.AsyncClient) -> None:
    assert (await api.get("/p", headers=HTML)).status_code == 200
    answer = await api.get("/p", params={"spot": "psr 001 u"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/p/PSR-001-U")
    mistyped = await api.get("/p", params={"spot": "PSR-001-V"})
    assert (mistyped.status_code, mistyped.json()["slug"]) == (404, "spot-code-mistyped")


async def test_the_saved_picture_says_all_and_is_read_by_a_scanner(api: httpx.AsyncClient) -> None:
    form = {"id": str(uuid4()), "vehicle_class": "car"}
    page = (await api.post("/p/PSR-001-U", data=form)).headers["location"]
    answer = await api.get(f"{page}/qris.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))
    [read] = pyzbar.decode(picture)
    charge = (await api.get(f"/v1/charges/{form['id']}")).json()
    assert read.data.decode() == charge["qris"]
    [again] = zxingcpp.read_barcodes(picture)
    assert again.text == charge["qris"]
    # What stands around it: the more there is of it, the more ink is outside the barcode.
    box = read.rect
    outside = picture.copy()
    outside[box.top : box.top + box.height, box.left : box.left + box.width] = 255
    assert (outside[: box.top] < 128).any()
    assert (outside[box.top + box.height :] < 128).any()


NOT_THERE = [
    ("/s/0198a2b4-0000-7000-8000-000000000000", 404, "stay-not-found"),
    ("/c/0198a2b4-0000-7000-8000-000000000000/qris.png", 404, "charge-not-found"),
    ("/p/PSR-001-V", 404, "spot-code-mistyped"),
    ("/c/0198a2b4-0000-7000-8000-000000000000", 404, "charge-not-found"),
    ("/c/x", 422, "invalid-request"),
    ("/r/PSR-2026-000001-H", 404, "receipt-not-found"),
    ("/r/x", 404, "receipt-not-found"),
]


async def test_what_is_not_there_is_a_page_with_its_status(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for path, status, slug in NOT_THERE:
        with subtests.test(path):
            answer = await api.get(path, headers=HTML)
            assert answer.status_code == status
            assert slug in answer.text
            assert (await api.get(path)).json()["slug"] == slug


async def test_a_zone_without_a_tariff_says_so(api: httpx.AsyncClient, owner: Transactions) -> None:
    async with owner.begin() as db:
        await db.execute(delete(Tariff))
    answer = await api.get("/p/PSR-001-U")
    assert (answer.status_code, answer.json()["slug"]) == (409, "no-tariff")
