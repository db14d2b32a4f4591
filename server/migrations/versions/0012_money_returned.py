"""Money that had come and gone when we first heard of it has a flag of its own."""

from alembic import op

revision = '0012'
down_revision = '0011'

FLAGS = "('exact', 'late', 'over', 'under', 'duplicate', 'returned')"


def upgrade() -> None:
    for table, column in (('charges', 'money_flag'), ('money', 'flag')):
        name = op.f(f'ck_{table}_{column}')
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, f'{column} IN {FLAGS}')
