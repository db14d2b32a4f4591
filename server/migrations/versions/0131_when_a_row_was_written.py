"""Each row that is sealed tells when it was written, so that one put in later shows."""

from alembic import op

from server.database import READ_ROLE

revision = '0131'
down_revision = '0110'

TABLES = (
    'charges', 'cleared_movements', 'matching_rules', 'payments', 'payout_rules',
    'refund_receipts', 'remitted_days', 'shift_closings', 'shifts', 'stay_voids', 'voucher_ends',
    'voucher_refusals',
)


def upgrade() -> None:
    # now(), not clock_timestamp(): the rows there are get this moment without being rewritten.
    for table in TABLES:
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN written_at timestamptz DEFAULT now() NOT NULL"
        )
    op.execute(f'GRANT SELECT (written_at) ON shifts TO {READ_ROLE}')
