"""A closed street on a handheld: nothing new begins there, with or without a connection."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from attendant_app import covered, pool, problems, service, stays, sync
from attendant_app.runtime import Handheld
from attendant_app.server_api import new_client
from domain.closure import Closure, ClosureReason, closed
from domain.payment import ChargeKind
from tests.attendant_app.builders import MASTER_DATA, OTHER_SPOT, SPOT
from tests.attendant_app.office import Office
from tests.attendant_app.test_offline import Device as Clocks
from tests.attendant_app.test_offline import clocks, handheld
from tests.attendant_app.test_proofs import START

__all__ = ["clocks", "handheld"]
HOUR = timedelta(hours=1)


def told(
    spot: str = "", *, starts: datetime, ends: datetime | None = None, zone: str = "MTG"
) -> dict[str, Any]:
    until_then = ends and ends.isoformat()
    times = {"starts": starts.isoformat(), "ends": until_then}
    return {"zone": zone, "spot": spot, "reason": "event", **times}


async def test_what_was_announced_closes_and_opens_without_a_connection(
    handheld: Handheld, clocks: Clocks
) -> None:
    coming = told(starts=START + HOUR, ends=START + 3 * HOUR)
    news = {"closures": [coming, {"reason": "of a later server"}]}
    handheld.store.save_master_data(MASTER_DATA | news, START)
    before = stays.start(handheld, SPOT, "truck")
    assert service.spots(handheld)[0]["closed"] is None
    clocks.wait(1)
    assert service.spots(handheld)[0]["closed"] == {
        "reason": "event", "until": (START + 3 * HOUR).isoformat(),
    }  # fmt: skip
    with pytest.raises(problems.SpotClosed):
        stays.start(handheld, SPOT, "truck")
    for ask in (service.request_charge, service.take_cash):
        with pytest.raises(problems.SpotClosed):
            await ask(handheld, SPOT, "motorcycle")
    with pytest.raises(problems.SpotClosed):
        covered._record(handheld, "stay_exempted", SPOT, before.id, {})  # type: ignore[arg-type]
    pool.work_at(handheld, SPOT)
    await pool.fill(handheld)  # asks for nothing: nobody answers here
    # Who stood there before ends his stay and pays.
    left = await stays.leave(handheld, before.id, None)
    assert left.ended_at is not None
    cash = await stays.collect(handheld, before.id, ChargeKind.CASH)
    assert cash.quoted_rp == 10_000
    clocks.wait(2)
    assert (await service.take_cash(handheld, SPOT, "motorcycle")).quoted_rp == 2000


def test_the_closure_that_lasts_longest_is_told_and_a_zone_is_no_other() -> None:
    def closure(zone: str, spot: str, hours: int | None) -> Closure:
        ends = None if hours is None else START + hours * HOUR
        return Closure(zone, spot, START, ends, ClosureReason.WORKS)

    short, longer, further = (
        closure("MTG", SPOT, 1),
        closure("MTG", "", 2),
        closure("MTG", "", None),
    )
    assert closed([short, longer], SPOT, START) is longer
    assert closed([longer, further, short], SPOT, START) is further
    assert closed([short], OTHER_SPOT, START) is None
    assert closed([closure("MTX", "", None)], SPOT, START) is None
    assert closed([short], SPOT, START - timedelta(seconds=1)) is None
    assert closed([short], SPOT, START + HOUR) is None


async def test_a_street_stopped_at_once_is_known_apart_from_all_else(
    handheld: Handheld, office: Office
) -> None:
    office.tokens = {"token": "J-001"}
    office.closures = [told(starts=START - HOUR)]
    async with new_client(office.url, "id") as http:
        handheld.http = http
        for _ in range(2):
            assert await sync._pull_closures(handheld)
    assert {path for _, path in office.requests} == {"/v1/closures"}
    assert service.spots(handheld)[0]["closed"] == {"reason": "event", "until": None}
