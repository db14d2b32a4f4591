"""Passes, exemptions and the stays that cost nothing by them; what others than attendants pay in."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only

revision = '0031'
down_revision = '0030'


def upgrade() -> None:
    op.create_table('passes',
    sa.Column('serial', sa.Text(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('classes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('zones', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('plate_masked', sa.Text(), nullable=True),
    sa.Column('plate_hash', sa.Text(), nullable=True),
    sa.Column('price_rp', sa.BigInteger(), nullable=False),
    sa.Column('issued_by', sa.Text(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('cardinality(classes) > 0', name=op.f('ck_passes_classes')),
    sa.CheckConstraint('plate_hash IS NULL OR plate_masked IS NOT NULL', name=op.f('ck_passes_plate')),
    sa.CheckConstraint('price_rp >= 0', name=op.f('ck_passes_price')),
    sa.CheckConstraint('valid_until >= valid_from', name=op.f('ck_passes_period')),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_passes')),
    sa.UniqueConstraint('number', name=op.f('uq_passes_number'))
    )
    op.create_table('pass_revocations',
    sa.Column('serial', sa.Text(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['serial'], ['passes.serial'], name=op.f('fk_pass_revocations_serial')),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_pass_revocations'))
    )
    op.create_table('exemptions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('picture', sa.Text(), nullable=False),
    sa.Column('vehicle_class', sa.Text(), nullable=False),
    sa.Column('label_id', sa.Text(), nullable=False),
    sa.Column('label_en', sa.Text(), nullable=False),
    sa.Column('regulation', sa.Text(), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.CheckConstraint("picture IN ('ambulance', 'fire', 'government', 'disabled', 'other')", name=op.f('ck_exemptions_picture')),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= valid_from', name=op.f('ck_exemptions_period')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_exemptions')),
    sa.UniqueConstraint('code', 'valid_from', name=op.f('uq_exemptions_code_valid_from'))
    )
    op.create_table('covered_stays',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('pass_serial', sa.Text(), nullable=True),
    sa.Column('exemption', sa.Text(), nullable=True),
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('doubt', sa.Text(), nullable=True),
    sa.CheckConstraint("doubt IN ('unknown', 'revoked', 'out-of-time', 'other-zone', 'other-class')", name=op.f('ck_covered_stays_doubt')),
    sa.CheckConstraint('num_nonnulls(pass_serial, exemption) = 1', name=op.f('ck_covered_stays_reason')),
    sa.ForeignKeyConstraint(['id'], ['parking_sessions.id'], name=op.f('fk_covered_stays_id')),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_covered_stays_shift_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_covered_stays'))
    )
    op.create_index(op.f('ix_covered_stays_pass_serial'), 'covered_stays', ['pass_serial'], unique=False)
    op.create_index(op.f('ix_covered_stays_shift_id'), 'covered_stays', ['shift_id'], unique=False)
    for table in ('passes', 'pass_revocations', 'covered_stays'):
        insert_only(table)
    changeable('exemptions', update=('valid_until',))
    _let_others_pay_in()


def _let_others_pay_in() -> None:
    op.execute(
        "INSERT INTO ledger_accounts (code, name, kind)"
        " VALUES ('4120', 'Retribusi parkir berlangganan', 'revenue') ON CONFLICT DO NOTHING"
    )
    op.alter_column('cash_deposits', 'attendant_id', nullable=True)
    op.add_column('cash_deposits', sa.Column('payer', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_cash_deposits_payer'),
        'cash_deposits',
        'num_nonnulls(attendant_id, payer) = 1',
    )
    op.create_unique_constraint(
        op.f('uq_cash_deposits_reference_payer'), 'cash_deposits', ['reference', 'payer']
    )
