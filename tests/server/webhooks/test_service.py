"""Facts are recorded with what made them true, in one statement, and survive as they were said."""

from sqlalchemy import event, select

from server.database import Transactions, new_id
from server.webhooks import service as webhooks
from server.webhooks.models import OutboxFact
from tests.server.webhooks.conftest import PAID_AT, paid


async def test_many_facts_are_recorded_in_one_statement(transactions: Transactions) -> None:
    charges = [new_id() for _ in range(64)]
    facts = [fact for charge_id in charges for fact in paid(charge_id)]
    statements: list[str] = []
    async with transactions.begin() as db:
        engine = db.bind.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        await webhooks.publish(db, facts)
        await webhooks.publish(db, [])
    assert len(statements) == 1
    async with transactions.begin() as db:
        rows = (await db.scalars(select(OutboxFact).order_by(OutboxFact.id))).all()
    assert len(rows) == 128
    assert {row.data["charge_id"] for row in rows} == {str(charge_id) for charge_id in charges}
    told = next(row for row in rows if row.type == "charge.paid")
    assert told.data | {"charge_id": ""} == {
        "version": 1,
        "charge_id": "",
        "spot": "PSR-001-U",
        "zone": "PSR",
        "amount_rp": 4_000,
        "paid_at": "2026-11-21T03:00:00Z",
        "business_day": "2026-11-21",
        "receipt": "PSR-2026-000001-7",
        "pass_serial": None,
    }
    assert (told.happened_at, told.fanned_out_at) == (PAID_AT, None)


async def test_a_fact_that_did_not_become_true_is_not_told(transactions: Transactions) -> None:
    async with transactions() as db:
        await webhooks.publish(db, paid(new_id()))
        await db.rollback()
    async with transactions.begin() as db:
        assert (await db.scalars(select(OutboxFact))).all() == []
