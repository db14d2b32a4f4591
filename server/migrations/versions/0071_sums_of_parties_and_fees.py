"""Sums of what parties owe and are owed and of what acquirers kept; packages for auditors."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0071'
down_revision = '0069'

PARTY = ('added_rp', 'taken_rp')
FEES = ('count', 'mdr_rp', 'vat_rp', 'withheld_rp', 'net_rp')


def upgrade() -> None:
    op.create_table(
        'party_sums',
        sa.Column('account_code', sa.Text(), nullable=False),
        sa.Column('party', sa.Text(), nullable=False),
        sa.Column('business_day', sa.Date(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in PARTY),
        sa.PrimaryKeyConstraint(
            'account_code', 'party', 'business_day', name=op.f('pk_party_sums')
        ),
    )
    changeable('party_sums', update=PARTY, delete=True)
    op.create_table(
        'fee_sums',
        sa.Column('settlement_date', sa.Date(), nullable=False),
        sa.Column('acquirer', sa.Text(), nullable=False),
        sa.Column('paid_on', sa.Date(), nullable=False),
        sa.Column('gross_rp', sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in FEES),
        sa.PrimaryKeyConstraint(
            'settlement_date', 'acquirer', 'paid_on', 'gross_rp', name=op.f('pk_fee_sums')
        ),
    )
    changeable('fee_sums', update=FEES, delete=True)
    # From the beginning: until the sweep was there, answers read what it has not counted.
    op.add_column(
        'takings_swept',
        sa.Column(
            'reports_bound', sa.Uuid(), nullable=False,
            server_default='00000000-0000-0000-0000-000000000000',
        ),
    )
    op.alter_column('takings_swept', 'reports_bound', server_default=None)
    changeable('takings_swept', update=('reports_bound',))
    op.drop_constraint(op.f('ck_report_downloads_form'), 'report_downloads')
    op.create_check_constraint(
        op.f('ck_report_downloads_form'), 'report_downloads',
        "form IN ('csv', 'xlsx', 'pdf', 'zip')",
    )
