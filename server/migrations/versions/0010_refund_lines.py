"""Let a settlement line of a refund repeat the RRN of its payment, as some acquirers write it."""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'


def upgrade() -> None:
    name = 'uq_settlement_lines_acquirer_reference'
    op.drop_constraint(name, 'settlement_lines')
    op.create_index(
        name,
        'settlement_lines',
        ['acquirer', 'acquirer_reference', 'rrn', sa.text('(gross_rp < 0)')],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
