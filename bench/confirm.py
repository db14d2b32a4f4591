"""Notifications posted per second over HTTP against pgbench writing the same rows.

pgbench does one payment a transaction, once by one statement and once by seven, over as many
connections as there are clients, with the same durability. It allots no receipt numbers, so that
nothing makes its transactions wait for each other.
"""

from statistics import median, quantiles

from bench import ground as grounds
from bench.figure import Figure
from bench.ground import CLIENTS, Ground

SUCCESS = b"2005200"
PER_ROUND = 3_200
ROUNDS = 5
PACE = 500
PACED = 2_500

REFERENCE = "lpad(to_hex(:n::bigint), 32, '0')"
MINED = "md5('{}-' || :n::text)::uuid"
LOCK = f"""SELECT c.id AS charge_id, c.payment_id, c.reference, c.acquirer_reference
    FROM charges c JOIN payments p ON p.id = c.payment_id
    JOIN parking_sessions s ON s.id = p.parking_session_id
    JOIN spots ON spots.id = s.spot_id JOIN zones z ON z.id = spots.zone_id
    WHERE c.reference = {REFERENCE} AND c.acquirer = 'sandbox' FOR UPDATE OF c"""
ADVANCE = """UPDATE charges SET state = 'paid', paid_at = now(), money_flag = 'exact'
    WHERE id = {charge} AND state = 'issued'"""
PAY = "UPDATE payments SET state = 'paid' WHERE id = {payment} AND state = 'requested'"
CHANGE = f"""INSERT INTO charge_changes
    (id, charge_id, changed_at, state_before, state_after, who, why)
    VALUES ({MINED.format("change")}, {{charge}}, now(), 'issued', 'paid', 'acquirer', 'money')"""
EVIDENCE = f"""INSERT INTO notifications (id, acquirer, day, external_id, received_at, outcome,
        response_code, body_hash, body, signature, charge_id)
    VALUES ({MINED.format("notification")}, 'sandbox', current_date, 'pgbench' || :n::text, now(),
        'accepted', '2005200', sha256(:n::text::bytea), convert_to(repeat('x', 260), 'UTF8'),
        repeat('s', 344), {{charge}})"""
ENTRY = f"""INSERT INTO ledger_entries (id, recorded_at, business_day, description, source, legs)
    VALUES ({MINED.format("entry")}, now(), current_date, 'QRIS PSR-001-U Rp2.000 (exact)',
        'money-sandbox-' || :n::text, 5)"""
POSTINGS = f"""INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp, party)
    SELECT {MINED.format("entry")}, line, account, amount, party
    FROM (VALUES (1, '1120', 2000, NULL), (2, '4110.PSR', -2000, NULL), (3, '5120', 800, NULL),
        (4, '2120', -700, 'zone-PSR'), (5, '2130', -100, 'Karang taruna'))
        AS leg (line, account, amount, party)"""
MONEY = f"""INSERT INTO money (id, charge_id, acquirer, acquirer_reference, rrn, amount_rp, flag,
        paid_at, business_day, notification_id, entry_id)
    VALUES ({MINED.format("money")}, {{charge}}, 'sandbox', 'A' || {REFERENCE}, :n::text, 2000,
        'exact', now(), current_date, {MINED.format("notification")}, {MINED.format("entry")})"""
FACTS = "jsonb_build_object('number', :n::text, 'amount_rp', 2000, 'text', repeat('x', 700))"
TOLD = "jsonb_build_object('charge_id', :n::text, 'amount_rp', 2000, 'text', repeat('x', 150))"
RECEIPT = f"""INSERT INTO receipts (number, series, sequence, charge_id, money_id, issued_at, facts)
    VALUES ('B-' || :n::text, 'PSR-2026', :n + 10000000, {{charge}}, {MINED.format("money")}, now(),
        {FACTS})"""
