"""Notices as the office takes them in: once, whole, with the very photos that were signed."""

import hashlib
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import func, select, update

from domain import notice
from domain.notice import Finding, NoticeFacts
from domain.tariff import VehicleClass
from server import sample
from server.complaints import service as complaints
from server.complaints.models import Complaint
from server.database import Transactions
from server.identity import service as identity
from server.identity.models import Role
from server.inspection import notices
from server.inspection.models import EvidenceDestroyed, Notice, NoticePhoto
from server.payments.books import Books
from server.payments.models import Receipt
from server.sync.models import QuarantineCase, QuarantinedEvent
from tests.server.booking import book
from tests.server.cluster import PASSWORD
from tests.server.handhelds import Handheld, on_shift
from tests.server.sync.test_push import push

SPOT = "PSR-001-U"


def jpeg(shade: int = 90, size: tuple[int, int] = (640, 480), **more: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (shade, 120, 60)).save(out, "JPEG", **more)
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


def leave(
    handheld: Handheld,
    *photos: bytes,
    sequence: int = 1,
    stay_id: str | None = None,
    **changes: Any,
) -> Any:
    """The two facts of a notice: the check, which may have found a stay, and the notice."""
    at = datetime.now(UTC).replace(microsecond=0)
    result = "none" if stay_id is None else changes["finding"]
    asked = {"spot": SPOT, "asked_by": "plate", "result": result, "stay_id": stay_id}
    check = handheld.event("stay_checked", at=at.isoformat(), body=asked | {"list_age_s": 60})
    of = notice.series(str(handheld.device_id))
    body = {
        "attendant": sample.ATTENDANT,
        "notice_id": str(uuid4()),
        "number": notice.number(of, sequence),
        "check_seq": check["seq"],
        "spot": SPOT,
        "finding": "none",
        "expired_at": None,
        "vehicle_class": "car",
        "plate": "KH 1••• AB",
        "issued_at": at.isoformat(),
        "object_until": str(at.date() + timedelta(days=14)),
        "amount_rp": 4000,
        "photos": [digest(photo) for photo in photos or (jpeg(),)],
    }
    return check, handheld.event("notice_issued", at=at.isoformat(), body=body | changes)


async def send(
    api: httpx.AsyncClient, handheld: Handheld, event: dict[str, Any], claimed: str, data: bytes
) -> httpx.Response:
    return await api.put(
        f"/v1/notices/{event['body']['notice_id']}/photos/{claimed}",
        content=data,
        headers={"Content-Type": "image/jpeg"},
        auth=handheld.signed,
    )


async def test_a_notice_arrives_once_and_keeps_the_photos_that_were_signed(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    first, second = jpeg(10), jpeg(20)
    events = leave(handheld, first, second)
    assert await push(api, handheld, *events) == ["accepted"] * 2
    assert await push(api, handheld, *events) == ["duplicate"] * 2
    left = events[1]
    for _ in range(2):  # the answer of the first may be lost
        assert (await send(api, handheld, left, digest(first), first)).status_code == 200
    number = left["body"]["number"]
    async with transactions.begin() as db:
        found = await notices.find(db, number.lower().replace("-", " "))
        assert (found.spot_code, found.photos, found.arrived) == (SPOT, 2, 1)
        assert found.notice.plate_masked == "KH 1••• AB"
        assert await notices.photo(db, number, 1) == first

    photo = f"/office/notices/{number}/photos/1"
    assert (await api.get(photo)).status_code == 401
    async with transactions.begin() as db:
        role = Role.AUDITOR
        await identity.add_officer(
            db, login="auditor", name="Auditor Contoh", role=role, password=PASSWORD
        )
    await api.post("/office/sign-in", data={"login": "auditor", "password": PASSWORD})
    assert (await api.get(photo)).status_code == 403
    assert "<img" not in (await api.get(f"/office/notices/{number}")).text
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    shown = await api.get(photo)
    assert (shown.content, shown.headers["cache-control"]) == (first, "no-store")
    small = await api.get(f"{photo}?small=1")
    assert Image.open(io.BytesIO(small.content)).size == (240, 180)


async def test_another_picture_is_refused_and_becomes_a_case_with_an_owner(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    signed = jpeg(10)
    with_place = jpeg(10, exif=_exif())
    events = leave(handheld, signed, with_place)
    await push(api, handheld, *events)
    for claimed, data, slug in (
        (digest(signed), jpeg(11), "photo-mismatch"),
        (digest(jpeg(11)), jpeg(11), "photo-mismatch"),
        (digest(with_place), with_place, "photo-unfit"),
    ):
        answer = await send(api, handheld, events[1], claimed, data)
        assert (answer.status_code in (409, 422), answer.json()["slug"]) == (True, slug)
    stranger = await api.put(
        f"/v1/notices/{uuid4()}/photos/{digest(signed)}", content=signed, auth=handheld.signed
    )
    assert stranger.json()["slug"] == "notice-not-found"
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count(NoticePhoto.jpeg))) == 0
        reasons = await db.scalars(select(QuarantinedEvent.reason))
        assert sorted(reasons) == ["photo-mismatch", "photo-mismatch", "photo-unfit"]
        [case] = await db.scalars(select(QuarantineCase))
        assert (case.owner, case.closed_at) == ("admin sistem", None)
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    page = (await api.get(f"/office/quarantine/{case.id}")).text
    assert "bukan foto yang ditandatangani" in page


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[271] = "Kamera Contoh"
    return exif


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"number": "SP-00000000-0001-X"}, "notice-number"),
        ({"sequence": 2}, "notice-number"),
        ({"check_seq": 99}, "notice-no-check"),
        ({"finding": "expired"}, "notice-no-check"),
        ({"plate": "KH 1234 AB"}, "notice-unfit"),
        ({"photos": []}, "notice-unfit"),
        ({"photos": [digest(b"")] * 2}, "notice-unfit"),
        ({"amount_rp": -1}, "notice-unfit"),
        ({"spot": "PSR-999-X"}, "notice-unfit"),
        ({"issued_at": "9999-12-31T23:59:59+00:00"}, "notice-unfit"),
        ({"issued_at": "2026-11-21"}, "notice-unfit"),
        ({"object_until": "2020-01-01"}, "notice-unfit"),
        ({"note": "uji"}, "notice-unfit"),
    ],
)
async def test_a_notice_that_cannot_be_is_held_and_the_next_one_still_counts(
    api: httpx.AsyncClient,
    transactions: Transactions,
    handheld: Handheld,
    changes: dict[str, Any],
    reason: str,
) -> None:
    bad = leave(handheld, **changes)
    assert await push(api, handheld, *bad) == ["accepted", reason]
    good = leave(handheld, sequence=2)
    assert await push(api, handheld, *good) == ["accepted", "accepted"]
    async with transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(Notice)) == 1


