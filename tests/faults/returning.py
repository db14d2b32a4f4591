"""T19: refunds that race each other, a second payment, the settlement, or the loss of a role."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Officers:
    """Who gives money back and cancels; the control has none, and takes no cancelling."""

    stage: Stage
    desk: Desk | None

    async def give_back(
        self, charge: dict[str, Any], amount_rp: int | None = None, turn: int = 0
    ) -> None:
        """The whole of a charge, or a part of it; `turn` tells one request from another."""
        if self.desk is not None:
            await self.desk.refund(UUID(charge["id"]), amount_rp, turn)
        else:
            body = {"amount_rp": amount_rp or 2_000}
            await self.stage.call("POST", f"/v1/charges/{charge['id']}/refunds", json=body)

    async def cancel(self, charge: dict[str, Any]) -> None:
        if self.desk is not None:
            await self.desk.cancel(UUID(charge["id"]))


@asynccontextmanager
async def officers_of(stage: Stage) -> AsyncIterator[Officers]:
    desk = desk_of(stage) if stage.is_ours else None
    yield Officers(stage, desk)
    if desk is not None:
        await desk.close()


def desk_of(stage: Stage) -> Desk:
    told = stage.server.environment
    values = {name.removeprefix("KARCIS_").lower(): value for name, value in told.items()}
    return Desk(Settings(**values))


async def paid(stage: Stage, fault: str = "") -> dict[str, Any] | None:
    charge = await stage.ask(stage.rng.choice(stage.spots), stage.new_id())
    text = charge and await stage.barcode(charge)
    if charge is None or text is None:
        return None
    if fault:
        await stage.fault(fault, reference_of(charge))
    await stage.pay(text)
    patience_s = 30.0 if stage.is_ours else 2.0
    return charge | {"qris": text} if await stage.seen(charge, "paid", patience_s) else None


async def _two_at_once(officers: Officers, charge: dict[str, Any]) -> None:
    await asyncio.gather(officers.give_back(charge), officers.give_back(charge, turn=1))


async def _one_sent_twice(officers: Officers, charge: dict[str, Any]) -> None:
    await asyncio.gather(officers.give_back(charge), officers.give_back(charge))


async def _parts_past_the_whole(officers: Officers, charge: dict[str, Any]) -> None:
    await asyncio.gather(*(officers.give_back(charge, PART_RP, turn) for turn in range(3)))
    await officers.give_back(charge, PART_RP, 3)


async def _second_payment(officers: Officers, charge: dict[str, Any]) -> None:
    await asyncio.gather(officers.stage.pay(charge["qris"], "twice"), officers.give_back(charge))


async def _answer_lost(officers: Officers, charge: dict[str, Any]) -> None:
    stage = officers.stage
    await stage.fault(f"refund_{stage.rng.choice(LOST_ANSWERS)}", reference_of(charge))
    await officers.give_back(charge, 1_000)


async def _late_notification(officers: Officers, charge: dict[str, Any]) -> None:
    """The payment was found by asking; its notification comes with the refund."""
    await officers.give_back(charge)


async def _settlement_cut_off(officers: Officers, charge: dict[str, Any]) -> None:
    await asyncio.gather(officers.give_back(charge), _import(officers.stage))


async def _import(stage: Stage) -> None:
    if stage.is_ours:
        await stage.office("server", "settlement", "import", str(await stage.settlement()))


RACES = (
    (_two_at_once, 12, ""), (_one_sent_twice, 11, ""), (_parts_past_the_whole, 10, ""),
    (_second_payment, 9, ""), (_answer_lost, 8, ""),
    (_late_notification, 5, "notify_after_refund"), (_settlement_cut_off, 3, ""),
)  # fmt: skip
"""What is raced, how often, and the fault that is loaded before the payment."""


async def race_refunds(stage: Stage) -> None:
    """T19. Sixty races; never more goes back than came, and books and acquirer agree on it."""
    async with officers_of(stage) as officers:
        for race, times, fault in RACES:
            charges = await asyncio.gather(*(paid(stage, fault) for _ in range(times)))
            await asyncio.gather(*(race(officers, c) for c in charges if c is not None))
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
