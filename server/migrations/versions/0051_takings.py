"""Takings summed up by hour, spot, kind of vehicle, attendant and method, and how far they go."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0051'
down_revision = '0050'

SUMS = ('count', 'gross_rp', 'recognised_rp', 'refunded_rp', 'held_count', 'held_rp', 'mdr_rp')
CELL = (
    'business_day', 'hour', 'zone', 'spot', 'vehicle_class', 'attendant', 'shift_id', 'acquirer',
    'method',
)


def upgrade() -> None:
    op.create_table(
        'takings',
        sa.Column('business_day', sa.Date(), nullable=False),
        sa.Column('hour', sa.SmallInteger(), nullable=False),
        sa.Column('zone', sa.Text(), nullable=False),
        sa.Column('spot', sa.Text(), nullable=False),
        sa.Column('vehicle_class', sa.Text(), nullable=False),
        sa.Column('attendant', sa.Text(), nullable=False),
        sa.Column('shift_id', sa.Uuid(), nullable=False),
        sa.Column('acquirer', sa.Text(), nullable=False),
        sa.Column('method', sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.CheckConstraint('hour BETWEEN 0 AND 23', name=op.f('ck_takings_hour')),
        sa.CheckConstraint(
            "method IN ('qris', 'cash', 'voucher', 'pass', 'other')",
            name=op.f('ck_takings_method'),
        ),
        sa.PrimaryKeyConstraint(*CELL, name=op.f('pk_takings')),
    )
    changeable('takings', update=SUMS, delete=True)
    op.create_table(
        'takings_swept',
        sa.Column('single', sa.Boolean(), nullable=False),
        sa.Column('bound', sa.Uuid(), nullable=False),
        sa.Column('waiting_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('waiting_xid', sa.BigInteger(), nullable=True),
        sa.CheckConstraint('single', name=op.f('ck_takings_swept_single')),
        sa.PrimaryKeyConstraint('single', name=op.f('pk_takings_swept')),
    )
    op.execute(
        "INSERT INTO takings_swept (single, bound)"
        " VALUES (true, '00000000-0000-0000-0000-000000000000')"
    )
    changeable('takings_swept', update=('bound', 'waiting_at', 'waiting_xid'))
