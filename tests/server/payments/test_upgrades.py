"""What a migration does to money that is there already."""

import asyncio
import importlib
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from sqlalchemy.exc import IntegrityError

from domain.payment import network_id
from server import schema
from server.database import APP_ROLE, as_role, plain_url
from server.reconciliation import service as reconciliation
from tests.server.payments.conftest import broken_on_purpose, violations
from tests.server.payments.refunding import Desk
from tests.server.payments.test_invariants import as_superuser

SPELLINGS = [
    "123", "000000000123", " 000 123\t", "0000000000000626100000001", "626100000001", "A 1", "00A1",
    "\u0661\u0662", "1\u00a02\u20033\x1f", "000", " ", "", "-", None,
]  # fmt: skip
AS_BEFORE = """
    ALTER TABLE money DISABLE TRIGGER USER;
    ALTER TABLE settlement_lines DISABLE TRIGGER USER;
    ALTER TABLE refunds DISABLE TRIGGER USER;
    UPDATE money SET rrn = ' 0077';
    UPDATE settlement_lines SET rrn = CASE WHEN gross_rp < 0 THEN '0088' ELSE '77' END;
    UPDATE refunds SET acquirer_refund_number = '88';
    INSERT INTO discrepancies (id, kind, subject, business_day, difference_rp, details, owner,
        opened_at, state)
    SELECT gen_random_uuid(), 'not-settled', subject, '2026-11-21', -rp,
        jsonb_build_object('ours_rp', rp, 'theirs_rp', 0), 'x', now(), 'open'
    FROM (VALUES ('A/B/77', 4000), ('A/B/88', -4000), ('A/B/-', 1)) d (subject, rp);
    ALTER TABLE money ENABLE TRIGGER USER;
    ALTER TABLE settlement_lines ENABLE TRIGGER USER;
    ALTER TABLE refunds ENABLE TRIGGER USER;
"""
BOTH_LINES_ALIKE = """
    ALTER TABLE settlement_lines DISABLE TRIGGER USER;
    UPDATE settlement_lines SET acquirer_reference = 'A', rrn = repeat('0', line_number) || '7',
        gross_rp = abs(gross_rp), net_rp = abs(gross_rp) - mdr_rp;
    ALTER TABLE settlement_lines ENABLE TRIGGER USER;
"""
GUARDS_OFF = "SELECT count(*) AS n FROM pg_trigger WHERE tgenabled <> 'O'"


async def again(owner_url: str, revision: str, before: str) -> None:
    """Run one migration on a schema that is the newest already."""
    config = schema._config(owner_url)
    await asyncio.to_thread(command.stamp, config, before)
    await asyncio.to_thread(command.upgrade, config, revision)


async def test_ids_of_the_network_are_spelled_alike_in_sql(owner_url):
    migration = importlib.import_module("server.migrations.versions.0014_network_ids")
    connection = await asyncpg.connect(plain_url(owner_url))
    try:
        await connection.execute(migration.NETWORK_ID)
        spelled = "SELECT pg_temp.network_id($1)"
        for told in SPELLINGS:
            assert await connection.fetchval(spelled, told) == network_id(told), repr(told)
    finally:
        await connection.close()


@pytest.fixture
async def desk(office, sandbox, owner_url) -> Desk:
    """A payment that was refunded, and both settled."""
    desk = await Desk.at(office, sandbox, owner_url)
    (money,) = await desk.money(await desk.paid())
    await desk.approve(await desk.ask(money["id"], money["amount_rp"]))
    day = (await sandbox.truth())["payments"][0]["business_date"]
    told = await sandbox.client.post("/sandbox/day-end", json={"date": day})
    content = await asyncio.to_thread(Path(told.json()["settlement"]).read_bytes)
    async with office.transactions.begin() as db:
        await reconciliation.import_settlement(
            db, "sandbox", "s.csv", content, office.wired.books, now=datetime.now(UTC)
        )
    return desk


async def test_ids_kept_before_are_spelled_as_those_that_come_now(desk, office, owner_url):
    app_url = as_role(owner_url, APP_ROLE)
    broken_on_purpose.add(app_url)
    await desk.as_owner(AS_BEFORE)
    guard = "SELECT pg_get_triggerdef(oid) AS made FROM pg_trigger WHERE tgname = '{}'"
    (stands_now,) = await office.rows(guard.format("discrepancies_never_changes"))
    await as_superuser(owner_url, "DROP TRIGGER discrepancies_never_changes ON discrepancies")
    await again(owner_url, "0014", "0013")
    await as_superuser(owner_url, stands_now["made"])
    assert await office.rows("SELECT rrn FROM money") == [{"rrn": "000000000077"}]
    lines = await office.rows("SELECT rrn FROM settlement_lines ORDER BY rrn")
    assert [line["rrn"] for line in lines] == ["000000000077", "000000000088"]
    (refund,) = await office.rows("SELECT acquirer_refund_number AS number FROM refunds")
    assert refund["number"] == "000000000088"
    subjects = await office.rows("SELECT subject FROM discrepancies ORDER BY subject")
    assert [row["subject"] for row in subjects] == [
        "A/B/-",
        "A/B/000000000077",
        "A/B/000000000088/pengembalian",
    ]
    assert await office.rows(GUARDS_OFF) == [{"n": 0}]
    assert set(await violations(app_url)) <= {"I8-audit"}, "the audit log may notice AS_BEFORE"


