"""T19: refunds that race each other, a second payment, the settlement, or the loss of a role."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from server import sample
from server.errors import Problem
from server.settings import Settings
from tests.faults.officer import Desk
from tests.faults.stage import Stage, reference_of

PART_RP = 1_200
"""Of the two thousand paid: one such part can be given back, two cannot."""
LOST_ANSWERS = ("no_answer_after_booking", "504_after_booking", "truncated", "html", "wrong_schema")
GiveBack = Callable[[dict[str, Any], int | None, int], Awaitable[None]]


@asynccontextmanager
async def refunding(stage: Stage) -> AsyncIterator[GiveBack]:
    """How a charge, or a part of it, is given back; `turn` tells one request from another."""
    if not stage.is_ours:

        async def naively(charge: dict[str, Any], amount_rp: int | None, _turn: int) -> None:
            body = {"amount_rp": amount_rp or 2_000}
            await stage.call("POST", f"/v1/charges/{charge['id']}/refunds", json=body)

        yield naively
        return
    desk = desk_of(stage)

    async def by_two_officers(charge: dict[str, Any], amount_rp: int | None, turn: int) -> None:
        await desk.refund(UUID(charge["id"]), amount_rp, turn)

    yield by_two_officers
    await desk.close()


def desk_of(stage: Stage) -> Desk:
    told = stage.server.environment
    values = {name.removeprefix("KARCIS_").lower(): value for name, value in told.items()}
    return Desk(Settings(**values))


async def paid(stage: Stage) -> dict[str, Any] | None:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if charge is None or text is None:
        return None
    await stage.pay(text)
    patience_s = 30.0 if stage.is_ours else 2.0
    return charge | {"qris": text} if await stage.seen(charge, "paid", patience_s) else None


async def _two_at_once(_stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await asyncio.gather(give_back(charge, None, 0), give_back(charge, None, 1))


async def _one_sent_twice(_stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await asyncio.gather(give_back(charge, None, 0), give_back(charge, None, 0))


async def _parts_past_the_whole(_stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await asyncio.gather(*(give_back(charge, PART_RP, turn) for turn in range(3)))
    await give_back(charge, PART_RP, 3)


async def _second_payment(stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await asyncio.gather(stage.pay(charge["qris"], "twice"), give_back(charge, None, 0))


async def _answer_lost(stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await stage.fault(f"refund_{stage.rng.choice(LOST_ANSWERS)}", reference_of(charge))
    await give_back(charge, 1_000, 0)


async def _settlement_cut_off(stage: Stage, give_back: GiveBack, charge: dict[str, Any]) -> None:
    await asyncio.gather(give_back(charge, None, 0), _import(stage))


async def _import(stage: Stage) -> None:
    if stage.is_ours:
        await stage.office("server", "settlement", "import", str(await stage.settlement()))


RACES = (
    (_two_at_once, 13), (_one_sent_twice, 12), (_parts_past_the_whole, 12),
    (_second_payment, 10), (_answer_lost, 8), (_settlement_cut_off, 3),
)  # fmt: skip


async def race_refunds(stage: Stage) -> None:
    """T19. Sixty races; never more goes back than came, and books and acquirer agree on it."""
    async with refunding(stage) as give_back:
        for race, times in RACES:
            charges = await asyncio.gather(*(paid(stage) for _ in range(times)))
            await asyncio.gather(*(race(stage, give_back, c) for c in charges if c is not None))
            stage.tally.fired[race.__name__.strip("_").replace("_", " ")] += times
            stage.tally.runs += times
    if stage.is_ours:
        await _nobody_alone(stage)
    stage.tally.runs += 2


async def _nobody_alone(stage: Stage) -> None:
    """Who asked does not decide, and who lost his role meanwhile decides nothing."""
    desk = desk_of(stage)
    for charge in (await paid(stage), await paid(stage)):
        assert charge is not None
        refund_id = await desk.ask(UUID(charge["id"]))
        try:
            await desk.approve(refund_id, sample.OFFICER)
            stage.tally.violate("the maker approved his own refund", charge["id"])
        except Problem:
            stage.tally.fired["maker decides"] += 1
    was = "UPDATE officers SET role = $1 WHERE login = $2"
    await stage.rows(was, "auditor", sample.CHECKER)
    try:
        await desk.approve(refund_id)
        stage.tally.violate("a checker without his role approved a refund", charge["id"])
    except Problem:
        stage.tally.fired["checker revoked"] += 1
    await stage.rows(was, "verifikator", sample.CHECKER)
    await desk.close()
