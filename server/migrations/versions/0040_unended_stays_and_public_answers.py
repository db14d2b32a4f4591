"""Stays that nobody ended, and answers to complaints that everybody may read."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0040'
down_revision = '0037'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'unended_stays',
        sa.Column('parking_session_id', sa.Uuid(), nullable=False),
        sa.Column('owed_rp', sa.BigInteger(), nullable=False),
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('opened_at', INSTANT, nullable=False),
        sa.Column('closed_by', sa.Uuid(), nullable=True),
        sa.Column('closed_at', INSTANT, nullable=True),
        sa.Column('what_was_done', sa.Text(), nullable=True),
        sa.CheckConstraint('owed_rp > 0', name=op.f('ck_unended_stays_owed')),
        sa.CheckConstraint(
            'num_nulls(closed_by, closed_at, what_was_done) IN (0, 3)',
            name=op.f('ck_unended_stays_closed'),
        ),
        sa.ForeignKeyConstraint(
            ['closed_by'], ['officers.id'], name=op.f('fk_unended_stays_closed_by')
        ),
        sa.ForeignKeyConstraint(
            ['parking_session_id'],
            ['parking_sessions.id'],
            name=op.f('fk_unended_stays_parking_session_id'),
        ),
        sa.PrimaryKeyConstraint('parking_session_id', name=op.f('pk_unended_stays')),
    )
    op.create_index(
        'ix_unended_stays_open',
        'unended_stays',
        ['opened_at'],
        postgresql_where=sa.text('closed_at IS NULL'),
    )
    changeable('unended_stays', update=('closed_by', 'closed_at', 'what_was_done'))
    op.add_column('complaints', sa.Column('published_at', INSTANT, nullable=True))
    op.create_check_constraint(
        op.f('ck_complaints_published'),
        'complaints',
        "published_at IS NULL OR state = 'closed'",
    )
    op.create_index(
        'ix_complaints_published',
        'complaints',
        ['published_at', 'id'],
        postgresql_where=sa.text('published_at IS NOT NULL'),
    )
    changeable('complaints', update=('published_at',), hidden=('contact',))
