"""Until when settlements and payouts are awaited, and what of a day was, when it was compared."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations import indexes

revision = '0083'
down_revision = '0081'


def upgrade() -> None:
    for table in ('settlement_lines', 'held_lines', 'unsettled_lines'):
        indexes.build(op.f(f'ix_{table}_paid_at'), table, ['paid_at'])
    # Empty in the rows there are, whose seals say nothing of them.
    op.add_column('matching_rules', sa.Column('working_days', sa.Boolean(), nullable=True))
    op.add_column('reconciliations', sa.Column('expected', postgresql.JSONB(), nullable=True))
