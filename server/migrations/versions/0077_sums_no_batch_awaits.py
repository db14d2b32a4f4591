"""A sum on the regency's account that the batch it names does not await is a case."""

import sqlalchemy as sa
from alembic import op

revision = '0077'
down_revision = '0076'

TABLE = 'transfer_cases'


def upgrade() -> None:
    op.add_column(TABLE, sa.Column('statement_line_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_transfer_cases_statement_line_id'), TABLE, 'statement_lines',
        ['statement_line_id'], ['id'],
    )
    op.create_unique_constraint(
        op.f('uq_transfer_cases_statement_line_id'), TABLE, ['statement_line_id']
    )
    op.drop_constraint(op.f('ck_transfer_cases_detail'), TABLE)
    op.create_check_constraint(
        op.f('ck_transfer_cases_detail'), TABLE,
        'num_nonnulls(payout_line_id, remittance_id, statement_line_id) = 1'
        " AND CASE detail WHEN 'payout-failed' THEN payout_line_id IS NOT NULL"
        " WHEN 'rkud-not-awaited' THEN statement_line_id IS NOT NULL"
        " ELSE detail IN ('sts-not-seen', 'sts-unconfirmed', 'sts-differs')"
        ' AND remittance_id IS NOT NULL END',
    )
