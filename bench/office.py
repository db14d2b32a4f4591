"""The office's first page and a month's reports over five million payments, by the sums that the
sweep keeps.

The payments are put there by SQL; the sums are made by the real sweep, and two minutes of payments
are left to be counted, as at any moment of a day. The baseline asks for the same sums of the
payments themselves.
"""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from statistics import quantiles
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from bench import ground as grounds
from bench.figure import Figure
from bench.ground import Ground
from server import sample
from server.database import create_engine, create_transactions
from server.figures import service as figures

PAYMENTS = int(os.environ.get("BENCH_PAYMENTS", "5000000"))
AT_ONCE = 250_000
DAYS, SPOTS, SHIFTS_A_DAY = 31, 1_000, 100
VISITS, ROUNDS = 60, 3
PROMISED_MS = 300
REPORTS = ("mdr", "setoran", "bagi-hasil", "tunggakan", "zona", "juru-parkir")
REPORT_MS = 1_000
JAKARTA = ZoneInfo("Asia/Jakarta")

PLACES = f"""
INSERT INTO spots (id, code, zone_id, place, latitude, longitude, exclusive)
SELECT gen_random_uuid(), 'BEN-' || lpad(n::text, 4, '0'), z.id, 'Jalan Contoh', -2.5, 112.9, false
FROM generate_series(0, {SPOTS - 1}) n JOIN (
    SELECT id, row_number() OVER (ORDER BY code) - 1 AS place, count(*) OVER () AS places FROM zones
) z ON z.place = n % z.places;
CREATE UNLOGGED TABLE bench_spots AS
SELECT s.id, (right(s.code, 4))::int AS place, t.id AS tariff_id, '4110.' || z.code AS account
FROM spots s JOIN zones z ON z.id = s.zone_id
JOIN LATERAL (SELECT id FROM tariffs WHERE zone_id = z.id LIMIT 1) t ON true
WHERE s.code LIKE 'BEN-%';
INSERT INTO shifts (id, device_id, attendant_id, token_hash, opened_at, expires_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, gen_random_uuid(), a.id, sha256(n::text::bytea),
    now() - interval '1 day' * (n / {SHIFTS_A_DAY}), now() - interval '1 day'
FROM generate_series(0, {DAYS * SHIFTS_A_DAY}) n JOIN (
    SELECT id, row_number() OVER (ORDER BY code) - 1 AS place, count(*) OVER () AS places
    FROM attendants
) a ON a.place = n % a.places
"""
# Even in time, the newest now. An id says when it was made, as those of the server do.
NEW = f"""
CREATE UNLOGGED TABLE bench_new AS
SELECT n, at, s.id AS spot_id, s.tariff_id, s.account, (lpad(to_hex(
        (extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0')
    )::uuid AS id, CASE WHEN n % 10 < 7 THEN 'motorcycle' ELSE 'car' END AS vehicle_class,
    CASE WHEN n % 10 < 7 THEN 2000 ELSE 4000 END AS amount_rp,
    lpad(to_hex(
        extract(day FROM $3 - at)::int * {SHIFTS_A_DAY} + n % {SHIFTS_A_DAY}
    ), 32, '0')::uuid AS shift_id
FROM (
    SELECT n, $3::timestamptz - interval '{DAYS} days' * (1 - n::float / {PAYMENTS}) AS at
    FROM generate_series($1::int, $2::int) n
) n JOIN bench_spots s ON s.place = n % {SPOTS}
"""
ROWS = """
INSERT INTO parking_sessions (id, spot_id, vehicle_class, exclusive, state, started_at)
SELECT id, spot_id, vehicle_class, false, 'open', at FROM bench_new;
INSERT INTO payments (id, parking_session_id, tariff_id, shift_id, amount_rp, quote, state,
    requested_at)
SELECT id, id, tariff_id, shift_id, amount_rp, '[]', 'paid', at FROM bench_new;
INSERT INTO charges (id, payment_id, kind, acquirer, reference, acquirer_reference, amount_rp,
    state, money_flag, request_hash, created_at, expires_at, paid_at)
SELECT id, id, 'mpm', 'sandbox', id::text, 'A' || id, amount_rp, 'paid', 'exact', '', at,
    at + interval '15 minutes', at + interval '20 seconds' FROM bench_new;
INSERT INTO ledger_entries (id, recorded_at, business_day, description, source, legs)
SELECT id, at + interval '22 seconds', (at AT TIME ZONE 'Asia/Jakarta')::date, 'QRIS',
    'money:sandbox:' || id, 4 FROM bench_new;
INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
SELECT id, 1, '1120', amount_rp FROM bench_new;
INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
SELECT id, 2, account, -amount_rp FROM bench_new;
INSERT INTO money (id, charge_id, acquirer, acquirer_reference, rrn, amount_rp, flag, paid_at,
    business_day, notification_id, entry_id)
SELECT id, id, 'sandbox', 'A' || id, n::text, amount_rp, 'exact', at + interval '20 seconds',
    (at AT TIME ZONE 'Asia/Jakarta')::date, id, id FROM bench_new;
INSERT INTO receipts (number, series, sequence, charge_id, money_id, issued_at, facts)
SELECT 'BEN-2026-' || n, 'BEN-2026', n, id, id, at, '{}' FROM bench_new;
INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
SELECT id, 3, '5120', amount_rp / 5 FROM bench_new;
INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp, party)
SELECT b.id, 4, '2120', -amount_rp / 5, a.code
FROM bench_new b JOIN shifts h ON h.id = b.shift_id JOIN attendants a ON a.id = h.attendant_id;
INSERT INTO settlement_lines (id, file_id, line_number, acquirer, batch_id, settlement_date,
    paid_at, reference, acquirer_reference, rrn, gross_rp, mdr_rp, net_rp)
SELECT id, id, n, 'sandbox', 'B', (at AT TIME ZONE 'Asia/Jakarta')::date + 1,
    at + interval '20 seconds', id::text, 'A' || id, n::text, amount_rp, 8, amount_rp - 8
FROM bench_new;
DROP TABLE bench_new
"""
PLAIN = """
SELECT z.code, m.acquirer, extract(hour FROM m.paid_at AT TIME ZONE 'Asia/Jakarta'), count(*),
    sum(m.amount_rp)
FROM money m JOIN charges c ON c.id = m.charge_id JOIN payments p ON p.id = c.payment_id
JOIN parking_sessions v ON v.id = p.parking_session_id JOIN spots s ON s.id = v.spot_id
JOIN zones z ON z.id = s.zone_id
WHERE m.business_day = $1 AND m.flag = 'exact' GROUP BY 1, 2, 3
"""


