"""Settlement lines without the acquirer's reference: by ours, or by the RRN alone.
"""

import sqlalchemy as sa
from alembic import op

from server.migrations import indexes

revision = '0093'
down_revision = '0096'

SIGN = sa.text('(gross_rp < 0)')
KEY = ('acquirer', 'acquirer_reference', 'rrn', SIGN)
KEY_WITHOUT = ('acquirer', 'reference', 'rrn', 'paid_at', SIGN)
WHOSE = "CHECK (num_nonnulls(acquirer_reference, nullif(reference, ''), rrn) > 0)"
TABLES = (
    ('settlement_lines', ('version',), ' AND takes_back_id IS NULL'),
    ('held_lines', (), ''),
    ('unsettled_lines', (), ''),
)


def upgrade() -> None:
    for table, more, where in TABLES:
        for name, key, has in (
            ('acquirer_reference_given', KEY, 'NOT NULL'), ('reference', KEY_WITHOUT, 'NULL'),
        ):
            indexes.build(
                f'uq_{table}_{name}', table, [*key, *more], unique=True,
                postgresql_nulls_not_distinct=True,
                postgresql_where=sa.text(f'acquirer_reference IS {has}{where}'),
            )
        indexes.constrain(f'ck_{table}_whose', table, WHOSE)
    # Last what locks the tables, but for a moment: until here all lines have the reference.
    for table, _, _ in TABLES:
        old = f'uq_{table}_acquirer_reference'
        indexes.replace(old, f'{old}_given')
        op.alter_column(table, 'acquirer_reference', nullable=True)
