"""Closing a shift: what was counted against what the books expected, and who explains it."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only

revision = '0019'
down_revision = '0018'


def upgrade() -> None:
    op.create_table('shift_closings',
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expected_rp', sa.BigInteger(), nullable=False),
    sa.Column('counted_rp', sa.BigInteger(), nullable=True),
    sa.Column('shown_rp', sa.BigInteger(), nullable=True),
    sa.Column('event_seq', sa.BigInteger(), nullable=True),
    sa.Column('forced_by', sa.Uuid(), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.CheckConstraint('counted_rp >= 0 AND expected_rp >= 0', name=op.f('ck_shift_closings_amounts')),
    sa.CheckConstraint(
        'CASE WHEN forced_by IS NULL THEN num_nulls(counted_rp, shown_rp, event_seq) = 0'
        ' ELSE counted_rp IS NULL AND why IS NOT NULL END',
        name=op.f('ck_shift_closings_counted_or_forced'),
    ),
    sa.ForeignKeyConstraint(['forced_by'], ['officers.id'], name=op.f('fk_shift_closings_forced_by')),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_shift_closings_shift_id')),
    sa.PrimaryKeyConstraint('shift_id', name=op.f('pk_shift_closings'))
    )
    op.create_table('shift_differences',
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('difference_rp', sa.BigInteger(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('explained_by', sa.Uuid(), nullable=True),
    sa.Column('explained_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('explanation', sa.Text(), nullable=True),
    sa.CheckConstraint('difference_rp <> 0', name=op.f('ck_shift_differences_difference')),
    sa.CheckConstraint(
        'num_nulls(explained_by, explained_at, explanation) IN (0, 3)',
        name=op.f('ck_shift_differences_explained'),
    ),
    sa.ForeignKeyConstraint(['explained_by'], ['officers.id'], name=op.f('fk_shift_differences_explained_by')),
    sa.ForeignKeyConstraint(['shift_id'], ['shift_closings.shift_id'], name=op.f('fk_shift_differences_shift_id')),
    sa.PrimaryKeyConstraint('shift_id', name=op.f('pk_shift_differences'))
    )
    op.create_index(
        'ix_money_shift_id', 'money', ['shift_id'], unique=False,
        postgresql_where=sa.text('shift_id IS NOT NULL'),
    )
    insert_only('shift_closings')
    changeable(
        'shift_differences', update=('explained_by', 'explained_at', 'explanation')
    )
