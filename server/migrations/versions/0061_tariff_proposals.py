"""A tariff is proposed by one officer and decided by another; only a version's end ever changes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, never_changes, only_edges, recorded

revision = '0061'
down_revision = '0060'

INSTANT = sa.DateTime(timezone=True)
EDGES = tuple(('requested', after) for after in ('approved', 'declined', 'withdrawn'))


def upgrade() -> None:
    changeable('tariffs', update=('valid_until', 'version'))
    never_changes(
        'tariffs', ('id', 'zone_id', 'regulation', 'valid_from', "version - 'valid_until'")
    )
    op.create_table(
        'tariff_proposals',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('zone_id', sa.Uuid(), nullable=False),
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('version', postgresql.JSONB(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('tariff_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'declined', 'withdrawn')",
            name=op.f('ck_tariff_proposals_state'),
        ),
        sa.CheckConstraint(
            "(proposed_by = decided_by) = (state = 'withdrawn')",
            name=op.f('ck_tariff_proposals_maker_checker'),
        ),
        sa.CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)'
            " AND (state = 'approved') = (tariff_id IS NOT NULL)",
            name=op.f('ck_tariff_proposals_decided'),
        ),
        sa.CheckConstraint(
            "version->>'valid_from' = to_char(valid_from, 'YYYY-MM-DD')",
            name=op.f('ck_tariff_proposals_day'),
        ),
        sa.ForeignKeyConstraint(
            ['zone_id'], ['zones.id'], name=op.f('fk_tariff_proposals_zone_id')
        ),
        sa.ForeignKeyConstraint(
            ['proposed_by'], ['officers.id'], name=op.f('fk_tariff_proposals_proposed_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_tariff_proposals_decided_by')
        ),
        sa.ForeignKeyConstraint(
            ['tariff_id'], ['tariffs.id'], name=op.f('fk_tariff_proposals_tariff_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_tariff_proposals')),
        sa.UniqueConstraint('tariff_id', name=op.f('uq_tariff_proposals_tariff_id')),
    )
    op.create_index(
        'uq_tariff_proposals_open', 'tariff_proposals', ['zone_id'], unique=True,
        postgresql_where=sa.text("state = 'requested'"),
    )
    changeable(
        'tariff_proposals', update=('state', 'decided_by', 'decided_at', 'why', 'tariff_id')
    )
    recorded('tariff_proposals')
    only_edges('tariff_proposals', ('requested',), EDGES)
    never_changes(
        'tariff_proposals',
        ('id', 'zone_id', 'valid_from', 'version', 'reason', 'proposed_by', 'proposed_at'),
    )
