"""Who may do what in the database: every table decided, nothing granted that is not needed."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from alembic import command
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from server import schema, verify
from server.database import (
    APP_ROLE,
    READ_ROLE,
    Base,
    Transactions,
    as_role,
    create_engine,
    create_transactions,
    plain_url,
)
from tests.server.cluster import database_named

INSERT_ONLY = {
    "attendant_changes",
    "audit_changes", "audit_checkpoints", "audit_leaves", "audit_sweeps", "audit_tiles",
    "case_assignments", "case_changes", "case_comments", "case_steps",
    "cash_deposits", "charge_changes", "cleared_movements",
    "closure_ends", "closures",
    "complaint_changes", "day_close_changes",
    "device_changes", "device_events", "device_keys", "imported_files", "inquiries",
    "ledger_entries", "ledger_postings", "money", "notifications", "officer_changes",
    "payee_accounts", "payee_decisions", "payout_rules",
    "plates_destroyed", "proof_claims", "quarantined_events", "receipts", "reconciliations",
    "refund_changes",
    "refund_proofs", "refund_receipts", "remitted_days", "settlement_lines", "shift_closings",
    "report_downloads", "revenue_targets", "scheduled_files", "spot_files",
    "sign_changes", "sign_checks", "stay_checks", "head_counts", "held_lines",
    "unsettled_lines", "matching_rules",
    "statement_balances", "statement_lines", "stay_voids",
    "covered_stays", "pass_permits", "pass_revocations", "passes",
    "evidence_destroyed", "notice_changes",
    "voucher_batches", "voucher_ends", "voucher_refusals",
}  # fmt: skip
"""Rows that nobody changes, not even the owner of the schema while the trigger stands."""

UPDATED = {
    "api_keys": {"revoked_at"},
    "attendant_cards": {"revoked_at", "why"},
    "attendant_requests": {"decided_by", "decided_at", "approved"},
    "attendants": {
        "failed_tries", "locked_until", "name", "state", "pin_hash", "nik_digest", "nik_ending",
        "sk_number", "sk_from", "sk_until", "unit_id",
    },
    "cases": {
        "state", "proposed_outcome", "zone_id", "reason", "proposed_by", "proposed_at",
        "decided_by", "outcome", "closed_at", "entry_id", "claims_rp", "posted_as", "pays",
    },
    "charges": {
        "state", "money_flag", "qris", "acquirer_reference", "paid_at", "next_inquiry_at",
    },
    "complaint_photos": set(),
    "complaints": {
        "story", "contact", "state", "answer", "outcome", "closed_at", "destroyed_at",
        "published_at",
    },
    "day_closes": {"state", "decided_by", "decided_at", "reopening_by", "reopened_by"},
    "device_nonces": set(),
    "device_reports": {
        "reported_at", "version", "battery_percent", "charging", "signal_dbm", "storage_free_mb",
        "clock_offset_s", "unsynced_count", "oldest_unsynced_s", "quarantined_count",
    },
    "quarantine_cases": {"closed_at", "closed_by", "why"},
    "devices": {"state", "enrolled_by", "approved_by", "wipe_asked_at", "wiped_at"},
    "discrepancies": {"state", "difference_rp", "details", "outcome", "entry_id"},
    "enrolment_codes": {"used_at"},
    "exemptions": {"valid_until"},
    "fee_claims": {"state", "outcome", "ended_entry_id", "case_id", "settlement_line_id"},
    "ledger_accounts": set(),
    "mdr_rules": {"valid_until"},
    "notice_photos": {"jpeg", "received_at"},
    "notices": {"state", "receipt_number", "settled_at", "destroyed_at", "plate_masked"},
    "officer_passkeys": {"sign_count", "last_used_at"},
    "officer_recovery_codes": {"used_at"},
    "officer_requests": {"decided_by", "decided_at", "approved"},
    "officer_setup_codes": set(),
    "officer_sign_ins": {"seen_at", "confirmed_at"},
    "officer_totps": {"confirmed_at", "last_step"},
    "officers": {"name", "password_hash", "portal_account", "role", "switched_off_at", "unit_id"},
    "outbox": {"fanned_out_at"},
    "parking_sessions": {
        "state", "started_at", "ends_at", "ended_at", "plate_masked", "plate_hash",
    },
    "passkey_challenges": set(),
    "pass_orders": {"plate_masked", "plate_hash"},
    "pass_prices": {"valid_until"},
    "payments": {"state"},
    "payout_lines": {
        "state", "evidence", "told_by", "told_at", "entry_id", "result_file_id",
    },
    "payout_runs": {"state", "decided_by", "decided_at", "why", "statement_line_id"},
    "pooled_charges": {"claimed_at", "claim_hash"},
    "posted_codes": {"retired_at"},
    "receipt_series": {"last"},
    "reminders": {"endpoint", "p256dh", "auth", "language", "told_of"},
    "refund_wishes": {"contact", "note"},
    "refunds": {
        "state", "from_suspense", "decided_by", "decided_at", "acquirer_refund_number",
        "next_inquiry_at", "inquiry_id", "settlement_line_id", "transfer_reference",
        "transferred_on", "proof_id", "statement_line_id", "refunded_at", "business_day",
        "due_entry_id", "done_entry_id", "reversal_entry_id",
    },
    "party_sums": {"added_rp", "taken_rp"},
    "fee_sums": {"count", "mdr_rp", "vat_rp", "withheld_rp", "net_rp"},
    "report_schedules": {"ended_at", "ended_why", "failed_at", "failure", "too_long_until"},
    "left_out_mails": {"tries", "next_try_at", "sent_at", "failure"},
    "scheduled_mails": {"tries", "next_try_at", "sent_at", "failure"},
    "remittances": {
        "state", "decided_by", "decided_at", "why", "entry_id", "statement_line_id",
        "confirmed_on",
    },
    "share_rules": {"valid_until"},
    "shift_differences": {"explained_by", "explained_at", "explanation"},
    "shifts": set(),
    "signs": {"state", "place"},
    "sign_photos": {"jpeg", "kept_at", "kept_by"},
    "sign_scans": {"scans"},
    "sign_in_tries": {"tries", "last_at", "locked_until"},
    "sign_cases": {"closed_by", "closed_at", "what_was_done"},
    "sign_on_attempts": set(),
    "spot_assignments": {"valid_until"},
    "told_parts": {"covers_until"},
    "spot_links": {"pulses", "lost", "answer_ms"},
    "spots": {"zone_id", "place", "latitude", "longitude", "exclusive", "written_in"},
    "takings": {
        "count", "gross_rp", "recognised_rp", "refunded_rp", "held_count", "held_rp", "mdr_rp",
    },
    "takings_swept": {"bound", "reports_bound", "waiting_at", "waiting_xid"},
    "voucher_proposals": {"state", "batch", "decided_by", "decided_at", "why"},
    "acquirer_choices": {"state", "decided_by", "decided_at", "why"},
    "rule_proposals": {"state", "decided_by", "decided_at", "why"},
    "settlement_corrections": {"state", "decided_by", "decided_at", "why"},
    "tariff_proposals": {"state", "decided_by", "decided_at", "why", "tariff_id"},
    "tariffs": {"valid_until", "version", "taken_back_by"},
    "transfer_cases": {"closed_by", "closed_at", "what_was_done"},
    "unended_stays": {"closed_by", "closed_at", "what_was_done"},
    "used_nonces": set(),
    "webhook_attempts": set(),
    "webhook_deliveries": {"attempts", "next_attempt_at", "outcome"},
    "webhook_subscriptions": {
        "url", "types", "secret", "previous_secret", "previous_until", "disabled_at",
        "disabled_why",
    },
    "unit_moves": {"decided_by", "decided_at", "approved"},
    "units": {"parent_id"},
    "zones": {"name", "outline", "unit_id"},
}  # fmt: skip
"""The other tables that the application adds rows to, and the columns it may change there."""

DELETED = {
    "complaint_photos", "device_nonces", "officer_passkeys", "officer_recovery_codes",
    "officer_setup_codes", "officer_sign_ins", "officer_totps", "outbox", "passkey_challenges",
    "reminders", "sign_in_tries", "sign_on_attempts", "spot_links", "takings", "used_nonces",
    "party_sums", "fee_sums",
}  # fmt: skip
QUEUE = {"pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"}
"""The job library's own, with every right but to truncate."""
KEPT = {"closed_days"}
"""Days that one officer closed, long ago: nobody closes one alone any more."""
READ = {"alembic_version"} | KEPT

