"""Where drivers want to be reminded that their time runs out."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0035'
down_revision = '0034'


def upgrade() -> None:
    op.create_table(
        'reminders',
        sa.Column('parking_session_id', sa.Uuid(), nullable=False),
        sa.Column('endpoint', sa.Text(), nullable=False),
        sa.Column('p256dh', sa.Text(), nullable=False),
        sa.Column('auth', sa.Text(), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('told_of', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("language IN ('id', 'en')", name=op.f('ck_reminders_language')),
        sa.ForeignKeyConstraint(
            ['parking_session_id'],
            ['parking_sessions.id'],
            name=op.f('fk_reminders_parking_session_id'),
        ),
        sa.PrimaryKeyConstraint('parking_session_id', name=op.f('pk_reminders')),
    )
    changeable(
        'reminders',
        update=('endpoint', 'p256dh', 'auth', 'language', 'told_of'),
        delete=True,
        hidden=('endpoint', 'p256dh', 'auth'),
    )
