"""An office that takes payments, an acquirer that may misbehave, and the invariants afterwards."""

import asyncio
import contextlib
import hashlib
import json
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from starlette.applications import Starlette

from domain.payment import CaseOutcome
from domain.tariff import VehicleClass
from server import sample, verify
from server.database import Transactions, create_engine, create_transactions, new_id
from server.figures import service as figures
from server.identity import service as identity
from server.payments import inquiries, proposals
from server.payments.acquirer import Acquirer, Acquirers, profile
from server.payments.callbacks import Answer, Callback
from server.payments.issuing import Issuer, PaymentRequest
from server.payments.snap import Credentials, SnapAcquirer
from server.payments.wire import new_client
from server.payments.wiring import Wiring
from server.sandbox.app import create_app as create_sandbox
from server.sandbox.settings import Settings as SandboxSettings
from server.settings import Settings
from tests.server.conftest import CLIENT_SECRET, Sandbox
from tests.server.handhelds import Handheld, approved
from tests.server.payments.voice import Voice, compact

FLAT, HOURLY, EXCLUSIVE = "PSR-001-U", "RSU-003-I", "RSU-001-J"
CAR_RP = 4_000
LIFETIME = timedelta(minutes=15)
JAKARTA = ZoneInfo("Asia/Jakarta")

broken_on_purpose: set[str] = set()
"""Databases whose test damages them to see whether the damage is noticed."""


@pytest.fixture
async def database_url(database_url: str) -> AsyncIterator[str]:
    """After every test on a database, all that must hold of its money holds, once summed too."""
    yield database_url
    if database_url not in broken_on_purpose:
        await sum_takings(database_url)
        assert await violations(database_url) == {}


async def sum_takings(database_url: str) -> None:
    """Sum all takings there are, as two sweeps do once nothing of it can still be under way."""
    engine = create_engine(database_url)
    try:
        for minutes in (2, 3):
            now = datetime.now(UTC) + timedelta(minutes=minutes)
            await figures.sweep(create_transactions(engine), JAKARTA, now=now)
    finally:
        await engine.dispose()


async def violations(database_url: str) -> dict[str, list[str]]:
    """Each invariant that does not hold, with the rows that break it."""
    engine = create_engine(database_url)
    try:
        async with create_transactions(engine).begin() as db:
            found = await verify.broken(db)
    finally:
        await engine.dispose()
    return {name: rows for name, rows in found.items() if rows}


@pytest.fixture
def voice(acquirer_key: RSAPrivateKey, settings: Settings) -> Voice:
    return Voice(acquirer_key, CLIENT_SECRET, settings.acquirer_merchant_id)


Rows = list[dict[str, Any]]


