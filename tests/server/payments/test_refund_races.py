"""Refunds at the same moment as something else, over real connections (T19)."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from domain.payment import RefundMethod
from server.database import APP_ROLE, as_role, new_id, plain_url
from tests.server.payments.conftest import CAR_RP, broken_on_purpose, violations
from tests.server.payments.refunding import Desk, outcomes

TRANSFER = RefundMethod.TRANSFER


@pytest.fixture
async def desk(office, sandbox, owner_url) -> Desk:
    return await Desk.at(office, sandbox, owner_url)


async def test_of_refunds_asked_for_at_once_one_is_recorded(desk, office):
    for _ in range(5):
        (money,) = await desk.money(await desk.paid())
        ended = await outcomes(*(desk.ask(money["id"], 3_000) for _ in range(4)))
        assert ended == ["done", *["refund-undecided"] * 3]
    assert await office.count("refunds") == 5


async def test_the_same_request_sent_at_once_is_one_refund(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = new_id()
    ended = await outcomes(*(desk.ask(money["id"], 1_000, refund_id=refund_id) for _ in range(4)))
    assert ended == ["done"] * 4
    assert await office.count("refunds") == 1


async def test_of_decisions_at_once_one_wins_and_the_acquirer_is_asked_once(desk, office):
    for number in range(1, 6):
        (money,) = await desk.money(await desk.paid())
        refund_id = await desk.ask(money["id"], CAR_RP)
        ended = await outcomes(
            desk.approve(refund_id), desk.reject(refund_id), desk.approve(refund_id)
        )
        assert ended == ["already-decided", "already-decided", "done"]
        assert await desk.state(refund_id) in ("done", "rejected")
        assert len(desk.line.asked) <= number


async def test_a_checker_whose_role_is_taken_away_meanwhile_cannot_approve(desk):
    """The role changes while the approval waits for it; the approval then sees the new one."""
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP)
    connection = await asyncpg.connect(plain_url(desk.owner_url))
    try:
        async with connection.transaction():
            await connection.execute(
                "UPDATE officers SET role = 'auditor' WHERE login = 'verifikator'"
            )
            approving = asyncio.create_task(desk.approve(refund_id))
            await asyncio.sleep(0.2)
            assert not approving.done()
        assert await outcomes(approving) == ["role-not-allowed"]
    finally:
        await connection.close()
    assert await desk.state(refund_id) == "requested"
    assert desk.line.asked == []


async def test_a_second_payment_told_during_a_refund_is_held_and_not_refunded(desk, office):
    for number in range(5):
        charge_id = await desk.paid()
        (money,) = await desk.money(charge_id)
        refund_id = await desk.ask(money["id"], CAR_RP)
        await asyncio.gather(
            desk.approve(refund_id), office.tell(charge_id, rrn=f"88{number:010d}")
        )
        assert await desk.state(refund_id) == "done"
        flags = [row["flag"] for row in await desk.money(charge_id)]
        assert sorted(flags) == ["duplicate", "exact"]
        assert (await office.charge(charge_id))["state"] == "refunded"


async def test_the_inquiry_and_a_slow_answer_record_a_refund_once(desk, office):
    (money,) = await desk.money(await desk.paid())
    refund_id = await desk.ask(money["id"], CAR_RP)
    desk.line.held = asyncio.Event()
    approving = asyncio.create_task(desk.approve(refund_id))
    await desk.line.made.wait()
    await asyncio.gather(*(desk.pursue(refund_id, timedelta(seconds=2)) for _ in range(3)))
    assert await desk.state(refund_id) == "done"
    desk.line.held.set()
    await approving
    assert (await desk.story(refund_id))[1:] == ["unknown by inquiry", "done by inquiry"]
    assert (await desk.refund(refund_id))["acquirer_refund_number"] is not None
    assert await office.count("refund_receipts") == 1


async def test_parts_asked_past_the_money_are_refused_even_without_the_service(desk, owner_url):
    """The trigger alone, with nothing but connections that insert at once."""
    app_url = as_role(owner_url, APP_ROLE)
    broken_on_purpose.add(app_url)
    (money,) = await desk.money(await desk.paid())
    await desk.as_owner("DROP INDEX uq_refunds_undecided")
    await desk.as_owner("INSERT INTO receipt_series VALUES ('KEMBALI-2026', 9)")
    connections = [await asyncpg.connect(plain_url(owner_url)) for _ in range(4)]

    async def insert(number: int, connection: asyncpg.Connection) -> str:
        return await connection.execute(
            "INSERT INTO refunds (id, number, series, sequence, charge_id, money_id, amount_rp,"
            " reason, explanation, method, state, from_suspense, requested_by, requested_at,"
            " acquirer, reference) SELECT gen_random_uuid(), $1::text, 'KEMBALI-2026', $2, $3, $4,"
            " 3000, 'other', '', 'transfer', 'requested', false, $5, now(), 'sandbox', $1::text",
            f"n{number}",
            number,
            money["charge_id"],
            money["id"],
            desk.maker,
        )

    try:
        ended = await asyncio.gather(
            *(insert(n, c) for n, c in enumerate(connections, start=1)), return_exceptions=True
        )
    finally:
        for connection in connections:
            await connection.close()
    refused = [e for e in ended if isinstance(e, asyncpg.PostgresError)]
    assert [e.sqlstate for e in refused] == ["KA020"] * 3
    await desk.as_owner("UPDATE receipt_series SET last = 1 WHERE series = 'KEMBALI-2026'")
    await desk.as_owner("ALTER TABLE refunds DISABLE TRIGGER USER; UPDATE refunds SET sequence = 1")
    await desk.as_owner("ALTER TABLE refunds ENABLE TRIGGER USER")
    assert set(await violations(app_url)) <= {"I8-audit"}, "the audit log may notice the sequence"