HIDDEN = {
    "api_keys.key_hash",
    "attendant_requests.nik_digest",
    "attendant_requests.nik_ending",
    "attendants.nik_digest",
    "attendants.nik_ending",
    "attendants.pin_hash",
    "device_keys.code_hash",
    "device_nonces.nonce",
    "enrolment_codes.code_hash",
    "officer_recovery_codes.code_hash",
    "officer_setup_codes.code_hash",
    "officer_sign_ins.token_hash",
    "officer_totps.secret",
    "officers.password_hash",
    "reminders.auth",
    "reminders.endpoint",
    "reminders.p256dh",
    "shifts.token_hash",
    "sign_on_attempts.nonce",
    "sign_on_attempts.verifier_secret",
    "webhook_subscriptions.previous_secret",
    "webhook_subscriptions.secret",
}
"""What would help somebody in; auditors read everything else."""
SECRET = re.compile(
    "password|pin_hash|nik_|token|code_hash|key_hash|nonce$|secret|reminders.*[^_](auth|endpoint|p256dh)"
)
OF_DRIVERS = {
    "notice_photos.jpeg",
    "complaint_photos.jpeg",
    "complaints.contact",
    "refund_wishes.contact",
}
"""How to reach or see a driver, which is no auditor's business either."""


async def all_of(db_of: Transactions, sql: str, **values: object) -> set[str]:
    async with db_of.begin() as db:
        return set(await db.scalars(text(sql), values))


