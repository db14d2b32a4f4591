"""Photos of signs: ours, not ours or unreadable, and why; a suspect one comes to the office."""

import html
import io
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import zxingcpp
from fastapi import FastAPI
from PIL import Image, ImageFilter
from sqlalchemy import delete, select

import qris
from domain import sign_link
from server import sample
from server.casework.models import CaseKind
from server.complaints.models import Complaint, ComplaintPhoto
from server.database import Transactions, create_engine, create_transactions
from server.inspection import signs, silence
from server.inspection.models import SignCase
from server.limits import RateLimit
from server.payments.books import Books
from server.settings import Settings
from server.spots import service as spots
from server.spots import signs as links
from server.spots.models import SignScan
from tests.server.cluster import PASSWORD
from tests.server.complaints.test_photos import jpeg
from tests.server.deciding import close_by_two
from tests.server.inspection.test_signs import posted

SITE = "http://127.0.0.1:8080"
SPOT, OTHER = "PSR-001-U", "RSU-003-I"
DAY = timedelta(days=1)


def photo(*texts: str, blur: float = 1) -> bytes:
    """A phone's photo of codes on a wall: tilted, blurred a little, and JPEG."""
    wall = Image.new("RGB", (1400 * max(1, len(texts)), 1600), (120, 130, 110))
    for place, text in enumerate(texts):
        symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
        modules = Image.fromarray(symbol.to_image(add_quiet_zones=True)).convert("RGB")
        sign = modules.resize((900, 900), Image.Resampling.NEAREST)
        wall.paste(
            sign.rotate(7, expand=True, fillcolor=(255, 255, 255)), (1400 * place + 150, 300)
        )
    out = io.BytesIO()
    wall.filter(ImageFilter.GaussianBlur(blur)).save(out, "JPEG", quality=80)
    return out.getvalue()


async def check(api: httpx.AsyncClient, data: bytes, spot: str = "") -> str:
    answer = await api.post("/periksa", files={"photo": ("a.jpg", data)}, data={"spot": spot})
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


@pytest.fixture
async def registered(transactions: Transactions) -> str:
    async with transactions.begin() as db:
        await signs.import_codes(db, f"spot,qris\n{SPOT},{posted()}\n", now=datetime.now(UTC))
    return posted()


async def two_signs(
    transactions: Transactions, settings: Settings, days_old: int = 0
) -> tuple[str, str]:
    """The links of a spot's sign in force, and of the one it took the place of."""
    seal, now = Books.of(settings).seal, datetime.now(UTC) - days_old * DAY
    assert seal is not None
    made = []
    for _ in range(2):
        async with transactions.begin() as db:
            spot = await spots.find(db, SPOT)
            planned = await links.plan(db, [spot], seal.key_id, replace=True)
            await links.issue(db, planned, seal.key_id, "uji", "uji", now=now)
            made.append(sign_link.make(seal, SITE, SPOT, planned[0].version))
    return made[1], made[0]


