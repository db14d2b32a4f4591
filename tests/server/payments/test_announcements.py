"""Announcements: heard by every process, only of what is committed, and over broken connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest

from server import announcements
from server.announcements import Announcer
from server.database import new_id, plain_url
from server.payments import queries
from tests.server.payments.conftest import Office

SOON_S = 60.0


@pytest.fixture
async def start(database_url: str) -> AsyncIterator[Callable[[], Announcer]]:
    """Starts an announcer as a process of its own would."""
    running: list[asyncio.Task[None]] = []

    def started() -> Announcer:
        announcer = Announcer(plain_url(database_url))
        running.append(asyncio.create_task(announcer.run()))
        return announcer

    yield started
    for task in running:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(plain_url(database_url))
    yield connection
    await connection.close()


LISTENING = "query ILIKE 'LISTEN%karcis_charge%' OR query LIKE '%pg_notify%'"


async def listeners(admin: asyncpg.Connection) -> list[int]:
    rows = await admin.fetch(
        f"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND ({LISTENING})"
        " AND pid <> pg_backend_pid()"
    )
    return [row["pid"] for row in rows]


async def until_listening(admin: asyncpg.Connection, count: int, without: set[int]) -> None:
    async with asyncio.timeout(SOON_S):
        while len(set(await listeners(admin)) - without) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def all_heard(announcer: Announcer) -> None:
    """Until everything announced so far has been heard: announcements come in their order."""
    marker = new_id()
    async with announcer.changes(marker) as heard:
        for _ in range(2):  # a new connection wakes everybody once
            heard.clear()
            announcer.announce(marker)
            async with asyncio.timeout(SOON_S):
                await heard.wait()


async def test_what_one_process_announces_all_processes_hear(start, admin):
    speaker, listener = start(), start()
    await until_listening(admin, 2, set())
    charge_id, other = new_id(), new_id()
    async with (
        listener.changes(charge_id) as first,
        listener.changes(charge_id) as second,
        speaker.changes(charge_id) as own,
        listener.changes(other) as silent,
    ):
        for _ in range(2):  # a new connection wakes everybody once
            silent.clear()
            speaker.announce(charge_id)
            async with asyncio.timeout(SOON_S):
                await asyncio.gather(*(event.wait() for event in (first, second, own)))
            for event in (first, second, own):
                event.clear()
        assert not silent.is_set()
    assert listener._waiting == {}


async def test_a_payment_is_announced_only_once_it_is_committed(office: Office):
    charge_id = await office.request()
    announcer = office.wired.announcer
    async with announcer.changes(charge_id) as changed:
        await all_heard(announcer)  # the request's own announcement
        changed.clear()
        async with office.transactions.begin() as db:
            # The payment's transaction waits for this lock, with all its rows but the last.
            await db.connection()
            await queries.lock_charge(db, "sandbox", charge_id.hex)
            telling = asyncio.create_task(office.tell(charge_id))
            await asyncio.sleep(0.2)
            assert not changed.is_set()
            assert not telling.done()
        await telling
        async with asyncio.timeout(SOON_S):
            await changed.wait()
        assert (await office.charge(charge_id))["state"] == "paid"


async def test_a_refused_notification_announces_nothing(office: Office):
    charge_id = await office.request()
    announcer = office.wired.announcer
    async with announcer.changes(charge_id) as changed:
        await all_heard(announcer)
        changed.clear()
        assert (await office.tell(charge_id, 1)).code == "4045213"
        await all_heard(announcer)
        assert not changed.is_set()


async def test_a_listener_whose_connection_was_ended_hears_again(start, admin, monkeypatch):
    """It has nothing to say itself, so only its own watching can tell that it has gone deaf."""
    monkeypatch.setattr(announcements, "RECONNECT_S", 0.05)
    listener = start()
    await until_listening(admin, 1, set())
    charge_id = new_id()
    async with listener.changes(charge_id) as changed:
        ended = set(await listeners(admin))
        for pid in ended:
            await admin.fetchval("SELECT pg_terminate_backend($1)", pid)
        await until_listening(admin, 1, ended)
        async with asyncio.timeout(SOON_S):
            await changed.wait()  # whoever waited looks again: something may have been missed
        changed.clear()
        await admin.execute("SELECT pg_notify('karcis_charge', $1)", str(charge_id))
        async with asyncio.timeout(SOON_S):
            await changed.wait()


async def test_an_announcement_made_while_the_connection_is_broken_is_still_made(
    start, admin, monkeypatch
):
    """Only the speaker's connection is ended; the listener hears of it nothing but the word."""
    monkeypatch.setattr(announcements, "RECONNECT_S", 0.05)
    speaker = start()
    await until_listening(admin, 1, set())
    of_speaker = set(await listeners(admin))
    listener = start()
    await until_listening(admin, 2, set())
    of_listener = set(await listeners(admin)) - of_speaker
    for _ in range(3):
        charge_id = new_id()
        async with listener.changes(charge_id) as changed:
            for pid in set(await listeners(admin)) - of_listener:
                await admin.fetchval("SELECT pg_terminate_backend($1)", pid)
            speaker.announce(charge_id)
            async with asyncio.timeout(SOON_S):
                await changed.wait()
    assert of_listener <= set(await listeners(admin))


async def test_rubbish_on_the_channel_stops_nobody(start, admin):
    listener = start()
    await until_listening(admin, 1, set())
    charge_id = new_id()
    async with listener.changes(charge_id) as changed:
        for payload in ("", "bukan uuid", "x" * 7_000):
            await admin.execute("SELECT pg_notify('karcis_charge', $1)", payload)
        await admin.execute("SELECT pg_notify('karcis_charge', $1)", str(charge_id))
        async with asyncio.timeout(SOON_S):
            await changed.wait()


async def test_announcing_never_blocks_a_payment(database_url: str):
    """With the announcer down, the queue fills up; what does not fit is dropped, not waited for."""
    announcer = Announcer(plain_url(database_url))
    for _ in range(10_500):
        announcer.announce(UUID(int=0))
    assert len(announcer._outgoing) == announcements.MOST_WAITING
