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

from server import jobs
from server.database import plain_url
from tests.server.payments.conftest import MakeAcquirer, Office, fields_of

PROMPT_S = 3.0
Start = Callable[[], asyncio.Task[None]]


class Asked:
    """An acquirer that says unpaid to everything, and what it was asked."""

    def __init__(self, scripted: MakeAcquirer) -> None:
        self.references: list[str] = []
        self.under_way: Counter[str] = Counter()
        self.most_at_once = 0
        self.acquirer = scripted(self._answer)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        reference = fields_of(request)["originalPartnerReferenceNo"]
        self.references.append(reference)
        self.under_way[reference] += 1
        self.most_at_once = max(self.most_at_once, self.under_way[reference])
        await asyncio.sleep(0.05)
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
            database_url, office.transactions, asked.acquirer, wired.announcer, wired.books
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
    charges = [await office.request(now=half_a_minute_ago) for _ in range(20)]
    await office.rows("UPDATE charges SET next_inquiry_at = NULL RETURNING 1")
    workers = [worker(), worker()]
    await asyncio.sleep(1.0)
    references = await due_now(office, *charges)
    await asked.hear_of(references, PROMPT_S)
    await asyncio.sleep(0.3)

    assert Counter(asked.references) == Counter(references)
    assert asked.most_at_once == 1
    assert not any(task.done() for task in workers)
    async with asyncio.timeout(2):
        while await office.count("inquiries") < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    waiting = await office.rows("SELECT min(next_inquiry_at) AS soonest FROM charges")
    assert waiting[0]["soonest"] > datetime.now(UTC)


async def test_a_due_charge_expires_and_its_listener_is_told(office, asked, worker):
    now = datetime.now(UTC)
    charge_id = await office.request(now=now - timedelta(minutes=14, seconds=59))
    worker()
    async with office.wired.announcer.changes(charge_id) as changed:
        async with asyncio.timeout(6):
            while (await office.charge(charge_id))["state"] != "expired":
                await changed.wait()
                changed.clear()


@pytest.mark.timeout(60)
async def test_a_worker_survives_the_end_of_all_its_connections(
    office, asked, worker, database_url, monkeypatch
):
    monkeypatch.setattr(jobs, "RESTART_S", 0.2)
    task = worker()
    first = await office.request()
    await asked.hear_of(await due_now(office, first), 5)

    admin = await asyncpg.connect(plain_url(database_url))
    for _ in range(2):
        await admin.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.3)
    await admin.close()
    second = await office.request()
    await asked.hear_of(await due_now(office, second), 15)
    assert not task.done()