async def test_each_kind_of_code_gets_its_answer(
    api: httpx.AsyncClient,
    registered: str,
    transactions: Transactions,
    settings: Settings,
    subtests: pytest.Subtests,
) -> None:
    signed = await two_signs(transactions, settings)
    charge = (await api.post(f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car"})).json()
    merchant = qris.parse(charge["qris"])
    altered = registered[:-1] + ("0" if registered[-1] != "0" else "1")
    answers = {
        registered: ("Milik kami", "terdaftar di titik ini"),
        signed[0]: ("Milik kami", "ditandatangani kantor"),
        signed[1]: ("Bukan milik kami", "tidak dipakai lagi"),
        signed[0].replace(SPOT, OTHER): ("Bukan milik kami", "tidak pernah membuatnya"),
        f"{SITE}/p/{SPOT}": ("Milik kami", "tanpa tanda tangan"),
        charge["qris"]: ("Milik kami", "belum dibayar"),
        posted(nmid="ID1099999999999"): ("Bukan milik kami", "Namanya ditiru"),
        posted("WARUNG BU SRI", "ID1099999999999"): ("Bukan milik kami", "merchant lain"),
        posted("PARKIR PALSU"): ("Bukan milik kami", "isi yang lain dari yang terdaftar"),
        posted("X", merchant.nmid or ""): ("Bukan milik kami", "isi yang lain"),
        altered: ("Bukan milik kami", "rusak atau diubah"),
        "https://karcis.palsu.example/p/PSR-001-U": ("Bukan milik kami", "karcis.palsu.example"),
        f"{SITE}@palsu.example/p/{SPOT}": ("Bukan milik kami", "palsu.example"),
        f"{SITE}/p/PSR-999-X": ("Bukan milik kami", "tidak dipakai lagi"),
        f"{SITE}/r/PSR-2026-000001-1": ("Bukan milik kami", "tidak pernah membuatnya"),
        "eyJhbGciOiJFZERTQSIsInR5cCI6ImthcmNpcyJ9.e30.AA": ("Bukan milik kami", "Meniru bukti"),
        "halo": ("Bukan milik kami", "Bukan kode pembayaran"),
    }
    for text, (answer, why) in answers.items():
        with subtests.test(why):
            said = await check(api, photo(text))
            assert f"<h1>{answer}</h1>" in said
            assert why in said


async def test_a_sign_that_is_scanned_no_more_is_a_case_once(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    owner: Transactions,
    settings: Settings,
    now: datetime,
) -> None:
    links_ = await two_signs(transactions, settings, days_old=40)
    link, old = [each.removeprefix(SITE) for each in links_]
    for path in (link, link, old, f"/p/{SPOT}"):  # only what opened by the sign in force counts
        assert (await api.get(path)).status_code == 200
    gone = create_transactions(create_engine("postgresql://nobody@127.0.0.1:1/none"))
    await app.state.scans.write(gone)  # kept until there is a database
    await app.state.scans.write(transactions)
    assert (await api.get(link)).status_code == 200
    await app.state.scans.write(transactions)
    today = Books.of(settings).day(now)
    async with owner.begin() as db:
        assert (await db.scalars(select(SignScan.scans))).all() == [3]
        spot, other = [(await spots.find(db, code)).id for code in (SPOT, OTHER)]
        # Somebody scans the other sign every day; this one only until three days ago.
        await db.execute(delete(SignScan))
        for back in range(1, 20):
            rows = [other] if back <= 3 or back % 5 == 0 else [spot, other]
            db.add_all(SignScan(spot_id=it, day=today - back * DAY, scans=2) for it in rows)

    async def look(days: int) -> int:
        zone = settings.timezone
        return await silence.look(transactions, days, zone, today=today, now=now)

    assert await look(days=4) == 0  # it was scanned on the fourth day back
    assert await look(days=3) == 1
    async with transactions.begin() as db:
        case = (await db.scalars(select(SignCase))).one()
        assert (case.spot_id, case.fault, case.owner) == (spot, "silent", "dinas perhubungan")
    await close_by_two(transactions, CaseKind.SIGN, case.id, "dipasang lagi", now)
    assert await look(days=3) == 0  # until it has been silent anew


async def test_a_photo_of_the_mounted_sign_is_kept_without_what_the_camera_wrote(
    api: httpx.AsyncClient, transactions: Transactions, settings: Settings
) -> None:
    await two_signs(transactions, settings)
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    path = f"/office/signs/{SPOT}/photo"
    assert (await api.get(path)).json()["slug"] == "sign-not-found"
    for data, slug in ((b"bukan foto", "photo-unfit"), (b"", "photo-unfit")):
        form = {"version": "2", "password": PASSWORD}
        refused = await api.post(path, data=form, files={"photo": ("a.jpg", data)})
        assert refused.json()["slug"] == slug
    for side in (300, 400):  # the newest is kept
        kept = await api.post(path, data=form, files={"photo": ("a.jpg", jpeg((side, 200)))})
        assert kept.status_code == 303, kept.text
    shown = await api.get(path)
    assert b"KENARI" not in shown.content
    with Image.open(io.BytesIO(shown.content)) as picture:
        assert picture.width == 400
    assert f'src="{path}"' in (await api.get(f"/office/signs/{SPOT}")).text
    form["version"] = "9"
    unknown = await api.post(path, data=form, files={"photo": ("a.jpg", jpeg())})
    assert unknown.json()["slug"] == "sign-not-found"


async def test_one_foreign_code_beside_ours_makes_the_photo_suspect(
    api: httpx.AsyncClient, registered: str
) -> None:
    said = await check(api, photo(registered, posted("WARUNG BU SRI", "ID1099999999999")))
    assert "<h1>Bukan milik kami</h1>" in said
    for shown in ("WARUNG BU SRI", "ID1099999999999", "PARKIR DISHUB"):
        assert shown in said


async def test_what_cannot_be_read_is_called_that_and_nothing_else(
    api: httpx.AsyncClient, registered: str
) -> None:
    for data in (photo(), photo(registered, blur=60)):
        said = await check(api, data)
        assert "<h1>Tidak terbaca</h1>" in said
        assert "Milik kami" not in said
    refused = await api.post("/periksa", files={"photo": ("a.jpg", b"x")})
    assert (refused.status_code, refused.json()["slug"]) == (422, "photo-unfit")
    empty = await api.post("/periksa", files={"photo": ("", b"")})
    assert empty.status_code == 422


async def test_a_suspect_sticker_is_reported_with_its_photo_in_one_tap(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    said = await check(api, photo(posted("WARUNG BU SRI", "ID1099999999999")), spot=SPOT)
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', said))
    assert len(form["picture"]) < 400_000
    answer = await api.post("/pengaduan", data=form | {"spot": SPOT, "place": ""})
    assert answer.status_code == 303
    async with transactions.begin() as db:
        told = (await db.scalars(select(Complaint))).one()
        kept = (await db.scalars(select(ComplaintPhoto))).one()
    assert (told.kind, told.owner) == ("sign", "dinas perhubungan")
    assert "ID1099999999999" in (told.story or "")
    with Image.open(io.BytesIO(kept.jpeg)) as picture:
        (code,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert qris.parse(code.text).name == "WARUNG BU SRI"


async def test_checking_photos_is_limited(app, api: httpx.AsyncClient) -> None:  # type: ignore[no-untyped-def]
    app.state.picture_limit = RateLimit(1)
    assert "Bukan milik kami" in await check(api, photo("halo"))
    answer = await api.post("/periksa", files={"photo": ("a.jpg", photo("halo"))})
    assert answer.status_code == 429
