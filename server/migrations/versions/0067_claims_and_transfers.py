"""Claims of fees and transfers that went wrong as cases, results of payouts, and the RKUD's statement."""

import sqlalchemy as sa
from alembic import op

from server.database import APP_ROLE
from server.migrations.grants import changeable, never_changes, recorded

revision = '0067'
down_revision = '0066'

KINDS = (
    "kind IN ('discrepancy', 'suspense', 'refund', 'unended', 'count', 'quarantine', 'complaint',"
    " 'sign', 'claim', 'transfer')"
)
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Days are closed in day_closes, by two officers; what stands here is kept for the audit log.
    op.execute(f'REVOKE INSERT ON closed_days FROM {APP_ROLE}')
    for table in ('case_assignments', 'case_comments', 'case_steps'):
        _check(table, 'kind', KINDS)
    _check(
        'cases', 'outcome',
        "outcome IN ('recognised', 'kept', 'not_made', 'clarified', 'taken_back', 'refunded',"
        " 'explained', 'claim_paid')",
    )
    op.add_column(
        'cases', sa.Column('claims_rp', sa.BigInteger(), server_default='0', nullable=False)
    )
    op.create_check_constraint(
        op.f('ck_cases_claims'), 'cases', 'claims_rp = 0 OR claims_rp BETWEEN 0 AND amount_rp'
    )
    changeable('cases', update=('claims_rp',))
    recorded('cases')
    _check('imported_files', 'kind', "kind IN ('settlement', 'statement', 'payout')")
    _claims()
    _transfers()
    _treasury()
    _results()


def _check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f'ck_{table}_{name}'), table)
    op.create_check_constraint(op.f(f'ck_{table}_{name}'), table, condition)


def _claims() -> None:
    op.create_table(
        'fee_claims',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('discrepancy_id', sa.Uuid(), nullable=False),
        sa.Column('entry_id', sa.Uuid(), nullable=False),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('opened_at', INSTANT, nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('outcome', sa.Text(), nullable=True),
        sa.Column('ended_entry_id', sa.Uuid(), nullable=True),
        sa.Column('case_id', sa.Uuid(), nullable=True),
        sa.Column('settlement_line_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_fee_claims_amount')),
        sa.CheckConstraint(
            "state IN ('open', 'proposed', 'closed')", name=op.f('ck_fee_claims_state')
        ),
        sa.CheckConstraint(
            "outcome IN ('paid', 'refused', 'withdrawn')", name=op.f('ck_fee_claims_outcome')
        ),
        sa.CheckConstraint(
            "(outcome IS NOT NULL) = (state = 'closed')", name=op.f('ck_fee_claims_decided')
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR (outcome IN ('paid', 'refused')) = (ended_entry_id IS NOT NULL)",
            name=op.f('ck_fee_claims_entry'),
        ),
        sa.CheckConstraint(
            'num_nonnulls(case_id, settlement_line_id) <= 1'
            " AND (outcome <> 'paid' OR num_nonnulls(case_id, settlement_line_id) = 1)",
            name=op.f('ck_fee_claims_evidence'),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], [f'{table}.id'], name=op.f(f'fk_fee_claims_{column}')
            )
            for column, table in (
                ('discrepancy_id', 'discrepancies'), ('entry_id', 'ledger_entries'),
                ('ended_entry_id', 'ledger_entries'), ('case_id', 'cases'),
                ('settlement_line_id', 'settlement_lines'),
            )
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_fee_claims')),
        sa.UniqueConstraint('entry_id', name=op.f('uq_fee_claims_entry_id')),
        sa.UniqueConstraint('ended_entry_id', name=op.f('uq_fee_claims_ended_entry_id')),
    )
    for column in ('discrepancy_id', 'case_id', 'settlement_line_id'):
        op.create_index(op.f(f'ix_fee_claims_{column}'), 'fee_claims', [column])
    changeable(
        'fee_claims',
        update=('state', 'outcome', 'ended_entry_id', 'case_id', 'settlement_line_id'),
    )
    # What was claimed before waits for the acquirer as well.
    op.execute("""
        INSERT INTO fee_claims
            (id, discrepancy_id, entry_id, amount_rp, owner, opened_at, state)
        SELECT gen_random_uuid(), d.id, d.entry_id, p.amount_rp, d.owner, e.recorded_at, 'open'
        FROM discrepancies d JOIN ledger_entries e ON e.id = d.entry_id
        JOIN ledger_postings p ON p.entry_id = e.id AND p.account_code = '1190'
    """)
    recorded('fee_claims')
    never_changes(
        'fee_claims', ('id', 'discrepancy_id', 'entry_id', 'amount_rp', 'owner', 'opened_at')
    )
    op.execute("""
        CREATE FUNCTION karcis_refuse_one_officers_claim() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.outcome = 'withdrawn' AND OLD.outcome IS NULL THEN
                PERFORM karcis_want_step('discrepancy', NEW.discrepancy_id, 'corrected');
            ELSIF NEW.outcome IS NOT NULL AND NEW.outcome IS DISTINCT FROM OLD.outcome THEN
                PERFORM karcis_want_step('claim', NEW.id, 'accepted');
            ELSIF OLD.outcome IS NOT NULL AND NEW.outcome IS NULL THEN
                PERFORM karcis_want_step('claim', NEW.id, 'reopened');
            ELSIF OLD.ended_entry_id IS DISTINCT FROM NEW.ended_entry_id THEN
                PERFORM karcis_want_step('claim', NEW.id, 'corrected');
            ELSIF NEW.state = 'proposed' AND OLD.state <> 'proposed' THEN
                PERFORM karcis_want_step('claim', NEW.id, 'proposed');
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER fee_claims_two_officers BEFORE UPDATE ON fee_claims FOR EACH ROW
        EXECUTE FUNCTION karcis_refuse_one_officers_claim()
    """)


