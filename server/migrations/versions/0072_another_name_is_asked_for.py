"""Another name or NIK of an attendant at work is asked for by one and decided by another."""

import sqlalchemy as sa
from alembic import op

from server.database import READ_ROLE
from server.migrations.grants import changeable, recorded

revision = '0072'
down_revision = '0070'

TABLE = 'attendant_requests'


def upgrade() -> None:
    op.add_column(TABLE, sa.Column('name', sa.Text(), nullable=True))
    op.add_column(TABLE, sa.Column('nik_digest', sa.LargeBinary(), nullable=True))
    op.add_column(TABLE, sa.Column('nik_ending', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_attendant_requests_person'),
        TABLE,
        'num_nulls(nik_digest, nik_ending) IN (0, 2) AND (name IS NOT NULL OR nik_digest IS NULL)',
    )
    op.execute(f'REVOKE SELECT ON {TABLE} FROM {READ_ROLE}')
    changeable(
        TABLE, update=('decided_by', 'decided_at', 'approved'), hidden=('nik_digest', 'nik_ending')
    )
    recorded(TABLE, digests=('nik_digest',), left_out=('nik_ending',))
