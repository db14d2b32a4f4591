"""The server itself in the simulation: its HTTP, its PostgreSQL, its books, in the virtual time.

Handhelds send it what they send a real one, signatures and all, and the acquirer's notifications
are signed. It answers one request after the other; that several at once do no harm is tried by the
other rows. What it kept is read back from its tables after each step, for the invariants.
"""

import asyncio
import itertools
import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import date, datetime, tzinfo
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

import asyncpg
import httpx
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from domain.payment import ChargeState, MoneyFlag
from server import app, sample, verify
from server.database import APP_ROLE, as_role, plain_url
from server.payments import inquiries, queries
from server.payments.acquirer import (
    AcquirerRefused,
    AcquirerUnknown,
    InquiryAnswer,
    IssuedBarcode,
    PaidStatus,
    profile,
)
from server.reconciliation import service as reconciliation
from server.sandbox import settlement
from server.sandbox.acquirer import mdr_rp
from server.settings import Settings
from server.system import make_keys
from tests.server.cluster import TEMPLATE
from tests.server.payments.voice import NOTIFY, Voice, compact
from tests.simulation.acquirer import SETTINGS, Acquirer, Order
from tests.simulation.office import LIFETIME, Answer, Charge, Died, Office

T = TypeVar("T")
SECRET = "rahasia simulasi"
# What the handhelds' attendants sign in with costs a real server a tenth of a second each.
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ATTENDANTS = """
    INSERT INTO attendants (id, code, name, state, pin_hash, failed_tries)
    SELECT gen_random_uuid(), 'J-' || lpad(n::text, 3, '0'), 'Juru Parkir Contoh', 'active', $1, 0
    FROM generate_series(0, 19) n
    ON CONFLICT (code) DO UPDATE SET pin_hash = excluded.pin_hash
"""
CHANGED = """
    SELECT c.id, c.reference, c.kind, c.state, c.qris, c.amount_rp, c.created_at, c.expires_at,
           c.paid_at, s.code AS spot, p.vehicle_class, r.number AS receipt,
           ARRAY(SELECT state_after FROM charge_changes h WHERE h.charge_id = c.id
                 ORDER BY h.written_in, h.id) AS states,
           ARRAY(SELECT ROW(coalesce(m.rrn, 'cash'), m.flag, m.amount_rp)
                 FROM money m WHERE m.charge_id = c.id) AS money
    FROM charges c JOIN payments y ON y.id = c.payment_id
    JOIN parking_sessions p ON p.id = y.parking_session_id
    JOIN spots s ON s.id = p.spot_id LEFT JOIN receipts r ON r.charge_id = c.id
    WHERE c.xmin::text::bigint >= $1
       OR EXISTS (SELECT FROM money m WHERE m.charge_id = c.id AND m.xmin::text::bigint >= $1)
"""
CASES = """
    SELECT k.kind, coalesce(m.charge_id, k.charge_id)::text AS charge_id, m.rrn FROM cases k
    LEFT JOIN money m ON m.id = k.money_id
"""
BOOKED = """
    SELECT coalesce(sum(amount_rp), 0)::bigint FROM ledger_postings
    WHERE amount_rp > 0 AND account_code LIKE '1%' AND entry_id IN (SELECT entry_id FROM money)
"""
_numbers = itertools.count(1)


class _OfficeTime(type):
    """`datetime`, whose `now` is the office's."""

    told: Callable[[], datetime]

    def __call__(cls, *args: Any, **named: Any) -> datetime:  # type: ignore[override]
        return datetime(*args, **named)  # noqa: DTZ001 - as the caller says

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)

    def __getattr__(cls, name: str) -> Any:
        return getattr(datetime, name)

    def now(cls, _tz: tzinfo | None = None) -> datetime:
        return cls.told()


class OfficeTime(metaclass=_OfficeTime):
    """What the server's modules take for `datetime`."""


@contextmanager
def _in_its_time() -> Iterator[None]:
    patches = [
        mock.patch.object(module, "datetime", OfficeTime)
        for name, module in sorted(sys.modules.items())
        if name.startswith("server.") and getattr(module, "datetime", None) is datetime
    ]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


