"""What an accountant takes out of the ledger: balances of a day, statements, the journal as CSV."""

import asyncio
import csv
import io
from datetime import date, datetime

import pytest

from domain.shares import Shares
from server.database import Transactions
from server.ledger import postings, reports, service
from server.ledger.reports import AccountBalance, PartyBalance

FIRST, SECOND, THIRD = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23)
SHARES = Shares(700, "J-001", 100, "Karang Taruna")


@pytest.fixture
async def booked(transactions: Transactions, now: datetime) -> None:
    """Two days of QRIS and cash, and a deposit two days later."""
    facts = (
        (FIRST, "1", postings.for_payment(2000, "PSR", SHARES)),
        (SECOND, "2", postings.for_cash(4000, "PSR", "J-001")),
        (SECOND, "3", postings.for_cash(1000, "RSU", "J-002")),
        (THIRD, "4", postings.for_cash_deposit(3000, "J-001")),
    )
    async with transactions.begin() as db:
        for day, source, legs in facts:
            await service.record(
                db, legs, source=source, description=f"uji {source}", business_day=day, now=now
            )
            await asyncio.sleep(0.002)  # entries of one millisecond have no order among them


async def test_the_trial_balance_of_a_day_knows_nothing_of_later_days(
    transactions: Transactions, booked: None
) -> None:
    earned = {"4110.PSR": -2000, "5120": 800, "2120": -700, "2130": -100}
    expected: dict[date | None, dict[str, int]] = {
        date(2026, 11, 19): {},
        FIRST: {"1120": 2000, **earned},
        SECOND: {"1120": 2000, **earned, "1140": 5000, "4110.PSR": -6000, "4110.RSU": -1000},
        date(2026, 11, 22): {
            "1120": 2000, **earned, "1140": 5000, "4110.PSR": -6000, "4110.RSU": -1000
        },
        None: {
            "1120": 2000, **earned, "1140": 2000, "1150": 3000,
            "4110.PSR": -6000, "4110.RSU": -1000,
        },
    }  # fmt: skip
    async with transactions.begin() as db:
        for as_of, balances in expected.items():
            found = await reports.trial_balance(db, as_of)
            assert {line.code: line.balance_rp for line in found if line.balance_rp} == balances
            assert sum(line.balance_rp for line in found) == 0
            assert [line.code for line in found] == sorted(line.code for line in found)
        assert AccountBalance("1140", "Kas di tangan juru parkir", 2000) in found


async def test_each_party_has_a_balance_of_its_own(
    transactions: Transactions, booked: None, now: datetime
) -> None:
    async with transactions.begin() as db:
        held = await reports.party_balances(db, postings.CASH_HELD)
        assert held == [PartyBalance("J-001", 1000), PartyBalance("J-002", 1000)]
        assert await reports.owed_by(db, "J-001") == 1000
        assert await reports.owed_by(db, "J-003") == 0
        payable = await reports.party_balances(db, postings.ATTENDANT_PAYABLE)
        assert payable == [PartyBalance("J-001", -700)]
        assert await reports.party_balances(db, postings.BANK) == []
        await service.record(
            db,
            postings.for_cash_deposit(1000, "J-001"),
            source="5",
            description="uji",
            business_day=THIRD,
            now=now,
        )
        held = await reports.party_balances(db, postings.CASH_HELD)
        assert held == [PartyBalance("J-002", 1000)]


async def test_a_statement_leads_from_opening_to_closing(
    transactions: Transactions, booked: None
) -> None:
    async with transactions.begin() as db:
        told = await reports.statement(db, "1140", SECOND, THIRD)
        assert (told.code, told.name) == ("1140", "Kas di tangan juru parkir")
        assert (told.opening_rp, told.closing_rp) == (0, 2000)
        assert [
            (line.business_day, line.source, line.party, line.amount_rp, line.balance_rp)
            for line in told.lines
        ] == [
            (SECOND, "2", "J-001", 4000, 4000),
            (SECOND, "3", "J-002", 1000, 5000),
            (THIRD, "4", "J-001", -3000, 2000),
        ]
        later = await reports.statement(db, "1140", THIRD, THIRD, party="J-001")
        assert (later.opening_rp, later.closing_rp, later.party) == (4000, 1000, "J-001")
        assert [line.balance_rp for line in later.lines] == [1000]
        cut = await reports.statement(db, "1140", FIRST, THIRD, limit=1)
        assert (len(cut.lines), cut.closing_rp) == (1, 2000)
        quiet = await reports.statement(db, "1140", date(2026, 11, 22), date(2026, 11, 22))
        assert (quiet.opening_rp, quiet.lines, quiet.closing_rp) == (5000, [], 5000)
        with pytest.raises(reports.AccountNotFound, match="9999"):
            await reports.statement(db, "9999", FIRST, THIRD)


