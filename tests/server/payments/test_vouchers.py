"""Vouchers: owed from the day they are sold, redeemed once, and never dropped when refused late."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.proof import Seal
from domain.tariff import VehicleClass
from domain.voucher import Voucher, serial, sign
from server.database import new_id
from server.payments import voucher_proposals, vouchers
from server.payments.voucher_proposals import Range, VoucherRangeUnfit, VouchersEnded
from server.payments.vouchers import Issue
from server.sync import service as sync
from tests.server.handhelds import Handheld
from tests.server.payments import voucher_officers
from tests.server.payments.conftest import CAR_RP, EXCLUSIVE, FLAT, Office
from tests.server.payments.test_cash import legs

SELLER = "Koperasi Pasar"
TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()


@pytest.fixture
async def handheld(office: Office) -> Handheld:
    return await office.open_shift()


async def issue(
    office: Office,
    value_rp: int = 5_000,
    count: int = 3,
    only: VehicleClass | None = None,
    until: date = TODAY + timedelta(days=90),
) -> list[str]:
    """The texts of a new batch's vouchers."""
    books = office.wired.books
    assert books.seal is not None
    now = datetime.now(UTC)
    if until < books.day(now):
        now -= timedelta(days=5)
    wanted = Issue(SELLER, count, value_rp, only, until)
    number = await voucher_officers.issued(office.transactions, books, wanted, now)
    async with office.transactions.begin() as db:
        batch = await voucher_proposals.batch_of(db, number)
        return [text for _, text in vouchers.texts(batch, books.seal)]


async def redeem(
    api: httpx.AsyncClient, handheld: Handheld, text: str, spot: str = FLAT, **changes: Any
) -> httpx.Response:
    body = {"id": str(new_id()), "vehicle_class": "car", "voucher": text, **changes}
    return await api.post(f"/v1/spots/{spot}/voucher-charges", json=body, auth=handheld.signed)


async def balances(office: Office) -> dict[str, int]:
    rows = await office.rows(
        "SELECT account_code AS code, sum(amount_rp) AS rp FROM ledger_postings"
        " GROUP BY 1 HAVING sum(amount_rp) <> 0"
    )
    return {row["code"]: int(row["rp"]) for row in rows}


async def test_a_voucher_is_owed_once_sold_and_earned_once_redeemed(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office)
    assert await balances(office) == {"1170": 15_000, "2140": -15_000}
    answer = await redeem(api, handheld, text)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["state"], told["amount_rp"], told["qris"]) == ("paid", CAR_RP, None)
    receipt = told["receipt"]
    assert (receipt["method"], receipt["amount_rp"], receipt["attendant_code"]) == (
        "Voucher", CAR_RP, "J-001"
    )  # fmt: skip
    assert await legs(office, UUID(told["id"])) == {
        "2140": 5_000,
        "4190": -1_000,
        "4110.PSR": -CAR_RP,
        "5120": 1_600,
        "2120 J-001": -1_400,
        "2130 Karang Taruna (sampel)": -200,
    }
    (money,) = await office.rows("SELECT * FROM money")
    assert (money["voucher_serial"], money["shift_id"]) == ("V-0001-00001-I", None)
    assert (await balances(office))["2140"] == -10_000
    assert [who for *_, who in await office.story(UUID(told["id"]))][1:] == ["attendant"] * 2


async def test_the_second_redemption_is_told_when_and_where_the_first_was(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office)
    asked = str(new_id())
    for _ in range(2):
        assert (await redeem(api, handheld, text, id=asked)).status_code == 201
    again = await redeem(api, handheld, text, "PSR-002-T")
    assert (again.status_code, again.json()["slug"]) == (409, "voucher-used")
    assert again.json()["detail"].endswith(f", {FLAT}")
    other = await redeem(api, handheld, text, id=asked, vehicle_class="truck")
    assert other.json()["slug"] == "idempotency-conflict"
    assert await office.count("money") == await office.count("parking_sessions") == 1
    assert await office.count("cases") == 0, "who asks the office has not parked yet"


