"""Refunds by two officers, cases for every rupiah in suspense, and what an officer is there for.

Forward only: a money table is never dropped by a migration.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only, never_changes, only_edges

revision = '0008'
down_revision = '0007'


REFUND_EDGES = (
    ('requested', 'sending'),
    ('requested', 'transfer_due'),
    ('requested', 'rejected'),
    ('sending', 'done'),
    ('sending', 'refused'),
    ('sending', 'unknown'),
    ('unknown', 'done'),
    ('unknown', 'refused'),
    ('transfer_due', 'done'),
)
CASE_EDGES = (
    ('open', 'proposed'),
    ('proposed', 'open'),
    ('proposed', 'closed'),
    ('open', 'closed'),
    ('closed', 'open'),
)


def upgrade() -> None:
    _give_officers_roles()
    op.execute(
        "INSERT INTO ledger_accounts (code, name, kind) VALUES ('5190', 'Beban lain', 'expense')"
        " ON CONFLICT DO NOTHING"
    )
    op.create_table('refund_proofs',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('media_type', sa.Text(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('uploaded_by', sa.Uuid(), nullable=False),
    sa.Column('uploaded_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint('octet_length(content) <= 1000000', name=op.f('ck_refund_proofs_size')),
    sa.ForeignKeyConstraint(['uploaded_by'], ['officers.id'], name=op.f('fk_refund_proofs_uploaded_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund_proofs'))
    )
    op.create_table('refunds',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('series', sa.Text(), nullable=False),
    sa.Column('sequence', sa.BigInteger(), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('money_id', sa.Uuid(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('explanation', sa.Text(), nullable=False),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('from_suspense', sa.Boolean(), nullable=False),
    sa.Column('requested_by', sa.Uuid(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by', sa.Uuid(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('acquirer_refund_number', sa.Text(), nullable=True),
    sa.Column('next_inquiry_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('inquiry_id', sa.Uuid(), nullable=True),
    sa.Column('settlement_line_id', sa.Uuid(), nullable=True),
    sa.Column('transfer_reference', sa.Text(), nullable=True),
    sa.Column('transferred_on', sa.Date(), nullable=True),
    sa.Column('proof_id', sa.Uuid(), nullable=True),
    sa.Column('statement_line_id', sa.Uuid(), nullable=True),
    sa.Column('refunded_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('business_day', sa.Date(), nullable=True),
    sa.Column('due_entry_id', sa.Uuid(), nullable=True),
    sa.Column('done_entry_id', sa.Uuid(), nullable=True),
    sa.Column('reversal_entry_id', sa.Uuid(), nullable=True),
    sa.CheckConstraint("(state = 'requested') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)", name=op.f('ck_refunds_decided')),
    sa.CheckConstraint("(state IN ('requested', 'rejected')) = (due_entry_id IS NULL) AND (state = 'done') = (done_entry_id IS NOT NULL) AND (state = 'refused') = (reversal_entry_id IS NOT NULL)", name=op.f('ck_refunds_entries')),
    sa.CheckConstraint("method IN ('acquirer', 'transfer')", name=op.f('ck_refunds_method')),
    sa.CheckConstraint("reason IN ('paid_twice', 'paid_late', 'other_amount', 'wrong_charge', 'not_parked', 'other')", name=op.f('ck_refunds_reason')),
    sa.CheckConstraint("state <> 'done' OR (num_nulls(refunded_at, business_day) = 0 AND CASE method WHEN 'acquirer' THEN num_nonnulls(acquirer_refund_number, inquiry_id, settlement_line_id) > 0 ELSE num_nulls(transfer_reference, transferred_on, proof_id) = 0 END)", name=op.f('ck_refunds_evidence')),
    sa.CheckConstraint("state IN ('requested', 'rejected', 'sending', 'unknown', 'transfer_due', 'refused', 'done')", name=op.f('ck_refunds_state')),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_refunds_amount')),
    sa.CheckConstraint('requested_by <> decided_by', name=op.f('ck_refunds_maker_checker')),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_refunds_charge_id')),
    sa.ForeignKeyConstraint(['decided_by'], ['officers.id'], name=op.f('fk_refunds_decided_by')),
    sa.ForeignKeyConstraint(['done_entry_id'], ['ledger_entries.id'], name=op.f('fk_refunds_done_entry_id')),
    sa.ForeignKeyConstraint(['due_entry_id'], ['ledger_entries.id'], name=op.f('fk_refunds_due_entry_id')),
    sa.ForeignKeyConstraint(['inquiry_id'], ['inquiries.id'], name=op.f('fk_refunds_inquiry_id')),
    sa.ForeignKeyConstraint(['money_id'], ['money.id'], name=op.f('fk_refunds_money_id')),
    sa.ForeignKeyConstraint(['proof_id'], ['refund_proofs.id'], name=op.f('fk_refunds_proof_id')),
    sa.ForeignKeyConstraint(['requested_by'], ['officers.id'], name=op.f('fk_refunds_requested_by')),
    sa.ForeignKeyConstraint(['reversal_entry_id'], ['ledger_entries.id'], name=op.f('fk_refunds_reversal_entry_id')),
    sa.ForeignKeyConstraint(['series'], ['receipt_series.series'], name=op.f('fk_refunds_series')),
    sa.ForeignKeyConstraint(['settlement_line_id'], ['settlement_lines.id'], name=op.f('fk_refunds_settlement_line_id')),
    sa.ForeignKeyConstraint(['statement_line_id'], ['statement_lines.id'], name=op.f('fk_refunds_statement_line_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refunds')),
    sa.UniqueConstraint('acquirer', 'acquirer_refund_number', name=op.f('uq_refunds_acquirer_acquirer_refund_number')),
    sa.UniqueConstraint('done_entry_id', name=op.f('uq_refunds_done_entry_id')),
    sa.UniqueConstraint('due_entry_id', name=op.f('uq_refunds_due_entry_id')),
    sa.UniqueConstraint('number', name=op.f('uq_refunds_number')),
    sa.UniqueConstraint('proof_id', name=op.f('uq_refunds_proof_id')),
    sa.UniqueConstraint('reference', name=op.f('uq_refunds_reference')),
    sa.UniqueConstraint('reversal_entry_id', name=op.f('uq_refunds_reversal_entry_id')),
    sa.UniqueConstraint('series', 'sequence', name=op.f('uq_refunds_series_sequence')),
    sa.UniqueConstraint('settlement_line_id', name=op.f('uq_refunds_settlement_line_id')),
    sa.UniqueConstraint('statement_line_id', name=op.f('uq_refunds_statement_line_id'))
    )
    op.create_index(op.f('ix_refunds_business_day'), 'refunds', ['business_day'], unique=False)
    op.create_index(op.f('ix_refunds_charge_id'), 'refunds', ['charge_id'], unique=False)
    op.create_index('ix_refunds_due', 'refunds', ['next_inquiry_at'], unique=False, postgresql_where=sa.text('next_inquiry_at IS NOT NULL'))
    op.create_index(op.f('ix_refunds_money_id'), 'refunds', ['money_id'], unique=False)
    op.create_index('uq_refunds_undecided', 'refunds', ['money_id'], unique=True, postgresql_where=sa.text("state IN ('requested', 'sending', 'transfer_due', 'unknown')"))
    op.create_table('refund_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('refund_id', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state_before', sa.Text(), nullable=False),
    sa.Column('state_after', sa.Text(), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['refund_id'], ['refunds.id'], name=op.f('fk_refund_changes_refund_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_refund_changes'))
    )
    op.create_index(op.f('ix_refund_changes_refund_id'), 'refund_changes', ['refund_id'], unique=False)
    op.create_table('refund_receipts',
    sa.Column('refund_id', sa.Uuid(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['refund_id'], ['refunds.id'], name=op.f('fk_refund_receipts_refund_id')),
    sa.PrimaryKeyConstraint('refund_id', name=op.f('pk_refund_receipts'))
    )
    op.create_table('case_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('case_id', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state_before', sa.Text(), nullable=False),
    sa.Column('state_after', sa.Text(), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['case_id'], ['cases.id'], name=op.f('fk_case_changes_case_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_case_changes'))
    )
    op.create_index(op.f('ix_case_changes_case_id'), 'case_changes', ['case_id'], unique=False)
    op.add_column('cases', sa.Column('settlement_line_id', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('statement_line_id', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('refund_id', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('proposed_outcome', sa.Text(), nullable=True))
    op.add_column('cases', sa.Column('zone_id', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('reason', sa.Text(), nullable=True))
    op.add_column('cases', sa.Column('proposed_by', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('proposed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('cases', sa.Column('decided_by', sa.Uuid(), nullable=True))
    op.add_column('cases', sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('cases', sa.Column('entry_id', sa.Uuid(), nullable=True))
    op.alter_column('cases', 'money_id',
               existing_type=sa.UUID(),
               nullable=True)
    op.create_unique_constraint(op.f('uq_cases_entry_id'), 'cases', ['entry_id'])
    op.create_unique_constraint(op.f('uq_cases_refund_id'), 'cases', ['refund_id'])
    op.create_unique_constraint(op.f('uq_cases_settlement_line_id'), 'cases', ['settlement_line_id'])
    op.create_unique_constraint(op.f('uq_cases_statement_line_id'), 'cases', ['statement_line_id'])
    op.create_foreign_key(op.f('fk_cases_decided_by'), 'cases', 'officers', ['decided_by'], ['id'])
    op.create_foreign_key(op.f('fk_cases_statement_line_id'), 'cases', 'statement_lines', ['statement_line_id'], ['id'])
    op.create_foreign_key(op.f('fk_cases_refund_id'), 'cases', 'refunds', ['refund_id'], ['id'])
    op.create_foreign_key(op.f('fk_cases_entry_id'), 'cases', 'ledger_entries', ['entry_id'], ['id'])
    op.create_foreign_key(op.f('fk_cases_settlement_line_id'), 'cases', 'settlement_lines', ['settlement_line_id'], ['id'])
    op.create_foreign_key(op.f('fk_cases_proposed_by'), 'cases', 'officers', ['proposed_by'], ['id'])
    op.create_foreign_key(op.f('fk_cases_zone_id'), 'cases', 'zones', ['zone_id'], ['id'])
    op.add_column('money', sa.Column('settlement_line_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f('fk_money_settlement_line_id'), 'money', 'settlement_lines', ['settlement_line_id'], ['id'])
    _widen_evidence_of_money()
    _generalise_cases()
    _open_cases_of_what_is_held()
    _guard()


def _give_officers_roles() -> None:
    # Whoever was an officer did the treasurer's work; nobody becomes a checker by a migration.
    op.add_column('officers', sa.Column('role', sa.Text(), nullable=False, server_default='bendahara'))
    op.alter_column('officers', 'role', server_default=None)
    op.create_check_constraint(
        op.f('ck_officers_role'), 'officers', "role IN ('bendahara', 'verifikator', 'auditor', 'admin')"
    )


def _widen_evidence_of_money() -> None:
    op.drop_constraint(op.f('ck_money_evidence'), 'money')
    op.create_check_constraint(
        op.f('ck_money_evidence'),
        'money',
        'num_nonnulls(notification_id, inquiry_id, settlement_line_id, shift_id) = 1',
    )


def _generalise_cases() -> None:
    op.drop_constraint(op.f('ck_cases_state'), 'cases')
    for name, condition in (
        ('state', "state IN ('open', 'proposed', 'closed')"),
        ('amount', 'amount_rp <> 0'),
        ('outcome', "outcome IN ('recognised', 'kept', 'refunded', 'explained')"),
        ('proposed_outcome', "proposed_outcome IN ('recognised', 'kept')"),
        ('subject', 'num_nonnulls(money_id, settlement_line_id, statement_line_id, refund_id) = 1'),
        ('maker_checker', 'proposed_by <> decided_by'),
        (
            'proposed',
            "state <> 'proposed'"
            " OR num_nulls(proposed_outcome, proposed_by, proposed_at, reason) = 0",
        ),
        (
            'closed',
            "(state = 'closed') = (outcome IS NOT NULL)"
            " AND (state = 'closed') = (closed_at IS NOT NULL)",
        ),
        (
            'decided',
            "outcome NOT IN ('recognised', 'kept') OR (num_nulls(proposed_by, decided_by) = 0"
            " AND outcome IS NOT DISTINCT FROM proposed_outcome)",
        ),
        ('entry', "outcome <> 'recognised' OR entry_id IS NOT NULL"),
    ):
        op.create_check_constraint(op.f(f'ck_cases_{name}'), 'cases', condition)


def _open_cases_of_what_is_held() -> None:
    """Lines and movements that were put in suspense before cases told of them."""
    for kind, lines, column, amount, held, explained in (
        ('not-booked', 'settlement_lines', 'settlement_line_id', 'gross_rp', 'unbooked:',
         'explained:settlement:'),
        ('unknown-movement', 'statement_lines', 'statement_line_id', 'amount_rp', 'movement:',
         'explained:'),
    ):
        op.execute(f"""
            INSERT INTO cases (id, kind, {column}, amount_rp, owner, opened_at, state)
            SELECT gen_random_uuid(), '{kind}', l.id, l.{amount}, 'bendahara penerimaan',
                e.recorded_at, 'open'
            FROM {lines} l JOIN ledger_entries e ON e.source = '{held}' || l.id
            WHERE l.{amount} <> 0 AND NOT EXISTS (
                SELECT FROM ledger_entries x WHERE x.source = '{explained}' || l.id)
        """)


def _guard() -> None:
    for table in ('refund_changes', 'refund_proofs', 'refund_receipts', 'case_changes'):
        insert_only(table)
    # The name, so that an officer's row can be locked while he acts; the role is for the owner.
    changeable('officers', update=('name',), hidden=('password_hash',))
    changeable(
        'cases',
        update=(
            'state', 'proposed_outcome', 'zone_id', 'reason', 'proposed_by', 'proposed_at',
            'decided_by', 'outcome', 'closed_at', 'entry_id',
        ),
    )
    changeable(
        'refunds',
        update=(
            'state', 'from_suspense', 'decided_by', 'decided_at', 'acquirer_refund_number',
            'next_inquiry_at', 'inquiry_id', 'settlement_line_id', 'transfer_reference',
            'transferred_on', 'proof_id', 'statement_line_id', 'refunded_at', 'business_day',
            'due_entry_id', 'done_entry_id', 'reversal_entry_id',
        ),
    )
    only_edges('refunds', ('requested',), REFUND_EDGES)
    only_edges('cases', ('open',), CASE_EDGES)
    never_changes(
        'refunds',
        (
            'id', 'number', 'series', 'sequence', 'charge_id', 'money_id', 'amount_rp', 'reason',
            'explanation', 'method', 'requested_by', 'requested_at', 'acquirer', 'reference',
        ),
    )
    never_changes(
        'cases',
        (
            'id', 'kind', 'money_id', 'settlement_line_id', 'statement_line_id', 'refund_id',
            'amount_rp', 'opened_at',
        ),
    )
    # The charge's row is locked first, so that of two refunds at once the second sees the first.
    op.execute("""
        CREATE FUNCTION karcis_refund_within_money() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            arrived bigint;
            returned numeric;
        BEGIN
            PERFORM FROM charges WHERE id = NEW.charge_id FOR UPDATE;
            SELECT amount_rp INTO arrived FROM money
            WHERE id = NEW.money_id AND charge_id = NEW.charge_id;
            SELECT coalesce(sum(amount_rp), 0) INTO returned FROM refunds
            WHERE money_id = NEW.money_id AND id <> NEW.id
                AND state NOT IN ('rejected', 'refused');
            IF NEW.state IN ('rejected', 'refused') THEN
                RETURN NEW;
            END IF;
            IF arrived IS NULL OR returned + NEW.amount_rp > arrived THEN
                RAISE EXCEPTION 'refunds of money % exceed the % that arrived',
                    NEW.money_id, arrived
                USING ERRCODE = 'KA020';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER refunds_within_money BEFORE INSERT OR UPDATE ON refunds
        FOR EACH ROW EXECUTE FUNCTION karcis_refund_within_money()
    """)
