"""Days closed by two officers: snapshots, and each change of them."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import (
    changeable,
    insert_only,
    never_changes,
    only_edges,
    recorded,
)

revision = '0054'
down_revision = '0053'

INSTANT = sa.DateTime(timezone=True)
EDGES = (
    ('prepared', 'locked'),
    ('prepared', 'declined'),
    ('locked', 'reopening'),
    ('reopening', 'reopened'),
    ('reopening', 'locked'),
)


def upgrade() -> None:
    op.create_table(
        'day_closes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('snapshot', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column('sha256', sa.LargeBinary(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('prepared_by', sa.Uuid(), nullable=False),
        sa.Column('prepared_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('reopening_by', sa.Uuid(), nullable=True),
        sa.Column('reopened_by', sa.Uuid(), nullable=True),
        sa.CheckConstraint('number >= 0', name=op.f('ck_day_closes_number')),
        sa.CheckConstraint(
            "state IN ('prepared', 'locked', 'declined', 'reopening', 'reopened')",
            name=op.f('ck_day_closes_state'),
        ),
        sa.CheckConstraint('prepared_by <> decided_by', name=op.f('ck_day_closes_maker_checker')),
        sa.CheckConstraint(
            'reopening_by <> reopened_by', name=op.f('ck_day_closes_reopening_maker_checker')
        ),
        sa.CheckConstraint(
            "number = 0 OR (state = 'prepared') = (decided_by IS NULL)",
            name=op.f('ck_day_closes_decided'),
        ),
        sa.CheckConstraint(
            "(state <> 'reopening' OR reopening_by IS NOT NULL)"
            " AND (state = 'reopened') = (reopened_by IS NOT NULL)",
            name=op.f('ck_day_closes_reopened'),
        ),
        *(
            sa.ForeignKeyConstraint(
                [name], ['officers.id'], name=op.f(f'fk_day_closes_{name}')
            )
            for name in ('prepared_by', 'decided_by', 'reopening_by', 'reopened_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_day_closes')),
        sa.UniqueConstraint('day', 'number', name=op.f('uq_day_closes_day_number')),
    )
    op.create_index(
        'uq_day_closes_live', 'day_closes', ['day'], unique=True,
        postgresql_where=sa.text("state IN ('locked', 'prepared', 'reopening')"),
    )
    op.create_table(
        'day_close_changes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('close_id', sa.Uuid(), nullable=False),
        sa.Column('changed_at', INSTANT, nullable=False),
        sa.Column('state_before', sa.Text(), nullable=False),
        sa.Column('state_after', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['close_id'], ['day_closes.id'], name=op.f('fk_day_close_changes_close_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_day_close_changes')),
    )
    op.create_index(op.f('ix_day_close_changes_close_id'), 'day_close_changes', ['close_id'])
    _take_over_closed_days()
    insert_only('day_close_changes')
    changeable(
        'day_closes',
        update=('state', 'decided_by', 'decided_at', 'reopening_by', 'reopened_by'),
    )
    recorded('day_closes', digests=('snapshot',))
    only_edges('day_closes', ('prepared',), EDGES)
    never_changes(
        'day_closes',
        ('id', 'day', 'number', 'snapshot', 'sha256', 'note', 'prepared_by', 'prepared_at'),
    )


def _take_over_closed_days() -> None:
    """What one officer closed stays closed, and stays in its old table for the audit log."""
    db = op.get_bind()
    for day, closed_by, closed_at, totals in db.execute(
        sa.text('SELECT day, closed_by, closed_at, totals FROM closed_days')
    ).all():
        snapshot = {'day': day.isoformat(), 'number': 0, 'totals': totals}
        told = json.dumps(snapshot, ensure_ascii=False, sort_keys=True, separators=(',', ':'))
        db.execute(
            sa.text("""
                INSERT INTO day_closes
                    (id, day, number, state, snapshot, sha256, note, prepared_by, prepared_at)
                VALUES (gen_random_uuid(), :day, 0, 'locked', cast(:told AS jsonb), :sha256, '',
                    :closed_by, :closed_at)
            """),
            {
                'day': day, 'told': told, 'sha256': hashlib.sha256(told.encode()).digest(),
                'closed_by': closed_by, 'closed_at': closed_at,
            },
        )
