"""Readiness follows the database: away, not migrated, read-only, and well again."""

import asyncio

import httpx
from sqlalchemy import text

from server import schema
from server.app import create_app
from server.database import Transactions, new_id
from server.settings import Settings


async def ready(api: httpx.AsyncClient) -> tuple[int, str]:
    answer = await api.get("/readyz")
    assert answer.headers["content-type"] == "application/health+json"
    body = answer.json()
    assert body["status"] == ("pass" if answer.status_code == 200 else "fail")
    return answer.status_code, body.get("output", "")


async def execute(owner: Transactions, sql: str) -> None:
    async with owner() as db:
        connection = await db.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await connection.execute(text(sql))


async def test_a_process_lives_whatever_its_database_does(api: httpx.AsyncClient) -> None:
    assert (await api.get("/livez")).json() == {"status": "pass"}


async def test_ready_only_at_the_newest_schema(api: httpx.AsyncClient, owner: Transactions) -> None:
    assert await ready(api) == (200, "")
    await execute(owner, "UPDATE alembic_version SET version_num = '0000'")
    assert await ready(api) == (503, "schema: migrations are still to run")
    await execute(owner, "ALTER TABLE alembic_version RENAME TO was_version")
    assert (await ready(api))[0] == 503
    await execute(owner, "ALTER TABLE was_version RENAME TO alembic_version")
    await execute(owner, f"UPDATE alembic_version SET version_num = '{schema.newest()}'")
    assert await ready(api) == (200, "")


async def test_not_ready_while_nothing_can_be_written(
    api: httpx.AsyncClient, owner: Transactions
) -> None:
    cut = (
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with owner() as db:
        name = await db.scalar(text("SELECT current_database()"))
    await execute(owner, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await execute(owner, cut)
    assert await ready(api) == (503, "database: read-only")
    body = {"id": str(new_id()), "vehicle_class": "motorcycle"}
    refused = await api.post("/v1/spots/PSR-001-U/charges", json=body)
    assert (refused.status_code, refused.json()["slug"]) == (503, "unavailable")
    await execute(owner, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await execute(owner, cut)
    async with asyncio.timeout(120):  # connections made anew take a while on a busy machine
        while await ready(api) != (200, ""):
            pass


async def test_not_ready_without_a_database(settings: Settings) -> None:
    for address in (
        "postgresql://postgres@127.0.0.1:9/karcis",
        (settings.database_url or "").replace("karcis_test", "karcis_absent"),
    ):
        app = create_app(settings.model_copy(update={"database_url": address}))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            status, output = await ready(client)
            assert status == 503
            assert output.startswith("database: ")
            assert "karcis" not in output
            answer = await client.get("/livez")
            assert answer.status_code == 200
        await app.state.engine.dispose()
