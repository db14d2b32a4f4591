"""Deposits of attendants' cash: never more than is owed, never twice, found on the statement."""

import asyncio
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text

from domain.business_days import BusinessDays
from server import verify
from server.announcements import Announcer
from server.database import Transactions, new_id
from server.errors import InvalidRequest
from server.identity import service as identity
from server.identity.service import AttendantNotFound
from server.ledger import reports
from server.ledger.models import Entry
from server.payments.books import Books
from server.payments.models import Case
from server.reconciliation import deposits, service
from server.reconciliation.deposits import (
    Deposit,
    DepositExceedsOwed,
    DepositKnown,
    SlipUnfit,
)
from server.reconciliation.models import CashDeposit
from tests.server.booking import all_due, take_cash
from tests.server.payments.test_upgrades import again
from tests.server.reconciliation import closes
from tests.server.reconciliation.test_service import line, recognise, settlement, statement

SLIP = "SLIP-000123"


class Office:
    """An office whose attendant J-001 has taken Rp8.000 in cash."""

    def __init__(
        self, transactions: Transactions, announcer: Announcer, books: Books, now: datetime
    ) -> None:
        self.transactions, self.announcer = transactions, announcer
        self.books, self.now = books, now
        self.day = books.day(now)

    def slip(self, amount_rp: int = 5000, **changes: Any) -> Deposit:
        return replace(Deposit(new_id(), "J-001", amount_rp, SLIP, self.day), **changes)

    async def deposit(self, deposit: Deposit) -> None:
        async with self.transactions.begin() as db:
            officer_id = await db.scalar(text("SELECT id FROM officers ORDER BY login LIMIT 1"))
            await deposits.record(db, deposit, self.books, UUID(str(officer_id)), now=self.now)

    async def bank(
        self, amount_rp: int, narrative: str, reference: str = "", day: date | None = None
    ) -> None:
        content = statement(day or self.day, (abs(amount_rp), narrative), reference=reference)
        if amount_rp < 0:
            closing = f":62F:C{day or self.day:%y%m%d}IDR{-amount_rp},00".encode()
            content = content.replace(f"C{-amount_rp},00N".encode(), f"D{-amount_rp},00N".encode())
            content = content.replace(closing, closing.replace(b":C", b":D"))
        async with self.transactions.begin() as db:
            await service.import_statement(db, "s.sta", content, self.books, now=self.now)

    async def differences(self, day: date | None = None) -> dict[str, int]:
        async with self.transactions.begin() as db:
            day = day or self.day
            report = await service.reconcile(db, day, self.books, now=all_due(day))
            assert not any((await verify.broken(db)).values())
        return {
            f"{d.kind} {d.subject}": d.difference_rp
            for d in report.differences
            if d.kind != "statement-gap"  # each of these statements opens with nothing
        }

    async def balances(self) -> dict[str, int]:
        async with self.transactions.begin() as db:
            found = {line.code: line.balance_rp for line in await reports.trial_balance(db)}
        return {code: found[code] for code in ("1110", "1140", "1150", "2190") if found[code]}

    async def take_cash(self, attendant: str) -> None:
        """Two cars of Rp4.000, on a shift of the attendant's own."""
        await take_cash(self.transactions, self.announcer, self.books, attendant, self.now)


@pytest.fixture
async def office(app: FastAPI, transactions: Transactions, books: Books, now: datetime) -> Office:
    office = Office(transactions, app.state.payments.announcer, books, now)
    await office.take_cash("J-001")
    return office


async def test_a_deposit_is_awaited_until_the_statement_names_its_slip(office: Office) -> None:
    assert await office.balances() == {"1140": 8000}
    await office.deposit(office.slip())
    assert await office.balances() == {"1140": 3000, "1150": 5000}
    assert await office.differences() == {f"payout-missing {SLIP}": -5000}
    await office.bank(5000, "SETORAN TUNAI SLIP-\r\n000123 TELLER 4")
    assert await office.balances() == {"1110": 5000, "1140": 3000}
    assert await office.differences() == {}


