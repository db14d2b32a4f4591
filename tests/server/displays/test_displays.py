"""A display at a spot goes along by itself, and its picture can be read where it hangs."""

import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest
import zxingcpp
from PIL import Image
from pyzbar import pyzbar

from domain import sign_link
from domain.closure import ClosureReason
from server import sample
from server.database import Transactions, autocommit
from server.displays import pictures, service
from server.displays.service import Display, Shows
from server.identity import service as identity
from server.payments.books import Books
from server.spots import closures, signs
from server.spots import service as spots
from server.spots.service import SPOT_FILE_COLUMNS
from tests.server.open_data.parked import PLATE, park

SHARED, ALONE = "PSR-001-U", "PSR-901-L"
GRACE = timedelta(minutes=15)
SIZES = [(296, 128), (400, 300), (800, 480), (250, 122)]


@dataclass
class Street:
    """One spot that several share, and one that holds one vehicle."""

    transactions: Transactions
    books: Books

    async def shows(self, code: str, now: datetime) -> Display:
        async with autocommit(self.transactions) as db:
            return await service.shown(db, self.books, code, GRACE, now=now)


@pytest.fixture
async def street(transactions: Transactions, books: Books) -> Street:
    line = f"PSR,Pasar Contoh,{ALONE},Jl. Contoh 1,-2.5,112.9,yes"
    async with transactions.begin() as db:
        await spots.import_spots(db, f"{','.join(SPOT_FILE_COLUMNS)}\n{line}\n")
    return Street(transactions, books)


def read(picture: Image.Image) -> list[str]:
    """What two decoders read in it, which must be the same; as large as a camera sees it."""
    seen = picture.convert("L").resize([side * 2 for side in picture.size])
    by_zxing = [found.text for found in zxingcpp.read_barcodes(np.asarray(seen))]
    by_zbar = [found.data.decode() for found in pyzbar.decode(seen)]
    assert by_zxing == by_zbar
    return by_zxing


async def charge(api: httpx.AsyncClient, spot: str) -> dict[str, Any]:
    answer = await api.post(f"/v1/spots/{spot}/charges", json={"vehicle_class": "car"})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_spot_of_one_vehicle_goes_from_free_to_expired_and_is_free_again(
    street: Street, transactions: Transactions, now: datetime
) -> None:
    ends = now + timedelta(hours=1)
    assert (await street.shows(ALONE, now)).shows is Shows.FREE
    await park(transactions, 1, began=now, ended=ends, spot=ALONE, charged=True)
    seen = []
    for minutes in (1, 59, 61, 74, 76):
        display = await street.shows(ALONE, now + timedelta(minutes=minutes))
        seen.append((display.shows, display.until))
    assert seen == [
        (Shows.PAID, ends),
        (Shows.PAID, ends),
        (Shows.EXPIRED, ends),
        (Shows.EXPIRED, ends),
        (Shows.FREE, None),
    ]
    last = await street.shows(ALONE, ends - timedelta(seconds=5))
    assert last.kept(ends - timedelta(seconds=5)) == timedelta(seconds=5), "never paid too long"
    assert last.qr is None


async def test_where_several_park_a_payment_shows_for_a_minute(
    street: Street, transactions: Transactions, now: datetime
) -> None:
    await park(transactions, 1, began=now, ended=now + timedelta(hours=1), charged=True)
    assert (await street.shows(SHARED, now + timedelta(seconds=30))).shows is Shows.PAID
    assert (await street.shows(SHARED, now + timedelta(seconds=61))).shows is Shows.FREE
    assert (await street.shows(SHARED, now + timedelta(minutes=61))).shows is Shows.FREE


async def test_a_barcode_that_waits_is_shown_until_it_expires(
    street: Street, api: httpx.AsyncClient, now: datetime
) -> None:
    made = await charge(api, ALONE)
    display = await street.shows(ALONE, datetime.now(UTC))
    assert (display.shows, display.qr, display.amount_rp) == (Shows.PAY, made["qris"], 4_000)
    told = (await api.get(f"/v1/spots/{ALONE}/display")).json()
    assert (told["shows"], told["version"]) == ("pay", display.version)
    assert "qr" not in told
    code = (await api.get(f"/v1/spots/{ALONE}/barcode.png")).content
    assert read(Image.open(io.BytesIO(code))) == [made["qris"]], "the same barcode"
    later = await street.shows(ALONE, datetime.fromisoformat(made["expires_at"]))
    assert later.shows is Shows.FREE


async def test_the_link_is_the_one_of_the_sign_in_force(
    street: Street, transactions: Transactions, books: Books, now: datetime
) -> None:
    bare = (await street.shows(SHARED, now)).qr
    assert bare == f"{books.base_url}/p/{SHARED}"
    assert books.seal is not None
    async with transactions.begin() as db:
        spot = await spots.find(db, SHARED)
        plan = await signs.plan(db, [spot], books.seal.key_id, replace=False)
        await signs.issue(db, plan, books.seal.key_id, "uji", "uji", now=now)
    link = (await street.shows(SHARED, now)).qr
    assert link == sign_link.make(books.seal, books.base_url, SHARED, 1)


