"""Stays started without a payment, paid in parts, ended and taken back."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only, never_changes

revision = '0028'
down_revision = '0027'

REASONS = "'wrong_vehicle', 'wrong_spot', 'driver_left', 'other'"


def upgrade() -> None:
    op.add_column('parking_sessions', sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('parking_sessions', sa.Column('shift_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_parking_sessions_shift_id'), 'parking_sessions', 'shifts', ['shift_id'], ['id']
    )
    op.create_check_constraint(
        op.f('ck_parking_sessions_ended'),
        'parking_sessions',
        "ended_at IS NULL OR (state = 'ended' AND ended_at >= started_at)",
    )
    changeable('parking_sessions', update=('ends_at', 'ended_at'))
    _parts()
    op.create_table('stay_voids',
    sa.Column('parking_session_id', sa.Uuid(), nullable=False),
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('forgone_rp', sa.BigInteger(), nullable=False),
    sa.Column('voided_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint(f'reason IN ({REASONS})', name=op.f('ck_stay_voids_reason')),
    sa.CheckConstraint('forgone_rp >= 0', name=op.f('ck_stay_voids_forgone')),
    sa.ForeignKeyConstraint(['parking_session_id'], ['parking_sessions.id'], name=op.f('fk_stay_voids_parking_session_id')),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_stay_voids_shift_id')),
    sa.PrimaryKeyConstraint('parking_session_id', name=op.f('pk_stay_voids'))
    )
    op.create_index(op.f('ix_stay_voids_shift_id'), 'stay_voids', ['shift_id'])
    insert_only('stay_voids')


def _parts() -> None:
    op.add_column(
        'payments', sa.Column('charged_before_rp', sa.BigInteger(), server_default='0', nullable=False)
    )
    op.add_column('payments', sa.Column('covers_until', sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f('ck_payments_charged_before'), 'payments', 'charged_before_rp >= 0'
    )
    op.execute("""
        UPDATE payments SET covers_until = s.ends_at FROM parking_sessions s
        WHERE s.id = payments.parking_session_id AND s.ends_at IS NOT NULL
    """)
    op.create_index(
        'ix_payments_further_parts',
        'payments',
        ['parking_session_id'],
        postgresql_where=sa.text('parking_session_id <> id'),
    )
    never_changes(
        'payments',
        (
            'id', 'parking_session_id', 'tariff_id', 'amount_rp', 'quote', 'charged_before_rp',
            'covers_until',
        ),
    )