async def test_the_statement_may_come_before_the_deposit_is_recorded(office: Office) -> None:
    await office.bank(5000, f"SETORAN {SLIP}")
    await office.bank(700, "BUNGA", reference="LAIN")
    assert await office.balances() == {"1110": 5700, "1140": 8000, "2190": -5700}
    await office.deposit(office.slip())
    assert await office.balances() == {"1110": 5700, "1140": 3000, "2190": -700}
    unknown = [name for name in await office.differences() if SLIP in name]
    assert unknown == []


async def test_another_sum_on_the_statement_is_a_difference(office: Office) -> None:
    await office.deposit(office.slip())
    await office.bank(4500, f"SETORAN {SLIP}")
    assert await office.differences() == {f"payout-differs {SLIP}": -500}
    assert await office.balances() == {"1110": 4500, "1140": 3000, "1150": 500}


@pytest.mark.parametrize("deposit_first", [True, False])
async def test_a_slip_explains_no_more_than_the_cash_paid_in_with_it(
    office: Office, deposit_first: bool
) -> None:
    """Its name may stand in any narrative; only credits that fit it are the deposit."""
    steps = [lambda: office.deposit(office.slip())]
    yesterday, too_late = office.day - timedelta(days=1), office.day + timedelta(days=32)
    movements = ((-700, office.day), (5000, yesterday), (5001, office.day), (5000, too_late))
    for number, (amount_rp, day) in enumerate(movements):
        steps.append(partial(office.bank, amount_rp, f"BIAYA {SLIP}", f"STM{number}", day))
    for step in steps if deposit_first else [*steps[1:], steps[0]]:
        await step()
    assert await office.balances() == {
        "1110": 14_301, "1140": 3000, "1150": 5000, "2190": -14_301
    }  # fmt: skip
    assert await office.differences() == {
        f"payout-missing {SLIP}": -5000,
        f"unknown-movement 0011223344/STM0/1/1/{office.day}/1": -700,
        f"unknown-movement 0011223344/STM2/1/1/{office.day}/1": 5001,
    }
    await office.bank(2000, SLIP, "STM8")
    await office.bank(3000, SLIP, "STM9")
    await office.bank(1, SLIP, "STM10")
    assert await office.balances() == {"1110": 19_302, "1140": 3000, "2190": -14_302}
    assert not any(SLIP in name for name in await office.differences())


async def test_of_several_credits_the_one_that_is_the_deposit_is_taken(office: Office) -> None:
    await office.bank(3000, f"SETORAN {SLIP}", "STM1")
    await office.bank(5000, f"SETORAN {SLIP}", "STM2")
    await office.deposit(office.slip())
    assert (await office.balances())["2190"] == -3000
    (unknown,) = await office.differences()
    assert "STM1" in unknown


async def test_a_movement_that_names_several_is_compared_with_what_it_was_posted_to(
    office: Office,
) -> None:
    """Though a longer name stands in it: of a slip whose cash it cannot be."""
    lines = settlement(line(1, f"{office.day}T08:00:00+07:00", gross_rp=6000, batch="BCH-A1"))
    async with office.transactions.begin() as db:
        await service.import_settlement(db, "sandbox", "s.csv", lines, office.books, now=office.now)
    await office.deposit(office.slip())
    await office.deposit(office.slip(1000, reference=f"{SLIP}-BIS"))
    await office.bank(6000, f"BCH-A1 {SLIP}", "STM1")
    await office.bank(5000, f"{SLIP} {SLIP}-BIS", "STM2")
    assert await office.balances() == {"1110": 11_000, "1140": 2000, "1150": 1000, "2190": -6000}
    payouts = {name: rp for name, rp in (await office.differences()).items() if "payout" in name}
    assert payouts == {f"payout-missing {SLIP}-BIS": -1000}
    await office.bank(1000, f"{SLIP}-BIS", "STM3")
    assert not any("payout" in name for name in await office.differences())


