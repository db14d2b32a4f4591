"""The nonces of signed requests, for all processes and through their restarts."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0029'
down_revision = '0028'


def upgrade() -> None:
    op.create_table('used_nonces',
    sa.Column('digest', sa.LargeBinary(), nullable=False),
    sa.Column('signed_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('digest', name=op.f('pk_used_nonces')),
    prefixes=['UNLOGGED'],
    )
    op.create_index(op.f('ix_used_nonces_signed_at'), 'used_nonces', ['signed_at'])
    changeable('used_nonces', delete=True)
