"""Two officers may say which batch or slip a movement pays that names nothing."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, recorded

revision = '0081'
down_revision = '0080'

CHECKS = {
    'outcome': "outcome IN ('recognised', 'matched', 'kept', 'not_made', 'clarified', 'taken_back',"
    " 'refunded', 'explained', 'claim_paid')",
    'proposed_outcome': "proposed_outcome IN ('recognised', 'matched', 'kept', 'not_made',"
    " 'clarified', 'taken_back')",
    'decided': "outcome NOT IN ('recognised', 'matched', 'kept', 'not_made', 'clarified')"
    ' OR (num_nulls(proposed_by, decided_by) = 0'
    ' AND outcome IS NOT DISTINCT FROM proposed_outcome)',
    'entry': "outcome NOT IN ('recognised', 'matched') OR outcome IS NOT DISTINCT FROM posted_as",
}


def upgrade() -> None:
    op.add_column('cases', sa.Column('posted_as', sa.Text(), nullable=True))
    op.add_column('cases', sa.Column('pays', sa.Text(), nullable=True))
    op.execute("UPDATE cases SET posted_as = 'recognised' WHERE entry_id IS NOT NULL")
    for name, condition in CHECKS.items():
        op.drop_constraint(op.f(f'ck_cases_{name}'), 'cases')
        op.create_check_constraint(op.f(f'ck_cases_{name}'), 'cases', condition)
    op.create_check_constraint(
        op.f('ck_cases_posted_as'), 'cases', '(entry_id IS NULL) = (posted_as IS NULL)'
    )
    op.create_check_constraint(
        op.f('ck_cases_pays'), 'cases',
        "pays IS NOT NULL OR (posted_as IS DISTINCT FROM 'matched'"
        " AND (state <> 'proposed' OR proposed_outcome <> 'matched'))",
    )
    changeable('cases', update=('posted_as', 'pays'))
    recorded('cases')