async def may(owner: Transactions, role: str, privilege: str) -> set[str]:
    """The tables on which a role has a right as a whole."""
    return await all_of(
        owner,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm', 'p') AND has_table_privilege(:role, oid, :privilege)",
        role=role,
        privilege=privilege,
    )


async def may_in_columns(owner: Transactions, role: str, privilege: str) -> set[str]:
    """`table.column` wherever a role has a right."""
    return await all_of(
        owner,
        "SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a"
        " ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
        " AND has_column_privilege(:role, c.oid, a.attnum, :privilege)",
        role=role,
        privilege=privilege,
    )


async def test_every_table_is_decided_on_here(owner: Transactions) -> None:
    tables = await all_of(owner, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert tables == INSERT_ONLY | set(UPDATED) | QUEUE | READ
    assert set(Base.metadata.tables) == INSERT_ONLY | set(UPDATED) | KEPT


async def test_the_application_may_do_what_is_decided_and_nothing_else(owner: Transactions) -> None:
    known = INSERT_ONLY | set(UPDATED) | QUEUE
    assert await may(owner, APP_ROLE, "SELECT") == known | READ
    assert await may(owner, APP_ROLE, "INSERT") == known
    assert await may(owner, APP_ROLE, "UPDATE") == QUEUE
    assert await may(owner, APP_ROLE, "DELETE") == DELETED | QUEUE
    for right in ("TRUNCATE", "REFERENCES", "TRIGGER"):
        assert await may(owner, APP_ROLE, right) == set(), right
    updated = await may_in_columns(owner, APP_ROLE, "UPDATE")
    ours = {f"{table}.{column}" for table, columns in UPDATED.items() for column in columns}
    assert {name for name in updated if name.partition(".")[0] not in QUEUE} == ours


async def test_readers_see_all_but_what_would_let_somebody_in(owner: Transactions) -> None:
    known = INSERT_ONLY | set(UPDATED) | READ
    columns = await all_of(
        owner,
        "SELECT table_name || '.' || column_name FROM information_schema.columns"
        " WHERE table_schema = 'public'",
    )
    ours = {name for name in columns if name.partition(".")[0] in known}
    assert await may_in_columns(owner, READ_ROLE, "SELECT") == ours - HIDDEN - OF_DRIVERS
    assert {name for name in ours if SECRET.search(name)} == HIDDEN
    for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"):
        assert await may(owner, READ_ROLE, right) == set(), right
        if right in ("INSERT", "UPDATE"):
            assert await may_in_columns(owner, READ_ROLE, right) == set(), right


@pytest.mark.parametrize("role", [APP_ROLE, READ_ROLE])
async def test_neither_role_owns_or_makes_anything(owner: Transactions, role: str) -> None:
    async with owner.begin() as db:
        assert await db.scalar(
            text(
                "SELECT rolcanlogin AND NOT (rolsuper OR rolcreaterole OR rolcreatedb"
                " OR rolreplication OR rolbypassrls) FROM pg_roles WHERE rolname = :role"
            ),
            {"role": role},
        )
        owned = "SELECT count(*) FROM pg_class WHERE relowner = CAST(:role AS regrole)"
        assert await db.scalar(text(owned), {"role": role}) == 0
        create = "SELECT has_schema_privilege(:role, 'public', 'CREATE')"
        assert await db.scalar(text(create), {"role": role}) is False


CHANGES = {
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
}


async def test_what_is_insert_only_is_closed_twice(
    owner: Transactions, transactions: Transactions, subtests: pytest.Subtests
) -> None:
    """The application has no right to change it, and a trigger refuses the owner too."""
    for table in INSERT_ONLY:
        column = next(iter(Base.metadata.tables[table].columns)).name
        for name, change in CHANGES.items():
            statement = text(change.format(table=table, column=column))
            for who, refusal in ((transactions, "permission denied"), (owner, "insert-only")):
                with (
                    subtests.test(f"{name} {table}: {refusal}"),
                    pytest.raises(DBAPIError, match=refusal),
                ):
                    async with who.begin() as db:
                        await db.execute(statement)


async def test_an_auditor_can_run_every_invariant(owner_url: str) -> None:
    engine = create_engine(as_role(owner_url, READ_ROLE))
    async with create_transactions(engine).begin() as db:
        assert not any((await verify.broken(db)).values())
    await engine.dispose()


@dataclass
class Ordinary:
    """A database whose owner is no superuser and may make no roles."""

    url: str
    admin: asyncpg.Connection


@pytest.fixture
async def ordinary(cluster: str) -> AsyncIterator[Ordinary]:
    admin = await asyncpg.connect(cluster)
    password = make_url(cluster).password or ""
    await admin.execute(f"CREATE ROLE karcis_uji_owner LOGIN PASSWORD '{password}'")
    await admin.execute("CREATE DATABASE karcis_uji OWNER karcis_uji_owner")
    yield Ordinary(as_role(database_named(cluster, "karcis_uji"), "karcis_uji_owner"), admin)
    await admin.execute("DROP DATABASE karcis_uji WITH (FORCE)")
    await admin.execute("DROP ROLE karcis_uji_owner")
    await admin.close()


async def test_an_owner_without_special_rights_can_migrate(ordinary: Ordinary) -> None:
    await asyncio.to_thread(schema.migrate, ordinary.url)
    engine = create_engine(as_role(ordinary.url, APP_ROLE))
    async with create_transactions(engine).begin() as db:
        assert await schema.at_newest(db)
    await engine.dispose()


async def test_an_owner_who_may_make_no_roles_is_told_what_a_dba_must_run(
    ordinary: Ordinary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.database.APP_ROLE", "karcis_absent")
    with pytest.raises(DBAPIError, match="have a DBA run: CREATE ROLE karcis_absent LOGIN"):
        await asyncio.to_thread(schema.migrate, ordinary.url)


async def test_a_database_from_before_is_brought_up(ordinary: Ordinary) -> None:
    """Made by the first migration alone, with an entry in it: the entry keeps its legs."""
    await asyncio.to_thread(command.upgrade, schema._config(ordinary.url), "0001")
    connection = await asyncpg.connect(plain_url(ordinary.url))
    await connection.execute(
        "INSERT INTO ledger_accounts VALUES ('1110', 'x', 'asset'), ('2190', 'x', 'liability')"
    )
    await connection.execute(
        "WITH e AS (INSERT INTO ledger_entries"
        " VALUES (gen_random_uuid(), now(), now(), 'uji', 'uji') RETURNING id)"
        " INSERT INTO ledger_postings SELECT e.id, line, account, rp FROM e,"
        " (VALUES (1, '1110', 5), (2, '2190', -3), (3, '2190', -2)) AS p (line, account, rp)"
    )
    await asyncio.to_thread(schema.migrate, ordinary.url)
    assert await connection.fetchval("SELECT legs FROM ledger_entries") == 3
    await connection.close()