class Wire:
    """The acquirer of the simulation behind the server's own port to acquirers."""

    profile = profile("sandbox")
    acquirer: Acquirer

    async def generate(self, reference: str, amount_rp: int, ends: datetime) -> IssuedBarcode:
        outcome = self.acquirer.generate(reference, amount_rp, ends)
        if outcome.mood.startswith("died"):
            raise Died
        if outcome.mood == "refused":
            raise AcquirerRefused("4004701", "no")
        if outcome.qris is None or outcome.mood == "lost-booked":
            raise AcquirerUnknown("no answer")
        return IssuedBarcode(outcome.qris, _number(reference))

    async def inquire(self, reference: str, *_: object) -> InquiryAnswer:
        order, silent = self.acquirer.inquire(reference)
        if silent:
            raise AcquirerUnknown("no answer")
        return InquiryAnswer(PaidStatus.NOT_FOUND, {}) if order is None else _told(order)

    async def close(self) -> None:
        """Nothing is open."""


def _number(reference: str) -> str:
    return f"R{reference}"


def _told(order: Order) -> InquiryAnswer:
    rrn, amount_rp = order.paid[0] if order.paid else (None, None)
    return InquiryAnswer(
        PaidStatus.PAID if order.paid else PaidStatus.UNPAID,
        {"amount": {"value": f"{amount_rp}.00"}} if order.paid else {},
        acquirer_reference=_number(order.reference),
        qris=order.qris,
        rrn=rrn,
        amount_rp=amount_rp,
    )


def _settled(order: Order, rrn: str, amount_rp: int, now: datetime, day: date) -> settlement.Line:
    return settlement.Line(
        batch_id="ACQ-SIMULASI",
        day=day.isoformat(),
        time=now.isoformat(timespec="seconds"),
        partner_reference_no=order.reference,
        reference_no=_number(order.reference),
        rrn=rrn,
        merchant_id=SETTINGS.merchant_id,
        terminal_id="A01",
        issuer="Dompet Contoh",
        gross_rp=amount_rp,
        mdr_rp=mdr_rp(amount_rp, SETTINGS.mdr_basis_points),
        type="PAYMENT",
    )


