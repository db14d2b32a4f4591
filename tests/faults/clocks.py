"""T20: a handheld whose clock is wrong, goes back in the middle of a shift, or starts in 1970."""

import asyncio
import time
from datetime import UTC, datetime

from tests.faults.handheld_stage import HandheldStage, Handset
from tests.faults.handset import CLOCK

MINUTE, HOUR = 60.0, 3_600.0
BY_1970 = -time.time() + HOUR
CLOCKS = (
    # what it is called, seconds at first, seconds in the middle of the shift, its zone
    ("5 s behind", -5.0, -5.0, ""),
    ("5 s ahead", 5.0, 5.0, ""),
    ("5 min behind", -5 * MINUTE, -5 * MINUTE, ""),
    ("5 min ahead", 5 * MINUTE, 5 * MINUTE, ""),
    ("26 h behind", -26 * HOUR, -26 * HOUR, ""),
    ("26 h ahead", 26 * HOUR, 26 * HOUR, ""),
    ("goes back 26 h in mid-shift", 0.0, -26 * HOUR, ""),
    ("an hour ahead, in another zone", HOUR, HOUR, "Asia/Makassar"),
    ("1970 after its battery was out", BY_1970, BY_1970, "Asia/Jayapura"),
)
AT_ONCE = 3
NEAR_S = 60.0


async def mistell(stage: HandheldStage) -> None:
    """T20. A shift by each clock; every time that money goes by is the server's."""
    began = datetime.now(UTC)
    room = asyncio.Semaphore(AT_ONCE)

    async def work(name: str, wrong_s: float, then_s: float, zone: str) -> None:
        async with room:
            file = stage.folder / f"clock-{name.replace(' ', '-')}"
            file.write_text(str(wrong_s))
            handset = await stage.handset(**{CLOCK: str(file), "TZ": zone})
            await handset.start()
            await _shift(stage, handset, lambda: file.write_text(str(then_s)))
            stage.tally.fired[name] += 1

    await asyncio.gather(*(work(*clock) for clock in CLOCKS))
    stage.tally.runs = len(CLOCKS)
    await _judge_times(stage, began)


async def _shift(stage: HandheldStage, handset: Handset, turn: object) -> None:
    await handset.sign_in()
    await handset.take_cash(stage.rng.choice(stage.spots))
    assert callable(turn)
    turn()
    if not stage.is_ours:
        await handset.take_cash(stage.rng.choice(stage.spots))
        return await handset.synced()
    answer = await handset.charge(stage.rng.choice(stage.spots))
    await stage.pay(await handset.barcode(answer.json()["id"]))
    await handset.paid(answer.json()["id"])
    await handset.take_cash(stage.rng.choice(stage.spots))
    told = datetime.fromisoformat((await handset.status())["now"])
    if abs((told - datetime.now(UTC)).total_seconds()) > NEAR_S:
        stage.tally.violate("the screen shows the device's time", told)
    await handset.close_shift()
    return None


async def _judge_times(stage: HandheldStage, began: datetime) -> None:
    """No time in the books, nor the end of a code, is one that a handheld told."""
    queries = {"what a fact is told to be of": "SELECT at FROM events"}
    if stage.is_ours:
        queries = {
            "charge made": "SELECT created_at FROM charges",
            "charge paid": "SELECT paid_at FROM charges WHERE paid_at IS NOT NULL",
            "receipt issued": "SELECT issued_at FROM receipts",
            "entry recorded": "SELECT recorded_at FROM ledger_entries",
        }
        days = await stage.rows("SELECT DISTINCT business_day::text FROM ledger_entries")
        if [row[0] for row in days] != [stage.today()]:
            stage.tally.violate("booked on another day", [row[0] for row in days])
    for name, query in queries.items():
        for row in await stage.rows(query):
            off_s = (row[0] - began).total_seconds()
            if not -NEAR_S <= off_s <= (datetime.now(UTC) - began).total_seconds() + NEAR_S:
                stage.tally.violate("a time by the device's clock", f"{name}: {row[0]}")
