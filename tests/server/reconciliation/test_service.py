"""A business day against real files on a real database: imported, compared, at last at zero."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.business_days import BusinessDays
from domain.mdr import MdrRule, MerchantCriteria
from domain.payment import CaseOutcome
from server import verify
from server.database import Transactions
from server.errors import FileRefused
from server.identity.models import Officer
from server.ledger import postings, reports
from server.ledger import service as ledger
from server.ledger.models import Entry
from server.payments import proposals
from server.payments.books import Books
from server.payments.models import OWNER, Case
from server.reconciliation import rules, service
from server.reconciliation.matching import How, Tolerances
from server.reconciliation.models import (
    Discrepancy,
    ImportedFile,
    SettlementLine,
    StatementLine,
)
from server.reconciliation.service import Imported, Report
from server.sample import CHECKER, OFFICER
from tests.server.booking import all_due, book
from tests.server.reconciliation.test_files import BAD_SETTLEMENTS, BAD_STATEMENTS, FIXTURES

DAY = date(2026, 11, 21)
CSV = (FIXTURES / "clean.csv").read_bytes()
STATEMENT = (FIXTURES / "clean.sta").read_bytes()


class Office:
    """What the revenue office does, each step in a transaction of its own."""

    def __init__(self, transactions: Transactions, books: Books, now: datetime) -> None:
        self.transactions, self.books, self.now = transactions, books, now

    async def book(self, booked: list[dict[str, Any]]) -> None:
        async with self.transactions.begin() as db:
            for line in booked:
                paid_at = datetime.fromisoformat(line["paid_at"])
                await book(db, self.books, **{**line, "paid_at": paid_at})

    async def settle(
        self, content: bytes, name: str = "settlement.csv", acquirer: str = "sandbox"
    ) -> Imported:
        async with self.transactions.begin() as db:
            return await service.import_settlement(
                db, acquirer, name, content, self.books, now=self.now
            )

    async def bank(self, content: bytes, name: str = "statement.sta") -> Imported:
        async with self.transactions.begin() as db:
            return await service.import_statement(db, name, content, self.books, now=self.now)

    async def reconcile(self, day: date = DAY, now: datetime | None = None) -> Report:
        """Once everything is due, unless `now` is given."""
        async with self.transactions.begin() as db:
            return await service.reconcile(db, day, self.books, now=now or all_due(day))

    async def balances(self) -> dict[str, int]:
        """Every account that is not empty, but for the shares, which settling leaves alone."""
        shares = {postings.SHARE_EXPENSE, postings.ATTENDANT_PAYABLE, postings.THIRD_PARTY_PAYABLE}
        async with self.transactions.begin() as db:
            accounts = await reports.trial_balance(db)
        return {a.code: a.balance_rp for a in accounts if a.balance_rp and a.code not in shares}

    async def recognise(self) -> None:
        await recognise(self.transactions, self.books, self.now)

    async def open(self) -> set[tuple[str, str]]:
        async with self.transactions.begin() as db:
            rows = await db.scalars(select(Discrepancy).where(Discrepancy.state == "open"))
            return {(row.kind, row.subject) for row in rows}


async def recognise(transactions: Transactions, books: Books, now: datetime) -> None:
    """Two officers decide every open case: the lines are earnings of PSR, or costs."""
    async with transactions.begin() as db:
        maker, checker = await db.scalars(
            select(Officer.id).where(Officer.login.in_((OFFICER, CHECKER))).order_by(Officer.id)
        )
        for case_id in await db.scalars(select(Case.id).where(Case.state == "open")):
            outcome = CaseOutcome.RECOGNISED
            await proposals.propose(db, maker, case_id, outcome, "PSR", "uji", now=now)
            await proposals.decide(db, checker, case_id, books, accept=True, why="", now=now)


@pytest.fixture
def office(transactions: Transactions, books: Books, now: datetime) -> Office:
    """Of a merchant that pays no fee, so that the tests' lines may leave it out."""
    return Office(transactions, replace(books, merchant_criteria=MerchantCriteria.P2G), now)


