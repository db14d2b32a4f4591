"""Where a fault is played out: PostgreSQL, the sandbox acquirer and whoever takes the payments.

All three are real processes on real sockets with durable commits. Karcis and the naive control
stand on the same stage before the same drivers, and are judged alike: by comparing their books with
what the sandbox knows to be true.
"""

import asyncio
import csv
import itertools
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil

from server import sample, schema, verify
from server.database import APP_ROLE, as_role, create_engine, create_transactions
from server.embedded import EmbeddedPostgres
from server.faults import CRASH_AT
from server.settings import Settings
from tests import forks
from tests.faults.gate import Gate, Mode
from tests.ports import free_port

forks.load("server.cli", "server.app", "server.sandbox.app", "uvicorn", "tests.faults")
SECRET = "rahasia gangguan"
READY_S = 120.0
RETRY_S = 0.1
UNHEARD = 20
"""So many attempts to notify are lost where only an inquiry is to tell: about 17 seconds."""
SETTLED_WITHIN_S = 75.0
"""How long after the last fault everything must have converged."""


@dataclass(frozen=True)
class Subject:
    """Who takes the payments, and where it says so.

    `books` selects all money it recorded, `charges` all it asked for, `refunds` all that it says
    the acquirer gave back and reconciliation did not find missing; `repeats` counts notifications
    it acknowledged and knew already.
    """

    name: str
    command: tuple[str, ...]
    books: str
    charges: str
    refunds: str
    repeats: str


KARCIS = Subject(
    "karcis",
    ("server", "serve"),
    """SELECT reference, rrn, m.amount_rp, flag FROM money m JOIN charges c ON c.id = charge_id
       WHERE c.kind <> 'cash'
       UNION ALL SELECT reference, rrn, gross_rp, 'unbooked' FROM settlement_lines l
       JOIN ledger_entries e ON e.source = 'unbooked:' || l.id
       WHERE NOT EXISTS (SELECT 1 FROM money m WHERE m.rrn = l.rrn)""",
    "SELECT reference FROM charges",
    """SELECT r.reference, r.amount_rp FROM refunds r JOIN money m ON m.id = money_id
       WHERE r.state = 'done' AND method = 'acquirer' AND NOT EXISTS (
           SELECT 1 FROM discrepancies d WHERE d.kind = 'not-settled'
           AND d.subject = m.acquirer_reference || '/' || r.acquirer_refund_number
           || '/pengembalian')""",
    """SELECT count(*) FROM notifications n WHERE response_code = '2005200'
       AND NOT EXISTS (SELECT 1 FROM money m WHERE m.notification_id = n.id)""",
)
NAIVE = Subject(
    "naive",
    ("tests.faults.naive",),
    "SELECT reference, rrn, amount_rp, 'exact' AS flag FROM posted",
    "SELECT reference FROM charges",
    "SELECT reference, amount_rp FROM refunds",
    "SELECT 0",
)


@dataclass
class Tally:
    """What one subject lived through in one row, and what it lost."""

    runs: int = 0
    kills: int = 0
    acked: int = 0
    stored: int = 0
    replays: int = 0
    seconds: float = 0.0
    fired: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def violate(self, what: str, example: object = "") -> None:
        self.violations[what] += 1
        known = self.examples.setdefault(what, [])
        if example and len(known) < 3:
            known.append(str(example))


