"""The little money that did not fit its charge, found without reading what did."""

import sqlalchemy as sa
from alembic import op

revision = '0058'
down_revision = '0057'


def upgrade() -> None:
    op.create_index(
        'ix_money_held', 'money', ['business_day', 'id'],
        postgresql_where=sa.text("flag <> 'exact'"),
    )
