"""The real worker on the real queue: what is due is asked about, once, whatever breaks."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from server import jobs, verify
from server.audit.checkpoints import Keeper
from server.database import Transactions
from server.payments.acquirer import Acquirers
from server.workdays import Workdays
from tests.server.payments.conftest import MakeAcquirer, Office, fields_of

BACK_S = 60.0
"""Ample on a slow machine."""
Start = Callable[[], asyncio.Task[None]]


class Asked:
    """An acquirer that says unpaid to everything, slowly, and what it was asked."""

    def __init__(self, scripted: MakeAcquirer) -> None:
        self.takes_s = 0.0
        self.references: list[str] = []
        self.under_way: Counter[str] = Counter()
        self.most_at_once = 0
        self.acquirer = scripted(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        reference = fields_of(request)["originalPartnerReferenceNo"]
        self.references.append(reference)
        self.under_way[reference] += 1
        self.most_at_once = max(self.most_at_once, self.under_way[reference])
        await asyncio.sleep(self.takes_s)
        self.under_way[reference] -= 1
        body = {"responseCode": "2005100", "latestTransactionStatus": "01"}
        return httpx.Response(200, json=body)

    async def hear_of(self, references: set[str], within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while not references <= set(self.references):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture
def asked(scripted: MakeAcquirer) -> Asked:
    return Asked(scripted)


@pytest.fixture
async def worker(office: Office, asked: Asked, database_url: str) -> AsyncIterator[Start]:
    running: list[asyncio.Task[None]] = []

    def start() -> asyncio.Task[None]:
        wired = office.wired
        work = jobs.run(
            database_url,
            office.transactions,
            Acquirers(asked.acquirer),
            wired.announcer,
            wired.books,
            keeper=Keeper(office.transactions, None, None, wired.books.timezone),
            plates_kept=timedelta(days=30),
            told_kept=timedelta(days=30),
            silent_days=5,
            workdays=Workdays({}),
            deposit_working_days=1,
            evidence_kept=timedelta(days=30),
        )
        running.append(asyncio.create_task(work))
        return running[-1]

    yield start
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def due_now(office: Office, *charges: UUID) -> set[str]:
    await office.rows(
        "UPDATE charges SET next_inquiry_at = now() WHERE id = ANY(:ids) RETURNING 1",
        ids=list(charges),
    )
    return {charge_id.hex for charge_id in charges}


async def test_two_workers_ask_promptly_and_once_each(office, asked, worker):
    half_a_minute_ago = datetime.now(UTC) - timedelta(seconds=30)
    charges = [await office.request(now=half_a_minute_ago) for _ in range(4)]
    asked.takes_s = 2.0  # longer than the second after which due charges are looked for again
    await office.rows("UPDATE charges SET next_inquiry_at = NULL RETURNING 1")
    workers = [worker(), worker()]
    await asyncio.sleep(1.0)
    references = await due_now(office, *charges)
    await asked.hear_of(references, BACK_S)
    async with asyncio.timeout(BACK_S):
        while await office.count("inquiries") < len(charges):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    assert Counter(asked.references) == Counter(references)
    assert asked.most_at_once == 1
    assert not any(task.done() for task in workers)
    waiting = await office.rows("SELECT min(next_inquiry_at) AS soonest FROM charges")
    assert waiting[0]["soonest"] > datetime.now(UTC)


async def test_all_that_is_due_is_asked_about_without_a_pause(office, asked, worker, monkeypatch):
    monkeypatch.setattr(jobs, "LOOK_S", 3600.0)
    charges = [await office.request() for _ in range(2 * jobs.CHARGES_AT_ONCE + 3)]
    asked.takes_s = 0.05
    references = await due_now(office, *charges)
    worker()
    await asked.hear_of(references, BACK_S)


async def test_a_due_charge_expires_and_its_listener_is_told(office, asked, worker):
    almost = datetime.now(UTC) - timedelta(minutes=14, seconds=55)
    charge_id = await office.request(now=almost)
    worker()
    async with office.wired.announcer.changes(charge_id) as changed:
        async with asyncio.timeout(BACK_S):
            while (await office.charge(charge_id))["state"] != "expired":
                await changed.wait()
                changed.clear()


@pytest.fixture
async def admin(cluster: str) -> AsyncIterator[asyncpg.Connection]:
    """Connected to the cluster, not to the test's own database."""
    connection = await asyncpg.connect(cluster)
    yield connection
    await connection.close()


async def test_a_worker_outlives_its_connections_and_its_database(office, asked, worker, admin):
    task = worker()
    database = (await office.rows("SELECT current_database() AS name"))[0]["name"]
    for allowed in ("true", "false"):
        charge_id = await office.request()
        await asked.hear_of(await due_now(office, charge_id), BACK_S)
        await admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS {allowed}")
        await admin.fetch(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = $1",
            database,
        )
        await asyncio.sleep(1.2)  # long enough to be missed by whoever looks every second
        assert not task.done()
    await admin.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
    charge_id = await office.request()
    await asked.hear_of(await due_now(office, charge_id), BACK_S)
    assert not task.done()


async def test_what_waits_for_its_turn_stays_due_and_in_no_queue(office, asked, worker):
    most = jobs.CHARGES_AT_ONCE
    charges = [await office.request() for _ in range(most + 4)]
    asked.takes_s = 60.0  # an acquirer that has stopped answering
    references = await due_now(office, *charges)
    worker()
    async with asyncio.timeout(BACK_S):
        while len(asked.references) < most:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(2 * jobs.LOOK_S)

    assert len(asked.references) == most
    waiting = await office.rows(
        "SELECT reference FROM charges WHERE next_inquiry_at <= now() ORDER BY reference"
    )
    assert {row["reference"] for row in waiting} == references - set(asked.references)
    asked.takes_s = 0.0
    worker()
    await asked.hear_of(references, BACK_S)


async def test_the_timetable_is_kept_after_an_outage(office, worker, admin, monkeypatch):
    ran = asyncio.Event()

    async def watch(_transactions: Transactions, *, since: datetime, now: datetime) -> None:
        ran.set()

    monkeypatch.setattr(jobs, "EVERY_FIVE_MINUTES", "* * * * * *")
    monkeypatch.setattr(verify, "watch", watch)
    worker()
    database = (await office.rows("SELECT current_database() AS name"))[0]["name"]
    await asyncio.wait_for(ran.wait(), BACK_S)
    await admin.fetch(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = $1", database
    )
    await asyncio.sleep(0.2)  # until our own driver has heard of it
    # What a broken run had taken up is free after half a minute; this does not wait for that.
    await office.rows("UPDATE pgqueuer_schedules SET status = 'queued' RETURNING 1")
    ran.clear()
    await asyncio.wait_for(ran.wait(), BACK_S)
