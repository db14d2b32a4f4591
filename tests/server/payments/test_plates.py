"""What is kept of a plate: a mask and a keyed hash, for a while, and nothing anywhere else."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest
import structlog
from prometheus_client import REGISTRY, generate_latest

from domain.plate import keyed
from server.database import plain_url
from server.parking import retention
from tests.server.conftest import PLATE_KEY
from tests.server.payments.conftest import FLAT, Office

CANARY = "KH 7731 ZQ"
KEPT = timedelta(days=30)


def spellings() -> tuple[str, ...]:
    return CANARY, CANARY.replace(" ", ""), CANARY.lower(), "7731ZQ", "7731 ZQ"


async def everything_stored(database_url: str) -> str:
    """Every row of every table, as text."""
    db = await asyncpg.connect(plain_url(database_url))
    try:
        names = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            row["row"]
            for name in names
            for row in await db.fetch(f'SELECT t::text AS row FROM "{name["tablename"]}" t')
        ]
    finally:
        await db.close()
    return "\n".join(rows)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, whatever its fields, without leaving it configured."""
    out = io.StringIO()
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer(default=str)],
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    yield out
    structlog.configure(**before)


async def test_a_plate_is_stored_masked_and_hashed_and_told_nowhere(
    office: Office,
    api: httpx.AsyncClient,
    owner_url: str,
    caplog: pytest.LogCaptureFixture,
    lines: io.StringIO,
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"vehicle_class": "car", "plate": CANARY}
    answers = [
        await api.post(f"/v1/spots/{FLAT}/charges", json=body),
        await api.post(f"/v1/spots/{FLAT}/charges", json=body | {"minutes": -1}),
        await api.post("/v1/spots/PSR-001-X/charges", json=body),
        await api.post(f"/p/{FLAT}", data=body),
        await api.post(f"/p/{FLAT}", data=body | {"vehicle_class": "kereta"}),
    ]
    office.wired.announcer.announce(answers[0].json()["id"])
    told = [answer.text + str(answer.headers) + str(answer.url) for answer in answers]
    told += [await everything_stored(owner_url), lines.getvalue(), caplog.text]
    told.append(generate_latest(REGISTRY).decode())
    for spelling in spellings():
        assert not [text for text in told if spelling in text]
    [stay] = await office.rows(
        "SELECT plate_masked, plate_hash FROM parking_sessions WHERE id = :id",
        id=answers[0].json()["id"],
    )
    assert stay["plate_masked"] == "KH 7••• ZQ"
    assert stay["plate_hash"] == keyed(CANARY, PLATE_KEY.encode())


async def test_a_plate_that_is_none_of_ours_gets_no_hash(
    office: Office, api: httpx.AsyncClient
) -> None:
    made = await api.post(
        f"/v1/spots/{FLAT}/charges", json={"vehicle_class": "car", "plate": "CD 12 345 6"}
    )
    [stay] = await office.rows("SELECT plate_masked, plate_hash FROM parking_sessions")
    assert made.status_code == 201
    assert (stay["plate_masked"], stay["plate_hash"]) == ("C•••", None)


async def test_plates_are_destroyed_on_their_day_and_the_money_stays(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    now = datetime.now(UTC)
    old = [
        await office.request(plate=CANARY, now=now - KEPT - timedelta(minutes=n))
        for n in range(1, 4)
    ]
    young = await office.request(plate=CANARY, now=now - KEPT + timedelta(minutes=1))
    none = await office.request(now=now - KEPT - timedelta(days=1))
    assert none not in old
    money = ("payments", "charges", "charge_changes", "ledger_postings", "receipts")
    before = [await office.rows(f"SELECT t::text FROM {name} t") for name in money]

    for day in (1, 400):
        await retention.destroy_plates(
            office.transactions, KEPT, now=now if day == 1 else now + timedelta(days=day)
        )
        kept = await office.rows("SELECT id FROM parking_sessions WHERE plate_masked IS NOT NULL")
        hashes = await office.rows("SELECT id FROM parking_sessions WHERE plate_hash IS NOT NULL")
        assert kept == hashes == ([{"id": young}] if day == 1 else [])
    told = await office.rows("SELECT stays FROM plates_destroyed ORDER BY destroyed_at")
    assert [row["stays"] for row in told] == [3, 1]
    assert [await office.rows(f"SELECT t::text FROM {name} t") for name in money] == before
