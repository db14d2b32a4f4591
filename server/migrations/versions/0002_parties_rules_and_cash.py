"""Subsidiary ledgers, dated share and MDR rules, and charges taken in cash."""

from datetime import date
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'

ACCOUNTS = (
    ('1140', 'Kas di tangan juru parkir', 'asset'),
    ('1150', 'Setoran tunai dalam perjalanan', 'asset'),
    ('1160', 'Transfer pengembalian dalam perjalanan', 'asset'),
    ('2110', 'Utang pengembalian', 'liability'),
    ('2120', 'Utang bagi hasil juru parkir', 'liability'),
    ('2130', 'Utang bagi hasil pihak ketiga', 'liability'),
    ('5120', 'Beban bagi hasil', 'expense'),
)

# What Bank Indonesia published, as the press told of it; docs/money.md says where, and how surely.
PUBLISHED_MDR = (
    ('UMI', date(2023, 9, 1), date(2024, 11, 30), 100_000, 30, 'BI 2023, suara.com 2024-10-16'),
    ('UMI', date(2024, 12, 1), None, 500_000, 30, 'BI 2024, suara.com 2024-10-16'),
    ('UKE', date(2023, 9, 1), None, 0, 70, 'BI 2023, bisnis.com 2023-07-27'),
    ('UME', date(2023, 9, 1), None, 0, 70, 'BI 2023, bisnis.com 2023-07-27'),
    ('UBE', date(2023, 9, 1), None, 0, 70, 'BI 2023, bisnis.com 2023-07-27'),
    ('URE', date(2023, 9, 1), None, 0, 70, 'BI 2023 (belum diperiksa)'),
    ('EDU', date(2023, 9, 1), None, 0, 60, 'BI 2023, bisnis.com 2023-07-27'),
    ('FUEL', date(2023, 9, 1), None, 0, 40, 'BI 2023, bisnis.com 2023-07-27'),
    ('PSO', date(2023, 9, 1), date(2025, 3, 13), 0, 40, 'BI 2023, bisnis.com 2023-07-27'),
    ('PSO', date(2025, 3, 14), None, 0, 0, 'BI 2025 (belum diperiksa)'),
    ('P2G', date(2023, 9, 1), None, 0, 0, 'BI 2023, ekbis.co 2023-07-11'),
    ('DONATION', date(2023, 9, 1), None, 0, 0, 'BI 2023, ekbis.co 2023-07-11'),
)


def upgrade() -> None:
    _parties()
    _share_rules()
    _mdr_rules()
    _cash()


def _parties() -> None:
    accounts = sa.table('ledger_accounts', *(sa.column(name) for name in ('code', 'name', 'kind')))
    rows = [dict(zip(('code', 'name', 'kind'), account)) for account in ACCOUNTS]
    op.execute(postgresql.insert(accounts).values(rows).on_conflict_do_nothing())
    op.add_column('ledger_postings', sa.Column('party', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_ledger_postings_party'),
        'ledger_postings',
        "(account_code IN ('1140', '2120', '2130')) = (party IS NOT NULL)",
    )
    op.create_index(
        'ix_ledger_postings_party',
        'ledger_postings',
        ['account_code', 'party'],
        postgresql_where=sa.text('party IS NOT NULL'),
    )


def _share_rules() -> None:
    op.create_table('share_rules',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('zone_id', sa.Uuid(), nullable=True),
    sa.Column('regulation', sa.Text(), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('attendant_bp', sa.Integer(), nullable=False),
    sa.Column('third_party_bp', sa.Integer(), nullable=False),
    sa.Column('third_party', sa.Text(), nullable=False),
    sa.Column('remainder_to', sa.Text(), nullable=False),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= valid_from', name=op.f('ck_share_rules_period')),
    sa.CheckConstraint('attendant_bp >= 0 AND third_party_bp >= 0 AND attendant_bp + third_party_bp <= 10000', name=op.f('ck_share_rules_whole')),
    sa.CheckConstraint("(third_party_bp > 0) = (third_party <> '')", name=op.f('ck_share_rules_third_party')),
    sa.CheckConstraint("remainder_to IN ('regency', 'attendant', 'third_party')", name=op.f('ck_share_rules_remainder_to')),
    postgresql.ExcludeConstraint(
        (sa.text("coalesce(zone_id, '00000000-0000-0000-0000-000000000000')"), '='),
        (sa.text("daterange(valid_from, valid_until, '[]')"), '&&'),
        using='gist',
        name=op.f('ex_share_rules_one_in_force'),
    ),
    sa.ForeignKeyConstraint(['zone_id'], ['zones.id'], name=op.f('fk_share_rules_zone_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_share_rules'))
    )


def _mdr_rules() -> None:
    table = op.create_table('mdr_rules',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('criteria', sa.Text(), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('free_up_to_rp', sa.BigInteger(), nullable=False),
    sa.Column('rate_bp', sa.Integer(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= valid_from', name=op.f('ck_mdr_rules_period')),
    sa.CheckConstraint('free_up_to_rp >= 0', name=op.f('ck_mdr_rules_free_up_to')),
    sa.CheckConstraint('rate_bp BETWEEN 0 AND 10000', name=op.f('ck_mdr_rules_rate')),
    postgresql.ExcludeConstraint(
        ('criteria', '='),
        (sa.text("daterange(valid_from, valid_until, '[]')"), '&&'),
        using='gist',
        name=op.f('ex_mdr_rules_one_in_force'),
    ),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_mdr_rules'))
    )
    columns = ('criteria', 'valid_from', 'valid_until', 'free_up_to_rp', 'rate_bp', 'source')
    op.bulk_insert(table, [
        {'id': uuid4(), **dict(zip(columns, rule))} for rule in PUBLISHED_MDR
    ])


def _cash() -> None:
    op.add_column('charges', sa.Column('kind', sa.Text(), server_default='mpm', nullable=False))
    op.create_check_constraint(op.f('ck_charges_kind'), 'charges', "kind IN ('mpm', 'cpm', 'cash')")
    op.drop_constraint(op.f('ck_charges_issued_has_qris'), 'charges')
    op.create_check_constraint(
        op.f('ck_charges_issued_has_qris'),
        'charges',
        "state <> 'issued' OR kind <> 'mpm' OR qris IS NOT NULL",
    )
    op.create_check_constraint(
        op.f('ck_charges_cash'), 'charges', "(kind = 'cash') = (acquirer = 'cash')"
    )
    op.add_column('money', sa.Column('shift_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f('fk_money_shift_id'), 'money', 'shifts', ['shift_id'], ['id'])
    op.drop_constraint(op.f('ck_money_evidence'), 'money')
    op.create_check_constraint(
        op.f('ck_money_evidence'),
        'money',
        'num_nonnulls(notification_id, inquiry_id, shift_id) = 1',
    )
    op.create_check_constraint(
        op.f('ck_money_cash'), 'money', "(acquirer = 'cash') = (shift_id IS NOT NULL)"
    )
