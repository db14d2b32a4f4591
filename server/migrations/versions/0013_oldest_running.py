"""A change of a charge keeps which transaction was the oldest when it was written.

Whatever commits after it was written by that transaction or a later one, however long it took. Of
changes that are there already it is not known: 0 stands before all.
"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'


def upgrade() -> None:
    column = sa.Column('oldest_running', sa.BigInteger(), server_default=sa.text('0'), nullable=False)
    op.add_column('charge_changes', column)
    op.alter_column(
        'charge_changes',
        'oldest_running',
        server_default=sa.text('(pg_snapshot_xmin(pg_current_snapshot())::text::bigint)'),
    )
