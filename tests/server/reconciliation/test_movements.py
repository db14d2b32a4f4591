"""Whatever comes in whatever order: what differs at the bank is what the books have on its way."""

import random
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.errors import Problem
from server.ledger import postings, reports
from server.reconciliation import service
from server.reconciliation.models import Discrepancy
from tests.server.reconciliation.test_deposits import Office, office
from tests.server.reconciliation.test_service import line, settlement

BATCHES = ["BCH-A1", "BCH-A2", "BCH-A10", "BCH-A1 SLIP-000123"]
SLIPS = ["SLIP-000123", "SLIP-0001234", "SLIP-000123-BIS"]

__all__ = ["office"]


class Days:
    """Random files and deposits of three days, in which names stand where they should not."""

    def __init__(self, office: Office, seed: int) -> None:
        self.office, self.random, self.number = office, random.Random(seed), 0
        self.all = [office.day - timedelta(days=age) for age in range(3)]

    async def settle(self) -> None:
        lines = []
        for _ in range(self.random.randint(1, 3)):
            self.number += 1
            at = f"{self.random.choice(self.all)}T08:00:00+07:00"
            gross_rp, mdr_rp = self.random.choice([1000, 2000, 3000, -1000, 0]), 7
            batch = self.random.choice(BATCHES)
            lines.append(line(self.number, at, gross_rp=gross_rp, mdr_rp=mdr_rp, batch=batch))
        async with self.office.transactions.begin() as db:
            await service.import_settlement(
                db, "sandbox", "s.csv", settlement(*lines), self.office.books, now=self.office.now
            )

    async def deposit(self) -> None:
        amount_rp = self.random.choice([1000, 2000, 3000])
        slip, day = self.random.choice(SLIPS), self.random.choice(self.all)
        with suppress(Problem):  # more than is owed, the same slip again, or a batch's name
            await self.office.deposit(self.office.slip(amount_rp, reference=slip, deposited_on=day))

    async def bank(self) -> None:
        self.number += 1
        narrative = " ".join(self.random.sample(BATCHES + SLIPS, self.random.randint(0, 3)))
        amount_rp = self.random.choice([1000, 2000, 3000, -1000])
        day = self.random.choice(self.all)
        await self.office.bank(amount_rp, narrative, f"STM{self.number}", day)


@pytest.mark.parametrize("seed", [1, 2])
async def test_differences_come_to_what_is_in_transit_and_in_suspense(
    office: Office, seed: int
) -> None:
    days = Days(office, seed)
    steps = [days.settle, days.deposit, days.bank, days.bank, days.bank]
    for _ in range(4):
        for _ in range(6):
            await days.random.choice(steps)()
        found: dict[str, int] = {}
        for day in days.all:
            told = await office.differences(day)
            assert all(found.get(name, rp) == rp for name, rp in told.items())
            found |= told
        async with office.transactions.begin() as db:
            accounts = await reports.trial_balance(db)
            kept = await db.scalars(
                select(Discrepancy)
                .where(Discrepancy.state == "open")
                .where(Discrepancy.kind != "statement-gap")  # each opens with nothing
            )
            assert {f"{d.kind} {d.subject}": d.difference_rp for d in kept} == found
        balance = {account.code: account.balance_rp for account in accounts}
        in_transit_rp = balance[postings.IN_TRANSIT] + balance[postings.DEPOSITS_IN_TRANSIT]
        assert sum(rp for name, rp in found.items() if "payout-" in name) == -in_transit_rp
        held = ("unknown-movement", "not-booked")
        held_rp = sum(rp for name, rp in found.items() if name.startswith(held))
        assert held_rp == -balance[postings.SUSPENSE]
