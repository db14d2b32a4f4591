"""What inspectors asked and counted; and stays by the time they began."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import insert_only

revision = '0030'
down_revision = '0029'


def _of_event(table: str) -> tuple[sa.schema.SchemaItem, ...]:
    return (
        sa.Column('device_id', sa.Uuid(), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False),
        sa.Column('attendant_id', sa.Uuid(), nullable=False),
        sa.Column('spot_id', sa.Uuid(), nullable=False),
        sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['attendant_id'], ['attendants.id'], name=op.f(f'fk_{table}_attendant_id')
        ),
        sa.ForeignKeyConstraint(
            ['device_id', 'seq'],
            ['device_events.device_id', 'device_events.seq'],
            name=op.f(f'fk_{table}_device_id'),
        ),
        sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f(f'fk_{table}_spot_id')),
        sa.PrimaryKeyConstraint('device_id', 'seq', name=op.f(f'pk_{table}')),
    )


def upgrade() -> None:
    op.create_table(
        'stay_checks',
        *_of_event('stay_checks'),
        sa.Column('asked_by', sa.Text(), nullable=False),
        sa.Column('result', sa.Text(), nullable=False),
        sa.Column('stay_id', sa.Uuid(), nullable=True),
        sa.Column('list_age_s', sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "asked_by IN ('plate', 'receipt', 'spot')", name=op.f('ck_stay_checks_asked_by')
        ),
        sa.CheckConstraint(
            "result IN ('live', 'just-expired', 'expired', 'none')",
            name=op.f('ck_stay_checks_result'),
        ),
        sa.CheckConstraint('list_age_s >= 0', name=op.f('ck_stay_checks_list_age')),
        sa.ForeignKeyConstraint(
            ['stay_id'], ['parking_sessions.id'], name=op.f('fk_stay_checks_stay_id')
        ),
    )
    op.create_table(
        'head_counts',
        *_of_event('head_counts'),
        sa.Column('counted', postgresql.JSONB(), nullable=False),
        sa.Column('recorded', postgresql.JSONB(), nullable=False),
    )
    for table in ('stay_checks', 'head_counts'):
        op.create_index(op.f(f'ix_{table}_received_at'), table, ['received_at'])
        insert_only(table)
    # BRIN: next to nothing for who inserts, and rows come in the order of their time.
    op.create_index(
        'ix_parking_sessions_started_at', 'parking_sessions', ['started_at'],
        postgresql_using='brin',
    )
