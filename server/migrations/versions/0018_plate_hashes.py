"""A plate's keyed hash beside its mask, and the record that both were destroyed."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only

revision = '0018'
down_revision = '0017'


def upgrade() -> None:
    op.add_column('parking_sessions', sa.Column('plate_hash', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_parking_sessions_plate'),
        'parking_sessions',
        'plate_hash IS NULL OR plate_masked IS NOT NULL',
    )
    op.create_index(
        'ix_parking_sessions_plate_hash',
        'parking_sessions',
        ['plate_hash'],
        postgresql_where=sa.text('plate_hash IS NOT NULL'),
    )
    op.create_index(
        'ix_parking_sessions_plate_kept',
        'parking_sessions',
        ['started_at'],
        postgresql_where=sa.text('plate_masked IS NOT NULL'),
    )
    op.create_table('plates_destroyed',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('destroyed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('begun_before', sa.DateTime(timezone=True), nullable=False),
    sa.Column('stays', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('stays >= 0', name=op.f('ck_plates_destroyed_stays')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_plates_destroyed'))
    )
    changeable('parking_sessions', update=('plate_masked', 'plate_hash'))
    insert_only('plates_destroyed')
