"""Streets are closed for a while; a market day has prices of its own above the ordinary ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only, never_changes, recorded

revision = '0066'
down_revision = '0064'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'closures',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('zone_id', sa.Uuid(), nullable=False),
        sa.Column('spot_id', sa.Uuid(), nullable=True),
        sa.Column('starts_at', INSTANT, nullable=False),
        sa.Column('ends_at', INSTANT, nullable=True),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('note', sa.Text(), nullable=False),
        sa.Column('closed_by', sa.Uuid(), nullable=False),
        sa.Column('closed_at', INSTANT, nullable=False),
        sa.CheckConstraint(
            "reason IN ('road', 'event', 'works', 'safety')", name=op.f('ck_closures_reason')
        ),
        sa.CheckConstraint('starts_at >= closed_at', name=op.f('ck_closures_not_afterwards')),
        sa.CheckConstraint(
            'ends_at IS NULL OR ends_at > starts_at', name=op.f('ck_closures_period')
        ),
        sa.ForeignKeyConstraint(['zone_id'], ['zones.id'], name=op.f('fk_closures_zone_id')),
        sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_closures_spot_id')),
        sa.ForeignKeyConstraint(['closed_by'], ['officers.id'], name=op.f('fk_closures_closed_by')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_closures')),
    )
    op.create_index('ix_closures_starts_at', 'closures', ['starts_at'])
    op.create_table(
        'closure_ends',
        sa.Column('closure_id', sa.Uuid(), nullable=False),
        sa.Column('ended_at', INSTANT, nullable=False),
        sa.Column('ended_by', sa.Uuid(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['closure_id'], ['closures.id'], name=op.f('fk_closure_ends_closure_id')
        ),
        sa.ForeignKeyConstraint(
            ['ended_by'], ['officers.id'], name=op.f('fk_closure_ends_ended_by')
        ),
        sa.PrimaryKeyConstraint('closure_id', name=op.f('pk_closure_ends')),
    )
    for table in ('closures', 'closure_ends'):
        insert_only(table)

    op.add_column('zones', sa.Column('outline', postgresql.JSONB(), nullable=True))
    changeable('zones', update=('name', 'outline'))
    recorded('zones')

    op.add_column('tariffs', sa.Column('event', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_tariffs_event_ends'), 'tariffs', 'event IS NULL OR valid_until IS NOT NULL'
    )
    op.create_check_constraint(
        op.f('ck_tariffs_event'), 'tariffs', "event IS NOT DISTINCT FROM version->>'event'"
    )
    op.drop_constraint('ex_tariffs_one_in_force', 'tariffs')
    for name, where in (('one_in_force', 'event IS NULL'), ('one_event', 'event IS NOT NULL')):
        op.execute(f"""
            ALTER TABLE tariffs ADD CONSTRAINT ex_tariffs_{name} EXCLUDE USING gist (
                zone_id WITH =, daterange(valid_from, valid_until, '[]') WITH &&
            ) WHERE ({where})
        """)
    never_changes(
        'tariffs',
        ('id', 'zone_id', 'regulation', 'valid_from', "version - 'valid_until'", 'event'),
    )
    recorded('tariffs')
