"""Complaints over HTTP: told with a form, followed by number, answered by the office."""

import io
import re
from datetime import UTC, date, datetime
from html import unescape
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from prometheus_client import generate_latest
from sqlalchemy import select, text, true

from server import paging, sample
from server.complaints import service
from server.complaints.models import Complaint, ComplaintPhoto
from server.complaints.states import ComplaintKind
from server.database import Transactions
from server.driver import complaint_pages
from server.identity import service as identity
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.complaints.test_photos import jpeg

SPOT = "PSR-001-U"
CANARY_PLATE, CANARY_PHONE = "KH 7731 ZX", "0812-7731-7731"


async def complain(api: httpx.AsyncClient, photo: bytes = b"", **told: str) -> httpx.Response:
    """As a browser sends the form: every field, and an empty file where none was chosen."""
    form = dict.fromkeys(
        ("spot", "place", "attendant", "receipt", "reference", "amount_rp", "paid_on", "story"), ""
    )
    file = (
        "foto.jpg" if photo else "",
        photo,
        "image/jpeg" if photo else "application/octet-stream",
    )
    return await api.post(
        "/pengaduan",
        data=form | {"kind": "overcharged", "contact": ""} | told,
        files={"photo": file},
    )


async def test_a_complaint_gets_a_number_and_a_deadline_and_tells_strangers_nothing(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    story = f"Diminta Rp10.000, {CANARY_PLATE}"
    told = await complain(
        api, jpeg(), spot="psr001u", attendant="J-001", story=story, contact=CANARY_PHONE
    )
    assert told.status_code == 303
    assert re.fullmatch(r"/pengaduan/ADU-\w{5}-\w{5}-\w", told.headers["location"])
    page = await api.get(told.headers["location"], headers={"Accept": "text/html"})
    for shown in ("Diterima, sedang diperiksa", SPOT, "bendahara penerimaan"):
        assert shown in page.text
    for hidden in (CANARY_PLATE, CANARY_PHONE, "J-001", "Rp10.000"):
        assert hidden not in page.text
    async with transactions.begin() as db:
        kept = (await db.scalars(select(Complaint))).one()
        assert (kept.story, kept.attendant_code) == (story, "J-001")
        photo = (await db.scalars(select(ComplaintPhoto))).one()
        assert b"KENARI" not in photo.jpeg
        with Image.open(io.BytesIO(photo.jpeg)) as picture:
            assert picture.format == "JPEG"


REFUSED = [
    ({}, "complaint-empty"),
    ({"story": " \n "}, "complaint-empty"),
    ({"kind": "", "story": "x"}, "invalid-request"),
    ({"story": "x" * 1001}, "invalid-request"),
    ({"story": "x\0y"}, "invalid-request"),
    ({"spot": "PSR-001-V"}, "spot-code-mistyped"),
    ({"receipt": "PSR-2026-000001-X"}, "receipt-not-found"),
    ({"attendant": "<b>"}, "invalid-request"),
    ({"kind": "paid_not_recorded", "reference": "6261"}, "payment-incomplete"),
    ({"story": "x", "picture": "bukan base64!"}, "photo-unfit"),
]


async def test_what_cannot_be_taken_is_refused_in_words(
    api: httpx.AsyncClient, transactions: Transactions, subtests: pytest.Subtests
) -> None:
    for told, slug in REFUSED:
        with subtests.test(slug, told=told):
            answer = await complain(api, **told)
            assert answer.json()["slug"] == slug
    assert (await complain(api, b"bukan foto")).json()["slug"] == "photo-unfit"
    async with transactions.begin() as db:
        assert (await db.scalars(select(Complaint))).all() == []


async def test_a_double_tap_is_one_complaint(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    form = {"id": str(uuid4()), "story": "x"}
    first, again = [await complain(api, jpeg(), **form) for _ in range(2)]
    assert first.headers["location"] == again.headers["location"]
    async with transactions.begin() as db:
        assert len((await db.scalars(select(Complaint))).all()) == 1


async def test_a_flood_from_many_addresses_is_held_up(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_AN_HOUR", 1)
    assert (await complain(api, story="x")).status_code == 303
    refused = await complain(api, story="y")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")


async def test_the_same_payment_is_reported_once(api: httpx.AsyncClient) -> None:
    told = {"kind": "paid_not_recorded", "amount_rp": "4000", "paid_on": "2026-11-23"}
    assert (await complain(api, reference="6261 0000 0001", **told)).status_code == 303
    again = await complain(api, reference="626100000001", **told)
    assert (again.status_code, again.json()["slug"]) == (409, "payment-already-reported")


async def test_the_office_answers_and_the_driver_reads_it(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    kind = "attendant"
    told = await complain(api, jpeg(), kind=kind, story="Kasar", contact=CANARY_PHONE)
    async with transactions.begin() as db:
        complaint = (await db.scalars(select(Complaint))).one()
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    path = f"/office/complaints/{complaint.id}"
    page = (await api.get(path)).text
    assert CANARY_PHONE in page
    photo = await api.get(f"{path}/photo")
    assert (photo.status_code, photo.headers["content-type"]) == (200, "image/jpeg")
    assert complaint.number in (await api.get("/office/complaints")).text
    answer = {"words": "Petugas sudah ditegur.", "outcome": "upheld", "password": PASSWORD}
    alone = await api.post(f"{path}/answer", data=answer)
    assert alone.json()["slug"] == "complaint-needs-second-officer"
    await api.post(f"{path}/answer", data=answer | {"outcome": ""})
    await as_checker(api)
    answer |= {"password": CHECKER_PASSWORD}
    assert (await api.post(f"{path}/answer", data=answer)).status_code == 303
    assert (await api.post(f"{path}/answer", data=answer)).json()["slug"] == "complaint-closed"
    driver = (await api.get(told.headers["location"])).text
    assert "Petugas sudah ditegur." in driver
    assert "Pengaduan Anda benar" in driver
    api.cookies.clear()
    for hidden in (path, f"{path}/photo", "/office/complaints"):
        assert (await api.get(hidden)).status_code == 401


@pytest.mark.parametrize(
    "words", ["Mobil KH 7731 ZX benar.", "Hubungi 0812-7731-7731.", "Tulis ke a@contoh.id."]
)
async def test_words_that_tell_of_a_person_are_not_shown_to_the_public(
    api: httpx.AsyncClient, transactions: Transactions, words: str
) -> None:
    await complain(api, kind="attendant", story="x")
    answer = {"words": words, "outcome": "upheld", "publish": "true", "password": PASSWORD}
    assert (await answered(api, transactions, **answer)).json()["slug"] == "answer-tells-of-person"
    await answered(api, transactions, **answer | {"publish": ""})
    assert words not in (await api.get("/pengaduan/jawaban")).text


async def answered(
    api: httpx.AsyncClient, transactions: Transactions, **form: str
) -> httpx.Response:
    """An officer's answer to the only open complaint, after which another one says the same."""
    async with transactions.begin() as db:
        (complaint,) = [each for each, _ in (await service.open_by_deadline(db, true(), None)).rows]
        officer, now = await identity.officer_named(db, sample.OFFICER), datetime.now(UTC)
        await service.answer(db, officer, complaint.id, "Kami periksa.", None, now=now)
    await as_checker(api)
    path = f"/office/complaints/{complaint.id}/answer"
    return await api.post(path, data=form | {"password": CHECKER_PASSWORD})


async def as_checker(api: httpx.AsyncClient) -> None:
    api.cookies.clear()
    told = {"login": sample.CHECKER, "password": CHECKER_PASSWORD}
    assert (await api.post("/office/sign-in", data=told)).status_code == 303


async def test_officers_turn_pages_of_open_complaints(
    api: httpx.AsyncClient,
    transactions: Transactions,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paging, "PAGE", 1)
    async with transactions.begin() as db:
        numbers = []
        for day in (2, 1):
            told = service.Told(ComplaintKind.OVERCHARGED)
            taken = await service.take(db, told, due_on=date(2026, 1, day), now=now)
            numbers.append(taken.number)
    await as_checker(api)
    first = (await api.get("/office/complaints")).text
    assert (numbers[1] in first, numbers[0] in first) == (True, False)
    (link,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await api.get(f"/office/complaints{unescape(link)}")).text
    assert (numbers[1] in second, numbers[0] in second) == (False, True)
    assert "Ke yang paling mendesak" in second


async def test_the_public_reads_the_answers_that_the_office_lets_it(
    api: httpx.AsyncClient, transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaint_pages, "A_PAGE", 2)
    final = {"outcome": "upheld", "publish": "true", "password": PASSWORD}
    for number in range(4):
        told = await complain(api, spot=SPOT, kind="attendant", story=f"Rahasia {number}")
        if number == 0:
            early = await answered(
                api, transactions, words="Kami periksa.", **final | {"outcome": ""}
            )
            assert early.json()["slug"] == "answer-not-final"
        kept = {} if number else {"publish": ""}
        await answered(api, transactions, words=f"Jawaban {number}, Rp4.000.", **final | kept)
    newest = (await api.get("/pengaduan/jawaban")).text
    assert [f"Jawaban {number}" in newest for number in range(4)] == [False, False, True, True]
    assert SPOT in newest
    older = (await api.get("/pengaduan/jawaban?page=2")).text
    assert [f"Jawaban {number}" in older for number in range(4)] == [False, True, False, False]
    for page in (newest, older):
        assert "Rahasia" not in page
        assert told.headers["location"].rsplit("/", 1)[-1] not in page


async def test_a_deadline_that_passed_is_seen(api: httpx.AsyncClient, owner: Transactions) -> None:
    told = await complain(api, story="x")
    async with owner.begin() as db:
        await db.execute(text("ALTER TABLE complaints DISABLE TRIGGER USER"))
        await db.execute(text("UPDATE complaints SET due_on = '2026-01-02'"))
        await db.execute(text("ALTER TABLE complaints ENABLE TRIGGER USER"))
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    for path in ("/office/complaints", "/office/cases"):
        assert "terlambat" in (await api.get(path)).text
    assert "sudah lewat" in (await api.get(told.headers["location"])).text


async def test_canaries_stay_out_of_logs_addresses_metrics_and_other_tables(
    api: httpx.AsyncClient,
    owner: Transactions,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What a driver writes of itself is in the complaint's own columns, the contact sealed."""
    told = await complain(api, story=f"plat {CANARY_PLATE}", contact=CANARY_PHONE)
    bad = await complain(api, spot="PSR-001-V", story=CANARY_PLATE, contact=CANARY_PHONE)
    long = await complain(api, story=CANARY_PLATE, contact=CANARY_PHONE * 20)
    for answer in (told, bad, long):
        said = f"{answer.text} {answer.headers}"
        assert CANARY_PLATE not in said
        assert CANARY_PHONE not in said
    async with owner.begin() as db:
        tables = await db.scalars(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        )
        holding = []
        for table in tables.all():
            rows = await db.execute(text(f'SELECT t::text FROM "{table}" t'))
            content = repr(rows.all())
            holding += [table] if CANARY_PLATE in content else []
            assert CANARY_PHONE not in content
            assert CANARY_PHONE.encode().hex() not in content
    assert holding == ["complaints"]
    written = "".join(capfd.readouterr()) + generate_latest().decode()
    assert CANARY_PLATE not in written
    assert CANARY_PHONE not in written
