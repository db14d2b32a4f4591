"""Money on the account that is other income, or a stranger's who must get it back."""

import sqlalchemy as sa
from alembic import op

revision = '0090'
down_revision = '0083'

DECIDED = "'recognised', 'matched', 'other_income', 'given_back', 'sent_back'"
CHECKS = {
    'outcome': f"outcome IN ({DECIDED}, 'kept', 'not_made', 'clarified', 'taken_back',"
    " 'refunded', 'explained', 'claim_paid')",
    'proposed_outcome': f"proposed_outcome IN ({DECIDED}, 'kept', 'not_made', 'clarified',"
    " 'taken_back')",
    'decided': f"outcome NOT IN ({DECIDED}, 'kept', 'not_made', 'clarified')"
    ' OR (num_nulls(proposed_by, decided_by) = 0'
    ' AND outcome IS NOT DISTINCT FROM proposed_outcome)',
    'entry': f'outcome NOT IN ({DECIDED}) OR outcome IS NOT DISTINCT FROM posted_as',
    'pays': "pays IS NOT NULL OR (coalesce(posted_as, '') NOT IN ('matched', 'sent_back')"
    " AND (state <> 'proposed' OR proposed_outcome NOT IN ('matched', 'sent_back')))",
}


def upgrade() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind) VALUES
            ('2150', 'Titipan yang harus dikembalikan', 'liability'),
            ('4210', 'Pendapatan lain (jasa giro dan bunga)', 'revenue')
    """)
    for name, condition in CHECKS.items():
        op.drop_constraint(op.f(f'ck_cases_{name}'), 'cases')
        op.create_check_constraint(op.f(f'ck_cases_{name}'), 'cases', condition)
    op.create_index(
        'uq_cases_sent_back', 'cases', ['pays'], unique=True,
        postgresql_where=sa.text("posted_as = 'sent_back'"),
    )
