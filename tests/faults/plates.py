"""T37: number plates, said by drivers, kept no longer than they may be, and erased when asked.

A plate is looked for in every spelling in all that can be read afterwards: each table, the logs,
the metrics, pages and answers. The control keeps what it is told.
"""

import asyncio
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from domain.plate import keyed
from domain.receipt import mask_plate
from server.database import create_engine, create_transactions
from server.parking import retention
from server.settings import Settings
from tests.faults.stage import Stage

DRIVERS = 24
KEY = "kunci gangguan nomor polisi, tiga puluh"
OPEN = {
    "KARCIS_PLATE_KEY": KEY,
    "KARCIS_REPORTS_PER_MINUTE": "1000000",
    "KARCIS_RECEIPT_LOOKUPS_PER_MINUTE": "1000000",
}
KEPT = timedelta(days=Settings().plate_days)
DAYS = (1, KEPT.days - 1, KEPT.days + 1, 90, 400)
MONEY = (
    "payments", "charges", "charge_changes", "money", "receipts", "ledger_entries",
    "ledger_postings", "notifications",
)  # fmt: skip
SPELLINGS = ("{0} {1} {2}", "{0}{1}{2}", "{0}-{1}-{2}", "{0}.{1}.{2}", " {0}  0{1} {2} ")


@dataclass
class Driver:
    plate: str
    said: str
    charge: dict[str, Any] | None = None
    receipt: str = ""

    @property
    def own(self) -> str:
        return f"/r/{self.receipt}?c={self.charge['id'] if self.charge else ''}"


def _driver(rng: random.Random) -> Driver:
    series = "".join(rng.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=2))
    parts = ("KH", str(rng.randrange(1000, 10000)), series)
    said = rng.choice(SPELLINGS).format(*parts)
    return Driver(" ".join(parts), rng.choice((said, said.lower())))


async def say_plates(stage: Stage) -> None:
    """T37."""
    drivers = [_driver(stage.rng) for _ in range(DRIVERS)]
    await asyncio.gather(*(_park(stage, at, driver) for at, driver in enumerate(drivers)))
    await _say_where_it_is_refused(stage, drivers)
    await stage.settle()
    stage.tally.runs += len(drivers)
    if not stage.is_ours:
        await _search(stage, drivers)
        return
    found = await stage.rows("SELECT charge_id::text, number FROM receipts")
    numbers = {row["charge_id"]: row["number"] for row in found}
    for driver in drivers:
        driver.receipt = numbers.get(driver.charge["id"] if driver.charge else "", "")
    await _search(stage, drivers)
    await _as_owner(stage, "UPDATE parking_sessions SET state = 'ended', ended_at = now()")
    before = await _money(stage)
    half = [driver for driver in drivers if driver.receipt][::2]
    for driver in half:
        await _erase(stage, driver)
    await _look_at_erased(stage, half)
    await _search(stage, drivers)
    await _grow_old(stage, drivers)
    if await _money(stage) != before:
        stage.tally.violate("a row of money changed")
    await _search(stage, drivers)


async def _park(stage: Stage, at: int, driver: Driver) -> None:
    spot = stage.spots[at % len(stage.spots)]
    driver.charge = await stage.ask(spot, stage.new_id(), plate=driver.said)
    text = driver.charge and await stage.barcode(driver.charge)
    if driver.charge and text:
        await stage.pay(text)
        await stage.seen(driver.charge, "paid", 30.0 if stage.is_ours else 2.0)
    stage.tally.fired["plate said"] += 1


async def _say_where_it_is_refused(stage: Stage, drivers: list[Driver]) -> None:
    """To addresses, to forms that are wrong, to spots that are not there."""
    for driver in drivers:
        body = {"id": "x", "vehicle_class": "car", "plate": driver.said}
        await stage.call("POST", f"/v1/spots/{stage.spots[0]}/charges", json=body)
        await stage.call("POST", "/v1/spots/XXX-999-X/charges", json=body | {"minutes": -1})
        await stage.call("POST", f"/p/{stage.spots[0]}", data=body)
        await stage.call("POST", "/pengaduan", data=body | {"kind": "x"})
        stage.tally.fired["plate refused"] += 1


