"""T17 and T18: money that races the end of its code, or a spot that has gone to the next driver."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx

from tests.faults.stage import Stage

STEPS = [timedelta(milliseconds=50 * step) for step in range(-40, 41)]
FATES = {
    ("paid", "paid", False, ("exact",)),
    ("expired", "voided", True, ("late",)),
}
"""Charge, payment, whether the stay was voided, money: paid for, or free again and in suspense."""


async def race_expiry(stage: Stage) -> None:
    """T17. One charge for each step from two seconds before its end to two seconds after."""
    spots = stage.spots

    async def race(number: int, step: timedelta) -> None:
        charge = await stage.ask(spots[number % len(spots)], stage.new_id())
        text = charge and await stage.barcode(charge)
        if charge is None or text is None:
            return
        moment = datetime.fromisoformat(charge["expires_at"]) + step
        await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())
        answer = await stage.pay(text)
        if answer.status_code == httpx.codes.CONFLICT:
            stage.tally.fired["paid after the acquirer's end"] += 1
            await stage.pay(text, "late")
        else:
            stage.tally.fired["paid before the acquirer's end"] += 1

    await asyncio.gather(*(race(number, step) for number, step in enumerate(STEPS)))
    stage.tally.runs = len(STEPS)
    if stage.is_ours:
        await stage.settle()
        await _one_fate_each(stage)


async def _one_fate_each(stage: Stage) -> None:
    rows = await stage.rows(
        "SELECT c.reference, c.state, p.state AS payment, s.state = 'voided' AS voided,"
        " array(SELECT flag FROM money m WHERE m.charge_id = c.id ORDER BY flag) AS flags"
        " FROM charges c JOIN payments p ON p.id = c.payment_id"
        " JOIN parking_sessions s ON s.id = p.parking_session_id"
    )
    for row in rows:
        fate = (row["state"], row["payment"], row["voided"], tuple(row["flags"]))
        if fate not in FATES:
            stage.tally.violate("neither paid nor free", fate)


async def reissue_spots(stage: Stage) -> None:
    """T18. A leaves unpaid, B gets the spot, and A pays after all; every other B pays too."""

    async def turn(number: int) -> None:
        spot = stage.spots[number % len(stage.spots)]
        first = await stage.ask(spot, stage.new_id())
        second = await stage.ask(spot, stage.new_id())
        if first is None or second is None:
            return
        old, new = await stage.barcode(first), await stage.barcode(second)
        if old is None or new is None:
            return
        await stage.pay(old)
        if number % 2:
            await stage.pay(new)
        stage.tally.fired["old code paid"] += 1
        patience_s = 20.0 if stage.is_ours else 1.0
        states = [
            await stage.seen(first, "paid", patience_s),
            await stage.seen(second, "paid", 0.5),
        ]
        if stage.is_ours and states[0] is not True:
            stage.tally.violate("the first driver's money did not reach him", first["id"])
        if stage.is_ours and not number % 2 and states[1]:
            stage.tally.violate("the first driver's money opened another's stay", second["id"])

    for start in range(0, 50, 10):
        await asyncio.gather(*(turn(number) for number in range(start, start + 10)))
    stage.tally.runs = 50
