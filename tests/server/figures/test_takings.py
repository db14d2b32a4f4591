"""Sums of takings are right to the rupiah at every moment, whatever the sweep has counted yet."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from server.database import Transactions, fetch
from server.figures import service as figures
from server.figures.service import Part, Takings, Wanted
from server.verify import broken
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import CAR_RP, FLAT, HOURLY, JAKARTA, Office
from tests.server.payments.refunding import Desk

EVER = (date(2000, 1, 1), date(2100, 1, 1))
OTHER = "PSR-002-T"


@pytest.fixture(autouse=True)
def no_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    """All clocks here are one, and every id is made after its transaction wrote something."""
    monkeypatch.setattr(figures, "EARLIER", timedelta(0))


async def told(office: Office, *by: Part, **wanted: str) -> list[Takings]:
    async with office.transactions.begin() as db:
        return await figures.takings(db, Wanted(*EVER, **wanted), JAKARTA, by)  # type: ignore[arg-type]


async def swept(office: Office, times: int = 1) -> None:
    for _ in range(times):
        await asyncio.sleep(0.002)  # an id's clock counts milliseconds
        await figures.sweep(office.transactions, JAKARTA, now=datetime.now(UTC))


async def counted(office: Office) -> int:
    """How many exact payments are in the sums themselves."""
    return int((await office.rows("SELECT coalesce(sum(count), 0) AS n FROM takings"))[0]["n"])


async def swept_until(office: Office, count: int) -> None:
    """As many sweeps as it takes: any transaction of the whole cluster may hold one up."""
    async with asyncio.timeout(60):
        while await counted(office) != count:
            await swept(office)


async def test_every_moment_shows_what_is_committed(office: Office) -> None:
    """Payments commit while sweeps run; each answer is what the ledger says at that moment."""
    charges = [await office.request(spot) for spot in (FLAT, OTHER) * 4]
    stop = asyncio.Event()

    async def keep_sweeping() -> None:
        while not stop.is_set():
            await figures.sweep(office.transactions, JAKARTA, now=datetime.now(UTC))

    async def keep_asking() -> int:
        asked = 0
        while not stop.is_set():
            async with office.transactions.begin() as db:
                # One snapshot for both, so that they speak of one moment.
                await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
                (sums,) = await figures.takings(db, Wanted(*EVER), JAKARTA)
                (row,) = await fetch(
                    db, "SELECT count(*) AS n, coalesce(sum(amount_rp), 0) AS rp FROM money"
                )
            assert (sums.count, sums.gross_rp) == (row["n"], row["rp"])
            asked += 1
        return asked

    async def pay() -> None:
        for place, charge_id in enumerate(charges):
            await office.tell(charge_id, rrn=f"7{place:011}")
        stop.set()

    *_, asked = await asyncio.gather(pay(), keep_sweeping(), keep_asking())
    assert asked > 0
    (sums,) = await told(office)
    assert (sums.count, sums.gross_rp) == (8, 8 * CAR_RP)


async def test_what_a_long_transaction_wrote_early_is_not_missed(
    office: Office, transactions: Transactions
) -> None:
    """A sweep does not pass a transaction that began before, as a large import's."""
    charge_id = await office.request()
    async with transactions.begin() as db:
        # Any write: it holds a number of its own from then on.
        await fetch(db, "UPDATE receipt_series SET last = last")
        await fetch(db, "SELECT pg_current_xact_id()")
        await office.tell(charge_id)
        await swept(office, 3)
        assert await counted(office) == 0
        (sums,) = await told(office)
        assert sums.gross_rp == CAR_RP
    await swept_until(office, 1)
    (sums,) = await told(office)
    assert sums.gross_rp == CAR_RP


async def test_late_money_is_held_and_a_refund_taken_off(
    office: Office, sandbox: Sandbox, owner_url: str
) -> None:
    desk = await Desk.at(office, sandbox, owner_url)
    paid = await desk.paid()
    await desk.late()
    await swept(office, 2)
    (money,) = await desk.money(paid)
    await desk.approve(await desk.ask(money["id"], 1_000))
    before = await told(office, Part.ZONE, Part.SPOT, Part.METHOD)
    await swept(office, 2)
    assert await told(office, Part.ZONE, Part.SPOT, Part.METHOD) == before
    (cell,) = before
    assert (cell.zone, cell.spot, cell.method) == ("PSR", FLAT, "qris")
    assert (cell.gross_rp, cell.refunded_rp, cell.net_rp) == (CAR_RP, 1_000, CAR_RP - 1_000)
    assert (cell.held_count, cell.held_rp) == (1, CAR_RP)
    assert (await told(office, zone="RSU"))[0] == Takings()


async def test_a_sum_that_went_astray_is_told_and_mended(office: Office) -> None:
    for place, (spot, minutes) in enumerate(((FLAT, None), (FLAT, None), (HOURLY, 30))):
        charge_id = await office.request(spot, minutes=minutes)
        amount_rp = (await office.charge(charge_id))["amount_rp"]
        await office.tell(charge_id, amount_rp, rrn=f"8{place:011}")
    await swept_until(office, 3)
    before = await told(office, *Part)
    assert Counter(cell.zone for cell in before for _ in range(cell.count)) == {"PSR": 2, "RSU": 1}
    await office.rows("UPDATE takings SET gross_rp = gross_rp + 1 RETURNING 1")
    async with office.transactions.begin() as db:
        assert (await broken(db))["I7-takings-as-posted"] != []
    days = {cell.business_day for cell in before}
    assert set(await figures.mend(office.transactions, JAKARTA)) == days
    assert await told(office, *Part) == before


async def test_sums_go_on_after_a_restore(office: Office) -> None:
    """A number kept from another database, which this one will not reach, holds nothing up."""
    await office.tell(await office.request())
    await office.rows(
        "UPDATE takings_swept SET waiting_at = now(), waiting_xid = :xid RETURNING 1", xid=10**15
    )
    await swept_until(office, 1)