async def _erase(stage: Stage, driver: Driver) -> None:
    """Asked by two taps at once, sometimes while the server is killed; in the end it is done."""
    path, form = driver.own.partition("?")[0] + "/nomor-polisi", {"charge": _id(driver)}
    taps = [asyncio.create_task(stage.call("POST", path, data=form, timeout=20)) for _ in range(2)]
    if stage.rng.random() < 0.2:
        await asyncio.sleep(stage.rng.uniform(0, 0.05))
        await stage.restart()
        stage.tally.kills += 1
    await asyncio.gather(*taps)
    await stage.ready()
    done = await stage.call("POST", path, data=form)
    stage.tally.fired["erased when asked"] += 1
    if done is None or done.status_code != 303:
        stage.tally.violate("not erased when asked", "" if done is None else done.text[:200])


async def _look_at_erased(stage: Stage, drivers: list[Driver]) -> None:
    for driver in drivers:
        for path in (driver.own, f"/c/{_id(driver)}", f"/v1/charges/{_id(driver)}"):
            told = await stage.call("GET", path)
            if told is None or told.status_code != 200 or mask_plate(driver.plate) in told.text:
                stage.tally.violate("an erased plate is shown", path)
    stays = "SELECT count(*) FROM parking_sessions s JOIN plates_destroyed d ON"
    stays += " d.parking_session_id = s.id WHERE s.plate_masked IS NULL AND s.plate_hash IS NULL"
    [(erased,)] = await stage.rows(stays)
    if erased != len(drivers):
        stage.tally.violate("erased stays and their records", f"{erased} of {len(drivers)}")


async def _grow_old(stage: Stage, drivers: list[Driver]) -> None:
    """The nights' work as of later days: what is left of plates is gone on its day."""
    engine = create_engine(stage.cluster.url(stage.name))
    try:
        for days in DAYS:
            now = datetime.now(UTC) + timedelta(days=days)
            await retention.destroy_plates(create_transactions(engine), KEPT, now=now)
            stage.tally.fired["retention"] += 1
            [(kept,)] = await stage.rows(
                "SELECT count(*) FROM parking_sessions WHERE plate_masked IS NOT NULL"
            )
            if (kept > 0) != (days < KEPT.days):
                stage.tally.violate("plates not gone on their day", f"day {days}: {kept}")
    finally:
        await engine.dispose()
    everything = await _tables(stage)
    for driver in drivers:
        if keyed(driver.plate, KEY.encode()) in everything:
            stage.tally.violate("a hash is left after its day")


async def _search(stage: Stage, drivers: list[Driver]) -> None:
    """Look for each plate in all that can be read."""
    texts = {"tables": await _tables(stage)}
    for log in (stage.folder / "logs").iterdir():
        texts[log.name] = log.read_text(errors="replace")
    paths = ["/metrics", f"/p/{stage.spots[0]}"]
    paths += [path for d in drivers for path in (d.own, f"/v1/charges/{_id(d)}")]
    for path in paths:
        told = await stage.call("GET", path)
        texts[path] = "" if told is None else f"{told.headers}\n{told.text}"
    for name, text in texts.items():
        bare = re.sub(r"%20|[\s.+-]", "", text).upper()
        for driver in drivers:
            wanted = re.sub(r"[\s.-]", "", driver.plate)
            in_hex = driver.said.encode().hex()
            if wanted in bare or wanted.replace("KH", "KH0") in bare or in_hex in text:
                stage.tally.violate("plate in clear", name)


async def _tables(stage: Stage) -> str:
    """Every row of every table as text."""
    names = await stage.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    told = [await stage.rows(f'SELECT t::text FROM "{name}" t') for (name,) in names]
    return "\n".join(row[0] for rows in told for row in rows)


async def _money(stage: Stage) -> list[list[str]]:
    return [
        [row[0] for row in await stage.rows(f"SELECT t::text FROM {name} t ORDER BY 1")]
        for name in MONEY
    ]


async def _as_owner(stage: Stage, statement: str) -> None:
    connection = await asyncpg.connect(stage.cluster.url(stage.name))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _id(driver: Driver) -> str:
    return str(driver.charge["id"]) if driver.charge else ""
