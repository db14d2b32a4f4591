"""What the office hands in to the regency's account by STS, and the numbers of its receipts (TBP)."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import (
    changeable,
    insert_only,
    never_changes,
    only_edges,
    recorded,
)

revision = '0055'
down_revision = '0054'

INSTANT = sa.DateTime(timezone=True)
EDGES = (('prepared', 'approved'), ('prepared', 'declined'), ('approved', 'seen'))


def upgrade() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind) VALUES
            ('1100', 'Kas daerah (RKUD)', 'asset'),
            ('1161', 'STS dalam perjalanan', 'asset')
        ON CONFLICT DO NOTHING
    """)
    op.execute("UPDATE ledger_accounts SET name = 'Rekening penerimaan' WHERE code = '1110'")
    _receipts_of_deposits()
    _remittances()
    op.create_table(
        'remitted_days',
        sa.Column('remittance_id', sa.Uuid(), nullable=False),
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.CheckConstraint('amount_rp <> 0', name=op.f('ck_remitted_days_amount')),
        sa.ForeignKeyConstraint(
            ['remittance_id'], ['remittances.id'], name=op.f('fk_remitted_days_remittance_id')
        ),
        sa.PrimaryKeyConstraint('remittance_id', 'day', name=op.f('pk_remitted_days')),
    )
    op.create_index(op.f('ix_remitted_days_day'), 'remitted_days', ['day'])
    insert_only('remitted_days')


def _receipts_of_deposits() -> None:
    op.add_column('cash_deposits', sa.Column('series', sa.Text(), nullable=True))
    op.add_column('cash_deposits', sa.Column('sequence', sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f('fk_cash_deposits_series'), 'cash_deposits', 'receipt_series', ['series'], ['series']
    )
    op.create_unique_constraint(
        op.f('uq_cash_deposits_series_sequence'), 'cash_deposits', ['series', 'sequence']
    )
    op.create_check_constraint(
        op.f('ck_cash_deposits_number'), 'cash_deposits', '(series IS NULL) = (sequence IS NULL)'
    )


def _remittances() -> None:
    op.create_table(
        'remittances',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('series', sa.Text(), nullable=False),
        sa.Column('sequence', sa.BigInteger(), nullable=False),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('prepared_by', sa.Uuid(), nullable=False),
        sa.Column('prepared_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('entry_id', sa.Uuid(), nullable=True),
        sa.Column('statement_line_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_remittances_amount')),
        sa.CheckConstraint(
            "state IN ('prepared', 'approved', 'declined', 'seen')",
            name=op.f('ck_remittances_state'),
        ),
        sa.CheckConstraint('prepared_by <> decided_by', name=op.f('ck_remittances_maker_checker')),
        sa.CheckConstraint(
            "(state = 'prepared') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)',
            name=op.f('ck_remittances_decided'),
        ),
        sa.CheckConstraint(
            "(state IN ('approved', 'seen')) = (entry_id IS NOT NULL)"
            " AND (state = 'seen') = (statement_line_id IS NOT NULL)",
            name=op.f('ck_remittances_evidence'),
        ),
        sa.ForeignKeyConstraint(
            ['series'], ['receipt_series.series'], name=op.f('fk_remittances_series')
        ),
        sa.ForeignKeyConstraint(
            ['prepared_by'], ['officers.id'], name=op.f('fk_remittances_prepared_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_remittances_decided_by')
        ),
        sa.ForeignKeyConstraint(
            ['entry_id'], ['ledger_entries.id'], name=op.f('fk_remittances_entry_id')
        ),
        sa.ForeignKeyConstraint(
            ['statement_line_id'], ['statement_lines.id'],
            name=op.f('fk_remittances_statement_line_id'),
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_remittances')),
        sa.UniqueConstraint('number', name=op.f('uq_remittances_number')),
        sa.UniqueConstraint('series', 'sequence', name=op.f('uq_remittances_series_sequence')),
        sa.UniqueConstraint('entry_id', name=op.f('uq_remittances_entry_id')),
        sa.UniqueConstraint('statement_line_id', name=op.f('uq_remittances_statement_line_id')),
    )
    changeable(
        'remittances',
        update=('state', 'decided_by', 'decided_at', 'why', 'entry_id', 'statement_line_id'),
    )
    recorded('remittances')
    only_edges('remittances', ('prepared',), EDGES)
    never_changes(
        'remittances',
        ('id', 'number', 'series', 'sequence', 'amount_rp', 'prepared_by', 'prepared_at'),
    )