def measure() -> list[Figure]:
    with grounds.ground() as ground:
        asyncio.run(_fill(ground))
        client = httpx.Client(
            base_url=f"http://127.0.0.1:{ground.settings.port}", trust_env=False, timeout=60
        )
        form = {"login": sample.OFFICER, "password": "bench"}
        client.post("/office/sign-in", data=form)
        rounds = [(_page_ms(client), asyncio.run(_plain_ms(ground))) for _ in range(ROUNDS)]
        reports = [(_report_ms(client), REPORT_MS) for _ in range(ROUNDS)]
    note = f"{PAYMENTS:,} payments over {DAYS} days at {SPOTS} spots; {VISITS} visits a round."
    return [
        Figure.of_rounds(
            "office", "ms, p95", [(ms, PROMISED_MS) for ms, _ in rounds], "promised", note
        ),
        Figure.of_rounds(
            "office-plain", "ms, p95", rounds, "its sums alone, of the payments themselves", note
        ),
        Figure.of_rounds(
            "office-reports",
            "ms, slowest",
            reports,
            "promised",
            f"{note} Of {', '.join(REPORTS)}, a month each.",
        ),
    ]


def _page_ms(client: httpx.Client) -> float:
    taken = []
    for _ in range(VISITS):
        started = time.perf_counter()
        answer = client.get("/office")
        taken.append((time.perf_counter() - started) * 1000)
        if 'id="live"' not in answer.text:
            raise RuntimeError(f"answered {answer.status_code} {answer.text[:300]}")
    return quantiles(taken, n=20)[18]


def _report_ms(client: httpx.Client) -> float:
    """The slowest of the reports of the last month."""
    today = datetime.now(JAKARTA).date()
    days = {"from": str(today - timedelta(days=DAYS - 1)), "to": str(today)}
    taken = []
    for name in REPORTS:
        started = time.perf_counter()
        answer = client.get(f"/office/reports/{name}", params=days)
        taken.append((time.perf_counter() - started) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{name} answered {answer.status_code} {answer.text[:300]}")
    return max(taken)


async def _plain_ms(ground: Ground) -> float:
    connection = await asyncpg.connect(ground.url)
    today = datetime.now(JAKARTA).date()
    started = time.perf_counter()
    for day in (today, today - timedelta(days=7)):
        await connection.fetch(PLAIN, day)
    taken = time.perf_counter() - started
    await connection.close()
    return taken * 1000


async def _fill(ground: Ground) -> None:
    connection = await asyncpg.connect(ground.url)
    # As after a restore: the guards watch changes, not what the bench puts there.
    await connection.execute("SET session_replication_role = replica; SET work_mem = '64MB'")
    for statement in PLACES.split(";"):
        await connection.execute(statement)
    now = datetime.now(UTC)
    for first in range(1, PAYMENTS + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, PAYMENTS)
        made = NEW.replace("$1", str(first)).replace("$2", str(last))
        await connection.execute(made.replace("$3", f"'{now.isoformat()}'::timestamptz"))
        for statement in ROWS.split(";"):
            await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    engine = create_engine(ground.url)
    for _ in range(2):  # the second goes as far as the first saw
        two_minutes_ago = datetime.now(UTC) - timedelta(minutes=2)
        await figures.sweep(create_transactions(engine), JAKARTA, now=two_minutes_ago)
    await engine.dispose()
    connection = await asyncpg.connect(ground.url)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
