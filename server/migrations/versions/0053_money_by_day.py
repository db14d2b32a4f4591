"""Money found page by page within its days, and by the network's id."""

import sqlalchemy as sa
from alembic import op

revision = '0053'
down_revision = '0052'


def upgrade() -> None:
    op.create_index('ix_money_business_day_id', 'money', ['business_day', 'id'])
    op.drop_index('ix_money_business_day', table_name='money')
    op.create_index('ix_money_rrn', 'money', ['rrn'], postgresql_where=sa.text('rrn IS NOT NULL'))
