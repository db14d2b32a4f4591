"""What the database itself refuses to let the ledger become, also when Python asks for it.

Each guard is shown to hold, and shown to be what holds: with its trigger dropped, the same attack
goes through, and `karcis verify` names the invariant it broke.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from server import verify
from server.database import Transactions, new_id
from server.ledger import postings, reports, service
from server.ledger.models import Entry, Posting
from server.ledger.postings import Leg

BALANCED = postings.for_payment(2000, "PSR")
REVENUE = postings.revenue("PSR")
UNBALANCED = {
    "no legs": (),
    "one leg": (Leg(postings.BANK, 2000),),
    "off by one rupiah": (Leg(postings.BANK, 2000), Leg(REVENUE, -1999)),
    "three legs off": (Leg(postings.BANK, 1), Leg(REVENUE, 2), Leg(postings.SUSPENSE, -4)),
    "the same sign twice": (Leg(postings.BANK, 2000), Leg(REVENUE, 2000)),
}


async def insert_entry(
    db: AsyncSession, legs: Sequence[Leg], now: datetime, source: str = "uji:1"
) -> Any:
    """Past the service, as a bug would: an entry with any legs."""
    entry_id = new_id()
    await db.execute(
        insert(Entry).values(
            id=entry_id,
            recorded_at=now,
            business_day=now.date(),
            description="uji",
            source=source,
            legs=max(len(legs), 2),
        )
    )
    for line, leg in enumerate(legs, start=1):
        await insert_leg(db, entry_id, line, leg)
    return entry_id


async def insert_leg(db: AsyncSession, entry_id: Any, line: int, leg: Leg) -> None:
    await db.execute(
        insert(Posting).values(
            entry_id=entry_id,
            line=line,
            account_code=leg.account,
            amount_rp=leg.amount_rp,
            party=leg.party,
        )
    )


async def record(db: AsyncSession, now: datetime, source: str = "uji:1") -> Any:
    return await service.record(
        db, BALANCED, source=source, description="uji", business_day=now.date(), now=now
    )


async def entries(transactions: Transactions) -> int:
    async with transactions.begin() as db:
        return int(await db.scalar(text("SELECT count(*) FROM ledger_entries")) or 0)


async def test_an_entry_out_of_balance_is_refused_at_commit(
    transactions: Transactions, now: datetime, subtests: pytest.Subtests
) -> None:
    for name, legs in UNBALANCED.items():
        async with transactions() as db:
            with subtests.test(name):
                await insert_entry(db, legs, now)
                with pytest.raises(DBAPIError, match="that sum to"):
                    await db.commit()
    assert await entries(transactions) == 0


async def test_legs_may_come_one_by_one_within_a_transaction(
    transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        await insert_entry(db, BALANCED, now)
    assert await entries(transactions) == 1


@pytest.mark.parametrize("amount_rp", [1, -2000])
async def test_a_leg_added_later_is_refused(
    transactions: Transactions, now: datetime, amount_rp: int
) -> None:
    async with transactions.begin() as db:
        entry_id = await record(db, now)
    with pytest.raises(DBAPIError, match="has all its legs"):
        async with transactions.begin() as db:
            await insert_leg(db, entry_id, 3, Leg(postings.BANK, amount_rp))


async def test_a_leg_of_nothing_or_on_no_account_is_refused(
    transactions: Transactions, now: datetime
) -> None:
    for leg in (Leg(postings.BANK, 0), Leg("9999", 5)):
        with pytest.raises(IntegrityError):
            async with transactions.begin() as db:
                await insert_entry(db, (*BALANCED, leg), now)


async def test_one_fact_is_recorded_once(transactions: Transactions, now: datetime) -> None:
    async with transactions.begin() as db:
        await record(db, now)
    with pytest.raises(IntegrityError, match="uq_ledger_entries_source"):
        async with transactions.begin() as db:
            await record(db, now)
    assert await entries(transactions) == 1


async def test_without_the_balance_guard_verify_names_the_broken_entry(
    owner: Transactions, transactions: Transactions, now: datetime
) -> None:
    broken_ids = []
    async with owner.begin() as db:
        await db.execute(text("DROP TRIGGER ledger_entries_balance ON ledger_entries"))
    async with transactions.begin() as db:
        await record(db, now, "uji:whole")
        for name, legs in UNBALANCED.items():
            broken_ids.append(str(await insert_entry(db, legs, now, f"uji:{name}")))
    async with transactions.begin() as db:
        found = await verify.broken(db)
    assert sorted(found.pop("I1-entries-balance")) == sorted(broken_ids)
    by_account = [
        "I0-guards-stand",
        "I1-accounts-balance",
        "I6-suspense-is-its-cases",
        "I7-bank-as-imported",
        "I7-collected-as-handed-in",
        "I7-receivable-as-settled",
    ]
    assert [name for name, rows in found.items() if rows] == by_account


async def test_without_the_insert_only_guard_a_rewritten_leg_is_named(
    owner: Transactions, now: datetime
) -> None:
    async with owner.begin() as db:
        entry_id = await record(db, now)
    attack = text("UPDATE ledger_postings SET amount_rp = amount_rp + 1 WHERE line = 1")
    with pytest.raises(DBAPIError, match="is insert-only"):
        async with owner.begin() as db:
            await db.execute(attack)
    async with owner.begin() as db:
        await db.execute(text("DROP TRIGGER ledger_postings_insert_only ON ledger_postings"))
        await db.execute(attack)
    async with owner.begin() as db:
        assert (await verify.broken(db))["I1-entries-balance"] == [str(entry_id)]


async def test_the_trial_balance_lists_every_account_and_sums_to_zero(
    transactions: Transactions, now: datetime
) -> None:
    async with transactions.begin() as db:
        await record(db, now)
        await service.open_accounts(db, [("PSR", "Pasar")])  # again is harmless
        balances = {line.code: line.balance_rp for line in await reports.trial_balance(db)}
    assert balances[postings.RECEIVABLE] == 2000
    assert balances[REVENUE] == -2000
    assert {account.code for account in postings.CHART} < set(balances)
    assert sum(balances.values()) == 0
