"""A run of shares that the bank does not answer or take as told, and a refund not seen, are cases."""

import sqlalchemy as sa
from alembic import op

revision = '0128'
down_revision = '0131'

TABLE = 'transfer_cases'


def upgrade() -> None:
    for column, of in (('payout_run_id', 'payout_runs'), ('refund_id', 'refunds')):
        op.add_column(TABLE, sa.Column(column, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f'fk_{TABLE}_{column}'), TABLE, of, [column], ['id'])
    op.create_unique_constraint(
        op.f(f'uq_{TABLE}_payout_run_id_detail_amount_rp'), TABLE,
        ['payout_run_id', 'detail', 'amount_rp'],
    )
    op.create_unique_constraint(op.f(f'uq_{TABLE}_refund_id'), TABLE, ['refund_id'])
    op.drop_constraint(op.f(f'ck_{TABLE}_detail'), TABLE)
    op.create_check_constraint(
        op.f(f'ck_{TABLE}_detail'), TABLE,
        'num_nonnulls(payout_line_id, payout_run_id, refund_id, remittance_id,'
        ' statement_line_id) = 1'
        " AND CASE detail WHEN 'payout-failed' THEN payout_line_id IS NOT NULL"
        " WHEN 'payout-not-seen' THEN payout_run_id IS NOT NULL"
        " WHEN 'payout-differs' THEN payout_run_id IS NOT NULL"
        " WHEN 'payout-unanswered' THEN payout_run_id IS NOT NULL"
        " WHEN 'refund-not-seen' THEN refund_id IS NOT NULL"
        " WHEN 'rkud-not-awaited' THEN statement_line_id IS NOT NULL"
        " ELSE detail IN ('sts-not-seen', 'sts-unconfirmed', 'sts-differs')"
        ' AND remittance_id IS NOT NULL END',
    )