OUTBOX = f"""INSERT INTO outbox (id, type, data, happened_at)
    VALUES ({MINED.format("paid")}, 'charge.paid', {TOLD}, now()),
           ({MINED.format("issued")}, 'receipt.issued', {TOLD}, now())"""
WRITES = (ADVANCE, PAY, CHANGE, EVIDENCE, ENTRY, POSTINGS, MONEY, RECEIPT, OUTBOX)

ID = {"charge": f"{REFERENCE}::uuid", "payment": f"{REFERENCE}::uuid"}
ONE_STATEMENT = (
    f"WITH locked AS ({LOCK}), "
    + ", ".join(
        f"w{number} AS ({sql.format(**ID)} RETURNING 1)" for number, sql in enumerate(WRITES)
    )
    + " SELECT charge_id FROM locked;"
)
SEVEN_STATEMENTS = "\n".join(
    [
        "BEGIN;",
        f"{LOCK};".replace("\n", " "),
        *(f"{sql.format(**ID)};" for sql in (EVIDENCE, ADVANCE, PAY)),
        f"WITH e AS ({ENTRY} RETURNING 1), p AS ({POSTINGS} RETURNING 1) SELECT 1 FROM e;",
        f"{MONEY.format(**ID)};",
        f"WITH c AS ({CHANGE.format(**ID)} RETURNING 1), o AS ({OUTBOX} RETURNING 1) "
        f"{RECEIPT.format(**ID)};",
        "COMMIT;",
    ]
)


def measure() -> list[Figure]:
    with grounds.ground() as ground:
        over_http(ground, PER_ROUND)  # warm up both sides
        by_pgbench(ground, ONE_STATEMENT, CLIENTS * 20)
        rounds = []
        cpu_ms = []
        for _ in range(ROUNDS):
            before = ground.cpu_s()
            ours = over_http(ground, PER_ROUND)
            cpu_ms.append((ground.cpu_s() - before) * 1000 / PER_ROUND)
            one = by_pgbench(ground, ONE_STATEMENT, PER_ROUND)
            seven = by_pgbench(ground, SEVEN_STATEMENTS, PER_ROUND)
            rounds.append((ours, one, seven))
        p99_ms = paced_p99_ms(ground)
    note = (
        f"{CLIENTS} clients, one server process, signatures verified, durable commits; "
        f"{median(cpu_ms):.2f} CPU-ms of the server a notification."
    )
    names = ("pgbench, one statement a payment", "pgbench, seven statements a payment")
    return [
        Figure(
            name="confirm" if place == 1 else "confirm-seven",
            value=median(row[0] for row in rounds),
            unit="notifications/s",
            baseline_name=names[place - 1],
            baseline_value=median(row[place] for row in rounds),
            ratio=median(row[0] / row[place] for row in rounds),
            runs=ROUNDS,
            note=note,
        )
        for place in (1, 2)
    ] + [
        Figure(
            name="confirm-p99",
            value=p99_ms,
            unit=f"ms at {PACE} notifications/s",
            baseline_name="the 100 ms promised",
            baseline_value=100,
            ratio=p99_ms / 100,
            runs=PACED,
            note="From the moment a notification was due to its answer; below 1 is kept.",
        )
    ]


def over_http(ground: Ground, count: int, spots: str = "%") -> float:
    """Notifications acknowledged per second by the server on fresh charges."""
    numbers = ground.seed(count, spots)
    requests = [grounds.notification(ground, number) for number in numbers]
    sent = grounds.send(ground.settings.port, requests, SUCCESS)
    return count / sent.elapsed_s


def by_pgbench(ground: Ground, script: str, count: int) -> float:
    numbers = ground.seed(count)
    return grounds.pgbench(ground.url, script, numbers[0], count)


def paced_p99_ms(ground: Ground) -> float:
    numbers = ground.seed(PACED)
    requests = [grounds.notification(ground, number) for number in numbers]
    sent = grounds.send(ground.settings.port, requests, SUCCESS, PACE)
    return quantiles(sent.latencies_s, n=100)[98] * 1000
