"""Barcodes issued ahead for handhelds, and stays that wait for their vehicle."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, only_edges

revision = '0020'
down_revision = '0019'

STAY_EDGES = (
    ('reserved', 'open'),
    ('reserved', 'voided'),
    ('open', 'ended'),
    ('open', 'voided'),
)


def upgrade() -> None:
    op.drop_constraint(op.f('ck_parking_sessions_state'), 'parking_sessions')
    op.create_check_constraint(
        op.f('ck_parking_sessions_state'),
        'parking_sessions',
        "state IN ('reserved', 'open', 'ended', 'voided')",
    )
    only_edges('parking_sessions', ('reserved', 'open'), STAY_EDGES)
    changeable('parking_sessions', update=('started_at', 'ends_at'))
    op.create_table('pooled_charges',
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('claim_hash', sa.LargeBinary(), nullable=True),
    sa.CheckConstraint(
        '(claimed_at IS NULL) = (claim_hash IS NULL)', name=op.f('ck_pooled_charges_claimed')
    ),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_pooled_charges_charge_id')),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_pooled_charges_device_id')),
    sa.PrimaryKeyConstraint('charge_id', name=op.f('pk_pooled_charges'))
    )
    op.create_index('ix_pooled_charges_device_id', 'pooled_charges', ['device_id'], unique=False)
    changeable('pooled_charges', update=('claimed_at', 'claim_hash'))