async def count(db: AsyncSession) -> list[int]:
    tables = (ImportedFile, SettlementLine, StatementLine, Entry)
    return [int(await db.scalar(select(func.count()).select_from(t)) or 0) for t in tables]


def line(
    number: int,
    paid_at: str,
    *,
    batch: str = "BCH-A1",
    gross_rp: int = 2000,
    mdr_rp: int = 0,
    **rest: str,
) -> str:
    values = {"settlement_date": paid_at[:10], "rrn": f"{number:012d}", "currency": "IDR", **rest}
    return (
        f"{batch},{values['settlement_date']},{paid_at},kami-{number},ACQ-{number},{values['rrn']},"
        f"Bank,{gross_rp},{mdr_rp},{gross_rp - mdr_rp},{values['currency']},PAYMENT\n"
    )


def settlement(*lines: str) -> bytes:
    return (CSV.decode().splitlines()[0] + "\n" + "".join(lines)).encode()


def statement(day: date, *paid_in: tuple[int, str], reference: str = "") -> bytes:
    rows = [f":20:{reference or f'STM{day:%Y%m%d}'}", ":25:0011223344", ":28C:1/1"]
    rows += [f":60F:C{day:%y%m%d}IDR0,00"]
    for amount_rp, narrative in paid_in:
        rows += [f":61:{day:%y%m%d%m%d}C{amount_rp},00NTRFNONREF", f":86:{narrative}"]
    rows += [f":62F:C{day:%y%m%d}IDR{sum(c[0] for c in paid_in)},00", "-"]
    return "".join(f"{row}\r\n" for row in rows).encode()


async def test_a_day_that_ends_in_the_evening_is_booked_and_settled_by_its_own_hours(
    office: Office,
) -> None:
    days = BusinessDays.read("22.00", office.books.timezone)
    office.books = replace(office.books, business_days=days)
    evening, late = f"{DAY}T21:59:59+07:00", f"{DAY}T22:00:00+07:00"
    told = [("kami-1", "ACQ-1", evening), ("kami-2", "ACQ-2", late)]
    await office.book(
        [
            {"reference": ours, "acquirer_reference": theirs, "rrn": f"{number:012d}",
             "amount_rp": 2000, "paid_at": paid_at}
            for number, (ours, theirs, paid_at) in enumerate(told, 1)
        ]
    )  # fmt: skip
    await office.settle(settlement(line(1, evening), line(2, late)))
    for day, booked in ((DAY, ["kami-1"]), (DAY + timedelta(days=1), ["kami-2"])):
        report = await office.reconcile(day)
        assert [m.booked.reference for m in report.matched] == booked
        assert (report.collected_rp, report.gross_rp) == (2000, 2000)
        assert {d.kind.value for d in report.differences} <= {"payout-missing"}


def booked(number: int, paid_at: str, amount_rp: int = 2000) -> dict[str, Any]:
    return {
        "reference": f"kami-{number}",
        "acquirer_reference": f"ACQ-{number}",
        "rrn": f"{number:012d}",
        "amount_rp": amount_rp,
        "paid_at": paid_at,
    }


@pytest.mark.parametrize("name", ["clean", "troubled"])
async def test_a_day_reconciles_as_its_golden_file_says(
    office: Office, books: Books, name: str
) -> None:
    office.books = books
    golden = json.loads((FIXTURES / f"{name}.json").read_text())
    await office.book(golden["booked"])
    await office.settle((FIXTURES / f"{name}.csv").read_bytes())
    await office.bank((FIXTURES / f"{name}.sta").read_bytes())
    told = (await office.reconcile(date.fromisoformat(golden["day"]))).to_json()
    assert all(difference.pop("action")["indonesian"] for difference in told["differences"])
    assert told["differences"] == golden["differences"]
    assert {key: told[key] for key in golden["totals"]} == golden["totals"]
    matched = sorted(m["settled"]["acquirer_reference"] for m in told["matched"])
    assert matched == golden["matched"]
    assert await office.open() == {(d["kind"], d["subject"]) for d in golden["differences"]}
    async with office.transactions.begin() as db:
        assert not any((await verify.broken(db)).values())


