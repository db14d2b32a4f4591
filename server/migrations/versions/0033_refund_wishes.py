"""Wishes for money back are found by the charge they are about."""

import sqlalchemy as sa
from alembic import op

revision = '0033'
down_revision = '0032'


def upgrade() -> None:
    op.create_index(
        'ix_device_events_refund_wished',
        'device_events',
        [sa.text("(body ->> 'charge_id')")],
        postgresql_where=sa.text("kind = 'refund_wished'"),
    )