async def test_a_statement_as_csv_has_a_balance_on_every_line(
    transactions: Transactions, booked: None
) -> None:
    async with transactions.begin() as db:
        told = await reports.statement(db, "1140", SECOND, THIRD, party="J-001")
    rows = list(csv.reader(io.StringIO(reports.statement_csv(told)), delimiter=";"))
    assert rows[0] == [
        "\ufefftanggal", "entri", "sumber", "uraian", "pihak", "debit", "kredit",
        "saldo_debit", "saldo_kredit",
    ]  # fmt: skip
    (first, second) = (str(line.entry_id) for line in told.lines)
    assert rows[1:] == [
        ["2026-11-21", "", "", "Saldo awal", "J-001", "", "", "", ""],
        ["2026-11-21", first, "2", "uji 2", "J-001", "4000", "", "4000", ""],
        ["2026-11-23", second, "4", "uji 4", "J-001", "", "3000", "1000", ""],
        ["2026-11-23", "", "", "Saldo akhir", "J-001", "", "", "1000", ""],
    ]


async def test_the_journal_lists_every_leg_of_the_days_asked_for(
    transactions: Transactions, booked: None, now: datetime
) -> None:
    async with transactions.begin() as db:
        written = "".join([line async for line in reports.journal_csv(db, SECOND, THIRD)])
        lines = [line async for line in reports.journal(db, SECOND, SECOND)]
    assert written.startswith("\ufefftanggal;dicatat;entri;sumber;uraian;baris;akun;")
    rows = list(csv.DictReader(io.StringIO(written.removeprefix("\ufeff")), delimiter=";"))
    assert [
        tuple(
            row[name] for name in ("tanggal", "sumber", "baris", "akun", "pihak", "debit", "kredit")
        )
        for row in rows
    ] == [
        ("2026-11-21", "2", "1", "1140", "J-001", "4000", ""),
        ("2026-11-21", "2", "2", "4110.PSR", "", "", "4000"),
        ("2026-11-21", "3", "1", "1140", "J-002", "1000", ""),
        ("2026-11-21", "3", "2", "4110.RSU", "", "", "1000"),
        ("2026-11-23", "4", "1", "1150", "", "3000", ""),
        ("2026-11-23", "4", "2", "1140", "J-001", "", "3000"),
    ]
    assert rows[0]["nama_akun"] == "Kas di tangan juru parkir"
    assert datetime.fromisoformat(rows[0]["dicatat"]) == now
    assert written.count("\r\n") == written.count("\n") == 7
    assert [(line.line, line.account, line.amount_rp) for line in lines] == [
        (1, "1140", 4000), (2, "4110.PSR", -4000), (1, "1140", 1000), (2, "4110.RSU", -1000)
    ]  # fmt: skip


async def test_the_trial_balance_as_csv_has_debit_and_credit_apart(
    transactions: Transactions, booked: None
) -> None:
    async with transactions.begin() as db:
        written = reports.trial_balance_csv(await reports.trial_balance(db))
    assert written.startswith("\ufeffakun;nama_akun;debit;kredit\r\n1100;Kas daerah (RKUD);;\r\n")
    assert "\r\n1140;Kas di tangan juru parkir;2000;\r\n" in written
    assert "\r\n2120;Utang bagi hasil juru parkir;;700\r\n" in written


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+62", "'+62"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1+1", "'  =1+1"),
        (" \n+62", '"\' \n+62"'),
        ("\t=1", "'\t=1"),
        ("\r=1", '"\'\r=1"'),
        ("a=1", "a=1"),
        ('"; =1', '"""; =1"'),
        ("", ""),
        (None, ""),
        (0, "0"),
    ],
)
def test_no_cell_is_a_formula(cell: object, written: str) -> None:
    assert reports.csv_line([cell, "x"]) == f"{written};x\r\n"


def test_an_amount_stands_in_one_column() -> None:
    assert [reports.debit_credit(amount) for amount in (1, -1, 0)] == [
        (1, None),
        (None, 1),
        (None, None),
    ]