async def test_receivable_and_transit_close_to_zero(office: Office) -> None:
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    assert await office.balances() == {postings.RECEIVABLE: 18_000, "4110.PSR": -18_000}
    await office.settle(CSV)
    assert await office.balances() == {
        postings.IN_TRANSIT: 17_874,
        postings.MDR_EXPENSE: 126,
        "4110.PSR": -18_000,
    }
    await office.bank(STATEMENT)
    assert await office.balances() == {
        postings.BANK: 17_874,
        postings.MDR_EXPENSE: 126,
        "4110.PSR": -18_000,
    }


BAD = [
    *((f"settlement: {name}", "settle", bad) for name, (bad, _) in BAD_SETTLEMENTS.items()),
    *((f"statement: {name}", "bank", bad) for name, (bad, _) in BAD_STATEMENTS.items()),
]


async def test_nothing_of_a_bad_file_is_stored(office: Office) -> None:
    await office.settle(CSV)
    async with office.transactions.begin() as db:
        before = await count(db)
    for name, step, content in BAD:
        with pytest.raises(FileRefused):
            await getattr(office, step)(content, name)
    async with office.transactions.begin() as db:
        assert await count(db) == before


@pytest.mark.parametrize(("step", "content", "lines"), [("settle", CSV, 4), ("bank", STATEMENT, 2)])
async def test_the_same_file_again_changes_nothing(
    office: Office, step: str, content: bytes, lines: int
) -> None:
    take_in: Callable[..., Any] = getattr(office, step)
    assert await take_in(content) == Imported(lines, 17_874, known=0)
    async with office.transactions.begin() as db:
        before = await count(db)
    assert await take_in(content, "other-name") == Imported(0, 0, known=lines)
    assert await take_in(content + b"\n") == Imported(0, 0, known=lines)
    async with office.transactions.begin() as db:
        after = await count(db)
    assert after == [before[0] + 1, *before[1:]]  # the longer file is kept, its lines are not new


async def test_a_longer_file_adds_only_what_is_new(office: Office) -> None:
    first, second, third = (line(n, f"2026-11-21T0{n}:00:00+07:00") for n in (1, 2, 3))
    assert await office.settle(settlement(first)) == Imported(1, 2000, known=0)
    assert await office.settle(settlement(third, first, second)) == Imported(2, 4000, known=1)
    payouts = [(2000, "BATCH BCH-A1"), (4000, "BATCH BCH-A1")]
    assert await office.bank(statement(DAY, payouts[0])) == Imported(1, 2000, known=0)
    assert await office.bank(statement(DAY, *payouts)) == Imported(1, 4000, known=1)
    shorter = statement(DAY, payouts[0]) + b"\n"
    assert await office.bank(shorter) == Imported(0, 0, known=1)
    assert await office.balances() == {postings.BANK: 6000, postings.SUSPENSE: -6000}


@pytest.mark.parametrize(
    "changed",
    [{"gross_rp": 3000}, {"mdr_rp": 6}, {"batch": "BCH-A2"}],
    ids=["amount", "fee", "batch"],
)
async def test_a_line_that_says_otherwise_than_before_is_refused(
    office: Office, changed: dict[str, Any]
) -> None:
    at = "2026-11-21T08:00:00+07:00"
    await office.settle(settlement(line(1, at)))
    with pytest.raises(FileRefused, match="line 3: settled otherwise"):
        await office.settle(settlement(line(2, at), line(1, at, **changed)))
    await office.bank(statement(DAY, (2000, "BATCH BCH-A1")))
    with pytest.raises(FileRefused, match="movement 1: told otherwise"):
        await office.bank(statement(DAY, (2001, "BATCH BCH-A1")))
    assert await office.balances() == {postings.BANK: 2000, postings.SUSPENSE: -2000}


