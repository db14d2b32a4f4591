"""How often signs are scanned, how they hang, and the case of one that is scanned no more."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0041'
down_revision = '0040'

FAULTS = (
    "fault IN ('other-nmid', 'same-name', 'other-spot', 'other-site', 'crc', 'static', 'one-time',"
    " 'old', 'other-data', 'not-a-sign', 'missing', 'forged', 'other-key', 'unsigned', 'newer')"
)


def upgrade() -> None:
    op.create_table(
        'sign_scans',
        sa.Column('spot_id', sa.Uuid(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('scans', sa.BigInteger(), nullable=False),
        sa.CheckConstraint('scans > 0', name=op.f('ck_sign_scans_scans')),
        sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_sign_scans_spot_id')),
        sa.PrimaryKeyConstraint('spot_id', 'day', name=op.f('pk_sign_scans')),
    )
    op.create_index(op.f('ix_sign_scans_day'), 'sign_scans', ['day'])
    changeable('sign_scans', update=('scans',))
    op.create_table(
        'sign_photos',
        sa.Column('sign_id', sa.Uuid(), nullable=False),
        sa.Column('jpeg', sa.LargeBinary(), nullable=False),
        sa.Column('kept_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('kept_by', sa.Text(), nullable=False),
        sa.CheckConstraint('octet_length(jpeg) <= 1000000', name=op.f('ck_sign_photos_size')),
        sa.ForeignKeyConstraint(['sign_id'], ['signs.id'], name=op.f('fk_sign_photos_sign_id')),
        sa.PrimaryKeyConstraint('sign_id', name=op.f('pk_sign_photos')),
    )
    changeable('sign_photos', update=('jpeg', 'kept_at', 'kept_by'))
    name = op.f('ck_sign_cases_fault')
    op.drop_constraint(name, 'sign_cases')
    op.create_check_constraint(name, 'sign_cases', f"{FAULTS} OR fault = 'silent'")
