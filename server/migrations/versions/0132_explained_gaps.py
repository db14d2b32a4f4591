"""Two officers may explain why a bank statement does not follow the one before it."""

from server.migrations import indexes

revision = '0132'
down_revision = '0125'


def upgrade() -> None:
    indexes.constrain(
        'ck_discrepancies_outcome', 'discrepancies',
        "CHECK (outcome IN ('accepted', 'claimed', 'explained', 'written_off'))",
    )