async def test_two_that_would_become_one_stop_the_migration(desk, office, owner_url):
    broken_on_purpose.add(as_role(owner_url, APP_ROLE))
    await desk.as_owner(BOTH_LINES_ALIKE)
    with pytest.raises(IntegrityError, match="uq_settlement_lines_acquirer_reference"):
        await again(owner_url, "0014", "0013")
    assert await office.rows("SELECT count(DISTINCT rrn) AS n FROM settlement_lines") == [{"n": 2}]
    assert await office.rows(GUARDS_OFF) == [{"n": 0}]


BEFORE_ACQUIRERS = """
    ALTER TABLE discrepancies DROP COLUMN acquirer CASCADE;
    ALTER TABLE discrepancies ADD CONSTRAINT uq_discrepancies_kind_subject UNIQUE (kind, subject);
    INSERT INTO discrepancies (id, kind, subject, business_day, difference_rp, details, owner,
        opened_at, state)
    SELECT gen_random_uuid(), kind, subject, '2026-11-21', -1,
        '{"ours_rp": 1, "theirs_rp": 0}', 'x', now(), 'open'
    FROM (
        SELECT 'not-settled', acquirer_reference || '/' || coalesce(rrn, '-') FROM money
        UNION ALL
        SELECT 'not-booked', acquirer_reference || '/' || coalesce(rrn, '-') || '/pengembalian'
        FROM settlement_lines WHERE gross_rp < 0
        UNION ALL SELECT 'payout-missing', 'BCH-1'
    ) d (kind, subject);
"""


async def test_a_difference_kept_before_is_of_the_acquirer_of_its_line(desk, office, owner_url):
    migration = importlib.import_module(
        "server.migrations.versions.0080_differences_of_two_acquirers"
    )
    await as_superuser(owner_url, BEFORE_ACQUIRERS)
    await again(owner_url, "0080", migration.down_revision)
    assert await office.rows("SELECT kind, acquirer FROM discrepancies ORDER BY kind") == [
        {"kind": "not-booked", "acquirer": "sandbox"},
        {"kind": "not-settled", "acquirer": "sandbox"},
        {"kind": "payout-missing", "acquirer": ""},
    ]
    assert await office.rows(GUARDS_OFF) == [{"n": 0}]
    assert await violations(as_role(owner_url, APP_ROLE)) == {}


BUILT = {
    "0085_entries_by_time": ("ledger_entries", "ix_ledger_entries_recorded_at"),
    "0093_lines_by_our_reference": ("settlement_lines", "uq_settlement_lines_reference"),
}
MADE = """
    SELECT indexdef AS made FROM pg_indexes WHERE tablename = '{table}'
    UNION ALL SELECT pg_get_constraintdef(oid) || convalidated FROM pg_constraint
    WHERE conrelid = '{table}'::regclass AND contype = 'c'
    UNION ALL SELECT i.indexrelid::regclass || ' is broken' FROM pg_index i
    WHERE i.indrelid = '{table}'::regclass AND NOT i.indisvalid
    ORDER BY 1
"""


@pytest.mark.parametrize("name", BUILT)
async def test_an_upgrade_builds_its_indexes_while_money_comes_and_ends_what_was_broken_off(
    name, desk, office, owner_url
):
    """A payment of ours is in the middle of a transaction, and the index of a run before broke."""
    migration = importlib.import_module(f"server.migrations.versions.{name}")
    table, index = BUILT[name]
    stands = await office.rows(MADE.format(table=table))
    await as_superuser(owner_url, f"DROP INDEX {index}")
    await as_superuser(owner_url, f"CREATE INDEX {index} ON {table} (id)")
    connection = await asyncpg.connect(plain_url(owner_url))
    try:
        paying = connection.transaction()
        await paying.start()
        await connection.execute(f"LOCK {table} IN ROW EXCLUSIVE MODE")
        upgrade = asyncio.create_task(again(owner_url, name[:4], migration.down_revision))
        async with asyncio.timeout(60):
            while not await office.rows(
                f"SELECT 1 FROM pg_locks WHERE relation = '{table}'::regclass"
                " AND mode = 'ShareUpdateExclusiveLock'"
            ):
                assert not upgrade.done(), upgrade.result()
                await asyncio.sleep(0.01)
        # Another one pays, and does not wait behind it.
        another = f"BEGIN; LOCK {table} IN ROW EXCLUSIVE MODE NOWAIT; COMMIT"
        await as_superuser(owner_url, another)
        await paying.commit()
        await upgrade
    finally:
        await connection.close()
    assert await office.rows(MADE.format(table=table)) == stands


BEFORE_ONE_IN_FORCE = """
    ALTER TABLE exemptions DROP CONSTRAINT ex_exemptions_one_in_force;
    ALTER TABLE exemptions ADD CONSTRAINT uq_exemptions_code_valid_from UNIQUE (code, valid_from);
    INSERT INTO exemptions
        (id, code, picture, vehicle_class, label_id, label_en, regulation, valid_from, valid_until)
    SELECT gen_random_uuid(), 'uji', 'other', 'car', 'Uji', 'Test', 'SK', first, last
    FROM (VALUES
        ('2026-01-01'::date, null::date), ('2026-03-01', '2026-09-30'), ('2026-05-01', null)
    ) t (first, last);
"""


async def test_of_exemptions_in_force_at_once_the_earlier_ends(office, owner_url):
    migration = importlib.import_module("server.migrations.versions.0109_one_exemption_in_force")
    await as_superuser(owner_url, BEFORE_ONE_IN_FORCE)
    await again(owner_url, "0109", migration.down_revision)
    left = "SELECT valid_until::text AS last FROM exemptions WHERE code = 'uji' ORDER BY valid_from"
    assert [row["last"] for row in await office.rows(left)] == ["2026-02-28", "2026-04-30", None]
