"""Which files of spots and posted codes were taken in, and by whom."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0118'
down_revision = '0107'

TABLE = 'spot_files'


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('sha256', sa.LargeBinary(), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('added', sa.Integer(), nullable=False),
        sa.Column('changed', sa.Integer(), nullable=False),
        sa.Column('gone', sa.Integer(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('taken_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('spots', 'codes')", name=op.f('ck_spot_files_kind')),
        sa.CheckConstraint('octet_length(sha256) = 32', name=op.f('ck_spot_files_sha256')),
        sa.CheckConstraint(
            'least(rows, added, changed, gone) >= 0', name=op.f('ck_spot_files_counts')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_spot_files')),
    )
    insert_only(TABLE)
