"""A plate that was destroyed because its driver asked, recorded beside those whose time was over."""

import sqlalchemy as sa
from alembic import op

revision = '0052'
down_revision = '0051'


def upgrade() -> None:
    op.alter_column('plates_destroyed', 'begun_before', nullable=True)
    op.add_column('plates_destroyed', sa.Column('parking_session_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_plates_destroyed_parking_session_id'),
        'plates_destroyed', 'parking_sessions', ['parking_session_id'], ['id'],
    )
    op.create_unique_constraint(
        op.f('uq_plates_destroyed_parking_session_id'), 'plates_destroyed', ['parking_session_id']
    )
    op.create_check_constraint(
        op.f('ck_plates_destroyed_why'),
        'plates_destroyed',
        'num_nonnulls(begun_before, parking_session_id) = 1'
        ' AND (parking_session_id IS NULL OR stays <= 1)',
    )
