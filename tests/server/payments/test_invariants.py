"""What is damaged on purpose, past every trigger, is noticed: each invariant by its own name."""

from uuid import UUID

import asyncpg
import pytest

from server import verify
from server.database import APP_ROLE, as_role, plain_url
from tests.server.payments.conftest import Office, broken_on_purpose, violations


@pytest.fixture
async def paid_and_doubled(office: Office) -> UUID:
    """Two paid charges, one of them paid twice: every table of money has rows."""
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
    "money of another amount than its entry": (
        "I5-evidence",
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
    "a case lost": ("I6-suspense-has-a-case", "DELETE FROM cases"),
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
    "charges",
    "money",
    "receipts",
    "receipt_series",
    "cases",
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


async def test_a_break_in_a_devices_chain_is_noticed(office, database_url, owner_url):
    await office.open_shift()
    event = (
        "INSERT INTO device_events (device_id, seq, prev_hash, hash, kind, at, body, signature,"
        " received_at) SELECT id, {}, {}, {}, 'x', 'x', '{{}}', 'x', now() FROM devices"
    )
    start = "repeat('0', 64)"
    await as_superuser(owner_url, event.format(1, start, "'h1'"), event.format(2, "'h1'", "'h2'"))
    assert await violations(database_url) == {}
    for broken in (event.format(3, "'another'", "'h3'"), event.format(4, "'h2'", "'h4'")):
        await as_superuser(owner_url, broken)
        assert set(await violations(database_url)) == {"I8-device-chains"}
        await as_superuser(owner_url, "DELETE FROM device_events WHERE seq > 2")


def test_every_invariant_is_broken_by_some_test_here():
    covered = {invariant for invariant, _ in DAMAGES.values()} | {"I8-device-chains"}
    assert covered == {invariant.name for invariant in verify.INVARIANTS}
