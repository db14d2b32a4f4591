"""Refunds in doubt end as cases, and what was held to be refused may be found to be made.

Two people may say that the acquirer did not make a refund; a transfer that was approved may be
withdrawn. Refunds that nobody asks about any more are asked about once again, which opens a case.
"""

from alembic import op

from server.migrations.grants import only_edges

revision = '0011'
down_revision = '0010'

REFUND_EDGES = (
    ('requested', 'sending'),
    ('requested', 'transfer_due'),
    ('requested', 'rejected'),
    ('sending', 'done'),
    ('sending', 'refused'),
    ('sending', 'unknown'),
    ('unknown', 'done'),
    ('unknown', 'refused'),
    ('refused', 'done'),
    ('transfer_due', 'done'),
    ('transfer_due', 'refused'),
)


def upgrade() -> None:
    only_edges('refunds', ('requested',), REFUND_EDGES)
    # A refund in doubt that people find was not made has a second case: what to do now.
    op.drop_constraint(op.f('uq_cases_refund_id'), 'cases')
    op.create_unique_constraint(op.f('uq_cases_refund_id_kind'), 'cases', ['refund_id', 'kind'])
    for name, condition in (
        ('outcome', "outcome IN ('recognised', 'kept', 'not_made', 'refunded', 'explained')"),
        ('proposed_outcome', "proposed_outcome IN ('recognised', 'kept', 'not_made')"),
        (
            'decided',
            "outcome NOT IN ('recognised', 'kept', 'not_made')"
            " OR (num_nulls(proposed_by, decided_by) = 0"
            " AND outcome IS NOT DISTINCT FROM proposed_outcome)",
        ),
    ):
        op.drop_constraint(op.f(f'ck_cases_{name}'), 'cases')
        op.create_check_constraint(op.f(f'ck_cases_{name}'), 'cases', condition)
    op.execute(
        "UPDATE refunds SET next_inquiry_at = now()"
        " WHERE state IN ('sending', 'unknown') AND next_inquiry_at IS NULL"
    )
