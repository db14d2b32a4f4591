"""What reports of vouchers say is what the ledger says, on any day."""

import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from server.database import Transactions, new_id
from server.payments import voucher_proposals, vouchers
from server.payments.books import Books
from server.payments.voucher_proposals import Range
from server.payments.vouchers import Issue
from server.reports import catalogue, table
from server.reports.table import Asked, Period
from tests.server.handhelds import on_shift
from tests.server.payments.voucher_officers import issued, voided
from tests.server.reports.test_package import made, read
from tests.server.reports.test_reports import ALL, column, total

VOUCHER_SHEETS = ("batches", "sellers", "proposals", "ends")
BALANCE = """
    SELECT coalesce(sum(p.amount_rp), 0)::bigint FROM ledger_postings p
    JOIN ledger_entries e ON e.id = p.entry_id
    WHERE p.account_code = :account AND e.business_day <= :day
"""


async def _use_vouchers(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    """One batch that expired with a voucher voided, one with two voided and one that paid."""
    earlier, over = now - timedelta(days=40), books.business_day(now) - timedelta(days=10)
    some = Issue("Toko Sampel", 4, 5_000, None, over)
    assert await issued(transactions, books, some, earlier) == 1
    more = Issue("Koperasi Sampel", 6, 9_000, None, date(2098, 12, 31))
    assert await issued(transactions, books, more, now) == 2
    await voided(transactions, books, Range(1, 1, 1), now - timedelta(days=35))
    await voided(transactions, books, Range(2, 5, 6), now)
    handheld = await on_shift(api, transactions, now)
    assert books.seal is not None
    async with transactions.begin() as db:
        batch = await voucher_proposals.batch_of(db, 2)
        (_, qr), *_ = vouchers.texts(batch, books.seal)
    body = {"id": str(new_id()), "vehicle_class": "car", "voucher": qr}
    paid = await api.post("/v1/spots/PSR-001-U/voucher-charges", json=body, auth=handheld.signed)
    assert paid.status_code == 201, paid.text


async def test_what_is_owed_by_the_reports_is_the_balance_of_the_accounts(
    api: httpx.AsyncClient, transactions: Transactions, books: Books, now: datetime
) -> None:
    await _use_vouchers(api, transactions, books, now)
    today = books.business_day(datetime.now(UTC))
    for first, last in ((50, 41), (50, 39), (39, 30), (30, 0)):
        period = Period(today - timedelta(days=first), today - timedelta(days=last))
        async with transactions.begin() as db:
            owed, before, sellers = [
                await db.scalar(text(BALANCE), {"account": account, "day": day})
                for account, day in (
                    ("2140", period.last),
                    ("2140", period.first - timedelta(days=1)),
                    ("1170", period.last),
                )
            ]
        asked = Asked(period, books, today)
        async with transactions.begin() as db:
            made, of_sellers = [
                await table.build(db, catalogue.REPORTS[name], asked, ALL)
                for name in ("voucher", "voucher-penjual")
            ]
        assert (total(made, "owed_rp"), total(made, "before_rp")) == (-owed, -before)
        assert total(of_sellers, "owed_rp") == sellers
    assert (owed, before, sellers) == (-42_000, -15_000, 51_000)
    assert column(made, "seller") == ["Koperasi Sampel", "Toko Sampel"]
    assert column(made, "redeemed") == [1, 0]
    assert column(made, "voided_rp") == [18_000, 0]
    assert column(made, "expired_rp") == [0, 15_000]


async def test_an_auditors_package_tells_each_voucher_as_the_accounts_do(
    api: httpx.AsyncClient,
    app: FastAPI,
    transactions: Transactions,
    books: Books,
    now: datetime,
    tmp_path: Path,
) -> None:
    await _use_vouchers(api, transactions, books, now)
    today = books.business_day(datetime.now(UTC))

    async def sheets(first: int, last: int) -> dict[str, list[dict[str, str]]]:
        period = Period(today - timedelta(days=first), today - timedelta(days=last))
        out = tmp_path / f"paket-{first}.zip"
        await made(app, transactions, books, period, out, None)
        with zipfile.ZipFile(out) as archive:
            told = {name: read(archive, f"voucher_{name}") for name in VOUCHER_SHEETS}
        async with transactions.begin() as db:
            for account, sheet, sign in (("2140", "batches", -1), ("1170", "sellers", 1)):
                balance = await db.scalar(text(BALANCE), {"account": account, "day": period.last})
                assert sum(int(row["owed_rp"]) for row in told[sheet]) == sign * balance
        return told

    early = await sheets(50, 30)
    (batch,) = early["batches"]
    assert (batch["issued_by"], batch["before"], batch["voided"], batch["left"]) == (
        "bendahara, verifikator", "0", "1", "3",
    )  # fmt: skip
    assert (batch["owed_rp"], batch["expired_rp"]) == ("15000", "0")
    issue, void = early["proposals"]
    assert (issue["act"], issue["proposed_by"], issue["decided_by"], issue["count"]) == (
        "issue", "bendahara", "verifikator", "4",
    )  # fmt: skip
    (end,) = early["ends"]
    assert (end["serial"][:12], end["why"], end["proposal_id"]) == (
        "V-0001-00001", "tas hilang", void["id"],
    )  # fmt: skip
    late = await sheets(29, 0)
    assert [row["expired_rp"] for row in late["batches"]] == ["15000", "0"]
    assert [row["before"] for row in late["batches"]] == ["3", "0"]
    used, *voided_ = late["ends"]
    assert all((used["charge_id"], used["entry_id"]))
    assert not used["proposal_id"]
    assert [row["serial"][:12] for row in voided_] == ["V-0002-00005", "V-0002-00006"]
    assert {row["seller"]: row["owed_rp"] for row in late["sellers"]} == {
        "Koperasi Sampel": "36000",
        "Toko Sampel": "15000",
    }
