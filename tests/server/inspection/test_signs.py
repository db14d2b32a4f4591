"""Checks of signs: what handhelds are told to compare with, and what becomes of what they found."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text

import qris
from domain.parking import spot_code
from server import sample
from server.casework.models import CaseKind
from server.database import Transactions
from server.errors import FileRefused
from server.inspection import signs
from server.inspection.models import SignCase, SignCheck
from tests.server.cluster import PASSWORD
from tests.server.deciding import close_by_two
from tests.server.handhelds import Handheld, approved, on_shift
from tests.server.sync.test_push import push

SPOT, OTHER = "PSR-001-U", "RSU-003-I"


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


def posted(name: str = "PARKIR DISHUB", nmid: str = "ID1020030040050") -> str:
    return qris.encode(
        qris.static(
            nmid=nmid,
            acquirer_guid="ID.CO.BANKCONTOH.WWW",
            pan="9360000200000000123",
            merchant_id="000000000000001",
            criteria=qris.Criteria.REGULAR,
            mcc="7523",
            name=name,
            city="CONTOH",
            postal_code="70611",
        )
    )


async def master(api: httpx.AsyncClient, handheld: Handheld) -> dict[str, Any]:
    answer = await api.get("/v1/masterdata", auth=handheld.signed)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["signs"]
    return told


async def take_in(transactions: Transactions, text: str, now: datetime) -> int:
    async with transactions.begin() as db:
        return await signs.import_codes(db, text, now=now)


async def test_handhelds_are_told_what_is_posted_and_what_was_replaced(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    file = f"spot,qris\n{SPOT},{posted()}\n{OTHER},{posted()}\n"
    assert await take_in(transactions, file, now) == 2
    assert await take_in(transactions, file, now) == 2  # again, and nothing changes
    changed = f"spot,qris\n{SPOT},{posted('PARKIR BARU')}\n"
    await take_in(transactions, changed, now + timedelta(seconds=1))
    told = await master(api, handheld)
    assert [(c["spot_code"], c["name"], c["retired"]) for c in told["posted"]] == [
        (SPOT, "PARKIR DISHUB", True),
        (SPOT, "PARKIR BARU", False),
        (OTHER, "PARKIR DISHUB", False),
    ]
    assert told["posted"][0]["pan"] == "936000020000000012"
    assert (told["due_s"], told["merchant"], told["checked"]) == (3 * 86_400, None, {})


async def test_handhelds_are_told_whose_our_own_barcodes_are(
    api: httpx.AsyncClient, handheld: Handheld
) -> None:
    made = await api.post(f"/v1/spots/{SPOT}/charges", json={"vehicle_class": "car"})
    ours = qris.parse(made.json()["qris"])
    told = (await master(api, handheld))["merchant"]
    assert (told["name"], told["nmid"]) == (ours.name, ours.nmid)


async def test_a_file_of_codes_is_refused_whole_and_every_wrong_line_named_in_both_languages(
    transactions: Transactions, now: datetime
) -> None:
    lines = (
        f"{SPOT},{posted()}",
        f"{SPOT},bukan qris",
        f"PSR-001-X,{posted()}",
        SPOT,
        f"{spot_code('PSR', 999)},{posted()}",
        f"{SPOT},{posted()[:-4]}0000",
        f'{SPOT},"{posted()}',
    )
    with pytest.raises(FileRefused) as refused:
        await take_in(transactions, "\n".join(("spot,qris", *lines)), now)
    assert [(each.indonesian, each.english) for each in refused.value.faults] == [
        (
            "baris 3: not-emv: Ini bukan kode pembayaran EMVCo: teks tidak diawali 000201.",
            "line 3: not-emv: This is not an EMVCo payment code: the text does not start with"
            " 000201.",
        ),
        (
            "baris 4: Kode titik parkir salah ketik (PSR-001-X)",
            "line 4: The spot code is mistyped (PSR-001-X)",
        ),
        (
            "baris 5: banyaknya kolom tidak sama dengan baris pertama",
            "line 5: not as many fields as the first line has",
        ),
        (
            f"baris 6: Titik parkir tidak dikenal ({spot_code('PSR', 999)})",
            f"line 6: This parking spot is not known ({spot_code('PSR', 999)})",
        ),
        (
            f"baris 7: crc-mismatch: {qris.ERROR_CODES['crc-mismatch']['id']}",
            f"line 7: crc-mismatch: {qris.ERROR_CODES['crc-mismatch']['en']}",
        ),
        (
            "baris 8: bukan CSV yang benar (unexpected end of data)",
            "line 8: not sound CSV (unexpected end of data)",
        ),
    ]
    for file in ("", '"spot'):
        with pytest.raises(FileRefused, match="baris"):
            await take_in(transactions, file, now)
    async with transactions.begin() as db:
        assert await signs.posted(db) == []


async def test_a_check_arrives_and_a_wrong_sign_has_one_case_until_it_is_settled(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld
) -> None:
    wrong = {
        "attendant": sample.ATTENDANT,
        "spot": SPOT,
        "fault": "same-name",
        "seen": {"name": "PARKIR", "nmid": "ID1"},
    }
    right = {"spot": OTHER, "fault": None, "seen": {"spot": OTHER}}
    events = [handheld.event("sign_checked", body=body) for body in (wrong, right, wrong)]
    assert await push(api, handheld, *events) == ["accepted"] * 3
    assert await push(api, handheld, *events) == ["duplicate"] * 3
    async with transactions.begin() as db:
        checks = list(await db.scalars(select(SignCheck).order_by(SignCheck.seq)))
        assert [check.fault for check in checks] == ["same-name", None, "same-name"]
        [case] = await db.scalars(select(SignCase))
        assert (case.fault, case.owner) == ("same-name", "dinas perhubungan")
        standing = await signs.standing(db)
        assert standing[0].spot_code == SPOT
        assert standing[-1].spot_code == OTHER
    assert (await master(api, handheld))["checked"][SPOT]["fault"] == "same-name"

    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    page = (await api.get("/office/signs")).text
    assert page.index(SPOT) < page.index(OTHER)
    assert "nama sama, NMID lain" in page
    await close_by_two(transactions, CaseKind.SIGN, case.id, "Stiker dilepas", case.opened_at)
    assert "Stiker dilepas" in (await api.get("/office/signs")).text
    past = f"2020-01-01T00:00:00+00:00_{case.id}"
    beyond = (await api.get("/office/signs", params={"before": past})).text
    assert "Stiker dilepas" not in beyond
    assert "Ke yang terbaru" in beyond


async def test_the_office_sees_the_shifts_in_which_no_sign_was_looked_at(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    """Another shift of the same attendant on another device, a day and an hour ago, too."""
    async with transactions.begin() as db:
        other = (await approved(transactions)).device_id
        await db.execute(
            text(
                "INSERT INTO shifts"
                " (id, device_id, attendant_id, token_hash, opened_at, expires_at)"
                " SELECT gen_random_uuid(), :device, attendant_id, 'x',"
                " opened_at - interval '25 hours', opened_at - interval '17 hours' FROM shifts"
            ),
            {"device": other},
        )

    async def listed(days: int) -> int:
        async with transactions.begin() as db:
            since = now - timedelta(days=days)
            return len(await signs.unscanned(db, since, 9))

    assert [await listed(days) for days in (1, 7)] == [1, 2]
    body = {"attendant": sample.ATTENDANT, "spot": SPOT, "fault": None, "seen": {"spot": SPOT}}
    assert await push(api, handheld, handheld.event("sign_checked", body=body)) == ["accepted"]
    assert [await listed(days) for days in (1, 7)] == [0, 1]
    await api.post("/office/sign-in", data={"login": sample.OFFICER, "password": PASSWORD})
    none, one = [(await api.get(f"/office/signs?shift_days={days}")).text for days in (1, 7)]
    assert "Tidak ada giliran tanpa pemindaian tanda." in none
    assert f"{sample.ATTENDANT} Juru Parkir Contoh" in one
    assert (await api.get("/office/signs?shift_days=x")).status_code == 422


async def test_a_sign_that_only_the_handheld_has_not_heard_of_has_no_case(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, now: datetime
) -> None:
    async with transactions.begin() as db:
        await sample.hang_signs(db, "uji", now=now)
    told = await master(api, handheld)
    assert told["made"][SPOT] == {"version": 1, "in_force": True}
    for version, cases in (("1", 0), ("2", 1)):
        seen = {"spot": SPOT, "version": version}
        body = {"attendant": sample.ATTENDANT, "spot": SPOT, "fault": "newer", "seen": seen}
        assert await push(api, handheld, handheld.event("sign_checked", body=body)) == ["accepted"]
        async with transactions.begin() as db:
            assert len(list(await db.scalars(select(SignCase)))) == cases


@pytest.mark.parametrize(
    "body",
    [
        {"spot": SPOT, "fault": "asli", "seen": {}},
        {"spot": "PSR-999-X", "fault": None, "seen": {}},
        {"spot": SPOT, "fault": None, "seen": {}, "plate": "KH 1234 AB"},
        {"spot": SPOT, "fault": None},
    ],
)
async def test_a_fact_of_no_shape_stays_in_the_journal_and_breaks_no_chain(
    api: httpx.AsyncClient, transactions: Transactions, handheld: Handheld, body: dict[str, Any]
) -> None:
    events = [handheld.event("sign_checked", body=body), handheld.event()]
    assert await push(api, handheld, *events) == ["accepted", "accepted"]
    async with transactions.begin() as db:
        assert list(await db.scalars(select(SignCheck))) == []
