"""Cash that attendants have paid in."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    op.create_table('cash_deposits',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('attendant_id', sa.Uuid(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('deposited_on', sa.Date(), nullable=False),
    sa.Column('received_by', sa.Uuid(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('entry_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_cash_deposits_amount')),
    sa.ForeignKeyConstraint(['attendant_id'], ['attendants.id'], name=op.f('fk_cash_deposits_attendant_id')),
    sa.ForeignKeyConstraint(['entry_id'], ['ledger_entries.id'], name=op.f('fk_cash_deposits_entry_id')),
    sa.ForeignKeyConstraint(['received_by'], ['officers.id'], name=op.f('fk_cash_deposits_received_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cash_deposits')),
    sa.UniqueConstraint('entry_id', name=op.f('uq_cash_deposits_entry_id')),
    sa.UniqueConstraint('reference', 'attendant_id', name=op.f('uq_cash_deposits_reference_attendant_id'))
    )
    op.create_index(op.f('ix_cash_deposits_deposited_on'), 'cash_deposits', ['deposited_on'], unique=False)
    insert_only('cash_deposits')
