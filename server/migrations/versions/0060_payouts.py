"""Shares paid out to attendants and third parties: their bank accounts, runs, and lines of them."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import (
    changeable,
    insert_only,
    never_changes,
    only_edges,
    recorded,
)

revision = '0060'
down_revision = '0059'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind)
        VALUES ('1162', 'Bagi hasil dalam perjalanan', 'asset') ON CONFLICT DO NOTHING
    """)
    op.create_table(
        'payee_accounts',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('account_code', sa.Text(), nullable=False),
        sa.Column('party', sa.Text(), nullable=False),
        sa.Column('bank', sa.Text(), nullable=False),
        sa.Column('holder', sa.Text(), nullable=False),
        sa.Column('sealed', sa.LargeBinary(), nullable=False),
        sa.Column('ending', sa.Text(), nullable=False),
        sa.Column('recorded_by', sa.Uuid(), nullable=False),
        sa.Column('recorded_at', INSTANT, nullable=False),
        sa.CheckConstraint(
            "account_code IN ('2120', '2130')", name=op.f('ck_payee_accounts_account_code')
        ),
        sa.ForeignKeyConstraint(
            ['recorded_by'], ['officers.id'], name=op.f('fk_payee_accounts_recorded_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_payee_accounts')),
    )
    op.create_index('ix_payee_accounts_party', 'payee_accounts', ['account_code', 'party'])
    insert_only('payee_accounts')
    _runs()
    _lines()


def _runs() -> None:
    op.create_table(
        'payout_runs',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('series', sa.Text(), nullable=False),
        sa.Column('sequence', sa.BigInteger(), nullable=False),
        sa.Column('until', sa.Date(), nullable=False),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('prepared_by', sa.Uuid(), nullable=False),
        sa.Column('prepared_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('statement_line_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_payout_runs_amount')),
        sa.CheckConstraint(
            "state IN ('prepared', 'approved', 'declined')", name=op.f('ck_payout_runs_state')
        ),
        sa.CheckConstraint('prepared_by <> decided_by', name=op.f('ck_payout_runs_maker_checker')),
        sa.CheckConstraint(
            "(state = 'prepared') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)',
            name=op.f('ck_payout_runs_decided'),
        ),
        sa.ForeignKeyConstraint(
            ['series'], ['receipt_series.series'], name=op.f('fk_payout_runs_series')
        ),
        sa.ForeignKeyConstraint(
            ['prepared_by'], ['officers.id'], name=op.f('fk_payout_runs_prepared_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_payout_runs_decided_by')
        ),
        sa.ForeignKeyConstraint(
            ['statement_line_id'], ['statement_lines.id'],
            name=op.f('fk_payout_runs_statement_line_id'),
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_payout_runs')),
        sa.UniqueConstraint('number', name=op.f('uq_payout_runs_number')),
        sa.UniqueConstraint('series', 'sequence', name=op.f('uq_payout_runs_series_sequence')),
        sa.UniqueConstraint('statement_line_id', name=op.f('uq_payout_runs_statement_line_id')),
    )
    changeable(
        'payout_runs', update=('state', 'decided_by', 'decided_at', 'why', 'statement_line_id')
    )
    recorded('payout_runs')
    only_edges(
        'payout_runs', ('prepared',), (('prepared', 'approved'), ('prepared', 'declined'))
    )
    never_changes(
        'payout_runs',
        ('id', 'number', 'series', 'sequence', 'until', 'amount_rp', 'prepared_by', 'prepared_at'),
    )


def _lines() -> None:
    op.create_table(
        'payout_lines',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('run_id', sa.Uuid(), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('account_code', sa.Text(), nullable=False),
        sa.Column('party', sa.Text(), nullable=False),
        sa.Column('payee_account_id', sa.Uuid(), nullable=False),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('evidence', sa.Text(), nullable=False),
        sa.Column('told_by', sa.Uuid(), nullable=True),
        sa.Column('told_at', INSTANT, nullable=True),
        sa.Column('entry_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_payout_lines_amount')),
        sa.CheckConstraint(
            "state IN ('waiting', 'paid', 'failed', 'dropped')", name=op.f('ck_payout_lines_state')
        ),
        sa.CheckConstraint(
            "(state IN ('paid', 'failed')) = (told_by IS NOT NULL)"
            " AND (state IN ('paid', 'failed')) = (evidence <> '')"
            " AND (state = 'paid') = (entry_id IS NOT NULL)",
            name=op.f('ck_payout_lines_evidence'),
        ),
        sa.ForeignKeyConstraint(
            ['run_id'], ['payout_runs.id'], name=op.f('fk_payout_lines_run_id')
        ),
        sa.ForeignKeyConstraint(
            ['payee_account_id'], ['payee_accounts.id'],
            name=op.f('fk_payout_lines_payee_account_id'),
        ),
        sa.ForeignKeyConstraint(
            ['told_by'], ['officers.id'], name=op.f('fk_payout_lines_told_by')
        ),
        sa.ForeignKeyConstraint(
            ['entry_id'], ['ledger_entries.id'], name=op.f('fk_payout_lines_entry_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_payout_lines')),
        sa.UniqueConstraint('run_id', 'position', name=op.f('uq_payout_lines_run_id_position')),
        sa.UniqueConstraint('entry_id', name=op.f('uq_payout_lines_entry_id')),
    )
    op.create_index(
        'uq_payout_lines_waiting', 'payout_lines', ['account_code', 'party'], unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    changeable('payout_lines', update=('state', 'evidence', 'told_by', 'told_at', 'entry_id'))
    recorded('payout_lines')
    only_edges(
        'payout_lines', ('waiting',),
        (('waiting', 'paid'), ('waiting', 'failed'), ('waiting', 'dropped')),
    )
    never_changes(
        'payout_lines',
        ('id', 'run_id', 'position', 'account_code', 'party', 'payee_account_id', 'amount_rp'),
    )
