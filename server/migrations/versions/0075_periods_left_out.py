"""A schedule of reports goes on past a period that is too long for a file, and says which."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, recorded

revision = '0075'
down_revision = '0065'

TABLE = 'report_schedules'


def upgrade() -> None:
    op.add_column(TABLE, sa.Column('too_long_until', sa.Date(), nullable=True))
    changeable(TABLE, update=('too_long_until',))
    recorded(TABLE, digests=('mail_to',), left_out=('failed_at', 'failure'))
