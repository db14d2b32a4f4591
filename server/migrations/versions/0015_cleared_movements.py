"""Which batch or slip each movement of the account paid is kept, no longer read from its text again.

Of movements that are there already the ledger tells it: by name where one was explained later, and
else by account; of several names in a text it was the longest.
"""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0015'
down_revision = '0014'


def upgrade() -> None:
    op.create_table('cleared_movements',
    sa.Column('statement_line_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['statement_line_id'], ['statement_lines.id'], name=op.f('fk_cleared_movements_statement_line_id')),
    sa.PrimaryKeyConstraint('statement_line_id', name=op.f('pk_cleared_movements'))
    )
    insert_only('cleared_movements')
    op.execute("""
        INSERT INTO cleared_movements
        SELECT l.id, right(e.description, -length('Mutasi ' || l.statement_reference || ' adalah '))
        FROM statement_lines l JOIN ledger_entries e ON e.source = 'explained:' || l.id
    """)
    op.execute(r"""
        INSERT INTO cleared_movements
        SELECT DISTINCT ON (l.id) l.id, n.name
        FROM statement_lines l
        JOIN ledger_entries e ON e.source
            = 'statement:' || l.account || ':' || l.statement_reference || ':' || l.line_number
        JOIN ledger_postings p ON p.entry_id = e.id
        JOIN (
            SELECT '1130' AS account_code, batch_id AS name FROM settlement_lines
            UNION SELECT '1150', reference FROM cash_deposits
        ) n ON n.account_code = p.account_code
            AND strpos(regexp_replace(l.narrative, '\s', '', 'g'),
                regexp_replace(n.name, '\s', '', 'g')) > 0
        ORDER BY l.id, length(n.name) DESC
    """)
