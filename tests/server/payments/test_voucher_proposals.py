"""Vouchers are issued and voided by two officers, and the database itself wants two."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain import voucher
from server import sample
from server.database import Transactions
from server.errors import InvalidRequest
from server.identity import service as identity
from server.identity.service import RoleNotAllowed
from server.payments import voucher_proposals as proposals
from server.payments import voucher_stock
from server.payments.books import Books
from server.payments.voucher_proposals import (
    NotOwnVoucherProposal,
    OwnVoucherProposal,
    Range,
    VoucherBatchNotFound,
    VoucherDayPast,
    VoucherProposalDecided,
    VouchersEnded,
)
from server.payments.voucher_stock import SheetsTooMany
from server.payments.vouchers import Issue
from tests.server.cluster import PASSWORD
from tests.server.office.test_endpoints import sign_in
from tests.server.payments.voucher_officers import (
    decide,
    issued,
    propose_issue,
    propose_void,
    voided,
)

LAST = date(2098, 12, 31)
SOME = Issue("Koperasi Pasar", 12, 5_000, None, LAST)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


async def rows(transactions: Transactions, asked: str) -> list[Any]:
    async with transactions.begin() as db:
        return [tuple(row) for row in await db.execute(text(asked))]


async def test_nothing_is_owed_until_another_officer_agrees(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    owed = "SELECT account_code, sum(amount_rp)::int FROM ledger_postings GROUP BY 1 ORDER BY 1"
    asked = await propose_issue(transactions, books, SOME, now)
    assert await rows(transactions, owed) == []
    for login, refusal in ((sample.OFFICER, RoleNotAllowed), ("x", Exception)):
        with pytest.raises(refusal):
            await decide(transactions, books, asked, now, login=login)
    declined = await propose_issue(transactions, books, SOME, now)
    assert await decide(transactions, books, declined, now, approve=False) == 0
    assert await decide(transactions, books, asked, now) == 1
    assert await rows(transactions, owed) == [("1170", 60_000), ("2140", -60_000)]
    by = await rows(transactions, "SELECT issued_by FROM voucher_batches")
    assert by == [(f"{sample.OFFICER}, {sample.CHECKER}",)]
    for proposal in (asked, declined):
        with pytest.raises(VoucherProposalDecided):
            await decide(transactions, books, proposal, now)
    void = await propose_void(transactions, Range(1, 11, 12), now)
    again = await propose_void(transactions, Range(1, 11, 11), now)
    assert await rows(transactions, owed) == [("1170", 60_000), ("2140", -60_000)]
    await decide(transactions, books, void, now)
    assert await rows(transactions, owed) == [("1170", 50_000), ("2140", -50_000)]
    with pytest.raises(VouchersEnded):
        await decide(transactions, books, again, now)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await proposals.withdraw(db, maker, again, "sudah batal", now=now)
    async with transactions.begin() as db:
        (one,) = await voucher_stock.stock(db, now + timedelta(seconds=1))
        assert (one.count, one.redeemed, one.voided, one.left, one.left_rp) == (
            12, 0, 2, 10, 50_000,
        )  # fmt: skip
        (account,) = await voucher_stock.accounts(db, date.min, books.business_day(now))
        assert (account.given_rp, account.voided_rp, account.owed_rp) == (60_000, 10_000, 50_000)


async def test_who_proposed_neither_decides_nor_is_withdrawn_for(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    asked = await propose_issue(transactions, books, SOME, now)
    async with transactions.begin() as db:  # who changes roles has proposed it all the same
        await db.execute(text("UPDATE officers SET role = 'verifikator' WHERE login = 'bendahara'"))
    with pytest.raises(OwnVoucherProposal):
        await decide(transactions, books, asked, now, login=sample.OFFICER)
    async with transactions.begin() as db:
        await db.execute(text("UPDATE officers SET role = 'bendahara'"))
        other = await identity.officer_named(db, sample.CHECKER)
        with pytest.raises(NotOwnVoucherProposal):
            await proposals.withdraw(db, other, asked, "x", now=now)
    with pytest.raises(DBAPIError, match="ck_voucher_proposals_maker_checker"):
        async with transactions.begin() as db:
            await db.execute(
                text(
                    "UPDATE voucher_proposals SET state = 'approved', batch = 1,"
                    " decided_by = proposed_by, decided_at = now()"
                )
            )


async def test_what_cannot_be_issued_or_voided_is_refused_in_words(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    old = books.day(now) - timedelta(days=1)
    for wanted, refusal in (
        (Issue("Koperasi", 1, 5_000, None, old), VoucherDayPast),
        (Issue("Koperasi", 0, 5_000, None, LAST), InvalidRequest),
        (Issue("Koperasi", 1, 10_000_000, None, LAST), InvalidRequest),
        (Issue("  ", 1, 5_000, None, LAST), InvalidRequest),
    ):
        with pytest.raises(refusal):
            await propose_issue(transactions, books, wanted, now)
    with pytest.raises(VoucherBatchNotFound):
        await propose_void(transactions, Range(2**40, 1, 1), now)
    late = await propose_issue(transactions, books, SOME, now)
    with pytest.raises(VoucherDayPast):
        await decide(transactions, books, late, datetime(2099, 6, 1, tzinfo=UTC))


async def test_only_who_may_takes_the_vouchers_out_and_it_is_on_record(
    transactions: Transactions, books: Books, now: datetime, api: httpx.AsyncClient
) -> None:
    await issued(transactions, books, SOME, now)
    await voided(transactions, books, Range(1, 2, 3), now)
    await sign_in(api)
    wanted = {"first": "1", "last": "5", "form": "csv", "password": PASSWORD}
    taken = await api.post("/office/vouchers/1/sheets", data=wanted)
    assert taken.status_code == 200, taken.text
    assert taken.headers["cache-control"] == "no-store"
    found = list(csv.DictReader(io.StringIO(taken.content.decode("utf-8-sig")), delimiter=";"))
    assert [row["serial"] for row in found] == [voucher.serial(1, n) for n in (1, 4, 5)]
    assert voucher.verify(found[1]["qr"], books.proof_keys).serial == found[1]["serial"]
    record = "SELECT who, report, form, filters->>'numbers', row_count FROM report_downloads"
    assert await rows(transactions, record) == [("bendahara", "lembar-voucher", "csv", "1-5", 3)]
    page = await api.get("/office/vouchers/1")
    assert found[0]["qr"] not in page.text
    for told, slug in (
        (wanted | {"first": "2", "last": "3"}, "vouchers-ended"),
        (wanted | {"last": "13"}, "voucher-range-unfit"),
    ):
        refused = await api.post("/office/vouchers/1/sheets", data=told)
        assert slug in refused.text or refused.status_code in (409, 422), refused.text
    assert (await api.get("/office/vouchers/99999999999")).status_code == 404
    async with transactions.begin() as db:
        with pytest.raises(SheetsTooMany):
            await voucher_stock.signed(db, Range(1, 1, 12), books, LAST, most=9)
        with pytest.raises(VouchersEnded):
            await voucher_stock.signed(db, Range(1, 1, 12), books, date(2099, 1, 1))
