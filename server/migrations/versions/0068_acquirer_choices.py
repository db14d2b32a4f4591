"""Which of several acquirers issues new charges: one officer chooses, and another decides."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, never_changes, only_edges, recorded

revision = '0068'
down_revision = '0063'

INSTANT = sa.DateTime(timezone=True)
EDGES = tuple(('requested', after) for after in ('approved', 'declined', 'withdrawn'))


def upgrade() -> None:
    op.create_table(
        'acquirer_choices',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('zone_id', sa.Uuid(), nullable=True),
        sa.Column('acquirer', sa.Text(), nullable=False),
        sa.Column('at_once', sa.Boolean(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('starts_at', INSTANT, nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('asked_by', sa.Uuid(), nullable=False),
        sa.Column('asked_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'declined', 'withdrawn')",
            name=op.f('ck_acquirer_choices_state'),
        ),
        sa.CheckConstraint(
            "(asked_by = decided_by) = (state = 'withdrawn')",
            name=op.f('ck_acquirer_choices_maker_checker'),
        ),
        sa.CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)',
            name=op.f('ck_acquirer_choices_decided'),
        ),
        sa.CheckConstraint(
            'NOT at_once OR starts_at = asked_at', name=op.f('ck_acquirer_choices_at_once')
        ),
        sa.ForeignKeyConstraint(
            ['zone_id'], ['zones.id'], name=op.f('fk_acquirer_choices_zone_id')
        ),
        sa.ForeignKeyConstraint(
            ['asked_by'], ['officers.id'], name=op.f('fk_acquirer_choices_asked_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_acquirer_choices_decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_acquirer_choices')),
    )
    changeable('acquirer_choices', update=('state', 'decided_by', 'decided_at', 'why'))
    recorded('acquirer_choices')
    only_edges('acquirer_choices', ('requested',), EDGES)
    never_changes(
        'acquirer_choices',
        ('id', 'zone_id', 'acquirer', 'at_once', 'reason', 'starts_at', 'asked_by', 'asked_at'),
    )
