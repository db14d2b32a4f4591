"""Money found by its charge: every arrival is held against what came for the charge before."""

from alembic import op

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    op.create_index(op.f('ix_money_charge_id'), 'money', ['charge_id'])
