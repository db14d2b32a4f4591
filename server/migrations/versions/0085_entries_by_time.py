"""Entries are found by when they came."""

from server.migrations import indexes

revision = '0085'
down_revision = '0088'


def upgrade() -> None:
    indexes.build(
        'ix_ledger_entries_recorded_at', 'ledger_entries', ['recorded_at'], postgresql_using='brin'
    )
