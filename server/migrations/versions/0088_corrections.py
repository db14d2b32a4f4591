"""Corrected settlement files: lines that take back others, and the files that two officers agree to.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations import indexes
from server.migrations.grants import changeable, never_changes, only_edges, recorded

revision = '0088'
down_revision = '0077'

INSTANT = sa.DateTime(timezone=True)
EDGES = tuple(('requested', after) for after in ('approved', 'declined', 'withdrawn'))
LINES = 'settlement_lines'
KEY = ('acquirer', 'acquirer_reference', 'rrn', sa.text('(gross_rp < 0)'))


def upgrade() -> None:
    _lines()
    op.create_table(
        'settlement_corrections',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('acquirer', sa.Text(), nullable=False),
        sa.Column('mapping', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('sha256', sa.LargeBinary(), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.Column('lines', postgresql.JSONB(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('asked_by', sa.Uuid(), nullable=False),
        sa.Column('asked_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'declined', 'withdrawn')",
            name=op.f('ck_settlement_corrections_state'),
        ),
        sa.CheckConstraint(
            "(asked_by = decided_by) = (state = 'withdrawn')",
            name=op.f('ck_settlement_corrections_maker_checker'),
        ),
        sa.CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)',
            name=op.f('ck_settlement_corrections_decided'),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], ['officers.id'], name=op.f(f'fk_settlement_corrections_{column}')
            )
            for column in ('asked_by', 'decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_settlement_corrections')),
    )
    op.create_index(
        'uq_settlement_corrections_waiting', 'settlement_corrections', ['sha256'], unique=True,
        postgresql_where=sa.text("state = 'requested'"),
    )
    changeable('settlement_corrections', update=('state', 'decided_by', 'decided_at', 'why'))
    recorded('settlement_corrections', digests=('content',))
    only_edges('settlement_corrections', ('requested',), EDGES)
    never_changes(
        'settlement_corrections',
        ('id', 'acquirer', 'mapping', 'name', 'sha256', 'content', 'lines', 'reason', 'asked_by',
         'asked_at'),
    )


def _lines() -> None:
    # Without a value of lines told once: those are sealed as they were.
    op.execute(
        f'ALTER TABLE {LINES} ADD COLUMN IF NOT EXISTS version smallint,'
        ' ADD COLUMN IF NOT EXISTS takes_back_id uuid'
    )
    indexes.constrain(
        f'fk_{LINES}_takes_back_id', LINES, f'FOREIGN KEY (takes_back_id) REFERENCES {LINES} (id)'
    )
    indexes.build(
        f'uq_{LINES}_takes_back_id', LINES, ['takes_back_id'], unique=True,
        postgresql_where=sa.text('takes_back_id IS NOT NULL'),
    )
    old = f'uq_{LINES}_acquirer_reference'
    indexes.build(
        f'{old}_version', LINES, [*KEY, 'version'], unique=True,
        postgresql_nulls_not_distinct=True, postgresql_where=sa.text('takes_back_id IS NULL'),
    )
    indexes.replace(old, f'{old}_version')
