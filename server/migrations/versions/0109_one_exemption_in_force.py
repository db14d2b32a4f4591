"""No two exemptions of one code are in force on one day."""

from alembic import op

revision = '0109'
down_revision = '0093'

# As the later one would have ended it, had it not been approved at the same time.
END_BEFORE = """
    UPDATE exemptions SET valid_until = later.first - 1
    FROM (
        SELECT id, lead(valid_from) OVER (PARTITION BY code ORDER BY valid_from) AS first
        FROM exemptions
    ) later
    WHERE later.id = exemptions.id
        AND (valid_until IS NULL OR valid_until >= later.first)
"""


def upgrade() -> None:
    op.execute(END_BEFORE)
    op.drop_constraint(op.f('uq_exemptions_code_valid_from'), 'exemptions')
    op.execute("""
        ALTER TABLE exemptions ADD CONSTRAINT ex_exemptions_one_in_force EXCLUDE USING gist (
            code WITH =, daterange(valid_from, valid_until, '[]') WITH &&
        )
    """)
