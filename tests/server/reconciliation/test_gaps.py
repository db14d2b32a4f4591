"""A bank statement that does not follow the one before it."""

from datetime import date, timedelta
from itertools import permutations

import pytest
from sqlalchemy import select

from server import verify
from server.payments.models import OWNER
from server.reconciliation import daily, gaps, service, statements
from server.reconciliation.discrepancies import Resolution
from server.reconciliation.gaps import Told
from server.reconciliation.mappings import StatementMapping, parsed
from server.reconciliation.models import Discrepancy
from tests.server.reconciliation.test_discrepancies import Desk, desk
from tests.server.reconciliation.test_service import DAY, Office, office

__all__ = ["desk", "office"]

ACCOUNT = "0011223344"
GAP = ("statement-gap", f"{ACCOUNT}/{DAY + timedelta(days=2)}")


def statement(day: date, opening_rp: int, closing_rp: int) -> bytes:
    return (
        f":20:STM{day:%Y%m%d}\r\n:25:{ACCOUNT}\r\n:28C:1/1\r\n:60F:C{day:%y%m%d}IDR{opening_rp},00\r\n"
        f":61:{day:%y%m%d%m%d}C{closing_rp - opening_rp},00NTRFNONREF\r\n:86:SETORAN\r\n"
        f":62F:C{day:%y%m%d}IDR{closing_rp},00\r\n-\r\n"
    ).encode()


def table(*rows: tuple[str, int, int]) -> bytes:
    told = ["Rekening;Tanggal;Uraian;Referensi;Debet;Kredit;Saldo"]
    for day, amount_rp, balance_rp in rows:
        told.append(
            f"{ACCOUNT};{date.fromisoformat(day):%d/%m/%Y};SETORAN;R{amount_rp};;"
            f"{amount_rp},00;{balance_rp},00"
        )
    return "\n".join(told).encode()


A = statement(DAY, 0, 1000)
B = statement(DAY + timedelta(days=1), 1000, 7000)
C = statement(DAY + timedelta(days=2), 7000, 9000)


async def take_in(
    office: Office, content: bytes, mapping: StatementMapping = statements.BANK
) -> set[tuple[str, str]]:
    """What is missing once a statement is taken in as on the office's page."""
    async with office.transactions.begin() as db:
        imported = await service.import_statement(
            db, "statement", content, office.books, now=office.now, mapping=mapping
        )
    await daily.after_import(office.transactions, imported, office.books, now=office.now)
    return {one for one in await office.open() if one[0] == "statement-gap"}


async def test_a_statement_left_out_is_missed_until_it_is_taken_in(office: Office) -> None:
    assert await take_in(office, A) == set()
    assert await take_in(office, C) == {GAP}
    async with office.transactions.begin() as db:
        (row,) = await db.scalars(select(Discrepancy).where(Discrepancy.kind == "statement-gap"))
        assert (row.difference_rp, row.owner) == (6000, OWNER)
        assert row.details == {"ours_rp": 1000, "theirs_rp": 7000}
    await daily.every_night(office.transactions, office.books, now=office.now)
    assert GAP in await office.open()
    assert await take_in(office, B) == set()
    await daily.every_night(office.transactions, office.books, now=office.now)
    assert GAP not in await office.open()
    async with office.transactions.begin() as db:
        assert not any((await verify.broken(db)).values())


async def test_the_night_finds_what_no_import_compared(office: Office) -> None:
    for content in (C, A):
        await office.bank(content)
    assert GAP not in await office.open()
    await daily.every_night(office.transactions, office.books, now=office.now)
    assert GAP in await office.open()


@pytest.mark.parametrize("order", [(B, C, A), (A, B, C), (C, B, A)])
async def test_statements_come_in_any_order(office: Office, order: tuple[bytes, ...]) -> None:
    for content in order:
        missing = await take_in(office, content)
    assert missing == set()


async def test_a_table_that_overlaps_the_last_is_no_gap(office: Office) -> None:
    """The same day's movements stand in both, the first half of them alone in the earlier."""
    first = table(("2026-11-20", 1000, 1000), ("2026-11-21", 500, 1500))
    second = table(("2026-11-21", 500, 1500), ("2026-11-21", 700, 2200), ("2026-11-22", 100, 2300))
    assert await take_in(office, first) == set()
    assert await take_in(office, second) == set()


