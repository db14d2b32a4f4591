"""What a handheld told of cash and vouchers is found by the charge."""

import sqlalchemy as sa
from alembic import op

revision = '0074'
down_revision = '0072'


def upgrade() -> None:
    op.create_index(
        'ix_device_events_taken',
        'device_events',
        [sa.text("(body ->> 'charge_id')")],
        postgresql_where=sa.text("kind IN ('cash_taken', 'voucher_taken')"),
    )
