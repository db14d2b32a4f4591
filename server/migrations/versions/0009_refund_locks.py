"""Lock a charge for its refunds only when their sum may change.

Whoever holds a charge goes on to its refunds, and nobody the other way round: asking again later is
written on a refund without its charge.
"""

from alembic import op

revision = '0009'
down_revision = '0008'


def upgrade() -> None:
    op.execute("DROP TRIGGER refunds_within_money ON refunds")
    op.execute("""
        CREATE TRIGGER refunds_within_money
        BEFORE INSERT OR UPDATE OF state, amount_rp, money_id, charge_id ON refunds
        FOR EACH ROW EXECUTE FUNCTION karcis_refund_within_money()
    """)