async def test_of_many_who_redeem_one_voucher_at_once_one_is_served(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office)
    answers = await asyncio.gather(*(redeem(api, handheld, text) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    assert {a.json()["slug"] for a in answers if a.status_code == 409} == {"voucher-used"}
    assert await office.count("money") == await office.count("voucher_ends") == 1


async def test_a_voucher_that_is_redeemed_as_it_is_voided_ends_once(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    books, now = office.wired.books, datetime.now(UTC)
    told = (office.transactions, books)
    texts = await issue(office, count=6)
    asked = [await voucher_officers.propose_void(*told, Range(1, n, n), now) for n in range(1, 7)]
    redeemed = 0
    for text, proposal in zip(texts, asked, strict=True):
        answer, decided = await asyncio.gather(
            redeem(api, handheld, text),
            voucher_officers.decide(*told, proposal, now),
            return_exceptions=True,
        )
        assert not isinstance(answer, BaseException)
        if answer.status_code == 201:
            assert isinstance(decided, VouchersEnded)
            redeemed += 1
        else:
            assert (answer.json()["slug"], decided) == ("voucher-void", 1)
    assert await office.count("money") == redeemed
    assert await office.count("voucher_ends") == 6
    found = await balances(office)
    assert (found.get("1170", 0), found.get("2140", 0)) == (redeemed * 5_000, 0)


async def test_taken_twice_offline_the_second_is_a_case_with_an_owner(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office)
    other, at = await office.open_shift(), datetime.now(UTC).isoformat()
    first = await redeem(api, handheld, text, taken_at=at)
    assert first.status_code == 201
    asked = str(new_id())
    for _ in range(2):  # its answer was lost
        second = await redeem(api, other, text, id=asked, taken_at=at)
        assert (second.status_code, second.json()["slug"]) == (409, "voucher-used")
    (case,) = await office.rows("SELECT * FROM cases")
    assert (case["kind"], case["owner"], case["amount_rp"], case["state"]) == (
        "voucher-refused", "bendahara penerimaan", 5_000, "open"
    )  # fmt: skip
    (kept,) = await office.rows("SELECT * FROM voucher_refusals")
    assert (str(kept["id"]), kept["serial"], kept["spot_code"]) == (asked, "V-0001-00001-I", FLAT)
    assert kept["reason"].startswith("voucher-used: ")
    assert (await balances(office)).get("2190") is None, "no money came, so none is in suspense"


async def test_two_officers_close_the_case_of_a_voucher_and_no_money_moves(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office)
    for spot in (FLAT, "PSR-002-T"):
        await redeem(api, handheld, text, spot, taken_at=datetime.now(UTC).isoformat())
    before = await balances(office)
    (case,) = await office.rows("SELECT id FROM cases")
    await office.clarify(case["id"], "salinan; juru parkir ditegur")
    (case,) = await office.rows("SELECT state, outcome FROM cases")
    assert (case["state"], case["outcome"]) == ("closed", "clarified")
    assert await balances(office) == before


async def test_what_a_voucher_does_not_pay(
    api: httpx.AsyncClient, office: Office, handheld: Handheld, subtests: pytest.Subtests
) -> None:
    (small,) = await issue(office, CAR_RP - 1, 1)
    (bikes,) = await issue(office, 9_000, 1, VehicleClass.MOTORCYCLE)
    (old,) = await issue(office, 9_000, 1, until=TODAY - timedelta(days=2))
    (good,) = await issue(office, 9_000, 1)
    seal = office.wired.books.seal
    assert seal is not None
    unknown = sign(seal, Voucher(serial(77, 1), 9_000, None, TODAY))
    other_value = sign(seal, Voucher(serial(4, 1), 90_000, None, TODAY))
    stranger = sign(Seal(Ed25519PrivateKey.generate()), Voucher(serial(1, 1), 1, None, TODAY))
    void = (office.transactions, office.wired.books, Range(4, 1, 1), datetime.now(UTC))
    await voucher_officers.voided(*void)
    for slug, text in (
        ("voucher-too-small", small),
        ("voucher-other-class", bikes),
        ("voucher-expired", old),
        ("voucher-void", good),
        ("voucher-invalid", unknown),
        ("voucher-invalid", other_value),
        ("voucher-invalid", stranger),
        ("voucher-invalid", "x"),
    ):
        with subtests.test(slug):
            assert (await redeem(api, handheld, text)).json()["slug"] == slug
    assert await office.count("charges") == await office.count("cases") == 0


async def test_a_voucher_of_its_last_day_may_come_in_the_next(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    now = datetime.now(UTC)
    yesterday = office.wired.books.day(now) - timedelta(days=1)
    first, second, third = await issue(office, until=yesterday)
    day = timedelta(days=1)
    for text, at, status in (
        (second, now.isoformat(), 409),
        (second, "9999-12-31T23:00:00-07:00", 409),
        (third, None, 409),
        (first, (now - day).isoformat(), 201),
    ):
        taken = {} if at is None else {"taken_at": at}
        assert (await redeem(api, handheld, text, **taken)).status_code == status
    assert await office.count("voucher_refusals") == await office.count("cases") == 2


async def test_voided_vouchers_are_not_owed_and_used_ones_stay(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    text, *_ = await issue(office, count=10)
    await redeem(api, handheld, text)
    books, now = office.wired.books, datetime.now(UTC)
    await voucher_officers.voided(office.transactions, books, Range(1, 1, 4), now)
    async with office.transactions.begin() as db:
        told = await sync.master_data(
            db, books, office.wired.settings, office.wired.issuer, now=now
        )
    for which, refused in ((Range(1, 4, 4), VouchersEnded), (Range(1, 1, 11), VoucherRangeUnfit)):
        with pytest.raises(refused):
            await voucher_officers.propose_void(office.transactions, books, which, now)
    assert told.vouchers.revoked == [serial(1, number) for number in (2, 3, 4)]
    found = await balances(office)
    assert (found["1170"], found["2140"]) == (35_000, -30_000)


async def test_an_occupied_spot_leaves_the_voucher_unspent(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    first, second, _ = await issue(office, 20_000)
    assert (await redeem(api, handheld, first, EXCLUSIVE, minutes=60)).status_code == 201
    refused = await redeem(api, handheld, second, EXCLUSIVE, minutes=60)
    assert refused.json()["slug"] == "spot-occupied"
    assert (await redeem(api, handheld, second)).status_code == 201


async def test_batches_are_numbered_one_after_the_other(office: Office) -> None:
    await asyncio.gather(*(issue(office) for _ in range(4)))
    rows = await office.rows("SELECT number FROM voucher_batches ORDER BY 1")
    assert [row["number"] for row in rows] == [1, 2, 3, 4]
