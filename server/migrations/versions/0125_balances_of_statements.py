"""The balances of each bank statement, by which one is seen to follow the last."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0125'
down_revision = '0128'

TABLE = 'statement_balances'


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('file_id', sa.Uuid(), nullable=False),
        sa.Column('account', sa.Text(), nullable=False),
        sa.Column('opened_on', sa.Date(), nullable=False),
        sa.Column('opening_rp', sa.BigInteger(), nullable=False),
        sa.Column('closed_on', sa.Date(), nullable=False),
        sa.Column('closing_rp', sa.BigInteger(), nullable=False),
        sa.Column(
            'written_at', sa.DateTime(timezone=True), server_default=sa.text('now()'),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ['file_id'], ['imported_files.id'], name=op.f('fk_statement_balances_file_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_statement_balances')),
    )
    for column in ('file_id', 'opened_on'):
        op.create_index(op.f(f'ix_statement_balances_{column}'), TABLE, [column])
    insert_only(TABLE)
