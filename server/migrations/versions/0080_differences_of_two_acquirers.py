"""Two acquirers that give the same reference without an RRN have a difference each."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import never_changes, recorded

revision = '0080'
down_revision = '0089'

TABLE = 'discrepancies'
# Whose line each difference is about, of those that are named alike: first the one on the side
# that it speaks of, then the one of its amount.
WHOSE = """
    SELECT DISTINCT ON (d.id) d.id, l.acquirer FROM discrepancies d JOIN (
        SELECT acquirer, acquirer_reference, rrn, amount_rp, true AS ours FROM money
        UNION ALL
        SELECT m.acquirer, m.acquirer_reference, r.acquirer_refund_number, -r.amount_rp, true
        FROM refunds r JOIN money m ON m.id = r.money_id
        UNION ALL
        SELECT acquirer, acquirer_reference, rrn, gross_rp, false FROM settlement_lines
    ) l ON d.subject = l.acquirer_reference || '/' || coalesce(l.rrn, '-')
        || CASE WHEN l.amount_rp < 0 THEN '/pengembalian' ELSE '' END
    WHERE d.kind IN (
        'not-settled', 'not-booked', 'amount-differs', 'mdr-differs', 'outcome-unknown'
    )
    ORDER BY d.id, l.ours = (d.kind NOT IN ('not-booked', 'mdr-differs')) DESC,
        l.amount_rp = (d.details ->> CASE WHEN l.ours THEN 'ours_rp' ELSE 'theirs_rp' END)::bigint
        DESC, l.acquirer
"""


def upgrade() -> None:
    column = sa.Column('acquirer', sa.Text(), server_default='', nullable=False)
    op.add_column(TABLE, column)
    op.execute(f'ALTER TABLE {TABLE} DISABLE TRIGGER USER')
    op.execute(f"""
        UPDATE discrepancies d SET acquirer = w.acquirer FROM ({WHOSE}) w WHERE w.id = d.id
    """)
    op.execute(f'ALTER TABLE {TABLE} ENABLE TRIGGER USER')
    op.drop_constraint(op.f('uq_discrepancies_kind_subject'), TABLE)
    op.create_unique_constraint(
        op.f('uq_discrepancies_kind_subject_acquirer'), TABLE, ['kind', 'subject', 'acquirer']
    )
    never_changes(TABLE, (
        'id', 'kind', 'subject', 'acquirer', 'business_day', 'owner', 'opened_at',
    ))  # fmt: skip
    recorded(TABLE)
