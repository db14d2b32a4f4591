"""Settlement lines without the acquirer's reference: by ours, or by the RRN alone.
"""

import sqlalchemy as sa
from alembic import op

revision = '0093'
down_revision = '0096'

SIGN = sa.text('(gross_rp < 0)')
KEY = ('acquirer', 'acquirer_reference', 'rrn', SIGN)
KEY_WITHOUT = ('acquirer', 'reference', 'rrn', 'paid_at', SIGN)
TABLES = (
    ('settlement_lines', ('version',), ' AND takes_back_id IS NULL'),
    ('held_lines', (), ''),
    ('unsettled_lines', (), ''),
)


def upgrade() -> None:
    for table, more, where in TABLES:
        op.alter_column(table, 'acquirer_reference', nullable=True)
        op.create_check_constraint(
            op.f(f'ck_{table}_whose'), table,
            "num_nonnulls(acquirer_reference, nullif(reference, ''), rrn) > 0",
        )
        op.drop_index(f'uq_{table}_acquirer_reference', table)
        for name, key, has in (
            ('acquirer_reference', KEY, 'NOT NULL'), ('reference', KEY_WITHOUT, 'NULL'),
        ):
            op.create_index(
                f'uq_{table}_{name}', table, [*key, *more], unique=True,
                postgresql_nulls_not_distinct=True,
                postgresql_where=sa.text(f'acquirer_reference IS {has}{where}'),
            )