async def test_movements_that_name_no_batch_wait_in_suspense(office: Office) -> None:
    troubled = (FIXTURES / "troubled.sta").read_bytes()
    await office.bank(troubled)
    assert await office.balances() == {postings.BANK: 33_675, postings.SUSPENSE: -33_675}
    await office.book(json.loads((FIXTURES / "troubled.json").read_text())["booked"])
    await office.settle((FIXTURES / "troubled.csv").read_bytes())
    later = await office.balances()
    assert later[postings.BANK] == 33_675
    assert later[postings.IN_TRANSIT] == 37 + 3972  # batch 2 short, batch 3 not paid out
    assert later[postings.SUSPENSE] == -(12_345 - 2500) - 7000  # and ACQ-6 again, and ACQ-8
    assert later[postings.RECEIVABLE] == 2000 + 1000  # ACQ-5 not settled, ACQ-4 for less
    async with office.transactions.begin() as db:
        assert not any((await verify.broken(db)).values())


async def test_a_fee_is_held_against_the_rule_of_the_day_of_payment(office: Office) -> None:
    office.books = replace(office.books, merchant_criteria=MerchantCriteria.PSO)
    before, since = date(2025, 3, 13), date(2025, 3, 14)
    for number, day, at in ((1, before, "T23:59:59+07:00"), (2, since, "T00:00:00+07:00")):
        await office.settle(
            settlement(line(number, f"{day}{at}", mdr_rp=8, batch=f"BCH-A{number}")), f"{day}"
        )
    assert await differing_fees(office, before) == []
    assert await differing_fees(office, since) == [("ACQ-2/000000000002", -8)]
    rule = MdrRule(MerchantCriteria.P2G, since, None, 0, 40)
    async with office.transactions.begin() as db:
        await ledger.add_mdr_rule(db, rule, "uji")
    office.books = replace(office.books, merchant_criteria=MerchantCriteria.P2G)
    assert await differing_fees(office, before) == [("ACQ-1/000000000001", -8)]
    assert await differing_fees(office, since) == []


async def test_a_fee_of_an_evening_goes_by_the_calendar_where_days_end_early(
    office: Office,
) -> None:
    before, since = date(2025, 3, 13), date(2025, 3, 14)
    office.books = replace(
        office.books,
        merchant_criteria=MerchantCriteria.PSO,
        business_days=BusinessDays.read("22.00", office.books.timezone),
    )
    for number, at in ((1, f"{before}T22:30:00+07:00"), (2, f"{since}T08:00:00+07:00")):
        lines = settlement(line(number, at, mdr_rp=8, batch=f"BCH-A{number}"))
        await office.settle(lines, f"{number}")
    assert await differing_fees(office, since) == [("ACQ-2/000000000002", -8)]


async def differing_fees(office: Office, day: date) -> list[tuple[str, int]]:
    report = await office.reconcile(day)
    return [(d.subject, d.difference_rp) for d in report.differences if d.kind == "mdr-differs"]


async def test_the_fee_on_a_refund_is_not_judged(office: Office, books: Books) -> None:
    office.books = books
    at = "2026-11-21T08:00:00+07:00"
    await office.settle(settlement(line(1, at, gross_rp=-2000), line(2, at, gross_rp=0)))
    assert await differing_fees(office, DAY) == []


async def test_which_of_settlement_and_statement_comes_first_does_not_matter(
    office: Office, books: Books
) -> None:
    office.books = books
    await office.book(json.loads((FIXTURES / "clean.json").read_text())["booked"])
    await office.bank(STATEMENT)
    await office.settle(CSV)
    assert await office.balances() == {
        postings.BANK: 17_874,
        postings.MDR_EXPENSE: 126,
        "4110.PSR": -18_000,
    }
    await office.reconcile()
    assert await office.open() == set()


