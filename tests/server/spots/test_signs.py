"""Printed signs: which of a spot's is in force, what its page says of others, and the sheets."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

import httpx
import pypdfium2
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pyzbar import pyzbar
from sqlalchemy import select

from attendant_app import scanner
from domain import sign_link
from domain.proof import Seal
from domain.sign import SignEvent
from domain.sign_link import Newest
from server import sample
from server.database import Transactions
from server.once import as_camera_sees_it
from server.payments.books import Books
from server.spots import service as spots
from server.spots import sheets, signs
from server.spots.models import Sign, SignChange
from tests.server.cluster import CHECKER_PASSWORD, PASSWORD
from tests.server.test_cli import Karcis, karcis

__all__ = ["karcis"]  # the fixture

SPOT, OTHER, HOURLY = "PSR-001-U", "PSR-002-T", "RSU-003-I"
HTML = {"Accept": "text/html"}


async def printed(
    transactions: Transactions, books: Books, now: datetime, *, replace: bool = False
) -> str:
    """The link of the sign that is made for a spot."""
    assert books.seal is not None
    async with transactions.begin() as db:
        spot = await spots.find(db, SPOT)
        planned = await signs.plan(db, [spot], books.seal.key_id, replace=replace)
        await signs.issue(db, planned, books.seal.key_id, "uji", "dicetak", now=now)
    return sign_link.make(books.seal, books.base_url, SPOT, planned[0].version)


async def newest(transactions: Transactions) -> Newest:
    async with transactions.begin() as db:
        return (await signs.newest(db))[SPOT].newest


async def changed(transactions: Transactions, event: SignEvent, version: int, at: datetime) -> None:
    async with transactions.begin() as db:
        spot = await spots.find(db, SPOT)
        await signs.change(db, spot.id, version, event, "uji", "uji", now=at)


async def test_printing_again_changes_nothing_and_replacing_makes_the_former_old(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    first = await printed(transactions, books, now)
    assert await printed(transactions, books, now) == first
    assert await newest(transactions) == Newest(1, in_force=True)
    page = await api.get(first, headers=HTML)
    assert (page.status_code, "data-sign" in page.text) == (200, False)
    second = await printed(transactions, books, now, replace=True)
    assert await newest(transactions) == Newest(2, in_force=True)
    assert 'data-sign="old"' in (await api.get(first, headers=HTML)).text
    assert "data-sign" not in (await api.get(second, headers=HTML)).text
    await changed(transactions, SignEvent.WITHDRAWN, 2, now)
    assert 'data-sign="old"' in (await api.get(second, headers=HTML)).text
    with pytest.raises(signs.SignOutOfUse):
        await changed(transactions, SignEvent.MOUNTED, 2, now)
    third = await printed(transactions, books, now)
    assert "data-sign" not in (await api.get(third, headers=HTML)).text
    async with transactions.begin() as db:
        told = [
            (version, change.state)
            for version, change in (
                await db.execute(
                    select(Sign.version, SignChange)
                    .join(Sign, Sign.id == SignChange.sign_id)
                    .order_by(SignChange.id)
                )
            ).all()
        ]
    assert told == [(1, "made"), (1, "replaced"), (2, "made"), (2, "withdrawn"), (3, "made")]


async def test_a_sign_of_a_former_key_is_replaced_where_it_is_printed_again(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    await printed(transactions, books, now)
    async with transactions.begin() as db:
        spot = await spots.find(db, SPOT)
        [planned] = await signs.plan(db, [spot], "another-key", replace=False)
    assert (planned.version, planned.is_new) == (2, True)


async def test_two_who_replace_one_sign_at_once_make_one(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    assert books.seal is not None
    key_id = books.seal.key_id
    await printed(transactions, books, now)
    async with transactions.begin() as db:
        planned = await signs.plan(db, [await spots.find(db, SPOT)], key_id, replace=True)

    async def issue() -> None:
        async with transactions.begin() as db:
            await signs.issue(db, planned, key_id, "uji", "dicetak", now=now)

    made = await asyncio.gather(issue(), issue(), return_exceptions=True)
    assert sum(isinstance(one, signs.SignsChanged | signs.SignOutOfUse) for one in made) == 1
    assert await newest(transactions) == Newest(2, in_force=True)


async def test_a_copy_of_a_sign_that_was_replaced_while_it_was_drawn_is_not_written(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    assert books.seal is not None
    key_id = books.seal.key_id
    await printed(transactions, books, now)
    async with transactions.begin() as db:
        planned = await signs.plan(db, [await spots.find(db, SPOT)], key_id, replace=False)
    await printed(transactions, books, now, replace=True)
    with pytest.raises(signs.SignsChanged):
        async with transactions.begin() as db:
            await signs.issue(db, planned, key_id, "uji", "dicetak", now=now)


@pytest.mark.parametrize("kind", ["forged", "other-key", "not-a-sign", "newer"])
async def test_a_wrong_sign_is_said_on_the_page_and_stops_nobody_from_paying(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime, kind: str
) -> None:
    link = await printed(transactions, books, now)
    assert books.seal is not None
    stranger = Seal(Ed25519PrivateKey.generate())
    shown = {
        "forged": link.replace(SPOT, OTHER),
        "other-key": sign_link.make(stranger, books.base_url, SPOT, 1),
        "not-a-sign": f"{books.base_url}/p/{SPOT}?s=<script>",
        "newer": sign_link.make(books.seal, books.base_url, SPOT, 9),
    }[kind]
    page = (await api.get(shown, headers=HTML)).text
    assert f'data-sign="{kind}"' in page
    assert "Tanda ini bukan dari kami" in page
    assert books.complaint in page
    assert "<script>" not in page
    assert 'action="/p/' in page
    english = (await api.get(shown, params={"lang": "en"}, headers=HTML)).text
    assert "Tanda ini" not in english


async def test_an_officer_sees_and_changes_a_sign(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    await printed(transactions, books, now)
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    assert "versi 1" in (await api.get("/office/signs")).text
    assert "Belum ada tanda" in (await api.get(f"/office/signs/{OTHER}")).text
    change = {"version": "1", "event": "mounted", "why": "dipasang", "password": PASSWORD}
    path = f"/office/signs/{SPOT}/changes"
    told = change | {"place": "tiang di depan toko 4"}
    assert (await api.post(path, data=told)).status_code == 303
    page = (await api.get(f"/office/signs/{SPOT}")).text
    for word in ("terpasang", "tiang di depan toko 4", "dipasang", f"{SPOT}/1", sample.OFFICER):
        assert word in page
    for wrong, status in (
        (change | {"event": "replaced"}, 422),
        (change | {"version": "7"}, 404),
        (change, 409),  # it hangs there already
        (change | {"password": "salah"}, 403),
    ):
        assert (await api.post(path, data=wrong)).status_code == status, wrong
    await api.post("/office/sign-out")
    await api.post("/office/sign-in", data={"login": sample.CHECKER, "password": CHECKER_PASSWORD})
    assert "Ubah keadaan" not in (await api.get(f"/office/signs/{SPOT}")).text
    assert (await api.post(path, data=change)).status_code == 403


@pytest.fixture
def printer(karcis: Karcis, keys: Path) -> Karcis:
    karcis.environment |= {
        "KARCIS_PROOF_KEY": str(keys / "seal.pem"),
        "KARCIS_PUBLIC_URL": "https://parkir.contoh.go.id",
        "KARCIS_MERCHANT_NAME": "PARKIR KAB CONTOH",
        "KARCIS_COMPLAINT": "Pengaduan: 0800-0000-000",
    }
    return karcis


@pytest.mark.parametrize("size", sheets.SIZES)
async def test_sheets_say_what_a_driver_needs_and_two_decoders_read_them(
    printer: Karcis, books: Books, transactions: Transactions, size: str
) -> None:
    done = await printer("spot", "sign", SPOT, HOURLY, "t.pdf", "--size", size)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 signs (2 new) in t.pdf\n"
    assert "modules" in done.stderr
    with pypdfium2.PdfDocument((printer.folder / "t.pdf").read_bytes()) as document:
        assert len(document) == 2
        for page, spot in zip(document, (SPOT, HOURLY), strict=True):
            left, bottom, right, top = page.get_trimbox()
            mm = 72 / 25.4
            assert (right - left) / mm == pytest.approx(sheets.SIZES[size].width)
            assert (top - bottom) / mm == pytest.approx(sheets.SIZES[size].height)
            assert page.get_bleedbox()[0] == pytest.approx(left - 3 * mm)
            words = page.get_textpage().get_text_bounded()
            for word in (spot, "PARKIR KAB CONTOH", "Pengaduan: 0800-0000-000", f"{spot}/1"):
                assert word in words, word
            assert "Perda Contoh 1/2024" in words
            assert "Motor" in words
            picture = page.render(scale=2).to_pil()
            [link] = [code.text for code in zxingcpp.read_barcodes(picture)]
            [also] = [code.data.decode() for code in pyzbar.decode(picture)]
            assert link == also
            verdict = sign_link.verify(
                link, "https://parkir.contoh.go.id", books.proof_keys, spot, Newest(1, True)
            )
            assert verdict == "genuine"
    assert await newest(transactions) == Newest(1, in_force=True)


async def test_signs_are_printed_by_zone_and_what_cannot_be_is_said(
    printer: Karcis, transactions: Transactions
) -> None:
    tried = await printer("spot", "sign", "--zone", "RSU", "zone.pdf", "--size", "a6", "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert "would be" in tried.stdout
    assert not (printer.folder / "zone.pdf").exists()
    printer.file("is-there.pdf", b"")
    for arguments, code, said in (
        ((SPOT, "--all", "a.pdf"), 2, "name spots"),
        ((SPOT, "is-there.pdf"), 1, "there already"),
        ((SPOT, "no/where.pdf"), 1, "No such file"),
        ((SPOT, "a.pdf", "--distance", "300"), 1, "from 300 cm does not fit"),
        ((SPOT, "a.pdf", "--distance", "70", "--size", "a6"), 1, "from 70 cm does not fit a6"),
        ((SPOT, "a.pdf", "--distance", "70", "--light", "dim"), 1, "does not fit"),
        (("--zone", "XXX", "a.pdf"), 1, "zone is not known"),
    ):
        refused = await printer("spot", "sign", *arguments)
        assert (refused.returncode, said in refused.stderr) == (code, True), refused.stderr
    for unset, said in (("MERCHANT_NAME", "KARCIS_MERCHANT_NAME"), ("PROOF_KEY", "no key")):
        del printer.environment[f"KARCIS_{unset}"]
        refused = await printer("spot", "sign", SPOT, "a.pdf")
        assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr
    async with transactions.begin() as db:
        assert await signs.newest(db) == {}


@pytest.mark.parametrize(
    ("distance", "light", "width"),
    [("40", "day", 74), ("50", "day", 105), ("75", "day", 148), ("40", "dim", 148)],
)
async def test_the_smallest_sheet_that_is_read_from_so_far_is_drawn(
    printer: Karcis, distance: str, light: str, width: int
) -> None:
    asked = ("--distance", distance, "--light", light)
    done = await printer("spot", "sign", SPOT, "t.pdf", *asked)
    assert done.returncode == 0, done.stderr
    with pypdfium2.PdfDocument((printer.folder / "t.pdf").read_bytes()) as document:
        left, _, right, _ = document[0].get_trimbox()
        assert (right - left) * 25.4 / 72 == pytest.approx(width)


def test_a_sheet_that_is_not_read_from_where_it_hangs_is_refused(sheet: sheets.Sheet) -> None:
    view = sheets.View(2_500, sheets.Light.DAY)
    with pytest.raises(sheets.SheetUnreadable, match="from 250 cm"):
        sheets.draw([sheet], sheets.SIZES["a6"], lambda: None, view)


def test_a_sheet_that_a_decoder_does_not_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, sheet: sheets.Sheet
) -> None:
    steps: list[None] = []
    size = sheets.SIZES["sticker"]
    assert sheets.draw([sheet], size, lambda: steps.append(None))
    monkeypatch.setattr(sheets, "MARK_SHARE", 0.6)
    with pytest.raises(sheets.SheetUnreadable, match="PSR-001-U/1"):
        sheets.draw([sheet], size, lambda: steps.append(None))
    assert len(steps) == 3


async def test_of_officers_who_print_at_once_one_is_in_pdfium(
    monkeypatch: pytest.MonkeyPatch, sheet: sheets.Sheet
) -> None:
    inside: list[int] = []
    most = 0

    class Watched(pypdfium2.PdfDocument):  # type: ignore[misc]
        def __enter__(self) -> "Watched":
            nonlocal most
            inside.append(1)
            time.sleep(0.2)  # for the other to come in, where it can
            most = max(most, len(inside))
            return self

        def __exit__(self, *told: object) -> None:
            inside.pop()
            self.close()

    monkeypatch.setattr(pypdfium2, "PdfDocument", Watched)
    size = sheets.SIZES["sticker"]
    prints = (asyncio.to_thread(sheets.draw, [sheet], size, lambda: None) for _ in range(2))
    for content in await asyncio.gather(*prints):
        assert content.startswith(b"%PDF")
    assert (most, inside) == (1, [])


@pytest.mark.parametrize("size", sheets.SIZES)
def test_the_handheld_reads_a_printed_sheet_as_its_camera_sees_it(
    sheet: sheets.Sheet, size: str
) -> None:
    picture = sheets.picture(sheets.draw([sheet], sheets.SIZES[size], lambda: None), code_only=True)
    for seed in range(5):
        assert scanner.decode(as_camera_sees_it(picture, seed)) == [sheet.link]


@pytest.fixture
async def sheet(transactions: Transactions, books: Books, now: datetime) -> sheets.Sheet:
    async with transactions.begin() as db:
        spot = await spots.find(db, SPOT)
        _, tariff = await spots.tariff_on(db, spot.zone_id, books.day(now))
    return sheets.Sheet(
        link=await printed(transactions, books, now),
        site=books.base_url,
        spot_code=SPOT,
        version=1,
        place=spot.place,
        zone=spot.zone_name,
        regency=books.regency,
        agency=books.agency,
        merchant="PARKIR KAB CONTOH",
        complaint=books.complaint,
        tariff=tariff,
    )