def _transfers() -> None:
    op.create_table(
        'transfer_cases',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('detail', sa.Text(), nullable=False),
        sa.Column('payout_line_id', sa.Uuid(), nullable=True),
        sa.Column('remittance_id', sa.Uuid(), nullable=True),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('opened_at', INSTANT, nullable=False),
        sa.Column('closed_by', sa.Uuid(), nullable=True),
        sa.Column('closed_at', INSTANT, nullable=True),
        sa.Column('what_was_done', sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(detail = 'payout-failed' AND num_nulls(payout_line_id, remittance_id) = 1"
            ' AND remittance_id IS NULL)'
            " OR (detail IN ('sts-not-seen', 'sts-unconfirmed', 'sts-differs')"
            ' AND remittance_id IS NOT NULL AND payout_line_id IS NULL)',
            name=op.f('ck_transfer_cases_detail'),
        ),
        sa.CheckConstraint(
            '(closed_at IS NULL) = (closed_by IS NULL)'
            ' AND (closed_at IS NULL) = (what_was_done IS NULL)',
            name=op.f('ck_transfer_cases_closed'),
        ),
        sa.ForeignKeyConstraint(
            ['payout_line_id'], ['payout_lines.id'], name=op.f('fk_transfer_cases_payout_line_id')
        ),
        sa.ForeignKeyConstraint(
            ['remittance_id'], ['remittances.id'], name=op.f('fk_transfer_cases_remittance_id')
        ),
        sa.ForeignKeyConstraint(
            ['closed_by'], ['officers.id'], name=op.f('fk_transfer_cases_closed_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_transfer_cases')),
        sa.UniqueConstraint('payout_line_id', name=op.f('uq_transfer_cases_payout_line_id')),
        sa.UniqueConstraint(
            'remittance_id', 'detail', name=op.f('uq_transfer_cases_remittance_id_detail')
        ),
    )
    changeable('transfer_cases', update=('closed_by', 'closed_at', 'what_was_done'))
    op.execute("""
        INSERT INTO transfer_cases (id, detail, payout_line_id, amount_rp, owner, opened_at)
        SELECT gen_random_uuid(), 'payout-failed', id, amount_rp, 'bendahara penerimaan', told_at
        FROM payout_lines WHERE state = 'failed'
    """)
    op.execute("""
        CREATE TRIGGER transfer_cases_two_officers BEFORE UPDATE ON transfer_cases FOR EACH ROW
        EXECUTE FUNCTION karcis_refuse_one_officer('transfer', 'id', 'closed_at')
    """)


def _treasury() -> None:
    # Without one a movement is of the collecting account.
    op.add_column('statement_lines', sa.Column('ledger_account', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_statement_lines_ledger_account'), 'statement_lines', "ledger_account = '1100'"
    )
    op.add_column('remittances', sa.Column('confirmed_on', sa.Date(), nullable=True))
    op.add_column(
        'remittances',
        sa.Column('direct', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    )
    _check(
        'remittances', 'evidence',
        "(NOT direct AND state IN ('approved', 'seen')) = (entry_id IS NOT NULL)"
        " AND (state = 'seen') = (statement_line_id IS NOT NULL)"
        " AND (confirmed_on IS NULL OR state IN ('approved', 'seen'))",
    )
    changeable('remittances', update=('confirmed_on',))
    recorded('remittances')
    never_changes(
        'remittances',
        (
            'id', 'number', 'series', 'sequence', 'amount_rp', 'direct', 'prepared_by',
            'prepared_at',
        ),
    )


def _results() -> None:
    op.add_column('payout_lines', sa.Column('result_file_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_payout_lines_result_file_id'), 'payout_lines', 'imported_files',
        ['result_file_id'], ['id'],
    )
    _check(
        'payout_lines', 'evidence',
        "(state IN ('paid', 'failed')) = (num_nonnulls(told_by, result_file_id) > 0)"
        " AND (state IN ('paid', 'failed')) = (evidence <> '')"
        " AND (state = 'paid') = (entry_id IS NOT NULL)",
    )
    changeable('payout_lines', update=('result_file_id',))
    recorded('payout_lines')