async def test_a_table_without_balances_tells_what_was_between(office: Office) -> None:
    told = statements.BANK.model_dump(exclude_defaults=True)
    del told["columns"]["balance"]
    mapping = parsed(StatementMapping, told)
    for content in (A, C):
        missing = await take_in(office, content)
    assert missing == {GAP}
    text = "Rekening;Tanggal;Uraian;Referensi;Debet;Kredit\n"
    for amount_rp, left in ((5900, {GAP}), (100, set[tuple[str, str]]())):
        text += (
            f"{ACCOUNT};{DAY + timedelta(days=1):%d/%m/%Y};SETORAN;R{amount_rp};;{amount_rp},00\n"
        )
        assert await take_in(office, text.encode(), mapping) == left


async def test_two_officers_explain_what_the_bank_says_is_no_gap(
    desk: Desk,
) -> None:
    for content in (A, C):
        await desk.bank(content)
    await desk.reconcile(DAY + timedelta(days=2))
    row = await desk.the("statement-gap")
    before = await desk.balances()
    await desk.resolve(row, Resolution.EXPLAINED)
    await desk.reconcile(DAY + timedelta(days=2))
    told = await desk.the("statement-gap")
    assert (told.state, told.outcome, told.entry_id) == ("closed", "explained", None)
    assert await desk.balances() == before
    async with desk.transactions.begin() as db:
        assert not any((await verify.broken(db)).values())


@pytest.mark.parametrize("later", [0, 1])
async def test_a_newest_first_table_that_fits_either_way_opens_no_gap(
    office: Office, later: int
) -> None:
    """In and out again: read upwards the account would begin with what it never held."""
    day = DAY + timedelta(days=2)
    assert await take_in(office, A) == set()
    table = ["Rekening;Tanggal;Uraian;Referensi;Debet;Kredit;Saldo"]
    table.append(f"{ACCOUNT};{day + timedelta(days=later):%d/%m/%Y};SWEEP;R2;500,00;;1000,00")
    table.append(f"{ACCOUNT};{day:%d/%m/%Y};SETORAN;R1;;500,00;1500,00")
    assert await take_in(office, "\n".join(table).encode()) == set()
    assert await take_in(office, statement(day + timedelta(days=2), 1000, 3000)) == set()


async def test_an_opening_may_be_dated_by_the_day_before(office: Office) -> None:
    def dated(content: bytes, day: date) -> bytes:
        return content.replace(
            b":60F:C" + f"{day:%y%m%d}".encode(), f":60F:C{day - timedelta(days=1):%y%m%d}".encode()
        )

    first, second, third = (
        dated(each, DAY + timedelta(days=n)) for n, each in enumerate((A, B, C))
    )
    assert await take_in(office, first) == set()
    assert len(await take_in(office, third)) == 1
    assert await take_in(office, second) == set()


def told(first: int, last: int, opening_rp: int, closing_rp: int) -> Told:
    day = date(2026, 11, 1)
    opened, closed = day + timedelta(days=first), day + timedelta(days=last)
    return Told(opened, opening_rp, closed, closing_rp, ACCOUNT)


@pytest.mark.parametrize(
    ("statements", "missing"),
    [
        ([told(1, 1, 5, 9)], []),
        ([told(0, 1, 0, 9), told(1, 2, 9, 12)], []),
        ([told(1, 1, 0, 9), told(1, 1, 9, 12), told(2, 2, 12, 15)], []),
        ([told(1, 1, 0, 9), told(1, 1, 0, 12), told(2, 2, 12, 15)], []),
        ([told(1, 7, 0, 9), told(3, 4, 2, 5), told(8, 8, 9, 11)], []),
        ([told(1, 7, 0, 9), told(5, 9, 4, 12), told(10, 10, 12, 15)], []),
        ([told(1, 1, 0, 9), told(2, 2, 11, 12)], [2]),
        ([told(1, 1, 0, 9), told(3, 3, 11, 12), told(5, 5, 11, 20)], [2, -1]),
        ([told(1, 7, 0, 9), told(3, 4, 2, 5), told(8, 8, 5, 11)], [-4]),
    ],
)
def test_only_what_does_not_follow_is_a_gap(statements: list[Told], missing: list[int]) -> None:
    for order in permutations(statements):
        found = [gap.difference.difference_rp for gap in gaps.between(order)]
        assert found == missing
