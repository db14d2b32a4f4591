"""What a handheld told of a stay's start is found by the stay."""

import sqlalchemy as sa

from server.migrations import indexes

revision = '0103'
down_revision = '0095'


def upgrade() -> None:
    indexes.build(
        'ix_device_events_started',
        'device_events',
        [sa.text("(body ->> 'stay_id')")],
        postgresql_where=sa.text("kind = 'stay_started'"),
    )