async def test_a_second_notice_for_one_check_is_held(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    first = leave(handheld)
    again = leave(handheld, sequence=2, check_seq=first[0]["seq"])
    assert await push(api, handheld, *first, *again) == ["accepted"] * 3 + ["notice-twice"]


def told(handheld: Handheld, left: dict[str, Any], **changes: Any) -> str:
    """The way of the QR's link, after the site."""
    body = left["body"] | changes
    facts = NoticeFacts(
        body["number"],
        body["spot"],
        VehicleClass(body["vehicle_class"]),
        Finding(body["finding"]),
        datetime.fromisoformat(body["issued_at"]),
        body["amount_rp"],
    )
    return notice.make_link("", facts, handheld.key.sign)


async def test_anybody_can_tell_a_genuine_notice_from_a_false_one(
    api: httpx.AsyncClient, handheld: Handheld
) -> None:
    events = leave(handheld)
    link = told(handheld, events[1])
    early = await api.get(link)
    assert "Belum sampai di kantor" in early.text
    assert "Rp4.000" in early.text
    await push(api, handheld, *events)
    page = (await api.get(link)).text
    assert "Asli: dibuat oleh alat petugas kami" in page
    assert "KH 1" not in page
    assert sample.ATTENDANT not in page
    stranger = Handheld(device_id=handheld.device_id)
    for false in (
        told(stranger, events[1]),
        told(handheld, events[1], amount_rp=400_000),  # signed by the device, yet never recorded so
        link.replace(".4000.", ".400000."),
        link[:-10],
    ):
        answer = await api.get(false)
        assert answer.status_code == 404
        assert "Pemberitahuan palsu" in answer.text
    unsigned = await api.get(link.partition("?")[0])
    assert "Asli" not in unsigned.text
    assert (await api.get("/pemberitahuan/SP-1")).json()["slug"] == "notice-not-found"


async def test_it_is_paid_by_a_receipt_of_that_street_once(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, handheld: Handheld
) -> None:
    long_ago = (datetime.now(UTC) - timedelta(minutes=30)).replace(microsecond=0).isoformat()
    events = [
        *leave(handheld, issued_at=long_ago),
        *leave(handheld, sequence=2, issued_at=long_ago),
        *leave(handheld, sequence=3),
        *leave(handheld, sequence=4, vehicle_class="truck", issued_at=long_ago),
    ]
    assert await push(api, handheld, *events) == ["accepted"] * 8
    paid_at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    money = {"acquirer_reference": "ACQ", "rrn": None, "amount_rp": 4000, "paid_at": paid_at}
    async with transactions.begin() as db:
        await book(db, books, reference="kami", **money)
        receipt = await db.scalar(select(Receipt.number))
    first, second, later, truck = (event["body"]["number"] for event in events[1::2])
    for number in (later, truck):  # paid before it was left; another kind of vehicle
        answer = await api.post(f"/pemberitahuan/{number}", data={"receipt": receipt})
        assert answer.json()["slug"] == "receipt-unfit"
    assert (await api.post(f"/pemberitahuan/{first}", data={"receipt": receipt})).status_code == 303
    assert "Parkirnya sudah dibayar" in (await api.get(f"/pemberitahuan/{first}")).text
    again = await api.post(f"/pemberitahuan/{second}", data={"receipt": receipt})
    assert again.json()["slug"] == "receipt-unfit"
    none = await api.post(f"/pemberitahuan/{second}", data={"receipt": "PSR-2026-000099-X"})
    assert none.status_code == 404


async def test_an_objection_has_a_number_and_its_answer_decides_the_notice(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    events = [*leave(handheld), *leave(handheld, sequence=2)]
    events += leave(handheld, sequence=3, object_until=str(datetime.now(UTC).date()))
    await push(api, handheld, *events)
    upheld, refused, late = (event["body"]["number"] for event in events[1::2])
    assert (await api.post("/pengaduan", data={"kind": "notice"})).json()["slug"] == (
        "notice-missing"
    )
    opened = {}
    for number in (upheld, refused):
        form = {"kind": "notice", "notice": number, "story": "Saya sudah bayar tunai."}
        answer = await api.post("/pengaduan", data=form)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/pengaduan/ADU-")
        assert (await api.post("/pengaduan", data=form)).json()["slug"] == "notice-settled"
        assert "Keberatan sedang diperiksa" in (await api.get(f"/pemberitahuan/{number}")).text
        async with transactions.begin() as db:
            query = select(Complaint).where(Complaint.notice_number == number)
            opened[number] = (await db.scalars(query)).one()
    async with transactions.begin() as db:
        await db.execute(update(Notice).where(Notice.number == late).values(state="objected"))
        with pytest.raises(notices.ObjectionTooLate):
            await notices.object_to(
                db,
                late,
                "ADU",
                today=datetime.now(UTC).date() + timedelta(days=1),
                now=datetime.now(UTC),
            )
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.CHECKER)
        for number in (upheld, refused):
            told = (opened[number].id, "Kami periksa.", None)
            await complaints.answer(db, officer, *told, now=datetime.now(UTC))
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    for number, outcome, words in (
        (upheld, "upheld", "dicabut"),
        (refused, "not_upheld", "terbit, belum dibayar"),
    ):
        body = {"password": PASSWORD, "words": "Sudah kami periksa.", "outcome": outcome}
        complaint = opened[number]
        answer = await api.post(f"/office/complaints/{complaint.id}/answer", data=body)
        assert answer.status_code == 303, answer.text
        assert words in (await api.get(f"/office/notices/{number}")).text
    body = {"password": PASSWORD, "why": "Rambu tertutup pohon"}
    for status in (303, 409):
        answer = await api.post(f"/office/notices/{refused}/withdraw", data=body)
        assert answer.status_code == status
    assert "Rambu tertutup pohon" in (await api.get(f"/office/notices/{refused}")).text


async def test_photos_and_plates_are_destroyed_on_time_and_a_record_is_left(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    photo = jpeg()
    events = [event for n in (1, 2, 3) for event in leave(handheld, photo, sequence=n)]
    await push(api, handheld, *events)
    withdrawn, silent, objected = events[1::2]
    for event in (withdrawn, silent, objected):
        await send(api, handheld, event, digest(photo), photo)
    now, kept = datetime.now(UTC), timedelta(days=30)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        await notices.withdraw(db, officer, withdrawn["body"]["number"], "uji", now=now)
        number = objected["body"]["number"]
        await notices.object_to(db, number, "ADU", today=now.date(), now=now)

    async def left(later: timedelta) -> list[bool]:
        await notices.destroy_evidence(transactions, kept, now=now + later)
        async with transactions.begin() as db:
            rows = await db.execute(
                select(NoticePhoto.jpeg, Notice.plate_masked)
                .join(Notice, Notice.id == NoticePhoto.notice_id)
                .order_by(Notice.seq)
            )
            told = [(jpeg is not None, plate is not None) for jpeg, plate in rows]
            assert all(has_photo == has_plate for has_photo, has_plate in told)
            return [has_photo for has_photo, _ in told]

    assert await left(timedelta(days=29)) == [True, True, True]
    assert await left(timedelta(days=31)) == [False, True, True]
    assert await left(timedelta(days=46)) == [False, False, True]  # nobody objected in time
    assert await left(timedelta(days=400)) == [False, False, True]
    async with transactions.begin() as db:
        rows = await db.scalars(select(EvidenceDestroyed).order_by(EvidenceDestroyed.destroyed_at))
        assert [(row.notices, row.photos) for row in rows] == [(0, 0), (1, 1), (1, 1), (0, 0)]
        found = await notices.find(db, withdrawn["body"]["number"])
        assert (found.notice.amount_rp, found.arrived) == (4000, 0)
    # One that comes late is not kept anew, and its handheld lets it go.
    assert (await send(api, handheld, withdrawn, digest(photo), photo)).status_code == 200
    async with transactions.begin() as db:
        assert (await notices.find(db, withdrawn["body"]["number"])).arrived == 0
