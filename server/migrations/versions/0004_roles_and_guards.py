"""Roles that may do only what they need, and guards on states, on amounts and on late legs.

Forward only: a guard of money is never dropped by a migration.
"""

import sqlalchemy as sa
from alembic import op

from server.database import APP_ROLE, READ_ROLE
from server.migrations.grants import changeable, insert_only, never_changes, only_edges

revision = '0004'
down_revision = '0003'

INSERT_ONLY = (
    "ledger_entries",
    "ledger_postings",
    "charge_changes",
    "notifications",
    "inquiries",
    "money",
    "receipts",
    "device_events",
    "quarantined_events",
    "imported_files",
    "settlement_lines",
    "statement_lines",
)

CHARGE_EDGES = (
    ("new", "issuing"),
    ("issuing", "issued"),
    ("issuing", "issue_failed"),
    ("issuing", "issue_unknown"),
    ("issue_unknown", "issued"),
    ("issue_unknown", "issue_failed"),
    ("issued", "paid"),
    ("issued", "expired"),
    ("issued", "cancelled"),
    ("paid", "refund_pending"),
    ("refund_pending", "refunded"),
    ("refund_pending", "refund_refused"),
    ("refund_pending", "refund_unknown"),
    ("refund_unknown", "refunded"),
    ("refund_unknown", "refund_refused"),
)


def upgrade() -> None:
    _make_roles()
    _grant()
    _count_legs()
    _refuse_wrong_states()


def _make_roles() -> None:
    """Roles are the whole cluster's: another database may have made them, or is making them now."""
    for role in (APP_ROLE, READ_ROLE):
        op.execute(f"""
            DO $$
            BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                    CREATE ROLE {role} LOGIN;
                END IF;
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'there is no role {role} and this role may not make one; have '
                        'a DBA run: CREATE ROLE {role} LOGIN PASSWORD ''...''; then migrate again'
                        USING ERRCODE = 'KA000';
            END $$
        """)
    op.execute(f"""
        DO $$
        BEGIN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO {APP_ROLE}, {READ_ROLE}', current_schema());
            EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
        END $$
    """)