class Cluster:
    """One PostgreSQL for a whole run, with a template database: migrated, and the sample town."""

    TEMPLATE = "karcis_template"

    def __init__(self, folder: Path) -> None:
        self._postgres = EmbeddedPostgres(folder)
        self._count = 0

    def __enter__(self) -> "Cluster":
        self._postgres.__enter__()
        # Several servers share it, each with a pool for a whole machine.
        asyncio.run(self.execute("ALTER SYSTEM SET max_connections = 400"))
        self.stop()
        self.start_again()
        asyncio.run(self.execute(f"CREATE DATABASE {self.TEMPLATE}"))
        schema.migrate(self.url(self.TEMPLATE))
        asyncio.run(self._seed())
        return self

    def __exit__(self, *_: object) -> None:
        self.start_again()
        self._postgres.stop()

    @property
    def socket(self) -> Path:
        return self._postgres.pgdata / ".s.PGSQL.5432"

    def url(self, database: str, port: int | None = None) -> str:
        if port is not None:
            return f"postgresql://postgres@127.0.0.1:{port}/{database}"
        return f"postgresql://postgres@/{database}?host={self.socket.parent}"

    async def _seed(self) -> None:
        engine = create_engine(self.url(self.TEMPLATE))
        async with create_transactions(engine).begin() as db:
            await sample.seed(
                db, officer_password=SECRET, checker_password=SECRET, attendant_pin="246810"
            )
        await engine.dispose()

    async def execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        await connection.execute(sql)
        await connection.close()

    async def new_database(self, template: str) -> str:
        self._count += 1
        name = f"stage_{self._count}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def drop(self, name: str) -> None:
        await self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def kill(self) -> None:
        """kill -9 of the postmaster."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator stops it: what is under way is rolled back."""
        self._signal(signal.SIGINT)

    def _signal(self, number: int) -> None:
        pid = int((self._postgres.pgdata / "postmaster.pid").read_text().split()[0])
        postmaster = psutil.Process(pid)
        postmaster.send_signal(number)
        postmaster.wait(READY_S)

    def start_again(self) -> None:
        """Have it running, whatever happened to it; its orphans may take a moment to leave."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                return self._postgres._server.ensure_postgres_running()
            except (subprocess.SubprocessError, AssertionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def flat_spots() -> list[str]:
    """The spots of the sample town where a stay has one price."""
    rows = csv.reader((files("server") / "sample_data" / "spots.csv").read_text().splitlines()[1:])
    return [row[2] for row in rows if row[0] not in sample.HOURLY_ZONES]


class Stage:
    """One subject at work, its database and its acquirer each behind a gate."""

    def __init__(
        self,
        cluster: Cluster,
        subject: Subject,
        folder: Path,
        seed: str,
        *,
        gated: bool = False,
        **environment: str,
    ) -> None:
        """`gated` leads the subject to its database through a gate too, which costs speed."""
        self.cluster = cluster
        self.subject = subject
        self.folder = folder
        self.rng = random.Random(seed)
        self.tally = Tally()
        self.spots = flat_spots()
        self.gated = gated
        self.environment = environment
        self.promised: set[str] = set()
        """References of the charges that a client was told are there."""
        self.asked: set[UUID] = set()
        self.port, self.sandbox_port = free_port(), free_port()
        self.database, self.acquirer = Gate(cluster.socket), Gate(self.sandbox_port)

    @property
    def is_ours(self) -> bool:
        return self.subject is KARCIS

    @asynccontextmanager
    async def standing(self) -> AsyncIterator["Stage"]:
        """Everything started; on exit nothing of it is left running."""
        async with AsyncExitStack() as stack:
            (self.folder / "logs").mkdir(parents=True)
            template = Cluster.TEMPLATE if self.is_ours else "template1"
            self.name = await self.cluster.new_database(template)
            stack.push_async_callback(self.cluster.drop, self.name)
            for gate in (self.database, self.acquirer):
                await gate.open()
                stack.push_async_callback(gate.close)
            self.server = self._program(self.subject.command, self._server_environment())
            self.sandbox = self._program(("server", "sandbox"), self._sandbox_environment())
            for program in (self.server, self.sandbox):
                program.start()
                stack.callback(program.kill)
            self.http = await stack.enter_async_context(_client(self.port))
            self.wallet = await stack.enter_async_context(
                _client(self.sandbox_port, patience_s=60, connect_s=30)
            )
            await self.ready()
            yield self

    def _program(self, command: tuple[str, ...], environment: dict[str, str]) -> forks.Fork:
        return forks.Fork(command, environment, self.folder / "logs" / f"{command[-1]}.log")

    def _server_environment(self) -> dict[str, str]:
        keys = self.folder.parent / "keys"
        address = self.cluster.url(self.name, self.database.port if self.gated else None)
        return {
            "DATABASE_URL": as_role(address, APP_ROLE) if self.is_ours else address,
            "KARCIS_PORT": str(self.port),
            "KARCIS_ACQUIRER_URL": f"http://127.0.0.1:{self.acquirer.port}",
            "KARCIS_ACQUIRER_CLIENT_SECRET": SECRET,
            "KARCIS_ACQUIRER_PUBLIC_KEY": str(keys / "acquirer.pub.pem"),
            "KARCIS_ACQUIRER_TIMEOUT_S": "1",
            "KARCIS_PRIVATE_KEY": str(keys / "karcis.pem"),
            "KARCIS_AUDIT_KEY": str(keys / "audit.pem"),
            "KARCIS_NOTIFY_CLIENT_SECRET": SECRET,
            "KARCIS_WEBHOOK_KEY": SECRET * 3,
            "KARCIS_DRIVER_CHARGES_PER_MINUTE": "1000000",
            "KARCIS_SPOT_CHARGES_PER_MINUTE": "1000000",
            "KARCIS_OPEN_CHARGES_PER_ADDRESS": "1000000",
            "KARCIS_OPEN_CHARGES_PER_SPOT": "1000000",
            **self.environment,
        }

    def _sandbox_environment(self) -> dict[str, str]:
        keys = self.folder.parent / "keys"
        settings = Settings()
        return {
            "SANDBOX_PORT": str(self.sandbox_port),
            "SANDBOX_DATA": str(self.folder / "sandbox"),
            "SANDBOX_CLIENT_KEY": settings.acquirer_client_key,
            "SANDBOX_CLIENT_SECRET": SECRET,
            "SANDBOX_PARTNER_PUBLIC_KEY": str(keys / "karcis.pub.pem"),
            "SANDBOX_PRIVATE_KEY": str(keys / "acquirer.pem"),
            "SANDBOX_MERCHANT_ID": settings.acquirer_merchant_id,
            "SANDBOX_NOTIFY_URL": f"http://127.0.0.1:{self.port}",
            "SANDBOX_NOTIFY_CLIENT_SECRET": SECRET,
            "SANDBOX_NOTIFY_RETRIES_S": "0.2,0.5,1",
        }

    # The processes

    async def ready(self) -> None:
        deadline = time.monotonic() + READY_S
        for client, path in ((self.http, "/readyz"), (self.wallet, "/livez")):
            while not await _answers(client, path):
                if time.monotonic() > deadline or self.sandbox.why_dead():
                    raise RuntimeError(f"not ready: {self.server.why_dead()} ({self.folder})")
                await asyncio.sleep(0.05)

    async def restart(self, crash_at: str = "", acquirer: str | None = None) -> None:
        """Start the server process anew: to die at a named point, or with another acquirer."""
        self.server.kill()
        address = acquirer or f"http://127.0.0.1:{self.acquirer.port}"
        changed = {CRASH_AT: crash_at, "KARCIS_ACQUIRER_URL": address}
        self.server.environment = {**self.server.environment, **changed}
        self.server.start()

    async def up_or_dead(self) -> None:
        """Wait until the server answers, unless a crash point is quicker."""
        while not await self.died(within_s=0.05) and not await _answers(self.http, "/readyz"):
            pass

    async def died(self, within_s: float) -> bool:
        """Whether the server process was killed within this time."""
        deadline = time.monotonic() + within_s
        while self.server.exit_code is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    # What drivers and their wallets do

    async def ask(
        self,
        spot: str,
        charge_id: UUID,
        vehicle_class: str = "motorcycle",
        patience_s: float = 40.0,
        **more: str,
    ) -> dict[str, Any] | None:
        """As a driver's phone asks: the same request until it is answered; None when it is not."""
        self.asked.add(charge_id)
        body = {"id": str(charge_id), "vehicle_class": vehicle_class, **more}
        deadline, again = time.monotonic() + patience_s, False
        while time.monotonic() < deadline:
            answer = await self.call("POST", f"/v1/spots/{spot}/charges", json=body)
            if answer is not None and answer.status_code == 201:
                charge: dict[str, Any] = answer.json()
                self.promised.add(reference_of(charge))
                self.tally.replays += again and self.is_ours
                return charge
            again = True
            await asyncio.sleep(RETRY_S)
        return None

    async def call(self, method: str, path: str, **how: Any) -> httpx.Response | None:
        """One request; None where no answer came. Karcis never answers 500."""
        try:
            answer = await self.http.request(method, path, **how)
        except httpx.TransportError:
            return None
        if answer.status_code == 500 and self.is_ours:
            self.tally.violate("answered 500", f"{method} {path}")
        return answer

    async def barcode(self, charge: dict[str, Any], patience_s: float = 55.0) -> str | None:
        """The barcode's text as soon as it is there; None when it never comes."""
        shown: dict[str, Any] = charge
        deadline = time.monotonic() + patience_s
        while not shown.get("qris") and shown.get("state") != "issue_failed":
            if time.monotonic() > deadline:
                return None
            await asyncio.sleep(0.2)
            answer = await self.call("GET", f"/v1/charges/{charge['id']}")
            shown = answer.json() if answer is not None and answer.status_code == 200 else {}
        return shown.get("qris")

    async def seen(self, charge: dict[str, Any], state: str, patience_s: float = 2.0) -> bool:
        """Whether the driver's screen shows the charge in this state before he loses patience."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            answer = await self.call("GET", f"/v1/charges/{charge['id']}")
            if answer is not None and answer.is_success and answer.json()["state"] == state:
                return True
            await asyncio.sleep(RETRY_S)
        return False

    async def pay(self, qris: str, outcome: str = "pay") -> httpx.Response:
        return await self.wallet.post("/wallet/pay", json={"qris": qris, "outcome": outcome})

    async def fault(self, name: str, reference: str = "", times: int = 1, **more: Any) -> None:
        """Load a fault of the sandbox's own."""
        body = {"fault": name, "times": times, "reference": reference, **more}
        answer = await self.wallet.post("/sandbox/faults", json=body)
        if answer.status_code != 201:
            raise RuntimeError(answer.text)

    async def kerb(self, until: Callable[[], bool], drivers: int = 8) -> None:
        """Drivers who park, pay and wait to see it, each at spots of his own."""

        async def drive(number: int) -> None:
            spots = itertools.cycle(self.spots[number::drivers])
            while not until():
                charge = await self.ask(next(spots), self.new_id())
                text = charge and await self.barcode(charge)
                if charge and text:
                    await self.pay(text)
                    await self.seen(charge, "paid")

        await asyncio.gather(*(drive(number) for number in range(drivers)))

    @staticmethod
    def after(seconds: float) -> Callable[[], bool]:
        end = time.monotonic() + seconds
        return lambda: time.monotonic() > end

    def new_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    # What an office does

    @staticmethod
    def today() -> str:
        return datetime.now(Settings().timezone).date().isoformat()

    async def settlement(self) -> Path:
        """The acquirer's settlement file of today, as it is so far."""
        day = self.today()
        await self.wallet.post("/sandbox/day-end", json={"date": day}, timeout=60)
        answer = await self.wallet.get(f"/sandbox/day-end/{day}/settlement.csv")
        file = self.folder / f"settlement-{len(self.asked)}.csv"
        file.write_bytes(answer.content)
        return file

    async def office(self, module: str, *command: str, crash_at: str = "") -> int | None:
        """Run a command in a process of its own; its exit code, -9 when it died as it should."""
        environment = {**self.server.environment, CRASH_AT: crash_at}
        process = forks.Fork((module, *command), environment, self.folder / "logs" / "office.log")
        process.start()
        return await asyncio.to_thread(process.wait)

    # What became of it

    async def rows(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.cluster.url(self.name))
        try:
            return await connection.fetch(sql, *values)
        finally:
            await connection.close()

    async def truth(self) -> dict[str, Any]:
        """What the sandbox knows: orders, payments, refunds, notifications, faults that fired."""
        told: dict[str, Any] = (await self.wallet.get("/sandbox/truth", timeout=60)).json()
        return told

    async def settle(self) -> None:
        """Heal everything and wait until nothing is under way any more, or time is up."""
        await self.wallet.post("/sandbox/faults", json={"clear": True})
        for gate in (self.database, self.acquirer):
            gate.mode, gate.judge = Mode.OPEN, nothing
        await self.ready()
        deadline = time.monotonic() + (SETTLED_WITHIN_S if self.is_ours else 5.0)
        while time.monotonic() < deadline:
            await asyncio.sleep(0.5)
            truth = await self.truth()
            if all(n["state"] != "pending" for n in truth["notifications"]) and (
                not self.is_ours or await self._converged(truth)
            ):
                break
            if self.is_ours and await self._converged(truth):
                # Some are refused for ever, as one of another amount; the rest comes soon.
                deadline = min(deadline, time.monotonic() + 5.0)
        if not self.is_ours:
            await asyncio.sleep(1.0)  # its own writer's last batch

    async def _converged(self, truth: dict[str, Any]) -> bool:
        open_ = await self.rows(
            "SELECT 1 FROM charges WHERE state IN ('new', 'issuing', 'issue_unknown') LIMIT 1"
        )
        booked = {(row["reference"], row["rrn"]) for row in await self.rows(self.subject.books)}
        sending = "SELECT 1 FROM refunds WHERE state = 'sending' LIMIT 1"
        open_ += await self.rows(sending)
        return not open_ and {key for key, _ in _payments(truth)} <= booked

    async def judge(self) -> None:
        """Compare what the subject says with what is true, to the rupiah."""
        tally, truth = self.tally, await self.truth()
        books = [tuple(row) for row in await self.rows(self.subject.books)]
        tally.violations += compare(_payments(truth), books)
        refunded = Counter((r["partner_refund_no"], r["amount_rp"]) for r in truth["refunds"])
        told_of = Counter(tuple(row) for row in await self.rows(self.subject.refunds))
        tally.violations["refund made and not in the books"] += (refunded - told_of).total()
        tally.violations["refund in the books and not made"] += (told_of - refunded).total()
        tally.violations = +tally.violations
        extra = len(truth["orders"]) - len(self.asked)
        if extra > 0:
            tally.violations["ordered again under a new reference"] += extra
        known = {row[0] for row in await self.rows(self.subject.charges)}
        told = {key for key, _ in _payments(truth, delivered=True)}
        stored = told & {(reference, rrn) for reference, rrn, _, _ in books}
        tally.acked += len(self.promised) + len(told)
        tally.stored += len(self.promised & known) + len(stored)
        if tally.acked != tally.stored:
            tally.violations["acknowledged and not stored"] += tally.acked - tally.stored
        tally.replays += (await self.rows(self.subject.repeats))[0][0]
        for fault in truth["faults"]:
            tally.fired[fault["name"]] += fault["fired"]
        tally.fired += self.database.fired + self.acquirer.fired
        if self.is_ours:
            await self._ask_invariants()

    async def _ask_invariants(self) -> None:
        engine = create_engine(self.cluster.url(self.name))
        try:
            async with create_transactions(engine).begin() as db:
                for name, rows in (await verify.broken(db)).items():
                    for row in rows:
                        self.tally.violate(name, row)
        finally:
            await engine.dispose()
        left = "SELECT reference FROM charges WHERE state IN ('new', 'issuing', 'issue_unknown')"
        for row in await self.rows(left):
            self.tally.violate("charge never settled", row[0])


