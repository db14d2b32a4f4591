"""The lines of a file found without reading those of others."""

from alembic import op

revision = '0062'
down_revision = '0061'


def upgrade() -> None:
    for table in ('settlement_lines', 'held_lines', 'unsettled_lines', 'statement_lines'):
        op.create_index(f'ix_{table}_file_id', table, ['file_id'])