@dataclass
class Office:
    """The payments slice at work on a real database, with an acquirer at the end of its wire."""

    app: FastAPI
    voice: Voice

    @property
    def transactions(self) -> Transactions:
        maker: Transactions = self.app.state.transactions
        return maker

    @property
    def wired(self) -> Wiring:
        wired: Wiring = self.app.state.payments
        return wired

    async def rows(self, sql: str, **values: Any) -> Rows:
        async with self.transactions.begin() as db:
            return [dict(row) for row in (await db.execute(text(sql), values)).mappings()]

    async def count(self, table: str) -> int:
        return int((await self.rows(f"SELECT count(*) AS n FROM {table}"))[0]["n"])

    async def request(
        self,
        spot: str = FLAT,
        *,
        charge_id: UUID | None = None,
        vehicle_class: VehicleClass = VehicleClass.CAR,
        minutes: int | None = None,
        plate: str | None = None,
        lifetime: timedelta = LIFETIME,
        now: datetime | None = None,
        acquirer: Acquirer | None = None,
    ) -> UUID:
        wired = self.wired
        issuer = wired.issuer
        if acquirer is not None:  # as another process does, which shares no group with this one
            issuer = Issuer(self.transactions, Acquirers(acquirer), wired.announcer, wired.books)
        asked = await issuer.request(
            PaymentRequest(charge_id or new_id(), spot, vehicle_class, plate, minutes),
            lifetime=lifetime,
            now=now or datetime.now(UTC),
        )
        await self.learn(asked)
        return asked

    async def learn(self, charge_id: UUID) -> None:
        """Let the voice speak of a charge under the reference that its acquirer gave it."""
        rows = await self.rows(
            "SELECT acquirer_reference AS given FROM charges WHERE id = :id", id=charge_id
        )
        if rows and rows[0]["given"]:
            self.voice.references[charge_id.hex] = rows[0]["given"]

    async def clarify(self, case_id: UUID, why: str) -> None:
        """Two officers close a case by which no money moves."""
        now = datetime.now(UTC)
        async with self.transactions.begin() as db:
            maker = await identity.officer_named(db, sample.OFFICER)
            told = (case_id, CaseOutcome.CLARIFIED, None, why)
            await proposals.propose(db, maker, *told, now=now)
        async with self.transactions.begin() as db:
            checker = await identity.officer_named(db, sample.CHECKER)
            await proposals.decide(
                db, checker, case_id, self.wired.books, accept=True, why="", now=now
            )

    async def open_shift(self) -> Handheld:
        """A handheld at which a sample attendant is on shift."""
        handheld = await approved(self.transactions)
        handheld.token = secrets.token_hex(8)
        await self.rows(
            "INSERT INTO shifts (id, device_id, attendant_id, token_hash, opened_at, expires_at)"
            " SELECT gen_random_uuid(), :device, a.id, :hash, now(), now() + interval '8 hours'"
            " FROM attendants a WHERE a.code = 'J-001' RETURNING id",
            device=handheld.device_id,
            hash=hashlib.sha256(handheld.token.encode()).digest(),
        )
        return handheld

    async def charge(self, charge_id: UUID) -> dict[str, Any]:
        return (await self.rows("SELECT * FROM charges WHERE id = :id", id=charge_id))[0]

    async def stay(self, charge_id: UUID) -> tuple[str, str]:
        """The states of a charge's payment and of its stay."""
        rows = await self.rows(
            "SELECT p.state AS payment, s.state AS stay FROM payments p"
            " JOIN parking_sessions s ON s.id = p.parking_session_id WHERE p.id = :id",
            id=charge_id,
        )
        return rows[0]["payment"], rows[0]["stay"]

    async def story(self, charge_id: UUID) -> list[tuple[str, str, str]]:
        """Every change of a charge in order: from, to, by whom."""
        rows = await self.rows(
            "SELECT state_before, state_after, who FROM charge_changes WHERE charge_id = :id"
            " ORDER BY id",
            id=charge_id,
        )
        return [(row["state_before"], row["state_after"], row["who"]) for row in rows]

    async def inquire(
        self,
        charge_id: UUID,
        *,
        now: datetime | None = None,
        acquirer: Acquirer | None = None,
    ) -> None:
        wired = self.wired
        await inquiries.inquire(
            self.transactions,
            acquirer or wired.acquirers.first,
            wired.announcer,
            wired.books,
            charge_id.hex,
            now or datetime.now(UTC),
        )

    async def tell(
        self,
        charge_id: UUID,
        amount_rp: int = CAR_RP,
        rrn: str | None = "626100000001",
        *,
        now: datetime | None = None,
        external_id: str | None = None,
        **changed: Any,
    ) -> Answer:
        """Hear a well signed notification, at any time by our clock."""
        at = now or datetime.now(UTC)
        await self.learn(charge_id)
        content = compact(self.voice.body(charge_id, amount_rp, rrn, **changed))
        headers = self.voice.headers(content, at=at, external_id=external_id)
        return await self.wired.inbox.receive(Callback(httpx.Headers(headers), content), now=at)


