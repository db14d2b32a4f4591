"""T16: one proof held up to two handhelds, of which both, one or none can ask the office."""

import asyncio
from collections import Counter
from random import Random

from attendant_app import service
from tests.simulation.clocks import Clock, VirtualLoop, carry, governed
from tests.simulation.office import Office
from tests.simulation.world import SPOTS, Cut, Device, World, disks

SHAPES = {"both online": (), "one offline": (1,), "both offline": (0, 1)}
"""Which of the two handhelds nobody can be asked from."""
NOTICED_S, SYNCED_S = 25.0, 40.0


async def _play(world: World, shape: str, rng: Random) -> None:
    carry(Clock(world.loop))
    two = world.devices[:2]
    for device in two:
        await _begin(device)
    text = await _paid(world, two[0])
    charge_id = next(iter(world.office.charges))
    world.cuts = [Cut(number, 0, 1e9, True, True) for number in SHAPES[shape]]
    await asyncio.sleep(NOTICED_S)
    apart_s = rng.choice((0.0, 0.0, 1.0, 70.0))
    first, second = rng.sample(two, 2)
    looking = asyncio.ensure_future(first.look(text))
    await asyncio.sleep(apart_s)
    told = [await second.look(text), await looking]
    verdicts = Counter(found["verdict"] for found in told if found)
    for found in told:
        if found and found["verdict"] == "taken" and not found.get("taken_spot"):
            world.watch.violate("amber without time and place", shape)
    if verdicts["paid"] == 0 or (shape == "both online" and verdicts != {"paid": 1, "taken": 1}):
        world.watch.violate(f"{shape}: {dict(verdicts)}", world.seed)
    world.cuts = []
    await asyncio.sleep(SYNCED_S)
    cases = world.office.cases["proof-taken-twice", charge_id]
    if cases != (verdicts["paid"] == 2):
        world.watch.violate("two greens without one case", f"{shape} {world.seed}")
    for device in two:
        await device.crash(power=False)


async def _begin(device: Device) -> None:
    carry(device.clock)
    device.boot()
    await asyncio.sleep(1)
    await device.sign_in()
    await asyncio.sleep(6)


async def _paid(world: World, device: Device) -> str:
    assert device.handheld is not None
    carry(device.clock)
    await service.request_charge(device.handheld, SPOTS[0], "car")
    await asyncio.sleep(15)
    order = next(iter(world.acquirer.orders.values()))
    rrn = world.acquirer.pay(order.reference, order.amount_rp)
    # How money is recorded is not what is tried here, so the control records it as Karcis does.
    Office.hear(world.office, order.reference, rrn, order.amount_rp, world.now())
    text = world.a_proof()
    assert text is not None
    return text


def play(seed: int, shape: str, *, naive: bool = False) -> World:
    """One seed of one shape."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, disks() as folder:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        loop.set_exception_handler(lambda _loop, _context: None)
        world = World(seed, loop, folder, naive=naive, calm=True)
        with governed(loop, world.rng):
            runner.run(_play(world, shape, world.rng))
        return world