def _grant() -> None:
    for table in INSERT_ONLY:
        insert_only(table)
    for table in ("ledger_accounts", "devices", "tariffs"):
        changeable(table)
    for table in ("share_rules", "mdr_rules"):
        changeable(table, update=("valid_until",))
    changeable("officers", hidden=("password_hash",))
    changeable("attendants", update=("failed_tries", "locked_until"), hidden=("pin_hash",))
    changeable("enrolment_codes", update=("used_at",), hidden=("code_hash",))
    changeable("officer_sign_ins", delete=True, hidden=("token_hash",))
    changeable("device_nonces", delete=True, hidden=("nonce",))
    changeable("shifts", hidden=("token_hash",))
    changeable("zones", update=("name",))
    changeable("spots", update=("zone_id", "place", "latitude", "longitude", "exclusive"))
    changeable("parking_sessions", update=("state",))
    changeable("payments", update=("state",))
    changeable(
        "charges",
        update=(
            "state", "money_flag", "qris", "acquirer_reference", "paid_at", "next_inquiry_at"
        ),
    )
    changeable("receipt_series", update=("last",))
    changeable("cases", update=("state", "outcome"))
    changeable("discrepancies", update=("state", "difference_rp", "details"))
    _grant_webhooks()
    op.execute(f"GRANT SELECT ON alembic_version TO {APP_ROLE}, {READ_ROLE}")
    for table in ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {APP_ROLE}")
        op.execute(f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {APP_ROLE}")


def _grant_webhooks() -> None:
    changeable("outbox", update=("fanned_out_at",), delete=True)
    changeable(
        "webhook_subscriptions",
        update=(
            "url", "types", "secret", "previous_secret", "previous_until",
            "disabled_at", "disabled_why",
        ),
        hidden=("secret", "previous_secret"),
    )
    changeable("webhook_deliveries", update=("attempts", "next_attempt_at", "outcome"))
    changeable("webhook_attempts")


def _count_legs() -> None:
    """An entry says how many legs it has, so that none can be added to it once it balanced."""
    op.add_column("ledger_entries", sa.Column("legs", sa.Integer()))
    op.execute("ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_insert_only")
    op.execute("""
        UPDATE ledger_entries e SET legs = p.legs
        FROM (SELECT entry_id, count(*) AS legs FROM ledger_postings GROUP BY entry_id) p
        WHERE p.entry_id = e.id
    """)
    op.execute("ALTER TABLE ledger_entries ENABLE TRIGGER ledger_entries_insert_only")
    op.alter_column("ledger_entries", "legs", nullable=False)
    op.create_check_constraint(op.f("ck_ledger_entries_legs"), "ledger_entries", "legs >= 2")
    op.create_check_constraint(op.f("ck_ledger_postings_line"), "ledger_postings", "line > 0")
    op.execute("DROP TRIGGER ledger_postings_balance ON ledger_postings")
    op.execute("""
        CREATE OR REPLACE FUNCTION karcis_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            there bigint;
            total numeric;
        BEGIN
            SELECT count(*), coalesce(sum(amount_rp), 0) INTO there, total
            FROM ledger_postings WHERE entry_id = NEW.id;
            IF there <> NEW.legs OR total <> 0 THEN
                RAISE EXCEPTION 'entry % of % legs has % that sum to %',
                    NEW.id, NEW.legs, there, total USING ERRCODE = 'KA002';
            END IF;
            RETURN NULL;
        END $$
    """)
    # With the lines of an entry distinct and above zero, no leg beyond its number means none later.
    op.execute("""
        CREATE FUNCTION karcis_refuse_later_legs() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            entry uuid;
        BEGIN
            SELECT p.entry_id INTO entry FROM added p
            WHERE p.line > (SELECT e.legs FROM ledger_entries e WHERE e.id = p.entry_id) LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'entry % has all its legs', entry USING ERRCODE = 'KA002';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER ledger_postings_no_later_legs AFTER INSERT ON ledger_postings
        REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION karcis_refuse_later_legs()
    """)


def _refuse_wrong_states() -> None:
    op.execute("""
        CREATE FUNCTION karcis_refuse_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% % may not become % from %',
                TG_TABLE_NAME, NEW.id, NEW.state, coalesce(OLD.state, 'nothing')
                USING ERRCODE = 'KA003';
        END $$
    """)
    op.execute("""
        CREATE FUNCTION karcis_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% % was made with other values', TG_TABLE_NAME, NEW.id
                USING ERRCODE = 'KA004';
        END $$
    """)
    only_edges("charges", ("new", "issuing"), CHARGE_EDGES)
    only_edges("payments", ("requested",), (("requested", "paid"), ("requested", "voided")))
    only_edges("parking_sessions", ("open",), (("open", "ended"), ("open", "voided")))
    never_changes(
        "charges",
        (
            "id", "payment_id", "kind", "acquirer", "reference", "amount_rp", "request_hash",
            "created_at",
        ),
    )
    never_changes("payments", ("id", "parking_session_id", "tariff_id", "amount_rp", "quote"))
    _await_the_barcode()


def _await_the_barcode() -> None:
    """A charge paid before its barcode was known passes `issued` without one; none may stay so."""
    op.drop_constraint(op.f("ck_charges_issued_has_qris"), "charges")
    op.execute("""
        CREATE FUNCTION karcis_issued_has_qris() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (
                SELECT FROM charges
                WHERE id = NEW.id AND state = 'issued' AND kind = 'mpm' AND qris IS NULL
            ) THEN
                RAISE EXCEPTION 'charge % is issued without a barcode', NEW.id
                    USING ERRCODE = 'KA005';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE CONSTRAINT TRIGGER charges_issued_has_qris AFTER INSERT OR UPDATE ON charges
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
        WHEN (NEW.state = 'issued' AND NEW.kind = 'mpm' AND NEW.qris IS NULL)
        EXECUTE FUNCTION karcis_issued_has_qris()
    """)
