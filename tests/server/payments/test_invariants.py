"""What is damaged on purpose, past every trigger, is noticed: each invariant by its own name."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import pytest

from server import verify
from server.database import APP_ROLE, as_role, plain_url
from tests.guards.test_guards import GUARDS
from tests.server.handhelds import on_shift
from tests.server.payments.conftest import FLAT, Office, broken_on_purpose, violations
from tests.server.payments.test_refund_guards import GUARDS as REFUND_GUARDS
from tests.server.payments.test_vouchers import issue, redeem
from tests.server.reconciliation.test_money_at_rest import DAMAGES as MONEY_AT_REST


@pytest.fixture
async def paid_and_doubled(api: httpx.AsyncClient, office: Office) -> UUID:
    """Charges paid by vouchers, one of which was taken twice; two paid by QRIS, one of them twice.

    Every table of money has rows.
    """
    handheld = await office.open_shift()
    good, again, _ = await issue(office)
    for text, spot in ((good, FLAT), (again, FLAT), (again, "PSR-002-T")):
        taken = {"taken_at": datetime.now(UTC).isoformat()}
        await redeem(api, handheld, text, spot, **taken)
    charge_id = await office.request()
    for rrn in ("A1", "A2"):
        await office.tell(charge_id, rrn=rrn)
    other = await office.request()
    await office.tell(other, rrn="B1")
    return charge_id


async def as_superuser(owner_url: str, *statements: str) -> list[str]:
    """Run statements with triggers and foreign keys switched off; what each one did."""
    broken_on_purpose.add(as_role(owner_url, APP_ROLE))
    connection = await asyncpg.connect(plain_url(owner_url))
    try:
        await connection.execute("SET session_replication_role = replica")
        return [await connection.execute(statement) for statement in statements]
    finally:
        await connection.close()


FIRST = "(SELECT id FROM {} ORDER BY id LIMIT 1)"
DAMAGES = {
    "a loss that nobody decided": (
        "I12-resolutions-are-steps",
        """WITH e AS (
               INSERT INTO ledger_entries (id, recorded_at, business_day, description, source, legs)
               VALUES (gen_random_uuid(), now(), now()::date, 'uji', 'resolved:uji', 2) RETURNING id
           ) INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)
           SELECT id, 1, '5140', 5 FROM e UNION ALL SELECT id, 2, '5190', -5 FROM e""",
    ),
    "one leg a rupiah more": (
        "I1-entries-balance",
        f"UPDATE ledger_postings SET amount_rp = amount_rp + 1 WHERE line = 1"
        f" AND entry_id = {FIRST.format('ledger_entries')}",
    ),
    "a leg lost": ("I1-entries-balance", "DELETE FROM ledger_postings WHERE line = 2"),
    "all legs lost": ("I1-entries-balance", "DELETE FROM ledger_postings"),
    "an entry without legs": (
        "I1-entries-balance",
        "INSERT INTO ledger_entries (id, recorded_at, business_day, description, source, legs)"
        " VALUES (gen_random_uuid(), now(), now()::date, 'x', 'x', 2)",
    ),
    "a part that leaves out what was charged before it": (
        "I6-parts-are-one-quote",
        "UPDATE payments SET charged_before_rp = 1",
    ),
    "paid on somebody's word": (
        "I2-paid-once",
        "UPDATE charges SET paid_at = NULL WHERE money_flag = 'exact'",
    ),
    "a paid charge called expired": (
        "I2-paid-once",
        "UPDATE charges SET state = 'expired' WHERE state = 'paid'",
    ),
    "final money called late": ("I2-paid-once", "UPDATE money SET flag = 'late' WHERE rrn = 'B1'"),
    "a receipt lost": ("I3-receipts", "DELETE FROM receipts WHERE sequence = 2"),
    "a receipt of another amount": (
        "I3-receipts",
        "UPDATE receipts SET facts = jsonb_set(facts, '{amount_rp}', '1') WHERE sequence = 1",
    ),
    "a series that jumped": (
        "I3-series-without-gaps",
        "UPDATE receipt_series SET last = last + 1",
    ),
    "a receipt renumbered": (
        "I3-series-without-gaps",
        "UPDATE receipts SET sequence = 7 WHERE sequence = 2",
    ),
    "a leg of no entry": (
        "I1-accounts-balance",
        "INSERT INTO ledger_postings (entry_id, line, account_code, amount_rp)"
        " VALUES (gen_random_uuid(), 1, '2190', 5)",
    ),
    "a notification of another charge taken as proof": (
        "I5-evidence",
        "UPDATE money SET notification_id = (SELECT notification_id FROM money WHERE rrn = 'A1')"
        " WHERE rrn = 'B1'",
    ),
    "a refused notification taken as proof": (
        "I5-evidence",
        "UPDATE notifications SET outcome = 'bad-signature'",
    ),
    "a notification of another amount": (
        "I5-evidence",
        "UPDATE notifications SET body = b.told, body_hash = sha256(b.told) FROM (SELECT id,"
        " convert_to(replace(convert_from(body, 'UTF8'), '4000.00', '14000.00'), 'UTF8') AS told"
        " FROM notifications) b WHERE b.id = notifications.id",
    ),
    "a change that the table does not have": (
        "I6-edges",
        "UPDATE charge_changes SET state_before = 'expired' WHERE state_after = 'paid'",
    ),
    "a change that happened twice": (
        "I6-paths",
        "INSERT INTO charge_changes SELECT gen_random_uuid(), charge_id, changed_at, state_before,"
        " state_after, who, why FROM charge_changes WHERE state_after = 'paid'",
    ),
    "money of another amount than its entry": (
        "I5-booked",
        "UPDATE money SET amount_rp = amount_rp - 1 WHERE rrn = 'B1'",
    ),
    "money on the bank account that no statement tells of": (
        "I7-bank-as-imported",
        "UPDATE ledger_postings SET account_code = '1110' WHERE account_code = '1120'",
    ),
    "a claim on the acquirer moved away": (
        "I7-receivable-as-settled",
        "UPDATE ledger_postings SET account_code = '1130' WHERE account_code = '1120'",
    ),
    "a claim on the acquirer laid at an attendant's door": (
        "I7-cash-as-taken",
        "UPDATE ledger_postings SET account_code = '1140', party = 'J-001'"
        " WHERE account_code = '1120'",
    ),
    "a case lost": ("I6-suspense-has-a-case", "DELETE FROM cases WHERE money_id IS NOT NULL"),
    "a voucher spent without a payment": (
        "I14-vouchers-owed",
        "INSERT INTO voucher_ends SELECT 'x', batch, ended_at, gen_random_uuid(), NULL"
        " FROM voucher_ends LIMIT 1",
    ),
    "a voucher more than was issued": (
        "I14-vouchers-owed",
        "UPDATE voucher_batches SET count = count + 1",
    ),
    "a voucher that paid another charge": (
        "I14-redeemed-once",
        "UPDATE voucher_ends SET charge_id = (SELECT charge_id FROM money WHERE rrn = 'B1')"
        " WHERE serial = (SELECT min(serial) FROM voucher_ends)",
    ),
    "a voucher taken as proof of another charge": (
        "I5-evidence",
        "UPDATE voucher_ends SET charge_id = gen_random_uuid()",
    ),
    "a free stay that was paid for too": (
        "I15-free-for-one-reason",
        "INSERT INTO covered_stays SELECT parking_session_id, NULL, 'ambulans', shift_id, now()"
        " FROM payments WHERE shift_id IS NOT NULL LIMIT 1",
    ),
    "a pass that earned what nobody paid": (
        "I15-passes-paid",
        "UPDATE ledger_postings SET account_code = '4120' WHERE account_code = '4190'",
    ),
    "a refused voucher's case lost": (
        "I14-refused-vouchers-have-a-case",
        "DELETE FROM cases WHERE voucher_refusal_id IS NOT NULL",
    ),
    "a case for money that is no riddle": (
        "I6-suspense-has-a-case",
        "INSERT INTO cases (id, kind, money_id, amount_rp, owner, opened_at, state)"
        " SELECT gen_random_uuid(), 'late', id, amount_rp, 'x', now(), 'open'"
        " FROM money WHERE rrn = 'B1'",
    ),
}


TABLES = (
    "ledger_entries",
    "ledger_postings",
    "payments",
    "charges",
    "money",
    "receipts",
    "receipt_series",
    "cases",
    "notifications",
    "charge_changes",
    "voucher_batches",
    "voucher_ends",
    "covered_stays",
)


async def test_each_damage_is_noticed_by_its_invariant(
    office, paid_and_doubled, database_url, owner_url
):
    """Damaged, looked at, and mended again, one after the other in one database."""
    assert await violations(database_url) == {}
    await as_superuser(owner_url, *(f"CREATE TABLE kept_{t} AS TABLE {t}" for t in TABLES))
    mend = [f"DELETE FROM {t}" for t in TABLES] + [
        f"INSERT INTO {t} TABLE kept_{t}" for t in TABLES
    ]
    unnoticed = []
    for name, (invariant, statement) in DAMAGES.items():
        done = await as_superuser(owner_url, statement)
        assert not done[0].endswith(" 0"), f"{name}: damaged nothing"
        if invariant not in await violations(database_url):
            unnoticed.append(name)
        await as_superuser(owner_url, *mend)
        assert await violations(database_url) == {}, f"{name}: not mended"
    assert unnoticed == []


BROKEN_CHAINS = {
    "an event lost": "DELETE FROM device_events WHERE seq = 1",
    "an event changed": "UPDATE device_events SET body = '{\"number\": 9}' WHERE seq = 1",
    "the newest event changed": "UPDATE device_events SET at = 'x' WHERE seq = 2",
    "an event signed by nobody": "UPDATE device_events SET signature = 'x' WHERE seq = 2",
    "a signature of another event": "UPDATE device_events SET signature = (SELECT signature"
    " FROM device_events WHERE seq = 1) WHERE seq = 2",
}


async def test_a_break_in_a_devices_chain_is_noticed(
    office, api, transactions, now, database_url, owner_url, subtests
):
    handheld = await on_shift(api, transactions, now)
    events = [handheld.event(), handheld.event()]
    await api.post("/v1/sync", json={"events": events}, auth=handheld.signed)
    assert await violations(database_url) == {}
    await as_superuser(owner_url, "CREATE TABLE kept_events AS TABLE device_events")
    for name, damage in BROKEN_CHAINS.items():
        await as_superuser(owner_url, damage)
        with subtests.test(name):
            found = await violations(database_url)
            assert found.pop("I8-device-chains") == [str(handheld.device_id)]
            assert set(found) <= {"I4-no-lost-event"}
        await as_superuser(
            owner_url,
            "DELETE FROM device_events",
            "INSERT INTO device_events TABLE kept_events",
        )


async def test_a_count_that_the_books_do_not_bear_out_is_noticed(
    office, api, transactions, now, database_url, owner_url
):
    await on_shift(api, transactions, now)
    closed = "INSERT INTO shift_closings SELECT id, now(), {}, 1, 1, 1 FROM shifts"
    for expected_rp in (1, 0):  # no such cash is booked; a difference without its case
        await as_superuser(owner_url, closed.format(expected_rp))
        assert set(await violations(database_url)) == {"I5-counted"}
        await as_superuser(owner_url, "DELETE FROM shift_closings")
    assert await violations(database_url) == {}


def test_every_invariant_is_broken_by_some_test():
    covered = {invariant for invariant, _ in DAMAGES.values()} | {"I8-device-chains", "I5-counted"}
    covered |= {"I8-proof-taken-twice-has-a-case"}  # in test_takings
    covered |= {"I8-refund-wish-has-a-case"}  # in test_refund_wishes
    covered |= {"I15-passes-given"}  # in test_passes
    covered |= {"I7-takings-as-posted"}  # in tests/server/figures
    covered |= {"I7-strays-as-decided"}  # in test_strays
    covered |= {"I8-audit"}  # in tests/server/audit
    covered |= {invariant for invariant, _ in MONEY_AT_REST.values()}
    covered |= {guard.noticed_by for guard in GUARDS.values()}
    covered |= {invariant for *_, invariant in REFUND_GUARDS.values()}
    assert covered == {invariant.name for invariant in verify.INVARIANTS}


async def test_what_is_broken_lately_shows_in_the_metrics_that_must_stay_0(
    office, transactions, paid_and_doubled, owner_url, now
):
    hour_ago = now - timedelta(hours=1)
    recent = {i.name for i in verify.INVARIANTS if i.recent is not None}

    def shown(rows: str) -> set[str]:
        """The invariants whose gauge is not 0."""
        return {
            sample.labels["invariant"]
            for sample in verify.VIOLATIONS.collect()[0].samples
            if sample.labels["rows"] == rows and sample.value
        }

    await verify.watch(transactions, since=hour_ago, now=now)
    assert shown("recent") == set()
    await as_superuser(owner_url, "DELETE FROM receipts", "DELETE FROM ledger_postings")
    await verify.watch(transactions, since=now + timedelta(minutes=1), now=now)
    assert shown("recent") == set()  # nothing of it happened since then
    await verify.watch(transactions, since=hour_ago, now=now)
    assert shown("recent") == {"I1-entries-balance", "I3-receipts", "I5-booked"} <= recent
    await verify.watch(transactions, now=now)
    assert shown("all") >= {"I1-entries-balance", "I3-series-without-gaps"}
    await as_superuser(
        owner_url, "TRUNCATE payments, ledger_entries, receipt_series, voucher_refusals CASCADE"
    )
    for since in (None, hour_ago):
        await verify.watch(transactions, since=since, now=now)
    assert shown("recent") | shown("all") == {"I8-audit"}, "the audit log misses what is gone"
    read = {s.labels["rows"]: s.value for s in verify.CHECKED.collect()[0].samples}
    assert read == {"all": now.timestamp(), "recent": now.timestamp()}
