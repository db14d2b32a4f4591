"""T5: a handheld that dies, at every single write of a shift."""

import asyncio

from attendant_app.store import StoredEvent
from tests.faults.handheld_stage import HandheldStage, Handset, Unanswered
from tests.faults.handset import KILL_AT_WRITE

LANES = 4
"""So many handhelds share the sweep, each with its own quarter of the writes."""
EVERY = 1
"""Which writes are died at: each, or every so many-th where it has to be quick."""
NAIVE_LIVES = 12
LONGEST_SWEEP = 600


async def kill_handheld(stage: HandheldStage) -> None:
    """T5. SQLite's own method: die at write 1, 2, 3 … until a whole shift passes unharmed."""
    if not stage.is_ours:
        return await _kill_naive(stage)
    lanes = [await stage.handset() for _ in range(LANES)]
    await asyncio.gather(*(_sweep(stage, lane, 1 + n * EVERY) for n, lane in enumerate(lanes)))
    stage.tally.runs = stage.tally.kills + LANES
    return None


async def _sweep(stage: HandheldStage, handset: Handset, first: int) -> None:
    before: list[StoredEvent] = []
    for number in range(first, LONGEST_SWEEP, LANES * EVERY):
        lived = await _one_life(stage, handset, number)
        handset.process.kill()
        events = await asyncio.to_thread(handset.look_over)
        if [event.hash for event in events[: len(before)]] != [event.hash for event in before]:
            stage.tally.violate("the journal's past has changed", number)
        before = events
        if lived:
            await handset.start()
            return await handset.synced()
        stage.tally.kills += 1
        stage.tally.fired["killed at a write"] += 1
    stage.tally.violate("a shift never passed")
    return None


async def _one_life(stage: HandheldStage, handset: Handset, number: int) -> bool:
    """A shift from signing in to its count; whether the handheld outlived it."""
    try:
        await handset.start(**{KILL_AT_WRITE: str(number)})
        await handset.sign_in()
        answer = await handset.charge(stage.rng.choice(stage.spots))
        if answer.status_code == 201 and answer.json()["qris"]:
            await stage.pay(answer.json()["qris"])
            await handset.paid(answer.json()["id"])
        await handset.take_cash(stage.rng.choice(stage.spots))
        await handset.close_shift()
    except Unanswered as unanswered:
        if not await handset.died():
            stage.tally.violate("a living handheld came no further", f"{number}: {unanswered}")
            return True
        return False
    return True


async def _kill_naive(stage: HandheldStage) -> None:
    handset = await stage.handset()
    for _ in range(NAIVE_LIVES):
        await handset.start()
        for _ in range(stage.rng.randrange(1, 8)):
            await asyncio.sleep(stage.rng.uniform(0, 0.2))
            await handset.take_cash(stage.rng.choice(stage.spots))
        handset.process.kill()
        stage.tally.kills += 1
    stage.tally.runs = NAIVE_LIVES
    await handset.start()
    await handset.synced()
