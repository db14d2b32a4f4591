"""Milliseconds from a wallet's paying to green on the handheld, with 100 handhelds at work.

The sandbox acquirer takes the payment and notifies; the clock starts before it is asked to, so its
own work counts too. The handhelds are the handheld's own parts in one process, over HTTP and SSE;
each pays once before anything is measured.
"""

import asyncio
import gc
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import quantiles

import httpx

from attendant_app import server_api, service, sync
from attendant_app.runtime import Handheld
from bench import ground as grounds
from bench import handhelds
from bench.figure import Figure
from bench.ground import Ground
from server import sample

HANDHELDS = 100
PROMISED_MS = 300
PER_SECOND = 5
ROUNDS = 4
POLLED_EVERY_S = 2.0
ISSUED_WITHIN_S = 120


def measure() -> list[Figure]:
    with grounds.ground() as ground, tempfile.TemporaryDirectory() as folder:
        rounds = asyncio.run(_measure(ground, Path(folder)))
    all_ours = [ms for ours, _ in rounds for ms in ours]
    return [
        Figure.of_rounds(
            "kerb",
            "ms to green, p95",
            [(_percentile(ours, 95), _percentile(polled, 95)) for ours, polled in rounds],
            "asking every 2 s",
            f"{HANDHELDS} handhelds, {PER_SECOND} payments a second; promised: {PROMISED_MS} ms."
            f" All {len(all_ours)} payments: "
            + ", ".join(f"p{part} {_percentile(all_ours, part):.0f} ms" for part in (50, 95, 99)),
        )
    ]


async def _measure(ground: Ground, folder: Path) -> list[tuple[list[float], list[float]]]:
    rounds = []
    async with handhelds.signed_in(ground, folder, HANDHELDS) as all_of_them:
        async with handhelds.working(*all_of_them):
            await _pay_each(ground, all_of_them)
        # 100 handhelds have 100 heaps: collecting what they all hold would stop all of them here.
        gc.freeze()
        for _ in range(ROUNDS):
            async with handhelds.working(*all_of_them):
                ours = await _pay_each(ground, all_of_them)
            with _asking_only():
                async with handhelds.working(*all_of_them):
                    rounds.append((ours, await _pay_each(ground, all_of_them)))
    return rounds


def _percentile(values: list[float], part: int) -> float:
    return quantiles(values, n=100)[part - 1]


async def _pay_each(ground: Ground, at_work: list[Handheld]) -> list[float]:
    codes = []
    async with asyncio.timeout(ISSUED_WITHIN_S):
        for number, handheld in enumerate(at_work):
            codes.append(await _code(handheld, number))
    await asyncio.sleep(POLLED_EVERY_S)  # for every handheld to have begun to follow its charge
    started = time.perf_counter()
    async with httpx.AsyncClient(base_url=ground.settings.acquirer_url, trust_env=False) as wallet:

        async def pay(number: int, handheld: Handheld) -> float:
            await asyncio.sleep(started + number / PER_SECOND - time.perf_counter())
            charge_id, qris = codes[number]
            paid_at = time.perf_counter()
            asked = asyncio.create_task(wallet.post("/wallet/pay", json={"qris": qris}))
            while True:
                heard = handheld.bell.rings
                if service.charge_or_problem(handheld, charge_id).state == "paid":
                    break
                await handheld.bell.wait(heard, 30)
            green_ms = (time.perf_counter() - paid_at) * 1000
            (await asked).raise_for_status()
            return green_ms

        return await asyncio.gather(*(pay(n, handheld) for n, handheld in enumerate(at_work)))


async def _code(handheld: Handheld, number: int) -> tuple[str, str]:
    """A charge of this handheld, and its barcode's text."""
    while not handheld.link.online or handheld.store.master_data() is None:
        await handheld.bell.wait(handheld.bell.rings, 0.05)
    spots = [s for s in service.spots(handheld) if s["zone"]["code"] not in sample.HOURLY_ZONES]
    spot = spots[number % len(spots)]["code"]
    charge = await service.request_charge(handheld, spot, "motorcycle")
    while not (charge.known or {}).get("qris"):
        await handheld.bell.wait(handheld.bell.rings, 1)
        charge = service.charge_or_problem(handheld, charge.id)
    return charge.id, (charge.known or {})["qris"]


@contextmanager
def _asking_only() -> Iterator[None]:
    usual = sync._follow

    async def ask(handheld: Handheld, charge_id: str) -> None:
        while sync._is_open(handheld, charge_id):
            with suppress(server_api.NoAnswer, server_api.Refusal):
                await sync._poll(handheld, charge_id)
            await asyncio.sleep(POLLED_EVERY_S)

    sync._follow = ask
    yield
    sync._follow = usual