async def test_what_movements_paid_before_that_was_kept_is_read_from_the_ledger(
    office: Office, owner: Transactions, owner_url: str
) -> None:
    await office.bank(5000, f"SETORAN {SLIP}", "STM1")
    await office.deposit(office.slip())  # explains it
    await office.deposit(office.slip(1000, reference="SLIP 2026 77"))
    lines = settlement(line(1, f"{office.day}T08:00:00+07:00", gross_rp=6000, batch="BCH-A1"))
    async with office.transactions.begin() as db:
        await service.import_settlement(db, "sandbox", "s.csv", lines, office.books, now=office.now)
    await office.bank(1000, "BCH-A1 SLIP 20\r\n26 77", "STM2")
    await office.bank(6000, f"BCH-A1 {SLIP}", "STM3")
    await office.bank(700, "BUNGA", "STM4")
    kept = text(
        "SELECT name FROM cleared_movements JOIN statement_lines l ON l.id = statement_line_id"
        " ORDER BY statement_reference"
    )
    async with office.transactions.begin() as db:
        assert (await db.scalars(kept)).all() == [SLIP, "SLIP 2026 77", "BCH-A1"]
    async with owner.begin() as db:
        await db.execute(text("DROP TABLE cleared_movements"))
    await again(owner_url, "0015", "0014")
    async with office.transactions.begin() as db:
        assert (await db.scalars(kept)).all() == [SLIP, "SLIP 2026 77", "BCH-A1"]


async def test_cash_of_two_attendants_comes_as_one_credit(office: Office) -> None:
    async with office.transactions.begin() as db:
        await identity.add_attendant(db, code="J-002", name="Juru Parkir Kedua", pin="135790")
    await office.take_cash("J-002")
    await office.deposit(office.slip(4000))
    await office.bank(7000, f"SETORAN {SLIP}")
    assert (await office.balances())["1150"] == 4000
    await office.deposit(office.slip(3000, attendant="J-002"))
    assert await office.differences() == {}
    assert await office.balances() == {"1110": 7000, "1140": 9000}


async def test_a_slip_undoes_nothing_two_officers_decided(office: Office) -> None:
    await office.bank(5000, f"SETORAN {SLIP}")
    await recognise(office.transactions, office.books, office.now)
    assert await office.balances() == {"1110": 5000, "1140": 8000}
    await office.deposit(office.slip())
    assert await office.balances() == {"1110": 5000, "1140": 3000, "1150": 5000}
    assert await office.differences() == {f"payout-missing {SLIP}": -5000}


async def test_a_slip_named_as_no_slip_is_is_refused(office: Office) -> None:
    async with office.transactions.begin() as db:
        lines = settlement(line(1, f"{office.day}T08:00:00+07:00", batch="BCH-A1"))
        await service.import_settlement(db, "sandbox", "s.csv", lines, office.books, now=office.now)
    for reference in ("", "1 2 3 4 5", "SLIP\x001234", "BIAYA ADMIN", "BCH-A1", "BCH- A1"):
        with pytest.raises(SlipUnfit):
            await office.deposit(office.slip(reference=reference))
    await office.deposit(office.slip(reference="1 2 3 4 5 6"))


async def test_a_slip_brought_after_its_day_was_closed_finds_its_money(office: Office) -> None:
    """What a closed day came to stays; the slip keeps its date, by which the bank's credit is
    found."""
    yesterday = office.day - timedelta(days=1)
    await office.deposit(before := office.slip(1000, deposited_on=yesterday))
    await office.bank(1000, SLIP)
    await office.differences(yesterday)
    await closes.close(office.transactions, yesterday, office.books, now=office.now)
    await office.deposit(before)  # sent again
    other = office.slip(2000, deposited_on=yesterday, reference="SLIP-000124")
    await office.bank(2000, other.reference, "STM-2", yesterday)
    assert (await office.balances())["2190"] == -2000
    await office.deposit(other)
    await office.deposit(other)  # sent again
    assert await office.balances() == {"1110": 3000, "1140": 5000}
    async with office.transactions.begin() as db:
        rows = await db.execute(
            select(CashDeposit.deposited_on, Entry.business_day)
            .join(Entry, Entry.id == CashDeposit.entry_id)
            .where(CashDeposit.reference == other.reference)
        )
        assert [tuple(row) for row in rows] == [(yesterday, office.day)]
    assert [name for name in await office.differences(yesterday) if other.reference in name] == []
    await office.differences()


async def test_cash_of_an_evening_is_paid_in_on_the_business_day_that_has_begun(
    office: Office,
) -> None:
    office.books = replace(
        office.books, business_days=BusinessDays.read("20.00", office.books.timezone)
    )
    midnight = datetime(
        office.day.year, office.day.month, office.day.day, tzinfo=office.books.timezone
    )
    office.now = midnight + timedelta(hours=21)
    tomorrow = office.day + timedelta(days=1)
    with pytest.raises(InvalidRequest):
        await office.deposit(office.slip(deposited_on=tomorrow + timedelta(days=1)))
    await office.deposit(office.slip(deposited_on=tomorrow))
    assert (await office.balances())["1150"] == 5000


