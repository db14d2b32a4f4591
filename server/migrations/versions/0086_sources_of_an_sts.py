"""An STS keeps where its money came from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import never_changes, recorded

revision = '0086'
down_revision = '0078'

TABLE = 'remittances'


def upgrade() -> None:
    op.add_column(
        TABLE,
        sa.Column(
            'sources', postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False
        ),
    )
    recorded(TABLE)
    never_changes(
        TABLE,
        (
            'id', 'number', 'series', 'sequence', 'amount_rp', 'prepared_by', 'prepared_at',
            'sources',
        ),
    )