async def test_a_batch_of_refunds_is_taken_from_the_account(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    await office.settle(settlement(line(1, at, gross_rp=-2000, rrn="RFD1")))
    content = statement(DAY, (2000, "BATCH BCH-A1")).replace(b"C2000", b"D2000")
    await office.bank(
        content.replace(b"IDR2000", b"IDR-2000").replace(b"C261121IDR-", b"D261121IDR")
    )
    assert await office.balances() == {postings.BANK: -2000, postings.SUSPENSE: 2000}


async def test_money_recorded_after_its_settlement_leaves_suspense_once(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    await office.book([booked(1, at)])
    await office.settle(settlement(line(1, at), line(2, at, mdr_rp=6), line(3, at)))
    assert await office.balances() == {
        postings.IN_TRANSIT: 5994,
        postings.MDR_EXPENSE: 6,
        postings.SUSPENSE: -4000,
        "4110.PSR": -2000,
    }
    await office.reconcile()
    await office.book([{**booked(2, at), "rrn": None}])
    for _ in range(2):
        await office.reconcile()
        assert await office.balances() == {
            postings.IN_TRANSIT: 5994,
            postings.MDR_EXPENSE: 6,
            postings.SUSPENSE: -2000,
            "4110.PSR": -4000,
        }
        async with office.transactions.begin() as db:
            assert not any((await verify.broken(db)).values())
    assert ("not-booked", "ACQ-3/000000000003") in await office.open()


async def test_one_arrival_of_money_is_settled_by_one_line(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    await office.book([{**booked(1, at), "rrn": None}])
    await office.settle(settlement(line(1, at, rrn="100000000002")))
    await office.settle(settlement(line(1, at, rrn="100000000001")))
    for _ in range(2):
        balances = await office.balances()
        assert postings.RECEIVABLE not in balances
        assert balances[postings.SUSPENSE] == -2000
        await office.reconcile()


async def test_a_bank_may_repeat_its_reference_every_day(office: Office) -> None:
    for day in (DAY, DAY + timedelta(days=1)):
        content = statement(day, (2000, "SETORAN"), reference="STARTUMS")
        assert await office.bank(content) == Imported(1, 2000, known=0)


@pytest.mark.parametrize(
    "told", [("251121", "SETORAN"), ("261121", "TARIKAN")], ids=["day", "narrative"]
)
async def test_a_movement_that_says_otherwise_than_before_is_refused(
    office: Office, told: tuple[str, str]
) -> None:
    content = statement(DAY, (2000, "SETORAN"))
    await office.bank(content)
    changed = content.replace(b":61:261121", f":61:{told[0]}".encode())
    with pytest.raises(FileRefused, match="movement 1: told otherwise"):
        await office.bank(changed.replace(b"SETORAN", told[1].encode()))


async def test_overlapping_files_may_be_taken_in_at_the_same_time(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    both = await asyncio.gather(
        office.settle(settlement(line(1, at), line(2, at))),
        office.settle(settlement(line(1, at), line(3, at))),
        office.bank(statement(DAY, (2000, "SETORAN"))),
        office.bank(statement(DAY, (2000, "SETORAN"), (4000, "SETORAN"))),
    )
    assert sum(done.lines for done in both) == 5


async def test_a_batch_whose_refund_cancels_its_payment_is_taken_in(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    refund = line(1, at, gross_rp=-2000, rrn="RFD1")
    assert await office.settle(settlement(line(1, at), refund)) == Imported(2, 0, known=0)
    assert await office.balances() == {}


async def test_a_fee_without_a_payment_is_a_fee_that_differs(office: Office) -> None:
    """Nothing came that we could have booked, and no rule asks for a fee on nothing."""
    at = "2026-11-21T08:00:00+07:00"
    await office.book([booked(1, at)])
    await office.settle(settlement(line(1, at), line(2, at, gross_rp=0, mdr_rp=500, rrn="")))
    await office.bank(statement(DAY, (1500, "BATCH BCH-A1")))
    assert await office.balances() == {
        postings.BANK: 1500,
        postings.MDR_EXPENSE: 500,
        "4110.PSR": -2000,
    }
    await office.reconcile()
    assert await office.open() == {("mdr-differs", "ACQ-2/-")}
    assert await differing_fees(office, DAY) == [("ACQ-2/-", -500)]


async def test_a_refund_may_be_settled_under_the_rrn_of_its_payment(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    payment, refund = line(1, at), line(1, at, gross_rp=-2000)
    assert await office.settle(settlement(payment, refund)) == Imported(2, 0, known=0)
    assert await office.settle(settlement(refund, payment)) == Imported(0, 0, known=2)
    with pytest.raises(FileRefused, match="line 3: the same payment stands twice"):
        await office.settle(settlement(refund, refund))


async def test_a_discrepancy_has_an_owner_and_closes_when_it_is_explained(office: Office) -> None:
    at = "2026-11-21T08:00:00+07:00"
    await office.book([booked(1, at), booked(2, at)])
    await office.reconcile()
    assert await office.open() == {("file-missing", f"sandbox/{DAY}")}
    await office.settle(settlement(line(1, at)))
    await office.reconcile()
    assert await office.open() == {
        ("not-settled", "ACQ-2/000000000002"),
        ("payout-missing", "BCH-A1"),
    }
    await office.settle(settlement(line(2, at)))
    await office.bank(statement(DAY, (3000, "BATCH BCH-A1")))
    await office.reconcile()
    assert await office.open() == {("payout-differs", "BCH-A1")}
    await office.bank(statement(DAY, (3000, "BATCH BCH-A1"), (500, "BATCH BCH-A1")))
    await office.reconcile()
    async with office.transactions.begin() as db:
        rows = (await db.scalars(select(Discrepancy).order_by(Discrepancy.state.desc()))).all()
    assert [row.state for row in rows] == ["open", "closed", "closed", "closed"]
    assert rows[0].owner == OWNER
    assert (rows[0].difference_rp, rows[0].details) == (-500, {"ours_rp": 4000, "theirs_rp": 3500})
    await office.bank(
        statement(DAY, (3000, "BATCH BCH-A1"), (500, "BATCH BCH-A1"), (500, "BATCH BCH-A1"))
    )
    assert (await office.reconcile()).differences == ()
    assert await office.open() == set()


async def test_days_are_told_apart_at_the_regencys_midnight(office: Office) -> None:
    before, after = "2026-11-21T23:59:59+07:00", "2026-11-22T00:00:00+07:00"
    # The bank's file may well write the same moments in another zone.
    before_utc, after_utc = "2026-11-21T16:59:59+00:00", "2026-11-21T17:00:00+00:00"
    await office.book([booked(1, before), booked(2, after, 4000)])
    await office.settle(settlement(line(1, before_utc), line(2, after_utc, gross_rp=4000)))
    for day, amount_rp in ((DAY, 2000), (DAY + timedelta(days=1), 4000)):
        report = await office.reconcile(day)
        assert (report.collected_rp, report.gross_rp, len(report.matched)) == (
            amount_rp,
            amount_rp,
            1,
        )


async def test_a_payout_of_the_next_day_belongs_to_the_day_it_pays_out(office: Office) -> None:
    """The usual case: what is paid today is on the bank account tomorrow."""
    at, tomorrow = "2026-11-21T08:00:00+07:00", DAY + timedelta(days=1)
    await office.book([booked(1, at), booked(2, "2026-11-22T08:00:00+07:00")])
    await office.settle(settlement(line(1, at)))
    await office.settle(settlement(line(2, "2026-11-22T08:00:00+07:00", batch="BCH-A10")))
    await office.bank(
        statement(tomorrow, (2000, "BATCH BCH-A1"), (2000, "BATCH BCH-A10"), (7, "LAIN"))
    )
    assert (await office.reconcile()).differences == ()
    (unknown,) = (await office.reconcile(tomorrow)).differences
    assert (unknown.kind, unknown.difference_rp) == ("unknown-movement", 7)


async def test_one_credit_pays_the_batches_of_two_days_that_it_names(office: Office) -> None:
    at, tomorrow = "2026-11-21T08:00:00+07:00", DAY + timedelta(days=1)
    await office.book([booked(1, at), booked(2, "2026-11-22T08:00:00+07:00", 4000)])
    second = line(2, "2026-11-22T08:00:00+07:00", gross_rp=4000, batch="BCH-A10")
    await office.settle(settlement(line(1, at), second))
    await office.bank(statement(tomorrow, (6000, "BATCH BCH-A10 DAN BCH-A1")))
    for day in (DAY, tomorrow):
        report = await office.reconcile(day)
        assert report.differences == ()
        assert {paid.how for paid in report.paid} == {How.MERGED}
        assert report.bank_rp == report.net_rp
    assert await office.open() == set()


async def test_tolerances_are_those_of_the_rule_in_force_on_the_day(
    office: Office, books: Books
) -> None:
    office.books = replace(books, merchant_criteria=MerchantCriteria.URE)  # 0.7 %
    at, tomorrow = "2026-11-21T08:00:00+07:00", "2026-11-22T08:00:00+07:00"
    await office.book([booked(1, at, 1_000_000), booked(2, tomorrow, 1_000_000)])
    for n, paid_at in ((1, at), (2, tomorrow)):
        await office.settle(settlement(line(n, paid_at, gross_rp=1_000_000, mdr_rp=7001)))
    async with office.transactions.begin() as db:
        starts = DAY + timedelta(days=1)
        rule = Tolerances(fee_rounding_rp=1)
        assert await rules.add(db, rule, valid_from=starts, regulation="uji")
        assert not await rules.add(db, rule, valid_from=starts, regulation="uji")
    for day, found in ((DAY, {"mdr-differs"}), (starts, set())):
        kinds = {d.kind for d in (await office.reconcile(day)).differences}
        assert kinds - {"payout-missing"} == found


async def test_a_batch_across_midnight_is_compared_whole_on_both_days(office: Office) -> None:
    evening, night = "2026-11-21T22:00:00+07:00", "2026-11-22T03:00:00+07:00"
    tomorrow = DAY + timedelta(days=1)
    await office.book([booked(1, evening), booked(2, night, 4000)])
    cut_off = {"settlement_date": tomorrow.isoformat()}
    await office.settle(
        settlement(line(1, evening, **cut_off), line(2, night, gross_rp=4000, **cut_off))
    )
    for day in (DAY, tomorrow):
        await office.reconcile(day)
    assert await office.open() == {("payout-missing", "BCH-A1")}
    await office.bank(statement(tomorrow, (6000, "BATCH BCH-A1")))
    assert (await office.reconcile(tomorrow)).differences == ()
    assert await office.open() == set()  # though the day before had found it
    assert (await office.reconcile()).differences == ()


@pytest.mark.parametrize(("heard", "settled"), [(1, 0), (0, 1)], ids=["after", "before"])
async def test_money_without_a_time_may_be_settled_across_midnight(
    office: Office, heard: int, settled: int
) -> None:
    """Heard just after midnight, and paid, as the file tells, just before."""
    days, night = (DAY, DAY + timedelta(days=1)), "T23:59:59+07:00"
    await office.book(
        [booked(1, f"{days[heard]}{night}"), {**booked(2, f"{days[heard]}{night}"), "rrn": None}]
    )
    for day in days:
        await office.reconcile(day)
    assert {kind for kind, _ in await office.open()} == {"file-missing"}
    lines = settlement(*(line(n, f"{days[settled]}{night}") for n in (1, 2)))
    await office.settle(lines)
    await office.bank(statement(days[1], (4000, "BATCH BCH-A1")))
    for day in days:
        report = await office.reconcile(day)
        assert report.differences == ()
        assert [m.across_midnight for m in report.matched] == [True, True]
    assert await office.open() == set()


async def test_days_farther_apart_or_other_amounts_are_never_the_same_money(
    office: Office,
) -> None:
    after = DAY + timedelta(days=2)
    await office.book([booked(1, f"{after}T00:01:00+07:00"), booked(2, f"{DAY}T23:00:00+07:00")])
    told = [line(1, f"{DAY}T23:59:59+07:00"), line(2, "2026-11-22T00:01:00+07:00", gross_rp=2001)]
    await office.settle(settlement(*told))
    for day in (DAY, DAY + timedelta(days=1), after):
        assert (await office.reconcile(day)).matched == ()
    assert {kind for kind, _ in await office.open()} >= {"not-settled", "not-booked"}


async def test_a_regencys_busiest_day_fits(office: Office) -> None:
    """More lines than one statement may have parameters, and a difference for each of them."""
    lines = 33_000
    at = "2026-11-21T08:00:00+07:00"
    await office.settle(settlement(line(0, at)))
    async with office.transactions.begin() as db:
        await db.execute(
            text(
                "INSERT INTO settlement_lines SELECT gen_random_uuid(), file_id, n + 2, acquirer,"
                " batch_id, settlement_date, paid_at, 'kami-' || n, 'ACQ-' || n,"
                " lpad(n::text, 12, '0'), 2000, 0, 2000"
                f" FROM settlement_lines, generate_series(1, {lines - 1}) AS n"
            )
        )
    content = settlement(*(line(number, at) for number in range(lines + 1)))
    assert await office.settle(content) == Imported(1, 2000, known=lines)
    report = await office.reconcile()
    assert len(report.differences) == lines + 2  # and the payout
    async with office.transactions.begin() as db:
        assert await db.scalar(select(func.count()).select_from(Discrepancy)) == lines + 2


def test_the_fixtures_say_what_each_of_them_is() -> None:
    told = (FIXTURES / "README.md").read_text()
    for file in FIXTURES.glob("*.[cs]*"):
        assert f"`{file.name}`" in told


async def test_two_acquirers_may_give_the_same_reference_on_one_day(office: Office) -> None:
    """Each file settles the money of its own acquirer, where neither tells an RRN."""
    at, names = f"{DAY}T08:00:00+07:00", ("sandbox", "bank-lain")
    told = {"acquirer_reference": "ACQ-1", "rrn": None, "paid_at": at, "amount_rp": 4000}
    await office.book([{**told, "reference": f"kami-{name}", "acquirer": name} for name in names])
    await office.bank(statement(DAY, (4000, "BATCH BCH-SANDBOX"), (4000, "BATCH BCH-BANK-LAIN")))
    for number, name in enumerate(names, 1):
        file = settlement(line(1, at, batch=f"BCH-{name.upper()}", gross_rp=4000, rrn=""))
        assert (await office.settle(file, f"{name}.csv", name)).lines == 1
        report = await office.reconcile()
        pairs = {(m.booked.acquirer, m.settled.acquirer) for m in report.matched}
        assert pairs == {(each, each) for each in names[:number]}
    assert report.differences == ()


async def test_two_acquirers_without_a_line_have_a_difference_each(
    office: Office, transactions: Transactions
) -> None:
    """And what comes for the one closes its own, and not the other's."""
    at, names = f"{DAY}T08:00:00+07:00", ("bank-lain", "sandbox")
    told = {"acquirer_reference": "ACQ-1", "rrn": None, "paid_at": at}
    await office.book(
        [
            {**told, "reference": f"kami-{name}", "acquirer": name, "amount_rp": amount_rp}
            for name, amount_rp in zip(names, (4000, 3000), strict=True)
        ]
    )
    for number, name in enumerate(names, 8):  # each told of the day, but not of this
        await office.settle(settlement(line(number, at, gross_rp=0)), f"{name}.csv", name)
    rows = select(Discrepancy.acquirer, Discrepancy.difference_rp, Discrepancy.state)
    of_lines = rows.where(Discrepancy.kind == "not-settled").order_by(Discrepancy.acquirer)
    for states in (("open", "open"), ("closed", "open")):
        await office.reconcile()
        async with transactions.begin() as db:
            found = [tuple(row) for row in await db.execute(of_lines)]
        assert found == [("bank-lain", -4000, states[0]), ("sandbox", -3000, states[1])]
        file = settlement(line(1, at, batch="BCH-A1", gross_rp=4000, rrn=""))
        await office.settle(file, "s.csv", "bank-lain")
