"""A real PostgreSQL built by the migrations, a fresh database for every test, and the sandbox.

Tests commit as production does: deferred triggers, locks and races behave as they will there.
"""

import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import FastAPI
from pydantic import SecretStr

from server import sample
from server.app import create_app
from server.database import (
    APP_ROLE,
    Transactions,
    as_role,
    create_engine,
    create_transactions,
)
from server.identity import api_keys
from server.identity.api_keys import Scope
from server.payments.books import Books
from server.payments.snap import SnapAcquirer
from server.sandbox.app import create_app as create_sandbox
from server.sandbox.settings import Settings as SandboxSettings
from server.settings import Settings
from tests.server.cluster import copy_template, database_named, execute

CLIENT_SECRET = "rahasia uji"
WEBHOOK_KEY = "kunci uji webhook, tiga puluh dua"
PLATE_KEY = "kunci uji nomor polisi, tiga puluh"
SIGN_IN_KEY = "kunci uji masuk kantor, tiga puluh dua"
PAYEE_KEY = "kunci uji rekening, tiga puluh dua"
PERSON_KEY = "kunci uji juru parkir, tiga puluh dua"
CONTACT_KEY = "kunci uji kontak, tiga puluh dua ya"
_numbers = itertools.count(1)


@pytest.fixture
async def owner_url(cluster: str) -> AsyncIterator[str]:
    """A database of the test's own, with the sample town in it, as the owner of its schema.

    For what only an owner can do, such as dropping a guard to see who notices.
    """
    name = f"karcis_test_{os.getpid()}_{next(_numbers)}"
    await copy_template(cluster, name)
    yield database_named(cluster, name)
    await execute(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Transactions]:
    """Transactions as the owner of the schema."""
    engine = create_engine(owner_url)
    yield create_transactions(engine)
    await engine.dispose()


@pytest.fixture
def database_url(owner_url: str) -> str:
    """The test's database as the server reaches it, so that a missing grant fails some test."""
    return as_role(owner_url, APP_ROLE)


@pytest.fixture
async def transactions(database_url: str) -> AsyncIterator[Transactions]:
    engine = create_engine(database_url)
    yield create_transactions(engine)
    await engine.dispose()


@pytest.fixture(scope="session")
def acquirer_key(keys: Path) -> RSAPrivateKey:
    key = load_pem_private_key((keys / "acquirer.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture
def settings(database_url: str, keys: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        regency=sample.REGENCY,
        acquirer_client_secret=SecretStr(CLIENT_SECRET),
        notify_client_secret=SecretStr(CLIENT_SECRET),
        acquirer_public_key=keys / "acquirer.pub.pem",
        private_key=keys / "karcis.pem",
        proof_key=keys / "seal.pem",
        push_key=keys / "push.pem",
        audit_key=keys / "audit.pem",
        driver_charges_per_minute=10_000,
        spot_charges_per_minute=10_000,
        open_charges_per_address=10_000,
        open_charges_per_spot=10_000,
        webhook_key=SecretStr(WEBHOOK_KEY),
        plate_key=SecretStr(PLATE_KEY),
        contact_key=SecretStr(CONTACT_KEY),
        payee_key=SecretStr(PAYEE_KEY),
        person_key=SecretStr(PERSON_KEY),
        sign_in_key=SecretStr(SIGN_IN_KEY),
        reports_per_minute=10_000,
        picture_checks_per_minute=10_000,
        jobs=False,
    )


@pytest.fixture
def books(settings: Settings) -> Books:
    return Books.of(settings)


@dataclass
class Sandbox:
    """The sandbox acquirer in this process, reached over its own HTTP interface."""

    client: httpx.AsyncClient

    async def fault(self, name: str, times: int = 1) -> None:
        answer = await self.client.post("/sandbox/faults", json={"fault": name, "times": times})
        assert answer.status_code == 201, answer.text

    async def pay(self, qris: str, outcome: str = "pay") -> dict[str, Any]:
        answer = await self.client.post("/wallet/pay", json={"qris": qris, "outcome": outcome})
        assert answer.status_code == 200, answer.text
        paid: dict[str, Any] = answer.json()
        return paid

    async def truth(self) -> dict[str, Any]:
        told: dict[str, Any] = (await self.client.get("/sandbox/truth")).json()
        return told


@pytest.fixture
async def sandbox(keys: Path, settings: Settings, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """An acquirer whose notifications go nowhere: the tests send their own, or inquire."""
    app = create_sandbox(
        SandboxSettings(
            data=tmp_path / "sandbox",
            client_key=settings.acquirer_client_key,
            client_secret=SecretStr(CLIENT_SECRET),
            merchant_id=settings.acquirer_merchant_id,
            partner_public_key=keys / "karcis.pub.pem",
            private_key=keys / "acquirer.pem",
            notify_url="http://127.0.0.1:9",
        )
    )
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://acquirer") as client,
    ):
        yield Sandbox(client)


@pytest.fixture
async def app(settings: Settings, sandbox: Sandbox) -> AsyncIterator[FastAPI]:
    """The server with its acquirer's wire led to the sandbox in this process."""
    application = create_app(settings)
    acquirer: SnapAcquirer = application.state.payments.acquirers.first
    await acquirer.close()
    acquirer._client = sandbox.client
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        yield client


IssueKey = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
async def issue_key(transactions: Transactions) -> IssueKey:
    """Issues API keys with the scopes it is given, as the header that shows them."""

    async def issue(*scopes: Scope, lifetime: timedelta = api_keys.LIFETIME) -> dict[str, str]:
        async with transactions.begin() as db:
            issued = await api_keys.issue(
                db, "uji", scopes, created_by="uji", now=datetime.now(UTC), lifetime=lifetime
            )
        return {"Authorization": f"Bearer {issued.key}"}

    return issue


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)