async def test_a_closed_spot_says_so_and_shows_no_barcode_until_it_is_open_again(
    street: Street, api: httpx.AsyncClient, transactions: Transactions
) -> None:
    made = await charge(api, ALONE)
    now = datetime.now(UTC)
    ends = now + timedelta(days=1)
    async with transactions.begin() as db:
        officer = await identity.officer_named(db, sample.OFFICER)
        asked = {"starts": None, "ends": ends, "note": "", "now": now}
        await closures.close(db, officer, ALONE, ClosureReason.ROAD, **asked)  # type: ignore[arg-type]
    display = await street.shows(ALONE, now)
    assert (display.shows, display.qr, display.until) == (Shows.CLOSED, None, ends)
    assert (await api.get(f"/v1/spots/{ALONE}/display")).json()["shows"] == "closed"
    panel = await api.get(f"/v1/spots/{ALONE}/display.png")
    assert read(Image.open(io.BytesIO(panel.content))) == [], made["qris"]
    assert (await street.shows(SHARED, now)).shows is Shows.FREE
    last = await street.shows(ALONE, ends - timedelta(seconds=5))
    assert last.kept(ends - timedelta(seconds=5)) == timedelta(seconds=5), "open again in time"
    assert (await street.shows(ALONE, ends)).shows is Shows.FREE


@pytest.mark.parametrize("size", SIZES)
async def test_a_panel_of_any_size_shows_a_barcode_that_can_be_read(
    street: Street, api: httpx.AsyncClient, size: tuple[int, int]
) -> None:
    made = await charge(api, SHARED)
    asked = {"width": size[0], "height": size[1]}
    for form in ("png", "bmp"):
        answer = await api.get(f"/v1/spots/{SHARED}/display.{form}", params=asked)
        assert answer.headers["content-type"] == f"image/{form}"
        picture = Image.open(io.BytesIO(answer.content))
        assert (picture.mode, picture.size) == ("1", size)
        [text] = read(picture)
        assert text == made["qris"] or (size[1] < 128 and text.endswith(f"/p/{SHARED}"))
        # The runs of one colour through a finder pattern are whole modules of two pixels or more.
        found = zxingcpp.read_barcode(np.asarray(picture.convert("L")))
        assert found is not None
        left, top = found.position.top_left.x, found.position.top_left.y
        row = np.asarray(picture)[top + 1, left:]
        assert int(np.argmax(row)) >= 7 * 2


@pytest.mark.parametrize("size", SIZES)
def test_all_words_are_inside_every_panel(size: tuple[int, int]) -> None:
    """Nothing touches the frame, in no state."""
    spot: Any = spots.KnownSpot(*[None] * 9)  # type: ignore[arg-type]
    at = datetime(2026, 11, 23, tzinfo=UTC)
    for shows in Shows:
        for exclusive in (True, False):
            known = replace(spot, code="PSR-12345-M", exclusive=exclusive)
            display = Display(shows, known, "", None, amount_rp=10_000_000, until=at)
            drawn = pictures.picture(pictures.words(display, "23.59", "23.59"), (), *size)
            ink = 1 - np.asarray(drawn).astype(int)
            assert ink.sum() > 100
            assert not ink[[0, -1], :].any()
            assert not ink[:, [0, -1]].any()


async def test_a_panel_is_told_when_nothing_changed_and_when_to_ask_again(
    street: Street, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    path = f"/v1/spots/{ALONE}/display.bmp?width=296&height=128"
    first = await api.get(path)
    assert first.headers["cache-control"] == "max-age=30"
    known = {"If-None-Match": first.headers["etag"]}
    assert (await api.get(path, headers=known)).status_code == 304
    await park(transactions, 1, began=now, ended=now + timedelta(hours=1), spot=ALONE, charged=True)
    assert (await api.get(path, headers=known)).status_code == 200


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        (f"{SHARED}/display.png?width=10", "invalid-request"),
        (f"{SHARED}/display.bmp?width=400&height=99999", "invalid-request"),
        ("PSR-999-X/display.png", "spot-code-mistyped"),
        ("PSR-999-0/display", "spot-code-mistyped"),
    ],
)
async def test_what_cannot_be_shown_is_refused_by_name(
    api: httpx.AsyncClient, path: str, slug: str
) -> None:
    assert (await api.get(f"/v1/spots/{path}")).json()["slug"] == slug


async def test_a_display_says_nothing_of_plate_or_person(
    street: Street, api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    ends = now + timedelta(hours=1)
    [stay] = await park(transactions, 1, began=now, ended=ends, spot=ALONE, charged=True)
    for path in (f"/d/{ALONE}", f"/v1/spots/{ALONE}/display"):
        text = (await api.get(path)).text
        assert PLATE not in text
        assert str(stay) not in text
