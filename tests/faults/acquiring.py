"""T14 and T15: an acquirer that does not answer, answers nonsense, or changes its mind."""

import asyncio
from collections import Counter
from datetime import date
from typing import Any
from uuid import UUID

from server.payments.pursuit import NOT_TOLD_COUNTS
from tests.faults.gate import Mode
from tests.faults.returning import Officers, officers_of, paid
from tests.faults.stage import UNHEARD, Stage, reference_of

CALL_FAULTS = (
    "delay", "no_answer_before_booking", "no_answer_after_booking", "500", "429",
    "409_external_id", "409_reference", "504", "504_after_booking", "slow_loris", "truncated",
    "html", "wrong_schema",
)  # fmt: skip
VALUES = {"delay": 3, "slow_loris": 25}
"""Longer than the server waits for one answer, and for one whole call."""


async def answer_badly(stage: Stage) -> None:
    """T14. Every fault of a call for generate, query and refund; then nobody at the wire's end."""
    async with officers_of(stage) as officers:
        turns = [_issue(stage, kind) for kind in CALL_FAULTS]
        turns += [_inquire(stage, kind) for kind in CALL_FAULTS]
        turns += [_refund(officers, kind) for kind in CALL_FAULTS]
        await asyncio.gather(*turns)
    for mode in (Mode.ACCEPT_NOTHING, Mode.READ_NOTHING):
        await _dead_wire(stage, mode)
    await _no_such_name(stage)
    stage.tally.runs = len(turns) + 3


async def _load(stage: Stage, name: str, reference: str, times: int = 1) -> None:
    kind = name.partition("_")[2]
    more = {"value": VALUES[kind]} if kind in VALUES else {}
    await stage.fault(name, reference, times, **more)


async def _issue(stage: Stage, kind: str) -> None:
    charge_id = stage.new_id()
    # The control makes references of its own, so its faults wait for whoever calls next.
    await _load(stage, f"generate_{kind}", charge_id.hex if stage.is_ours else "")
    await _collect(stage, charge_id)


async def _collect(stage: Stage, charge_id: UUID) -> None:
    charge = await stage.ask(stage.rng.choice(stage.spots), charge_id)
    text = charge and await stage.barcode(charge)
    if text:
        await stage.pay(text)


async def _inquire(stage: Stage, kind: str) -> None:
    """Only an inquiry can tell of this payment, and the first two are answered badly."""
    charge = await _issued(stage)
    if charge is not None:
        await _load(stage, f"query_{kind}", reference_of(charge), times=2)
        await stage.fault("drop_notifications", reference_of(charge), times=UNHEARD)
        await stage.pay(charge["qris"])
        await stage.seen(charge, "paid", 30.0 if stage.is_ours else 0.5)


async def _issued(stage: Stage) -> dict[str, Any] | None:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    return charge | {"qris": text} if charge and text else None


async def _refund(officers: Officers, kind: str) -> None:
    """A part of the money goes back, and the answer says so badly."""
    charge = await paid(officers.stage)
    if charge is not None:
        await _load(officers.stage, f"refund_{kind}", reference_of(charge))
        await officers.give_back(charge, 1_000)


async def _dead_wire(stage: Stage, mode: Mode) -> None:
    stage.acquirer.mode = mode
    stage.acquirer.cut()
    waiting = [asyncio.create_task(_collect(stage, stage.new_id())) for _ in range(3)]
    await asyncio.sleep(3.0)
    stage.acquirer.mode = Mode.OPEN
    stage.acquirer.cut()
    await asyncio.gather(*waiting)


async def _no_such_name(stage: Stage) -> None:
    """The acquirer's host is not found, until the server is started with the right one."""
    await stage.restart(acquirer="http://acquirer.invalid")
    await stage.ready()
    waiting = [asyncio.create_task(_collect(stage, stage.new_id())) for _ in range(3)]
    await asyncio.sleep(3.0)
    await stage.restart()
    await asyncio.gather(*waiting)
    stage.tally.fired["no such name"] += len(waiting)


MINDS = ("query_flapping", "query_not_found", "pay_twice", "pay_twice_two_references")
LOSSES = ("refund_lost", "refund_no_answer_before_booking", "")
"""Refunds answered and never made, neither answered nor made, and as they should be."""
EACH = 5


async def change_its_mind(stage: Stage) -> None:
    """T15. Told, not found, told again; a payer who pays twice; a refund that gets lost.

    What comes under a reference that the acquirer never told us is no evidence; its settlement is.
    """
    async with officers_of(stage) as officers:
        turns = [_doubt(stage, mind) for mind in MINDS for _ in range(EACH)]
        turns += [_lose_refund(officers, loss) for loss in LOSSES for _ in range(EACH)]
        await asyncio.gather(*turns)
        stage.tally.runs = len(turns)
        if officers.desk is not None:
            await stage.office("server", "settlement", "import", str(await stage.settlement()))
            await officers.desk.compare_when_due(date.fromisoformat(stage.today()))
            await officers.desk.end_doubts(NOT_TOLD_COUNTS)
    if stage.is_ours:
        await _refunds_decided(stage)


async def _lose_refund(officers: Officers, loss: str) -> None:
    charge = await paid(officers.stage)
    if charge is not None:
        if loss:
            await officers.stage.fault(loss, reference_of(charge))
        await officers.give_back(charge)


async def _refunds_decided(stage: Stage) -> None:
    """One that was never made is refused in the end, and a case waits until the money is back."""
    rows = await stage.rows(
        "SELECT state, (SELECT count(*) FROM cases c WHERE c.refund_id = r.id"
        " AND c.state <> 'closed') AS open FROM refunds r"
    )
    seen = Counter((row["state"], row["open"]) for row in rows)
    if seen != {("done", 0): 2 * EACH, ("refused", 1): EACH}:
        stage.tally.violate("a lost refund was decided otherwise", dict(seen))


async def _doubt(stage: Stage, mind: str) -> None:
    charge = await _issued(stage)
    if charge is None:
        return
    by_inquiry = mind.startswith("query")
    await stage.fault(mind, reference_of(charge), times=3 if by_inquiry else 1)
    if by_inquiry:
        await stage.fault("drop_notifications", reference_of(charge), times=UNHEARD)
        await asyncio.sleep(3.0)  # once it was told of as unpaid
    await stage.pay(charge["qris"])
    await stage.seen(charge, "paid", 30.0 if stage.is_ours else 0.5)
