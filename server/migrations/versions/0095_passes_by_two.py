"""Prices of passes, and which vehicles park free, are rules that two officers decide."""

from alembic import op

revision = '0095'
down_revision = '0090'

KINDS = "'share', 'mdr', 'payout', 'matching', 'target', 'pass-price', 'exemption', 'tariff-back'"


def upgrade() -> None:
    op.drop_constraint(op.f('ck_rule_proposals_kind'), 'rule_proposals')
    op.create_check_constraint(
        op.f('ck_rule_proposals_kind'), 'rule_proposals', f'kind IN ({KINDS})'
    )
