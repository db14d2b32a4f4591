"""When a device last spoke, and the mark by which it erases itself."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0017'
down_revision = '0016'


def upgrade() -> None:
    for name in ('wipe_asked_at', 'wiped_at'):
        op.add_column('devices', sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f('ck_devices_wiped'),
        'devices',
        "wiped_at IS NULL OR (wipe_asked_at IS NOT NULL AND state = 'revoked')",
    )
    op.create_table('device_reports',
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('reported_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('version', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_device_reports_device_id')),
    sa.PrimaryKeyConstraint('device_id', name=op.f('pk_device_reports'))
    )
    changeable('devices', update=('wipe_asked_at', 'wiped_at'))
    changeable('device_reports', update=('reported_at', 'version'))
