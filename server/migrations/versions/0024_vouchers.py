"""Vouchers: batches, how each voucher ended, and those refused after they were taken offline."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only, never_changes

revision = '0024'
down_revision = '0023'


def upgrade() -> None:
    _open_accounts()
    op.create_table('voucher_batches',
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('seller', sa.Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=False),
    sa.Column('value_rp', sa.BigInteger(), nullable=False),
    sa.Column('vehicle_class', sa.Text(), nullable=True),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('issued_by', sa.Text(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('entry_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint('count BETWEEN 1 AND 10000', name=op.f('ck_voucher_batches_count')),
    sa.CheckConstraint('number BETWEEN 1 AND 9999', name=op.f('ck_voucher_batches_number')),
    sa.CheckConstraint('value_rp > 0', name=op.f('ck_voucher_batches_value')),
    sa.ForeignKeyConstraint(['entry_id'], ['ledger_entries.id'], name=op.f('fk_voucher_batches_entry_id')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_voucher_batches')),
    sa.UniqueConstraint('entry_id', name=op.f('uq_voucher_batches_entry_id'))
    )
    op.create_table('voucher_ends',
    sa.Column('serial', sa.Text(), nullable=False),
    sa.Column('batch', sa.Integer(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.CheckConstraint('num_nonnulls(charge_id, why) = 1', name=op.f('ck_voucher_ends_how')),
    sa.ForeignKeyConstraint(['batch'], ['voucher_batches.number'], name=op.f('fk_voucher_ends_batch')),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_voucher_ends_charge_id')),
    sa.PrimaryKeyConstraint('serial', name=op.f('pk_voucher_ends')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_voucher_ends_charge_id'))
    )
    op.create_index(op.f('ix_voucher_ends_batch'), 'voucher_ends', ['batch'], unique=False)
    op.create_table('voucher_refusals',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('serial', sa.Text(), nullable=False),
    sa.Column('spot_code', sa.Text(), nullable=False),
    sa.Column('vehicle_class', sa.Text(), nullable=False),
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('taken_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('refused_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_voucher_refusals_shift_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_voucher_refusals'))
    )
    for table in ('voucher_batches', 'voucher_ends', 'voucher_refusals'):
        insert_only(table)
    _take_vouchers_for_money()
    _open_cases_for_refused_vouchers()


def _open_accounts() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind) VALUES
            ('1170', 'Piutang penjual voucher', 'asset'),
            ('2140', 'Voucher beredar', 'liability'),
            ('4190', 'Sisa nilai voucher', 'revenue')
        ON CONFLICT DO NOTHING
    """)
    _replace_check(
        'ledger_postings',
        'party',
        "(account_code IN ('1140', '1170', '2120', '2130')) = (party IS NOT NULL)",
    )


def _take_vouchers_for_money() -> None:
    _replace_check('charges', 'kind', "kind IN ('mpm', 'cpm', 'cash', 'voucher')")
    op.create_check_constraint(
        op.f('ck_charges_voucher'), 'charges', "(kind = 'voucher') = (acquirer = 'voucher')"
    )
    op.add_column('money', sa.Column('voucher_serial', sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f('fk_money_voucher_serial'), 'money', 'voucher_ends', ['voucher_serial'], ['serial']
    )
    op.create_unique_constraint(op.f('uq_money_voucher_serial'), 'money', ['voucher_serial'])
    _replace_check(
        'money',
        'evidence',
        'num_nonnulls(notification_id, inquiry_id, settlement_line_id, shift_id,'
        ' voucher_serial) = 1',
    )
    op.create_check_constraint(
        op.f('ck_money_voucher'), 'money', "(acquirer = 'voucher') = (voucher_serial IS NOT NULL)"
    )


def _open_cases_for_refused_vouchers() -> None:
    op.add_column('cases', sa.Column('voucher_refusal_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_cases_voucher_refusal_id'),
        'cases',
        'voucher_refusals',
        ['voucher_refusal_id'],
        ['id'],
    )
    op.create_unique_constraint(
        op.f('uq_cases_voucher_refusal_id'), 'cases', ['voucher_refusal_id']
    )
    _replace_check(
        'cases',
        'subject',
        'num_nonnulls(money_id, settlement_line_id, statement_line_id, refund_id, charge_id,'
        ' voucher_refusal_id) = 1',
    )
    never_changes(
        'cases',
        (
            'id', 'kind', 'money_id', 'settlement_line_id', 'statement_line_id', 'refund_id',
            'charge_id', 'voucher_refusal_id', 'amount_rp', 'opened_at',
        ),
    )


def _replace_check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f'ck_{table}_{name}'), table)
    op.create_check_constraint(op.f(f'ck_{table}_{name}'), table, condition)
