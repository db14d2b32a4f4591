"""Logs and metrics: only listed fields, no personal data or secret, routes and never paths."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
import structlog
from prometheus_client import REGISTRY

from server import observability
from server.database import plain_url
from server.settings import Settings
from tests.ports import free_port
from tests.server.conftest import CLIENT_SECRET

CANARY = "KENARI7731"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, in the format of production, without leaving it configured."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    before = structlog.get_config()
    observability.configure_logging()
    structlog.configure(cache_logger_on_first_use=False)
    yield out
    structlog.configure(**before)


def test_a_field_that_is_not_listed_is_never_logged(lines: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info("money", charge_id="c-1", amount_rp=2000, plate=CANARY, pin=CANARY, body={"x": CANARY})
    log.bind(token=CANARY).warning("refused", reason="late", qris=CANARY)
    log.debug("not at this level")
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "money", "level": "info", "charge_id": "c-1", "amount_rp": 2000}
    assert (second["event"], second["reason"]) == ("refused", "late")
    assert CANARY not in lines.getvalue()


def counted(method: str, route: str, status: str) -> float:
    labels = {"method": method, "route": route, "status": status}
    return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0


async def test_requests_are_counted_by_route_and_never_by_path(api: httpx.AsyncClient) -> None:
    seen = [
        ("GET", "/p/{spot}", "200", "/p/PSR-001-U"),
        ("GET", "/p/{spot}", "404", f"/p/{CANARY}"),
        ("GET", "unmatched", "404", f"/{CANARY}"),
        ("POST", "/v1/spots/{spot}/charges", "422", "/v1/spots/PSR-001-U/charges"),
        ("other", "unmatched", "404", f"/{CANARY}"),
    ]
    before = [counted(*labels) for *labels, _ in seen]
    for method, *_, path in seen:
        await api.request(CANARY if method == "other" else method, path, headers={"Accept": "*/*"})
    assert [counted(*labels) for *labels, _ in seen] == [number + 1 for number in before]
    text = (await api.get("/metrics")).text
    assert CANARY not in text
    assert "karcis_notify" in text


async def test_a_fault_is_counted_as_one(api: httpx.AsyncClient, owner_url: str) -> None:
    connection = await asyncpg.connect(plain_url(owner_url))
    await connection.execute("ALTER TABLE officers RENAME TO gone")
    await connection.close()
    before = counted("POST", "/office/sign-in", "500")
    answer = await api.post("/office/sign-in", data={"login": "x", "password": "x"})
    assert answer.status_code == 500
    assert counted("POST", "/office/sign-in", "500") == before + 1


async def test_a_real_server_logs_its_faults_without_what_people_typed(
    settings: Settings, database_url: str, owner_url: str, tmp_path: Path, now: datetime
) -> None:
    """The whole process on its own socket: every secret goes in, none comes out on its stderr."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "KARCIS_PORT": str(port),
        "KARCIS_ACQUIRER_URL": "http://127.0.0.1:9",
        "KARCIS_ACQUIRER_CLIENT_SECRET": CLIENT_SECRET,
        "KARCIS_NOTIFY_CLIENT_SECRET": CLIENT_SECRET,
        "KARCIS_ACQUIRER_PUBLIC_KEY": str(settings.acquirer_public_key),
        "KARCIS_PRIVATE_KEY": str(settings.private_key),
        "KARCIS_JOBS": "false",
    }
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [sys.executable, "-m", "server", "serve"], env=environment, stdout=out, stderr=out
        )
    # A connection each: the server closes one on which a fault was answered.
    once = httpx.Limits(max_keepalive_connections=0)
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=address, trust_env=False, limits=once) as client:
            deadline = time.monotonic() + 120
            while not await answers(client):
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
            await type_secrets(client)
            connection = await asyncpg.connect(plain_url(owner_url))
            for table in ("officers", "parking_sessions", "shifts"):
                await connection.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
            await connection.close()
            statuses = await type_secrets(client)
            assert 500 in statuses
    finally:
        server.terminate()
        server.wait(60)
    written = log.read_text()
    assert "UndefinedTable" in written  # faults are on record …
    assert CANARY not in written  # … and nothing that was typed
    assert CLIENT_SECRET not in written
    for line in written.splitlines():
        if line.startswith("{"):
            assert set(json.loads(line)) <= observability.LOGGED


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


async def type_secrets(client: httpx.AsyncClient) -> set[int]:
    charge = {"vehicle_class": "car", "plate": CANARY}
    answers = [
        await client.post("/v1/spots/PSR-001-U/charges", json=charge),
        await client.post("/office/sign-in", data={"login": CANARY, "password": CANARY}),
        await client.get("/v1/masterdata", headers={"Authorization": f"Bearer {CANARY}"}),
        await client.get("/office", headers={"Cookie": f"karcis_office={CANARY}"}),
        await client.post("/v1/devices", json={"enrolment_code": CANARY, "public_key": CANARY}),
        await client.get(f"/p/{CANARY}", params={"plate": CANARY}),
    ]
    return {answer.status_code for answer in answers}
