"""Deposits of attendants' cash: never more than is owed, never twice, found on the statement."""

import asyncio
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server import verify
from server.database import Transactions, new_id
from server.errors import InvalidRequest
from server.ledger import reports
from server.payments import cash
from server.payments.books import Books
from server.payments.service import PaymentRequest
from server.reconciliation import deposits, service
from server.reconciliation.deposits import (
    AttendantNotFound,
    Deposit,
    DepositExceedsOwed,
    DepositKnown,
)
from tests.server.booking import SPOT
from tests.server.reconciliation.test_service import statement

SLIP = "SLIP-000123"


class Office:
    """An office whose attendant J-001 has taken Rp8.000 in cash."""

    def __init__(self, transactions: Transactions, books: Books, now: datetime) -> None:
        self.transactions, self.books, self.now = transactions, books, now
        self.day = books.day(now)

    def slip(self, amount_rp: int = 5000, **changes: Any) -> Deposit:
        return replace(Deposit(new_id(), "J-001", amount_rp, SLIP, self.day), **changes)

    async def deposit(self, deposit: Deposit) -> None:
        async with self.transactions.begin() as db:
            officer_id = await db.scalar(text("SELECT id FROM officers ORDER BY login LIMIT 1"))
            await deposits.record(db, deposit, self.books, UUID(str(officer_id)), now=self.now)

    async def bank(self, amount_rp: int, narrative: str, reference: str = "") -> None:
        content = statement(self.day, (amount_rp, narrative), reference=reference)
        async with self.transactions.begin() as db:
            await service.import_statement(db, "s.sta", content, now=self.now)

    async def differences(self, day: date | None = None) -> dict[str, int]:
        async with self.transactions.begin() as db:
            report = await service.reconcile(db, day or self.day, self.books, now=self.now)
            assert not any((await verify.broken(db)).values())
        return {f"{d.kind} {d.subject}": d.difference_rp for d in report.differences}

    async def balances(self) -> dict[str, int]:
        async with self.transactions.begin() as db:
            found = {line.code: line.balance_rp for line in await reports.trial_balance(db)}
        return {code: found[code] for code in ("1110", "1140", "1150", "2190") if found[code]}


@pytest.fixture
async def office(app: FastAPI, transactions: Transactions, books: Books, now: datetime) -> Office:
    async with transactions.begin() as db:
        shift_id = await db.scalar(
            text(
                "WITH d AS (INSERT INTO devices (id, name, public_key, state, enrolled_at)"
                " VALUES (gen_random_uuid(), 'HH', sha256('x'), 'active', now()) RETURNING id)"
                " INSERT INTO shifts"
                " (id, device_id, attendant_id, token_hash, opened_at, expires_at)"
                " SELECT gen_random_uuid(), d.id, a.id, sha256('y'), now(), now()"
                " FROM d, attendants a WHERE a.code = 'J-001' RETURNING id"
            )
        )
    for _ in range(2):
        request = PaymentRequest(
            new_id(), SPOT, VehicleClass.CAR, shift_id=shift_id, kind=ChargeKind.CASH
        )
        announcer = app.state.payments.announcer
        await cash.take(transactions, announcer, books, request, now=now)
    return Office(transactions, books, now)


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


async def test_a_slip_is_no_unknown_movement_on_another_day(office: Office) -> None:
    yesterday = date.fromordinal(office.day.toordinal() - 1)
    await office.deposit(office.slip(deposited_on=yesterday))
    await office.bank(5000, f"SETORAN {SLIP}")
    assert await office.differences() == {}
    assert await office.differences(yesterday) == {}


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


async def test_a_deposit_names_an_attendant_and_a_slip_that_can_be_found(office: Office) -> None:
    with pytest.raises(AttendantNotFound, match="J-999"):
        await office.deposit(office.slip(attendant="J-999"))
    for reference in ("", "1 2 3 4 5", "SLIP\x001234"):
        with pytest.raises(InvalidRequest):
            await office.deposit(office.slip(reference=reference))
    tomorrow = date.fromordinal(office.day.toordinal() + 1)
    with pytest.raises(InvalidRequest, match="deposited_on"):
        await office.deposit(office.slip(deposited_on=tomorrow))
    await office.deposit(office.slip(reference="1 2 3 4 5 6"))
