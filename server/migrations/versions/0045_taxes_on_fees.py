"""Taxes on an acquirer's fee, lines it holds back, and the form a statement came in."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0045'
down_revision = '0044'


def upgrade() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind) VALUES
            ('1180', 'PPh atas jasa acquirer', 'asset'),
            ('5130', 'Beban PPN atas MDR', 'expense')
        ON CONFLICT DO NOTHING
    """)
    for tax in ('vat_rp', 'withheld_rp'):
        op.add_column(
            'settlement_lines', sa.Column(tax, sa.BigInteger(), server_default='0', nullable=False)
        )
    op.drop_constraint(op.f('ck_settlement_lines_net'), 'settlement_lines')
    op.create_check_constraint(
        op.f('ck_settlement_lines_net'),
        'settlement_lines',
        'gross_rp - mdr_rp - vat_rp - withheld_rp = net_rp',
    )
    _create_held_lines()
    op.add_column(
        'statement_lines', sa.Column('form', sa.Text(), server_default='mt940', nullable=False)
    )
    op.create_check_constraint(
        op.f('ck_statement_lines_form'),
        'statement_lines',
        "form IN ('mt940', 'camt053', 'table')",
    )


def _create_held_lines() -> None:
    op.create_table('held_lines',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('line_number', sa.Integer(), nullable=False),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('settlement_date', sa.Date(), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('acquirer_reference', sa.Text(), nullable=False),
    sa.Column('rrn', sa.Text(), nullable=True),
    sa.Column('gross_rp', sa.BigInteger(), nullable=False),
    sa.Column('mdr_rp', sa.BigInteger(), nullable=False),
    sa.Column('net_rp', sa.BigInteger(), nullable=False),
    sa.Column('vat_rp', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('withheld_rp', sa.BigInteger(), server_default='0', nullable=False),
    sa.CheckConstraint(
        'gross_rp - mdr_rp - vat_rp - withheld_rp = net_rp', name=op.f('ck_held_lines_net')
    ),
    sa.ForeignKeyConstraint(['file_id'], ['imported_files.id'], name=op.f('fk_held_lines_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_held_lines'))
    )
    op.create_index(
        op.f('ix_held_lines_settlement_date'), 'held_lines', ['settlement_date'], unique=False
    )
    op.create_index(
        'uq_held_lines_acquirer_reference',
        'held_lines',
        ['acquirer', 'acquirer_reference', 'rrn', sa.text('(gross_rp < 0)')],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    insert_only('held_lines')
