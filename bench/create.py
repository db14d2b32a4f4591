"""Charges issued per second over HTTP against pgbench writing the same rows by two statements.

The sandbox acquirer runs as a process of its own and answers at once; its work, and that of our
client of it, is on our side of the comparison.
"""

import json
from statistics import median

from bench import ground as grounds
from bench.figure import Figure
from bench.ground import CLIENTS, Ground
from server.database import new_id

PER_ROUND = 960
ROUNDS = 5
SPOT = "PSR-001-U"

MINED = "md5('{}-' || :n::text)::uuid"
ID = MINED.format("charge")
QUOTE = """'[{"label_id"#"Sekali parkir","quantity"#1,"unit_rp"#4000,"amount_rp"#4000}]'"""
OPEN = f"""WITH stay AS (INSERT INTO parking_sessions
        (id, spot_id, vehicle_class, exclusive, state, started_at)
        SELECT {ID}, id, 'car', false, 'open', now() FROM spots WHERE code = '{SPOT}' RETURNING id),
    payment AS (INSERT INTO payments
        (id, parking_session_id, tariff_id, amount_rp, quote, state, requested_at)
        SELECT {ID}, {ID}, t.id, 4000, replace({QUOTE}, '#', chr(58))::jsonb, 'requested', now()
        FROM tariffs t JOIN spots s ON s.zone_id = t.zone_id WHERE s.code = '{SPOT}' LIMIT 1
        RETURNING id),
    charge AS (INSERT INTO charges (id, payment_id, kind, acquirer, reference, amount_rp, state,
            request_hash, created_at, expires_at, next_inquiry_at)
        VALUES ({ID}, {ID}, 'mpm', 'sandbox', {ID}::text, 4000, 'issuing', 'x', now(),
            now() + interval '15 minutes', now() + interval '2 seconds') RETURNING id)
    INSERT INTO charge_changes (id, charge_id, changed_at, state_before, state_after, who, why)
    VALUES ({MINED.format("opened")}, {ID}, now(), 'new', 'issuing', 'request', 'requested');"""
ISSUE = f"""WITH issued AS (UPDATE charges
        SET state = 'issued', qris = 'bench ' || repeat('x', 220) || {ID}::text,
            acquirer_reference = {ID}::text
        WHERE id = {ID} AND state = 'issuing' RETURNING id)
    INSERT INTO charge_changes (id, charge_id, changed_at, state_before, state_after, who, why)
    VALUES ({MINED.format("issued")}, {ID}, now(), 'issuing', 'issued', 'acquirer', 'issued');"""


def measure() -> list[Figure]:
    with grounds.ground() as ground:
        over_http(ground)
        rounds, cpu_ms = [], []
        for _ in range(ROUNDS):
            before = ground.cpu_s()
            ours = over_http(ground)
            cpu_ms.append((ground.cpu_s() - before) * 1000 / PER_ROUND)
            numbers = ground.take(PER_ROUND)
            rounds.append(
                (ours, grounds.pgbench(ground.url, f"{OPEN}\n{ISSUE}", numbers[0], PER_ROUND))
            )
    return [
        Figure(
            name="create",
            value=median(row[0] for row in rounds),
            unit="charges/s",
            baseline_name="pgbench, the same rows by two statements",
            baseline_value=median(row[1] for row in rounds),
            ratio=median(row[0] / row[1] for row in rounds),
            runs=ROUNDS,
            note=f"{CLIENTS} clients, one server process, durable commits; "
            f"{median(cpu_ms):.2f} CPU-ms of the server a charge, with its call of the acquirer.",
        )
    ]


def over_http(ground: Ground) -> float:
    """Charges asked for and issued per second."""
    port = ground.settings.port
    requests = [
        grounds.request(
            port,
            f"/v1/spots/{SPOT}/charges",
            {"content-type": "application/json"},
            json.dumps({"id": str(new_id()), "vehicle_class": "car"}).encode(),
        )
        for _ in range(PER_ROUND)
    ]
    return PER_ROUND / grounds.send(port, requests, b'"state":"issued"').elapsed_s