Key = tuple[str, str | None]
Booked = tuple[str, str | None, int, str]


def _payments(truth: dict[str, Any], *, delivered: bool = False) -> list[tuple[Key, int]]:
    """Every payment the sandbox took, as (our reference, RRN) and rupiah."""
    references = {order["id"]: order["partner_reference_no"] for order in truth["orders"]}
    heard = {n["payment_id"] for n in truth["notifications"] if n["delivered_at"]}
    return [
        ((references[payment["order_id"]], payment["rrn"]), payment["amount_rp"])
        for payment in truth["payments"]
        if payment["state"] == "paid" and (not delivered or payment["id"] in heard)
    ]


def compare(payments: list[tuple[Key, int]], books: Sequence[Booked]) -> Counter[str]:
    """What is wrong with `books` in the light of the payments that were really made."""
    true = dict(payments)
    booked = Counter((reference, rrn) for reference, rrn, _, _ in books)
    sales = {(reference, rrn) for reference, rrn, _, flag in books if flag == "exact"}
    sold = Counter(reference for reference, _ in sales)
    found: Counter[str] = Counter()
    found["money lost"] = sum(key not in booked for key in true)
    found["money booked twice"] = sum(count - 1 for count in booked.values())
    found["money invented"] = sum(key not in true for key in booked)
    found["another amount"] = sum(
        rp != true.get((reference, rrn), rp) for reference, rrn, rp, _ in books
    )
    found["second payment booked as a sale"] = sum(count - 1 for count in sold.values())
    return +found


def reference_of(charge: dict[str, Any]) -> str:
    """What a charge is called at the acquirer."""
    return str(charge["id"]).replace("-", "")


def nothing(_piece: bytes) -> None:
    """The judge of a gate that lets everything through."""


def _client(port: int, patience_s: float = 10.0, connect_s: float = 2.0) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=httpx.Timeout(patience_s, connect=connect_s),
        # Shorter than the five seconds after which uvicorn closes, lest both act at once.
        limits=httpx.Limits(max_connections=200, keepalive_expiry=2),
        trust_env=False,
    )


async def _answers(client: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path, timeout=4)).status_code == 200
    except httpx.TransportError:
        return False
