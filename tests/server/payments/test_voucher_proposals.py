"""Vouchers are issued and voided by two officers, and the database itself wants two."""

import asyncio
import csv
import io
import re
from dataclasses import replace
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
from server.ledger import postings
from server.ledger import service as ledger
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
from server.payments.vouchers import Issue, VouchersExpired
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
    with pytest.raises(RoleNotAllowed):
        await decide(transactions, books, asked, now, login=sample.OFFICER)
    declined = await propose_issue(transactions, books, SOME, now)
    assert await decide(transactions, books, declined, now, approve=False) == 0
    assert await decide(transactions, books, asked, now) == 1
    assert await rows(transactions, owed) == [("1170", 60_000), ("2140", -60_000)]
    by = await rows(transactions, "SELECT issued_by FROM voucher_batches")
    assert by == [(f"{sample.OFFICER}, {sample.CHECKER}",)]
    for proposal in (asked, declined):
        with pytest.raises(VoucherProposalDecided):
            await decide(transactions, books, proposal, now)
    void = await propose_void(transactions, books, Range(1, 11, 12), now)
    again = await propose_void(transactions, books, Range(1, 11, 11), now)
    assert await rows(transactions, owed) == [("1170", 60_000), ("2140", -60_000)]
    await decide(transactions, books, void, now)
    assert await rows(transactions, owed) == [("1170", 50_000), ("2140", -50_000)]
    with pytest.raises(VouchersEnded):
        await decide(transactions, books, again, now)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await proposals.withdraw(db, maker, again, "sudah batal", now=now)
    async with transactions.begin() as db:
        (one,) = await voucher_stock.stock(db)
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
        await propose_void(transactions, books, Range(2**40, 1, 1), now)
    late = await propose_issue(transactions, books, SOME, now)
    with pytest.raises(VoucherDayPast):
        await decide(transactions, books, late, datetime(2099, 6, 1, tzinfo=UTC))


async def balance(transactions: Transactions) -> dict[str, int]:
    owed = "SELECT account_code, sum(amount_rp)::int FROM ledger_postings GROUP BY 1"
    return dict(await rows(transactions, owed))


async def test_vouchers_that_expired_are_not_voided_and_their_value_stays(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    last = books.day(now)
    await issued(transactions, books, replace(SOME, valid_until=last), now)
    await voided(transactions, books, Range(1, 1, 1), now)
    asked = await propose_void(transactions, books, Range(1, 2, 3), now)
    other = await propose_void(transactions, books, Range(1, 4, 4), now)
    late = now + timedelta(days=1)
    with pytest.raises(VouchersExpired, match=f"{last:%d-%m-%Y}"):
        await propose_void(transactions, books, Range(1, 5, 5), late)
    with pytest.raises(VouchersExpired):
        await decide(transactions, books, asked, late)
    assert await balance(transactions) == {"1170": 55_000, "2140": -55_000}
    await decide(transactions, books, asked, late, approve=False)
    async with transactions.begin() as db:
        maker = await identity.officer_named(db, sample.OFFICER)
        await proposals.withdraw(db, maker, other, "lewat", now=late)


async def test_a_blank_reason_decides_and_withdraws_nothing(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    asked = await propose_issue(transactions, books, SOME, now)
    async with transactions.begin() as db:
        maker, checker = [
            await identity.officer_named(db, login) for login in (sample.OFFICER, sample.CHECKER)
        ]
        for approve in (True, False):
            told = {"approve": approve, "why": "  ", "now": now}
            with pytest.raises(InvalidRequest):
                await proposals.decide(db, checker, asked, books, **told)
        with pytest.raises(InvalidRequest):
            await proposals.withdraw(db, maker, asked, " ", now=now)
    assert await decide(transactions, books, asked, now) == 1


async def test_of_two_who_decide_at_once_one_does(
    transactions: Transactions, books: Books, now: datetime
) -> None:
    asked = await propose_issue(transactions, books, SOME, now)
    both = (decide(transactions, books, asked, now) for _ in range(2))
    told = await asyncio.gather(*both, return_exceptions=True)
    assert {type(one) for one in told} == {int, VoucherProposalDecided}
    assert await balance(transactions) == {"1170": 60_000, "2140": -60_000}
    asked = await propose_void(transactions, books, Range(1, 1, 4), now)
    both = (decide(transactions, books, asked, now) for _ in range(2))
    told = await asyncio.gather(*both, return_exceptions=True)
    assert {type(one) for one in told} == {int, VoucherProposalDecided}
    assert await balance(transactions) == {"1170": 40_000, "2140": -40_000}


async def test_the_proposal_says_what_the_seller_owes_before_and_after(
    transactions: Transactions, books: Books, now: datetime, api: httpx.AsyncClient
) -> None:
    ahead = now + timedelta(hours=1)  # by the clock of another server
    await issued(transactions, books, SOME, ahead)
    async with transactions.begin() as db:
        await ledger.record(
            db,
            postings.for_voucher_payment(52_500, SOME.seller),
            source="uji:1",
            description="slip",
            business_day=books.business_day(now),
            now=now,
        )
    asked = await propose_void(transactions, books, Range(1, 11, 12), now)
    await sign_in(api)
    assert "12" in told_of(await api.get("/office/vouchers/1"), "Sisa")
    assert "0001" in (await api.get("/office/vouchers")).text
    page = await api.get(f"/office/vouchers/proposals/{asked}")
    assert told_of(page, "Utang penjual sekarang (1170)") == "Rp7.500"
    after = told_of(page, "Utang penjual sesudah disetujui (1170)")
    assert after.startswith("-Rp2.500")
    assert "kantor berutang kepada penjual" in after
    await decide(transactions, books, asked, now)
    page = await api.get(f"/office/vouchers/proposals/{asked}")
    assert "Utang penjual sekarang" not in page.text


def told_of(page: httpx.Response, fact: str) -> str:
    found = re.search(rf"<dt>{re.escape(fact)}</dt><dd>(.*?)</dd>", page.text, re.DOTALL)
    assert found is not None, page.text
    return found[1]


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
        assert refused.json()["slug"] == slug
    assert (await api.get("/office/vouchers/99999999999")).status_code == 404
    async with transactions.begin() as db:
        with pytest.raises(SheetsTooMany):
            await voucher_stock.signed(db, Range(1, 1, 12), books, LAST, most=9)
        with pytest.raises(VouchersEnded):
            await voucher_stock.signed(db, Range(1, 1, 12), books, date(2099, 1, 1))
