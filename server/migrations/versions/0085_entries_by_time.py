"""Entries are found by when they came."""

from alembic import op

revision = '0085'
down_revision = '0088'


def upgrade() -> None:
    op.create_index(
        'ix_ledger_entries_recorded_at',
        'ledger_entries',
        ['recorded_at'],
        unique=False,
        postgresql_using='brin',
    )
