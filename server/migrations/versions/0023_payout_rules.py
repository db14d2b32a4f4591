"""When attendants are paid their share, by dated rules."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import insert_only

revision = '0023'
down_revision = '0022'


def upgrade() -> None:
    op.create_table('payout_rules',
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('weekdays', postgresql.ARRAY(sa.Integer()), nullable=False),
    sa.Column('after_days', sa.Integer(), nullable=False),
    sa.Column('regulation', sa.Text(), nullable=False),
    sa.CheckConstraint(
        "weekdays <@ ARRAY[1,2,3,4,5,6,7] AND weekdays <> '{}'",
        name=op.f('ck_payout_rules_weekdays'),
    ),
    sa.CheckConstraint('after_days BETWEEN 0 AND 60', name=op.f('ck_payout_rules_after_days')),
    sa.PrimaryKeyConstraint('valid_from', name=op.f('pk_payout_rules'))
    )
    insert_only('payout_rules')
