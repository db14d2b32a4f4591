"""That a period of a scheduled report was left out is told by mail, once."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0107'
down_revision = '0109'

TABLE = 'left_out_mails'
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('schedule_id', sa.Uuid(), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('last_day', sa.Date(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('next_try_at', INSTANT, nullable=True),
        sa.Column('sent_at', INSTANT, nullable=True),
        sa.Column('failure', sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ['schedule_id'], ['report_schedules.id'], name=op.f(f'fk_{TABLE}_schedule_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{TABLE}')),
        sa.UniqueConstraint(
            'schedule_id', 'first_day', name=op.f(f'uq_{TABLE}_schedule_id_first_day')
        ),
    )
    op.create_index(
        f'ix_{TABLE}_due', TABLE, ['next_try_at'], postgresql_where=sa.text('sent_at IS NULL')
    )
    changeable(TABLE, update=('tries', 'next_try_at', 'sent_at', 'failure'))
