"""The other reports: targets, potential, fees, refunds, channels, and what attendants owe."""

import asyncio
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select, text

from server.database import Transactions, new_id
from server.ledger import postings, reports
from server.ledger.models import Posting
from server.payments.books import Books
from server.reconciliation import deposits
from server.reconciliation import service as reconciliation
from server.reconciliation.deposits import Deposit
from server.reports import catalogue, targets
from server.reports.table import Period, Said
from server.reports.targets import TargetUnfit
from server.spots.service import ZoneNotFound
from tests.server.booking import book
from tests.server.handhelds import Handheld, on_shift
from tests.server.office.test_endpoints import sign_in
from tests.server.reconciliation.test_service import line, settlement
from tests.server.reports.test_reports import LAST, column, told, total
from tests.server.sync.test_push import push
from tests.server.test_cli import Karcis

OCTOBER = Period(date(2026, 10, 1), LAST)
"""Targets are told from January on all the same."""


async def set_target(transactions: Transactions, amount_rp: int, **changes: object) -> None:
    given: dict[str, object] = {"year": 2026, "month": None, "zone": None, "regulation": "Perda"}
    given |= {"who": "uji", "amount_rp": amount_rp}
    async with transactions.begin() as db:
        now = datetime.now(UTC)
        await targets.set_target(db, **given | {"now": now} | changes)  # type: ignore[arg-type]


async def paid(transactions: Transactions, books: Books, day: date, amount_rp: int) -> None:
    at = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
    async with transactions.begin() as db:
        await book(
            db,
            books,
            reference=new_id().hex,
            acquirer_reference=new_id().hex,
            rrn=None,
            amount_rp=amount_rp,
            paid_at=at,
        )


async def test_targets_are_spread_over_months_and_the_newest_counts(
    transactions: Transactions, books: Books
) -> None:
    await set_target(transactions, 999)
    await set_target(transactions, 1_200_001)
    await set_target(transactions, 100_000, month=1)
    await paid(transactions, books, date(2026, 1, 5), 40_000)
    await paid(transactions, books, date(2026, 10, 5), 10_000)
    await paid(transactions, books, date(2025, 12, 31), 77_000)
    made = await told(transactions, books, "target", OCTOBER)
    assert column(made, "target_rp") == [100_000] * 10
    assert column(made, "realised_rp") == [40_000, *[0] * 8, 10_000]
    assert column(made, "realised_so_far_rp")[-1] == 50_000
    assert column(made, "so_far")[-1] == 500
    async with transactions.begin() as db:
        assert (await targets.targets(db, 2026)).of(None)[-1] == 100_001


async def test_zones_are_held_against_their_own_targets_and_forecast_by_their_pace(
    transactions: Transactions, books: Books
) -> None:
    await set_target(transactions, 730_000, zone="PSR")
    await paid(transactions, books, date(2026, 3, 1), 304_000)
    made = await told(transactions, books, "target-zona", OCTOBER)
    rows = dict(zip(column(made, "zone"), made.rows, strict=True))
    wanted = {"target_rp": 730_000, "realised_rp": 304_000, "forecast_rp": 365_000}
    for zone in ("PSR", "–"):
        row = dict(zip((c.key for c in made.columns), rows[zone], strict=True))
        assert wanted.items() <= row.items()
        assert row["forecast"] == 5000
    assert made.rows[-1][1] == Said("Seluruh kabupaten", "The whole regency")


async def test_a_target_that_cannot_be_is_refused(transactions: Transactions) -> None:
    for changes in ({"year": 1999}, {"month": 13}, {"regulation": " "}):
        with pytest.raises(TargetUnfit):
            await set_target(transactions, 1, **changes)
    with pytest.raises(TargetUnfit):
        await set_target(transactions, -1)
    with pytest.raises(ZoneNotFound):
        await set_target(transactions, 1, zone="XXX")


async def test_fees_are_held_against_the_rules_line_by_line(
    transactions: Transactions, books: Books
) -> None:
    day = "2026-10-20"
    lines = [
        line(number, f"{day}T0{number}:00:00+07:00", gross_rp=gross_rp, mdr_rp=mdr_rp)
        for number, (gross_rp, mdr_rp) in enumerate([(100_000, 700), (150_000, 1050), (2000, 20)])
    ]
    async with transactions.begin() as db:
        now = datetime.now(UTC)
        content = settlement(*lines)
        await reconciliation.import_settlement(db, "sandbox", "s.csv", content, books, now=now)
    made = await told(transactions, books, "mdr")
    assert total(made, "gross_rp") == 252_000
    assert (total(made, "mdr_rp"), total(made, "net_rp")) == (1770, 250_230)
    due_rp = int(str(total(made, "due_rp")))
    assert total(made, "difference_rp") == 1770 - due_rp
    assert due_rp == 700 + 1050 + 14


@pytest.fixture
async def handheld(api: httpx.AsyncClient, transactions: Transactions, now: datetime) -> Handheld:
    return await on_shift(api, transactions, now)


async def take_cash(api: httpx.AsyncClient, handheld: Handheld, kind: str) -> None:
    body = {"id": str(new_id()), "vehicle_class": kind}
    answer = await api.post("/v1/spots/PSR-001-U/cash-charges", json=body, auth=handheld.signed)
    assert answer.status_code == 201, answer.text


