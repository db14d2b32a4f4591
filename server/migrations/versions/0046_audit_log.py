"""The audit log: its leaves, tree and checkpoints, and a record of each change of rights and rules."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import insert_only, recorded

revision = '0046'
down_revision = '0045'

RECORDED: dict[str, dict[str, Any]] = {
    'api_keys': {'digests': ('key_hash',)},
    'attendant_cards': {},
    'attendants': {'digests': ('pin_hash',), 'left_out': ('failed_tries', 'locked_until')},
    'cases': {},
    'devices': {},
    'discrepancies': {},
    'exemptions': {},
    'ledger_accounts': {'key': 'code'},
    'mdr_rules': {},
    'officer_requests': {},
    'officer_totps': {'key': 'officer_id', 'digests': ('secret',), 'left_out': ('last_step',)},
    'officers': {'digests': ('password_hash',)},
    'posted_codes': {},
    'quarantine_cases': {},
    'refunds': {'left_out': ('next_inquiry_at',)},
    'share_rules': {},
    'shift_differences': {'key': 'shift_id'},
    'signs': {},
    'spots': {'left_out': ('written_in',)},
    'tariffs': {},
    'unended_stays': {'key': 'parking_session_id'},
    'webhook_subscriptions': {
        'digests': ('secret',), 'left_out': ('previous_secret', 'previous_until'),
    },
    'zones': {},
}  # fmt: skip


def upgrade() -> None:
    _tables()
    _functions()
    for table in (
        'audit_changes', 'audit_checkpoints', 'audit_leaves', 'audit_sweeps', 'audit_tiles',
    ):  # fmt: skip
        insert_only(table)
    for table, how in RECORDED.items():
        recorded(table, **how)
    op.create_index(
        'ix_device_events_received_at', 'device_events', ['received_at'], postgresql_using='brin'
    )


def _tables() -> None:
    op.create_table('audit_changes',
    sa.Column('id', sa.BigInteger(), sa.Identity(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('table_name', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('act', sa.Text(), nullable=False),
    sa.Column('state', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_changes'))
    )
    op.create_index(
        'ix_audit_changes_table_name_key', 'audit_changes', ['table_name', 'key', 'id']
    )
    op.create_table('audit_leaves',
    sa.Column('seq', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('table_name', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('leaf', sa.LargeBinary(), nullable=False),
    sa.Column('chain', sa.LargeBinary(), nullable=False),
    sa.Column('sealed_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('octet_length(leaf) = 32 AND octet_length(chain) = 32', name=op.f('ck_audit_leaves_hashes')),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_audit_leaves')),
    sa.UniqueConstraint('table_name', 'key', name=op.f('uq_audit_leaves_table_name_key'))
    )
    op.create_index(
        'ix_audit_leaves_sealed_at', 'audit_leaves', ['sealed_at'], postgresql_using='brin'
    )
    op.create_table('audit_tiles',
    sa.Column('level', sa.SmallInteger(), autoincrement=False, nullable=False),
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('level', 'number', name=op.f('pk_audit_tiles'))
    )
    op.create_table('audit_sweeps',
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('at', name=op.f('pk_audit_sweeps'))
    )
    op.create_table('audit_checkpoints',
    sa.Column('made_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('root', sa.LargeBinary(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('made_at', name=op.f('pk_audit_checkpoints'))
    )


def _functions() -> None:
    """What a row is after a change; its texts must not follow the settings of who changed it."""
    op.execute("""
        CREATE FUNCTION karcis_recorded(told jsonb, kept text[], digests text[]) RETURNS jsonb
        LANGUAGE sql IMMUTABLE AS $$
            SELECT coalesce(jsonb_object_agg(key, CASE WHEN key = ANY (digests)
                THEN to_jsonb(encode(sha256(convert_to(value #>> '{}', 'UTF8')), 'hex'))
                ELSE value END), '{}')
            FROM jsonb_each(told) WHERE key = ANY (kept || digests) AND value <> 'null'
        $$
    """)
    op.execute("""
        CREATE FUNCTION karcis_record_change() RETURNS trigger LANGUAGE plpgsql
        SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
        DECLARE
            before jsonb;
            after jsonb;
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                before := karcis_recorded(to_jsonb(OLD), TG_ARGV[1]::text[], TG_ARGV[2]::text[]);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                after := karcis_recorded(to_jsonb(NEW), TG_ARGV[1]::text[], TG_ARGV[2]::text[]);
            END IF;
            IF before IS DISTINCT FROM after THEN
                INSERT INTO audit_changes (at, table_name, key, act, state, who) VALUES (
                    clock_timestamp(), TG_TABLE_NAME, coalesce(after, before) ->> TG_ARGV[0],
                    lower(TG_OP), coalesce(after, before),
                    coalesce(nullif(current_setting('karcis.who', true), ''), session_user)
                );
            END IF;
            RETURN NULL;
        END $$
    """)