@pytest.fixture
def office(app: FastAPI, voice: Voice) -> Office:
    return Office(app, voice)


@pytest.fixture
def meddle(owner: Transactions) -> Callable[..., Awaitable[None]]:
    """What only the schema's owner may do: make the world other than the office would make it."""

    async def run(sql: str, **values: Any) -> None:
        async with owner.begin() as db:
            await db.execute(text("ALTER TABLE tariffs DISABLE TRIGGER tariffs_never_changes"))
            await db.execute(text(sql), values)
            await db.execute(text("ALTER TABLE tariffs ENABLE TRIGGER tariffs_never_changes"))

    return run


@contextlib.asynccontextmanager
async def on_a_socket(
    app: FastAPI | Starlette, bound: socket.socket | None = None
) -> AsyncIterator[str]:
    """Serve an application, whose lifespan somebody else runs, on a real socket."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # Ctrl-C stays pytest's
    with bound or socket.socket() as listening:
        if bound is None:
            listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@pytest.fixture(scope="session")
async def socket_sandbox(
    keys: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Sandbox]:
    """One sandbox acquirer on a real socket, where answers can be lost; shared by many tests."""
    defaults = Settings()
    application = create_sandbox(
        SandboxSettings(
            data=tmp_path_factory.mktemp("sandbox"),
            client_key=defaults.acquirer_client_key,
            client_secret=SecretStr(CLIENT_SECRET),
            merchant_id=defaults.acquirer_merchant_id,
            partner_public_key=keys / "karcis.pub.pem",
            private_key=keys / "acquirer.pem",
            notify_url="http://127.0.0.1:9",
        )
    )
    async with (
        application.router.lifespan_context(application),
        on_a_socket(application) as url,
        # A kept connection may be closed by the server at the moment it is used again.
        httpx.AsyncClient(
            base_url=url,
            trust_env=False,
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client,
    ):
        yield Sandbox(client)


@pytest.fixture(scope="session")
def credentials(keys: Path) -> Credentials:
    defaults = Settings()
    key = load_pem_private_key((keys / "karcis.pem").read_bytes(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return Credentials(
        client_key=defaults.acquirer_client_key,
        client_secret=SecretStr(CLIENT_SECRET),
        private_key=key,
        merchant_id=defaults.acquirer_merchant_id,
        terminal_id=defaults.acquirer_terminal_id,
    )


Answering = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]
MakeAcquirer = Callable[..., SnapAcquirer]


@pytest.fixture
async def scripted(credentials: Credentials) -> AsyncIterator[MakeAcquirer]:
    """Acquirers whose wire ends in a script: a token is given, the rest is as the test says."""
    made: list[SnapAcquirer] = []

    def make(answering: Answering, **more: Any) -> SnapAcquirer:
        async def handle(request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/access-token/b2b"):
                return httpx.Response(200, json={"accessToken": "token", "expiresIn": "900"})
            answer = answering(request)
            return answer if isinstance(answer, httpx.Response) else await answer

        client = httpx.AsyncClient(
            transport=httpx.MockTransport(handle), base_url="http://acquirer"
        )
        made.append(SnapAcquirer(client, profile("sandbox"), credentials, **more))
        return made[-1]

    yield make
    for acquirer in made:
        await acquirer.close()


def answers(body: Any, status: int = 200) -> Answering:
    """A script that always says the same."""
    return lambda _request: httpx.Response(status, json=body)


def fields_of(request: httpx.Request) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(request.content)
    return body


@pytest.fixture
async def over_socket(
    socket_sandbox: Sandbox, credentials: Credentials
) -> AsyncIterator[SnapAcquirer]:
    """Our client of the sandbox on a real socket."""
    await socket_sandbox.client.post("/sandbox/faults", json={"clear": True})
    client = new_client(str(socket_sandbox.client.base_url), timeout_s=60)
    made = SnapAcquirer(client, profile("sandbox"), credentials)
    yield made
    await made.close()
