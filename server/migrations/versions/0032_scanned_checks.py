"""Checks of vehicles by a proof, and those that a handheld could not answer or found false."""

import sqlalchemy as sa
from alembic import op

revision = '0032'
down_revision = '0031'


def upgrade() -> None:
    op.alter_column('stay_checks', 'list_age_s', existing_type=sa.BigInteger(), nullable=True)
    _allow('asked_by', 'plate', 'receipt', 'proof', 'spot')
    _allow('result', 'live', 'just-expired', 'expired', 'none', 'unknown', 'forged', 'void')


def _allow(column: str, *values: str) -> None:
    name = op.f(f'ck_stay_checks_{column}')
    op.drop_constraint(name, 'stay_checks')
    told = ', '.join(f"'{value}'" for value in values)
    op.create_check_constraint(name, 'stay_checks', f'{column} IN ({told})')