async def test_what_attendants_hold_and_are_owed_is_what_the_ledger_says(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    now: datetime,
) -> None:
    for kind in ("car", "motorcycle"):
        await take_cash(api, handheld, kind)
    today = Period(books.day(now), books.day(now) + timedelta(days=1))
    async with transactions.begin() as db:
        officer = await db.scalar(text("SELECT id FROM officers ORDER BY login LIMIT 1"))
        slip = Deposit(new_id(), "J-001", 2500, "SLIP-000123", books.day(now))
        await deposits.record(db, slip, books, officer, now=now)  # type: ignore[arg-type]
        owed_rp = await reports.owed_by(db, "J-001")
        shares_rp = await db.scalar(
            select(-func.sum(Posting.amount_rp)).where(
                Posting.account_code.in_((postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE))
            )
        )
    made = await told(transactions, books, "setoran", today)
    names = ("before_rp", "cash_rp", "paid_in_rp", "owed_rp")
    assert [total(made, name) for name in names] == [0, 6000, 2500, 3500]
    assert owed_rp == 3500
    later = Period(today.last + timedelta(days=1), today.last + timedelta(days=1))
    made = await told(transactions, books, "setoran", later)
    assert [total(made, name) for name in names] == [3500, 0, 0, 3500]
    made = await told(transactions, books, "bagi-hasil", today)
    assert total(made, "owed_rp") == shares_rp != 0
    made = await told(transactions, books, "etpd", today)
    assert [total(made, name) for name in ("count", "cash_count", "digital_rp")] == [2, 2, 0]


async def test_what_was_counted_on_the_street_raises_what_was_paid(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    now: datetime,
) -> None:
    await take_cash(api, handheld, "car")
    at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    counted = {"spot": "PSR-001-U", "counted": {"car": 4, "truck": 1}}
    event = handheld.event("heads_counted", at=at, body=counted)
    assert await push(api, handheld, event) == ["accepted"]
    days = Period(books.day(now), books.day(now) + timedelta(days=1))
    made = await told(transactions, books, "potensi", days)
    keys = [c.key for c in made.columns]
    rows = [dict(zip(keys, row, strict=True)) for row in made.rows if row[0] == "PSR"]
    told_of = {str(row["class"]): row for row in rows}
    car = next(row for row in rows if row["class"] == Said("Mobil", "Car"))
    assert (car["counted"], car["recorded"], car["paid_rp"]) == (4, 1, 4000), told_of
    assert (car["potential_rp"], car["share"]) == (16_000, 2500)
    truck = next(row for row in rows if row["class"] == Said("Truk/Bus", "Truck/Bus"))
    assert truck["potential_rp"] is None
    others = [row for row in made.rows if row[0] != "PSR"]
    assert others
    assert all(row[keys.index("basis")] == Said("perkiraan", "assumed") for row in others)


async def test_claims_are_counted_by_attendant_and_accuse_nobody(
    api: httpx.AsyncClient,
    transactions: Transactions,
    books: Books,
    handheld: Handheld,
    now: datetime,
) -> None:
    await take_cash(api, handheld, "car")
    async with transactions.begin() as db:
        await db.execute(
            text(
                "INSERT INTO stay_voids (parking_session_id, shift_id, reason, forgone_rp,"
                " voided_at) SELECT s.id, h.id, 'driver_left', 4000, :now FROM parking_sessions s,"
                " shifts h"
            ),
            {"now": now},
        )
    days = Period(books.day(now), books.day(now) + timedelta(days=1))
    made = await told(transactions, books, "klaim", days)
    (row,) = [dict(zip((c.key for c in made.columns), row, strict=True)) for row in made.rows]
    wanted = {"attendant": "J-001", "stays": 1, "voids": 1, "claims": 1, "rate": 10_000}
    assert wanted.items() <= row.items()
    assert row["band"] == Said("data belum cukup", "too little to tell")
    assert "bukan tuduhan" in made.notes("id")[0]


async def test_every_report_is_a_page_and_every_file_also_of_nothing(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    await sign_in(api)
    span = "from=2026-10-01&to=2026-10-31"
    for name in catalogue.REPORTS:
        with subtests.test(name):
            assert (await api.get(f"/office/reports/{name}?{span}")).status_code == 200
            for form, begins in (("csv", b"\xef\xbb\xbf"), ("xlsx", b"PK"), ("pdf", b"%PDF")):
                answer = await api.get(f"/office/reports/{name}.{form}?{span}&lang=en")
                assert answer.status_code == 200, answer.text
                assert answer.content.startswith(begins)


async def test_the_command_writes_a_report_and_sets_a_target(
    database_url: str, tmp_path: Path, transactions: Transactions, books: Books
) -> None:
    karcis = Karcis(database_url, tmp_path)
    await paid(transactions, books, date(2026, 10, 5), 4000)
    out = tmp_path / "zona.xlsx"
    span = ("--from", "2026-10-01", "--to", "2026-10-31", "--out", out)
    done = await karcis("report", "zona", *span)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    content = await asyncio.to_thread(out.read_bytes)
    assert load_workbook(io.BytesIO(content))["zona"]["A6"].value == "PSR"
    assert "target-zona" in (await karcis("report")).stdout
    unknown = await karcis("report", "lain", *span)
    assert unknown.returncode == 1
    assert "Laporan ini tidak ada" in unknown.stderr
    set_ = ("target", "set", "2026", "1200000", "--regulation", "Perda APBD 8/2025")
    assert "two officers" in (await karcis(*set_)).stderr
    async with transactions.begin() as db:
        await db.execute(
            text("UPDATE officers SET switched_off_at = now() WHERE role = 'verifikator'")
        )
    assert (await karcis(*set_)).returncode == 0
    assert "2026-12            Rp100.000" in (await karcis("target", "show", "2026")).stdout
    assert (await karcis(*set_, "--month", "13")).returncode == 1
    assert (await karcis("report", "zona", *span[:4], "--out", "zona.docx")).returncode == 2
