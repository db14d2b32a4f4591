"""An STS of which yet another sum came has a case of each difference."""

from alembic import op

revision = '0076'
down_revision = '0075'


def upgrade() -> None:
    op.drop_constraint(op.f('uq_transfer_cases_remittance_id_detail'), 'transfer_cases')
    op.create_unique_constraint(
        op.f('uq_transfer_cases_remittance_id_detail_amount_rp'), 'transfer_cases',
        ['remittance_id', 'detail', 'amount_rp'],
    )
    # A difference that became another one since has a case of what it is now.
    op.execute("""
        INSERT INTO transfer_cases (id, detail, remittance_id, amount_rp, owner, opened_at)
        SELECT gen_random_uuid(), 'sts-differs', r.id, sum(l.amount_rp) - r.amount_rp,
            'bendahara penerimaan', now()
        FROM remittances r JOIN cleared_movements c ON c.name = r.number
        JOIN statement_lines l ON l.id = c.statement_line_id AND l.ledger_account = '1100'
        WHERE NOT r.direct AND r.state IN ('approved', 'seen')
        GROUP BY r.id HAVING sum(l.amount_rp) <> r.amount_rp
        ON CONFLICT DO NOTHING
    """)
