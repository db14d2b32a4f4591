"""The network's ids that are kept already are spelled as those that come now are.

Else a notification that is repeated after the upgrade would be other money, and a line of a file
that is taken in again another line. Where two rows become one the unique constraint refuses, and
nothing is migrated: people decide which of them is the money.
"""

from alembic import op

revision = '0014'
down_revision = '0013'

# As `domain.payment.network_id` spells it; its spaces are Python's.
SPACES = r'[\u0009-\u000d\u001c-\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]'
NETWORK_ID = f"""
    CREATE FUNCTION pg_temp.network_id(told text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
        SELECT CASE
            WHEN written !~ '^[0-9]+$' THEN nullif(written, '')
            WHEN digits <> '' THEN lpad(digits, greatest(12, length(digits)), '0')
        END
        FROM regexp_replace(told, '{SPACES}', '', 'g') AS w (written),
            ltrim(written, '0') AS d (digits)
    $$
"""
OF_LINES = "('not-settled', 'not-booked', 'amount-differs', 'mdr-differs')"


def upgrade() -> None:
    op.execute(NETWORK_ID)
    for table, column in (
        ('money', 'rrn'),
        ('settlement_lines', 'rrn'),
        ('refunds', 'acquirer_refund_number'),
    ):
        op.execute(f'ALTER TABLE {table} DISABLE TRIGGER USER')
        op.execute(f"""
            UPDATE {table} SET {column} = pg_temp.network_id({column})
            WHERE {column} IS DISTINCT FROM pg_temp.network_id({column})
        """)
        op.execute(f'ALTER TABLE {table} ENABLE TRIGGER USER')
    _name_discrepancies()
    op.execute('DROP FUNCTION pg_temp.network_id(text)')


def _name_discrepancies() -> None:
    """As `server.reconciliation.matching` names them now: by that id, and what went back as such."""
    op.execute(rf"""
        UPDATE discrepancies
        SET subject = regexp_replace(subject, '[^/]*$', '')
            || coalesce(pg_temp.network_id(substring(subject FROM '[^/]*$')), '-')
            || CASE WHEN (details ->> 'ours_rp')::bigint + (details ->> 'theirs_rp')::bigint < 0
                THEN '/pengembalian' ELSE '' END
        WHERE kind IN {OF_LINES}
    """)