async def test_a_slip_is_no_unknown_movement_on_another_day(office: Office) -> None:
    yesterday = date.fromordinal(office.day.toordinal() - 1)
    await office.deposit(office.slip(deposited_on=yesterday))
    await office.bank(5000, f"SETORAN {SLIP}")
    assert await office.differences() == {}
    assert await office.differences(yesterday) == {}


async def test_a_slip_recorded_on_two_days_is_compared_whole_on_both(office: Office) -> None:
    async with office.transactions.begin() as db:
        await identity.add_attendant(db, code="J-002", name="Juru Parkir Kedua", pin="135790")
    await office.take_cash("J-002")
    yesterday = office.day - timedelta(days=1)
    await office.deposit(office.slip(4000, deposited_on=yesterday))
    await office.deposit(office.slip(3000, attendant="J-002"))
    await office.bank(7000, f"SETORAN {SLIP}", day=yesterday)
    for day in (office.day, yesterday):
        assert await office.differences(day) == {}


async def test_nobody_deposits_more_than_is_owed(office: Office) -> None:
    with pytest.raises(DepositExceedsOwed, match=r"Rp8\.000"):
        await office.deposit(office.slip(8001))
    await office.deposit(office.slip(8000))
    with pytest.raises(DepositExceedsOwed, match="Rp0"):
        await office.deposit(office.slip(1, reference="SLIP-000124"))
    assert await office.balances() == {"1150": 8000}


async def test_two_deposits_at_once_are_weighed_one_after_the_other(office: Office) -> None:
    tries = [office.deposit(office.slip(5000, reference=f"SLIP-00012{n}")) for n in range(4)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(o).__name__ for o in outcomes) == [
        "DepositExceedsOwed", "DepositExceedsOwed", "DepositExceedsOwed", "NoneType"
    ]  # fmt: skip
    assert await office.balances() == {"1140": 3000, "1150": 5000}


async def test_a_deposit_sent_again_changes_nothing(office: Office) -> None:
    first = office.slip(3000)
    await office.deposit(first)
    await office.deposit(first)
    await office.deposit(replace(first, id=new_id(), reference=f" {SLIP}  "))
    assert await office.balances() == {"1140": 5000, "1150": 3000}
    for other in (
        replace(first, amount_rp=2999),
        replace(first, reference="SLIP-000999"),
        replace(first, id=new_id(), amount_rp=2999),
        replace(first, deposited_on=date(2026, 1, 1)),
    ):
        with pytest.raises(DepositKnown):
            await office.deposit(other)
    assert await office.balances() == {"1140": 5000, "1150": 3000}


async def test_a_deposit_names_an_attendant_and_a_day_that_has_come(office: Office) -> None:
    with pytest.raises(AttendantNotFound, match="J-999"):
        await office.deposit(office.slip(attendant="J-999"))
    tomorrow = date.fromordinal(office.day.toordinal() + 1)
    with pytest.raises(InvalidRequest, match="deposited_on"):
        await office.deposit(office.slip(deposited_on=tomorrow))


async def test_cash_paid_in_on_the_evening_of_the_day_before_is_its_slips_money(
    office: Office,
) -> None:
    """At 21.00 it is the next business day already, while the bank still writes today's date."""
    days = BusinessDays.read("20.00", office.books.timezone)
    office.books = replace(office.books, business_days=days)
    tomorrow = office.day + timedelta(days=1)
    office.now = datetime.combine(office.day, time(21), office.books.timezone)
    await office.deposit(office.slip(deposited_on=tomorrow))
    await office.bank(5000, f"SETOR {SLIP}")
    await office.bank(3000, "SETOR SLIP-000124", reference="STM-2")
    await office.deposit(office.slip(3000, reference="SLIP-000124", deposited_on=tomorrow))
    async with office.transactions.begin() as db:
        assert await db.scalar(select(func.count()).where(Case.state == "open")) == 0
    assert await office.differences(tomorrow) == {}
    assert await office.differences() == {}