class Ground:
    """One server of this process in a thread of its own, and a new database for each seed.

    `cluster_url` names any database of a cluster that holds the template, as its superuser.
    """

    def __init__(self, cluster_url: str, folder: Path) -> None:
        self._cluster_url = cluster_url
        self._database = f"simulated_{os.getpid()}_{next(_numbers)}"
        self._pin_hash = QUICK.hash("246810")
        make_keys(folder)
        seal = load_pem_private_key((folder / "seal.pem").read_bytes(), password=None)
        key = load_pem_private_key((folder / "acquirer.pem").read_bytes(), password=None)
        assert isinstance(seal, Ed25519PrivateKey)
        assert isinstance(key, RSAPrivateKey)
        self.seal = seal
        self.settings = Settings(
            database_url=as_role(self._named(self._database), APP_ROLE),
            regency=sample.REGENCY,
            acquirer_client_secret=SecretStr(SECRET),
            notify_client_secret=SecretStr(SECRET),
            acquirer_public_key=folder / "acquirer.pub.pem",
            private_key=folder / "karcis.pem",
            proof_key=folder / "seal.pem",
            charge_lifetime_s=int(LIFETIME.total_seconds()),
            pool_size=2,
            spot_charges_per_minute=1_000_000,
            open_charges_per_address=1_000_000,
            open_charges_per_spot=1_000_000,
            jobs=False,
        )
        self.voice = Voice(key, SECRET, self.settings.acquirer_merchant_id)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Ground":
        self._thread.start()
        self.wire = Wire()
        with mock.patch.object(app, "create_acquirer", return_value=self.wire):
            self.app = app.create_app(self.settings)
        self.wired = self.app.state.payments
        self._time = _in_its_time()
        self._time.__enter__()
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://office")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._time.__exit__(kind, exc, at)
        self.run(self._drop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _named(self, database: str) -> str:
        head, _, query = plain_url(self._cluster_url).partition("?")
        return f"{head.rpartition('/')[0]}/{database}{'?' + query if query else ''}"

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done in the server's thread, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _drop(self) -> None:
        await self.app.state.engine.dispose()
        connection = await asyncpg.connect(self._cluster_url)
        await connection.execute(f"DROP DATABASE IF EXISTS {self._database} WITH (FORCE)")
        await connection.close()

    async def _anew(self) -> None:
        await self._drop()
        connection = await asyncpg.connect(self._cluster_url)
        await connection.execute(f"CREATE DATABASE {self._database} TEMPLATE {TEMPLATE}")
        # That commits are durable is shown where PostgreSQL is killed.
        await connection.execute(f"ALTER DATABASE {self._database} SET synchronous_commit = off")
        await connection.close()
        self.looking = await asyncpg.connect(self._named(self._database))
        await self.looking.execute("SET plan_cache_mode = force_generic_plan")
        await self.looking.execute(ATTENDANTS.replace("$1", f"'{self._pin_hash}'"))

    def office(
        self, acquirer: Acquirer, _seal: Ed25519PrivateKey, new_id: Callable[[], str]
    ) -> "ServedOffice":
        self.run(self._anew())
        self.wire.acquirer = acquirer
        return ServedOffice(self, acquirer, new_id)


@contextmanager
def served_on(cluster_url: str) -> Iterator[Ground]:
    with (
        tempfile.TemporaryDirectory(prefix="karcis-served-") as folder,
        Ground(cluster_url, Path(folder)) as ground,
    ):
        yield ground


class ServedOffice(Office):
    def __init__(self, ground: Ground, acquirer: Acquirer, new_id: Callable[[], str]) -> None:
        super().__init__(acquirer, ground.seal, new_id)
        self._ground = ground
        self._seen = 0
        self.wrong: list[str] = []
        """What the server ought never to do: fail by its own fault."""

    def _at(self, now: datetime) -> None:
        OfficeTime.told = lambda: now

    def handle(self, request: httpx.Request, now: datetime) -> Answer:
        if request.url.path == "/livez":
            return 200, {}  # whether it lives is the simulation's to say
        self._at(now)
        answer = self._ground.run(self._ask(request))
        if answer.status_code >= 500:
            self.wrong.append(f"{request.method} {request.url.path} {answer.text}")
        if request.method == "POST":
            self._look(now)
        return answer.status_code, answer.json() if answer.content else {}

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        # A stream would not end before the charge does: what it would tell is asked for, by turns.
        url = str(request.url).removesuffix("/events")
        anew = httpx.Request(request.method, url, headers=request.headers, content=request.content)
        return await self._ground.client.send(anew)

    def told(self, charge_id: str, now: datetime) -> dict[str, Any]:
        self._at(now)
        answer = self._ground.run(self._ground.client.get(f"/v1/charges/{charge_id}"))
        view: dict[str, Any] = answer.json()
        return view

    def enrolment_code(self, now: datetime) -> str:
        return self._ground.run(self._in_transaction(sample.enrolment_code, now))

    def approve_devices(self, now: datetime) -> None:
        self._ground.run(self._in_transaction(sample.approve_devices, now))

    async def _in_transaction(
        self, work: Callable[..., Coroutine[Any, Any, T]], now: datetime
    ) -> T:
        async with self._ground.app.state.transactions.begin() as db:
            return await work(db, now=now)

    # Money

    def hear(self, reference: str, rrn: str, amount_rp: int, now: datetime) -> bool:
        self._at(now)
        voice, charge_id = self._ground.voice, UUID(reference)
        voice.references[reference] = _number(reference)
        content = compact(voice.body(charge_id, amount_rp, rrn))
        headers = voice.headers(content, at=now)
        answer = self._ground.run(
            self._ground.client.post(NOTIFY, content=content, headers=headers)
        )
        if answer.status_code >= 500:
            self.wrong.append(f"notification {answer.text}")
        self._look(now)
        return answer.status_code == 200

    def look_after(self, now: datetime) -> None:
        self._at(now)
        if self._ground.run(self._inquire(now)):
            self._look(now)

    async def _inquire(self, now: datetime) -> int:
        wired, transactions = self._ground.wired, self._ground.app.state.transactions
        async with transactions.begin() as db:
            due = await queries.due_references(db, now, 1_000)
        for _name, reference in due:
            await inquiries.inquire(
                transactions, self._ground.wire, wired.announcer, wired.books, reference, now
            )
        return len(due)

    # What it kept

    def _look(self, now: datetime) -> None:
        for row in self._ground.run(self._changed()):
            charge = self._charge(row)
            self.charges[charge.id] = charge
            self._keep("changed", now, charge=charge)

    async def _changed(self) -> list[asyncpg.Record]:
        looking, since = self._ground.looking, self._seen
        self._seen = await looking.fetchval(
            "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        )
        rows: list[asyncpg.Record] = await looking.fetch(CHANGED, since)
        if any(row["money"] for row in rows):
            await self._read_cases()
        return rows

    async def _read_cases(self) -> None:
        self.cases = Counter(
            (row["kind"], row["charge_id"] + (f":{row['rrn']}" if row["rrn"] else ""))
            for row in await self._ground.looking.fetch(CASES)
            if row["charge_id"]
        )

    def _charge(self, row: asyncpg.Record) -> Charge:
        states = [ChargeState.NEW, *map(ChargeState, row["states"])]
        return Charge(
            id=str(row["id"]),
            spot=row["spot"],
            vehicle_class=row["vehicle_class"],
            amount_rp=row["amount_rp"],
            request=compact({"id": str(row["id"])}),
            shift="",
            kind=row["kind"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            state=ChargeState(row["state"]),
            qris=row["qris"],
            money={rrn: (MoneyFlag(flag), rp) for rrn, flag, rp in row["money"]},
            receipt=row["receipt"],
            paid_at=row["paid_at"],
            steps=list(itertools.pairwise(dict.fromkeys(states))),
        )

    def booked_rp(self) -> int:
        return self._booked_rp

    def close(self, now: datetime, *, healed: bool) -> None:
        """Read back the rest; once healed, the day is settled, paid out and reconciled; then the
        server's own invariants say what they find.
        """
        self._at(now)
        self._ground.run(self._read_rest())
        if healed:
            self._ground.run(self._reconcile(now))
        self._ground.run(self._verify())

    async def _read_rest(self) -> None:
        looking = self._ground.looking
        await self._read_cases()
        rows = await looking.fetch(
            "SELECT device_id::text, hash FROM device_events ORDER BY device_id, seq"
        )
        for row in rows:
            self.events.setdefault(row["device_id"], []).append({"hash": row["hash"]})
        for row in await looking.fetch(
            "SELECT series, count(*) AS n FROM receipts GROUP BY series"
        ):
            self.receipts[row["series"]] = row["n"]
        self._booked_rp = await looking.fetchval(BOOKED)
        await looking.close()

    async def _reconcile(self, now: datetime) -> None:
        settings, books = self._ground.settings, self._ground.wired.books
        day = books.day(now)
        lines = [
            _settled(order, rrn, amount_rp, now, day)
            for order in self.acquirer.orders.values()
            for rrn, amount_rp in order.paid
        ]
        if not lines:
            return
        settled = settlement.settlement_csv(SETTINGS, lines).encode()
        banked = settlement.statement_mt940(SETTINGS, day, 0, lines).encode()
        async with self._ground.app.state.transactions.begin() as db:
            await reconciliation.import_settlement(
                db, settings.acquirer, "settlement.csv", settled, books, now=now
            )
            await reconciliation.import_statement(db, "statement.sta", banked, books, now=now)
            report = await reconciliation.reconcile(db, day, books, now=now)
        for found in report.differences:
            self.wrong.append(f"I7 {found.kind} {found.subject}")
        for late in report.expected:
            self.wrong.append(f"I7 {late.kind} {late.subject}")

    async def _verify(self) -> None:
        async with self._ground.app.state.transactions.begin() as db:
            found = await verify.broken(db)
        self.wrong += [f"{name}: {rows[:2]}" for name, rows in found.items() if rows]
