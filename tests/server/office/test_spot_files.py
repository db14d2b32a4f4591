"""Files of spots and of posted codes on the office's page: what is shown is what is taken in."""

import hashlib
import html
import json
import re

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

import qris
from server import sample
from server.database import Transactions, new_id
from server.guard import MAX_SPOT_FILE
from server.inspection.models import SpotFile
from server.limits import RateLimit
from tests.server.cluster import PASSWORD
from tests.server.office.test_endpoints import sign_in

SPOT = "PSR-001-U"
HERE = "/office/spots/files"


@pytest.fixture(autouse=True)
async def _signed_in(api: httpx.AsyncClient, app: FastAPI) -> None:
    app.state.office_limit = RateLimit(10_000)
    await sign_in(api)


def code(**changes: object) -> str:
    told: dict[str, object] = {
        "nmid": "ID1020030040050", "acquirer_guid": "ID.CO.BANKCONTOH.WWW",
        "pan": "9360000200000000123", "merchant_id": "000000000000001",
        "criteria": qris.Criteria.REGULAR, "mcc": "7523", "name": "PARKIR DISHUB",
        "city": "CONTOH", "postal_code": "70611",
    }  # fmt: skip
    return qris.encode(qris.static(**(told | changes)))  # type: ignore[arg-type]


def codes(*posted: str) -> str:
    return "".join(f"{line}\n" for line in ("spot,qris", *(f"{SPOT},{one}" for one in posted)))


async def previewed(api: httpx.AsyncClient, kind: str, name: str, content: str) -> httpx.Response:
    return await api.post(f"{HERE}/{kind}/preview", files={"file": (name, content)})


async def told(api: httpx.AsyncClient, kind: str, name: str, content: str) -> tuple[str, list[str]]:
    """What a preview says in all, and its lines of changes; then the file is taken in."""
    answer = await previewed(api, kind, name, content)
    assert answer.status_code == 200, answer.text
    page = html.unescape(re.sub(r"<script.*?</script>", "", answer.text, flags=re.DOTALL))
    [said] = re.findall(r'role="status">(.*?)</p>', page)
    sha256 = re.findall(r'name="sha256" value="(\w+)"', page)
    taken = await api.post(
        f"{HERE}/{kind}",
        data={"sha256": sha256, "password": PASSWORD},
        files={"file": (name, content)},
    )
    assert taken.status_code == 303, taken.text
    return said, re.findall(r"<tr><td.*?</tr>", page)


async def test_the_preview_tells_every_code_that_is_retired_and_registered(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    said, lines = await told(api, "codes", "k.csv", codes(code()))
    assert "1 baru dan 0 tidak berlaku lagi" in said
    for changes in (
        {"criteria": qris.Criteria.MICRO},
        {"mcc": "7521"},
        {"name": "PARKIR LAIN"},
        {"nmid": "ID1020030040051"},
        {"pan": "9360000200000000998"},
    ):
        with subtests.test(f"{changes}"):
            said, lines = await told(api, "codes", "k.csv", codes(code(**changes)))
            assert "1 baru dan 1 tidak berlaku lagi" in said
            assert len(lines) == 2
    last = {"pan": "9360000200000000998"}
    with subtests.test("two that differ in one of these are two"):
        both = codes(code(**last), code(**last, name="DUA"), code(**last, mcc="7521"))
        said, lines = await told(api, "codes", "k.csv", both)
        assert "memuat 3 kode" in said
        assert "2 baru dan 0 tidak berlaku lagi" in said
        assert len(lines) == 2
    with subtests.test("again, and nothing changes"):
        said, lines = await told(api, "codes", "k.csv", both)
        assert ("0 baru dan 0 tidak berlaku lagi" in said, lines) == (True, [])


def outlined(zone: str, name: str, far: float) -> str:
    ring = [[112.0, -2.0], [113.0, -2.0], [far, -3.0], [112.0, -2.0]]
    feature = {
        "type": "Feature",
        "properties": {"zone": zone, "zone_name": name},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


async def test_the_preview_tells_zones_of_one_name_apart_and_the_smallest_move(
    api: httpx.AsyncClient,
) -> None:
    for zone in ("BRU", "BRT"):
        said, lines = await told(api, "spots", "z.geojson", outlined(zone, "Kembar", 113.0))
        assert "2 baru dan 0 diubah" in said  # the zone, and its outline
        assert len(lines) == 2
    said, [line] = await told(api, "spots", "z.geojson", outlined("BRU", "Kembar", 113.0000001))
    assert "0 baru dan 1 diubah" in said
    assert "BRU" in line
    head = "zone,zone_name,spot,place,latitude,longitude,exclusive"
    for latitude, added, changed in (("-2.53", 0, 1), ("-2.5300001", 0, 1), ("-2.5300001", 0, 0)):
        file = f"{head}\nPSR,Pasar Contoh,{SPOT},Kios,{latitude},112.95,no\n"
        said, lines = await told(api, "spots", "t.csv", file)
        assert f"{added} baru dan {changed} diubah" in said
        assert len(lines) == changed


async def test_who_took_which_file_in_is_on_record_and_nothing_else_claims_it(
    api: httpx.AsyncClient, transactions: Transactions
) -> None:
    file = codes(code())
    await told(api, "codes", "kode.csv", file)
    await previewed(api, "codes", "lain.csv", codes(code(name="LAIN")))
    async with transactions.begin() as db:
        [record] = (await db.scalars(select(SpotFile))).all()
    assert (record.kind, record.name, record.who) == ("codes", "kode.csv", sample.OFFICER)
    assert record.sha256 == hashlib.sha256(file.encode()).digest()
    assert (record.rows, record.added, record.changed, record.gone) == (1, 1, 0, 0)
    page = (await api.get(f"{HERE}?taken={record.id}")).text
    assert "Sudah dimasukkan: kode.csv." in page
    page = (await api.get(f"{HERE}?taken={new_id()}&kind=spots")).text
    assert "Sudah dimasukkan" not in page
    assert "kode.csv" not in page


async def test_a_file_above_the_limit_is_told_how_large_it_may_be(api: httpx.AsyncClient) -> None:
    assert "Paling besar 8 MB" in (await api.get("/office/spots")).text
    head = "zone,zone_name,spot,place,latitude,longitude,exclusive\n"
    fits = head.ljust(8_000_000, "\n")
    assert (await previewed(api, "spots", "t.csv", fits)).status_code == 200
    for language, said in (("id", "Paling besar 8 MB. Bagi"), ("en", "At most 8 MB. Split")):
        answer = await api.post(
            f"{HERE}/spots/preview?lang={language}", files={"file": ("t.csv", " " * MAX_SPOT_FILE)}
        )
        assert (answer.status_code, answer.json()["slug"]) == (413, "body-too-large")
        assert answer.json()["detail"].startswith(said)
