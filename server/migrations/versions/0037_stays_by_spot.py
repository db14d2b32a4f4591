"""The stays of a spot, for the display there, which asks every few seconds."""

from alembic import op

revision = '0037'
down_revision = '0036'


def upgrade() -> None:
    op.create_index(
        'ix_parking_sessions_spot_id_started_at', 'parking_sessions', ['spot_id', 'started_at']
    )
