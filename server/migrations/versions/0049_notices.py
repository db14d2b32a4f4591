"""Notices that inspectors leave at vehicles, their photos, and objections to them."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only, never_changes, only_edges

revision = '0049'
down_revision = '0048'

KINDS = "'overcharged', 'no_receipt', 'qr_not_offered', 'attendant', 'sign', 'paid_not_recorded', 'other'"
RESULTS = "'live', 'just-expired', 'expired', 'none', 'unknown', 'forged', 'void'"
STATES = "'issued', 'objected', 'paid', 'withdrawn'"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Not every table that it guards has an id of its own.
    op.execute("""
        CREATE OR REPLACE FUNCTION karcis_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% % was made with other values',
                TG_TABLE_NAME, coalesce(to_jsonb(NEW) ->> 'id', '')
                USING ERRCODE = 'KA004';
        END $$
    """)
    _allow('complaints', 'kind', f"kind IN ({KINDS}, 'notice')")
    _allow('stay_checks', 'asked_by', "asked_by IN ('plate', 'receipt', 'proof', 'spot', 'notice')")
    _allow('stay_checks', 'result', f"result IN ({RESULTS}, 'noticed')")
    op.add_column('complaints', sa.Column('notice_number', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_complaints_notice'), 'complaints', "(kind = 'notice') = (notice_number IS NOT NULL)"
    )
    # Auditors see each column of this table that is granted to them by its name.
    changeable('complaints', hidden=('contact',))
    op.create_index(
        'ix_device_events_notices', 'device_events', ['device_id', 'seq'],
        postgresql_where=sa.text("kind = 'notice_issued'"),
    )
    op.create_table(
        'notices',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('device_id', sa.Uuid(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('check_seq', sa.BigInteger(), nullable=False),
        sa.Column('attendant_id', sa.Uuid(), nullable=False),
        sa.Column('spot_id', sa.Uuid(), nullable=False),
        sa.Column('vehicle_class', sa.Text(), nullable=False),
        sa.Column('plate_masked', sa.Text(), nullable=True),
        sa.Column('finding', sa.Text(), nullable=False),
        sa.Column('expired_at', INSTANT, nullable=True),
        sa.Column('amount_rp', sa.BigInteger(), nullable=True),
        sa.Column('issued_at', INSTANT, nullable=False),
        sa.Column('object_until', sa.Date(), nullable=False),
        sa.Column('received_at', INSTANT, nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('receipt_number', sa.Text(), nullable=True),
        sa.Column('settled_at', INSTANT, nullable=True),
        sa.Column('destroyed_at', INSTANT, nullable=True),
        sa.CheckConstraint(f'state IN ({STATES})', name=op.f('ck_notices_state')),
        sa.CheckConstraint(
            "finding IN ('none', 'expired', 'forged', 'void')", name=op.f('ck_notices_finding')
        ),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_notices_amount')),
        sa.CheckConstraint(
            "(state = 'paid') = (receipt_number IS NOT NULL)", name=op.f('ck_notices_paid')
        ),
        sa.CheckConstraint(
            "(state IN ('paid', 'withdrawn')) = (settled_at IS NOT NULL)",
            name=op.f('ck_notices_settled'),
        ),
        sa.CheckConstraint(
            'destroyed_at IS NULL OR plate_masked IS NULL', name=op.f('ck_notices_destroyed')
        ),
        sa.ForeignKeyConstraint(
            ['device_id', 'seq'], ['device_events.device_id', 'device_events.seq'],
            name=op.f('fk_notices_device_id_seq'),
        ),
        sa.ForeignKeyConstraint(
            ['device_id', 'check_seq'], ['stay_checks.device_id', 'stay_checks.seq'],
            name=op.f('fk_notices_device_id_check_seq'),
        ),
        sa.ForeignKeyConstraint(
            ['attendant_id'], ['attendants.id'], name=op.f('fk_notices_attendant_id')
        ),
        sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_notices_spot_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
        sa.UniqueConstraint('number', name=op.f('uq_notices_number')),
        sa.UniqueConstraint('device_id', 'seq', name=op.f('uq_notices_device_id_seq')),
        sa.UniqueConstraint('device_id', 'check_seq', name=op.f('uq_notices_device_id_check_seq')),
        sa.UniqueConstraint('receipt_number', name=op.f('uq_notices_receipt_number')),
    )
    op.create_index('ix_notices_received_at', 'notices', ['received_at'])
    op.create_index(
        'ix_notices_to_destroy', 'notices', ['received_at'],
        postgresql_where=sa.text("destroyed_at IS NULL AND state <> 'objected'"),
    )
    changeable(
        'notices', update=('state', 'receipt_number', 'settled_at', 'destroyed_at', 'plate_masked')
    )
    only_edges(
        'notices',
        ('issued',),
        (
            ('issued', 'objected'), ('issued', 'paid'), ('issued', 'withdrawn'),
            ('objected', 'issued'), ('objected', 'paid'), ('objected', 'withdrawn'),
        ),
    )
    never_changes(
        'notices',
        (
            'number', 'device_id', 'seq', 'check_seq', 'attendant_id', 'spot_id', 'vehicle_class',
            'finding', 'expired_at', 'amount_rp', 'issued_at', 'object_until', 'received_at',
        ),
    )
    op.create_table(
        'notice_photos',
        sa.Column('notice_id', sa.Uuid(), nullable=False),
        sa.Column('place', sa.BigInteger(), nullable=False),
        sa.Column('sha256', sa.Text(), nullable=False),
        sa.Column('jpeg', sa.LargeBinary(), nullable=True),
        sa.Column('received_at', INSTANT, nullable=True),
        sa.CheckConstraint(
            "octet_length(jpeg) <= 600000", name=op.f('ck_notice_photos_size')
        ),
        sa.CheckConstraint(
            "encode(sha256(jpeg), 'hex') = sha256", name=op.f('ck_notice_photos_the_signed_one')
        ),
        sa.ForeignKeyConstraint(
            ['notice_id'], ['notices.id'], name=op.f('fk_notice_photos_notice_id')
        ),
        sa.PrimaryKeyConstraint('notice_id', 'place', name=op.f('pk_notice_photos')),
        sa.UniqueConstraint('notice_id', 'sha256', name=op.f('uq_notice_photos_notice_id_sha256')),
    )
    changeable('notice_photos', update=('jpeg', 'received_at'), hidden=('jpeg',))
    never_changes('notice_photos', ('notice_id', 'place', 'sha256'))
    op.create_table(
        'notice_changes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('notice_id', sa.Uuid(), nullable=False),
        sa.Column('changed_at', INSTANT, nullable=False),
        sa.Column('state_before', sa.Text(), nullable=False),
        sa.Column('state_after', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['notice_id'], ['notices.id'], name=op.f('fk_notice_changes_notice_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_notice_changes')),
    )
    op.create_index(op.f('ix_notice_changes_notice_id'), 'notice_changes', ['notice_id'])
    insert_only('notice_changes')
    op.create_table(
        'evidence_destroyed',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('destroyed_at', INSTANT, nullable=False),
        sa.Column('over_before', INSTANT, nullable=False),
        sa.Column('notices', sa.BigInteger(), nullable=False),
        sa.Column('photos', sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            'notices >= 0 AND photos >= 0', name=op.f('ck_evidence_destroyed_counts')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_evidence_destroyed')),
    )
    insert_only('evidence_destroyed')


def _allow(table: str, what: str, condition: str) -> None:
    name = op.f(f'ck_{table}_{what}')
    op.drop_constraint(name, table)
    op.create_check_constraint(name, table, condition)
