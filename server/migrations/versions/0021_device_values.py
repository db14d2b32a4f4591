"""What a device tells of itself, and how well the server is heard at each spot."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0021'
down_revision = '0020'

REPORTED: dict[str, sa.types.TypeEngine[Any]] = {
    'battery_percent': sa.Integer(),
    'charging': sa.Boolean(),
    'signal_dbm': sa.Integer(),
    'storage_free_mb': sa.Integer(),
    'clock_offset_s': sa.BigInteger(),
    'unsynced_count': sa.Integer(),
    'oldest_unsynced_s': sa.BigInteger(),
    'quarantined_count': sa.Integer(),
}


def upgrade() -> None:
    for name, type_ in REPORTED.items():
        op.add_column('device_reports', sa.Column(name, type_, nullable=True))
    op.create_table('spot_links',
    sa.Column('spot_code', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('pulses', sa.BigInteger(), nullable=False),
    sa.Column('lost', sa.BigInteger(), nullable=False),
    sa.Column('answer_ms', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('lost BETWEEN 0 AND pulses', name=op.f('ck_spot_links_lost')),
    sa.PrimaryKeyConstraint('spot_code', 'day', name=op.f('pk_spot_links'))
    )
    changeable('device_reports', update=tuple(REPORTED))
    changeable('spot_links', update=('pulses', 'lost', 'answer_ms'), delete=True)
