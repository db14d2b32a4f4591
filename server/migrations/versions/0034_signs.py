"""The registry of printed signs, what became of each, and the faults of a signed link."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only, never_changes, only_edges

revision = '0034'
down_revision = '0033'

STATES = "state IN ('made', 'mounted', 'damaged', 'missing', 'replaced', 'withdrawn')"
FAULTS = (
    "fault IN ('other-nmid', 'same-name', 'other-spot', 'other-site', 'crc', 'static', 'one-time',"
    " 'old', 'other-data', 'not-a-sign', 'missing', 'forged', 'other-key', 'unsigned', 'newer')"
)
EDGES = (
    ('made', 'mounted'), ('made', 'damaged'), ('made', 'missing'), ('made', 'replaced'),
    ('made', 'withdrawn'), ('mounted', 'damaged'), ('mounted', 'missing'), ('mounted', 'replaced'),
    ('mounted', 'withdrawn'), ('damaged', 'mounted'), ('damaged', 'missing'),
    ('damaged', 'replaced'), ('damaged', 'withdrawn'), ('missing', 'mounted'),
    ('missing', 'damaged'), ('missing', 'replaced'), ('missing', 'withdrawn'),
)


def upgrade() -> None:
    op.create_table('signs',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('spot_id', sa.Uuid(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('key_id', sa.Text(), nullable=False),
    sa.Column('printed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('printed_by', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('place', sa.Text(), server_default='', nullable=False),
    sa.CheckConstraint('version BETWEEN 1 AND 65535', name=op.f('ck_signs_version')),
    sa.CheckConstraint(STATES, name=op.f('ck_signs_state')),
    sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_signs_spot_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_signs')),
    sa.UniqueConstraint('spot_id', 'version', name=op.f('uq_signs_spot_id_version'))
    )
    op.create_index(
        'uq_signs_in_force',
        'signs',
        ['spot_id'],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('replaced', 'withdrawn')"),
    )
    op.create_table('sign_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('sign_id', sa.Uuid(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.CheckConstraint(STATES, name=op.f('ck_sign_changes_state')),
    sa.ForeignKeyConstraint(['sign_id'], ['signs.id'], name=op.f('fk_sign_changes_sign_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_changes'))
    )
    op.create_index('ix_sign_changes_sign_id_at', 'sign_changes', ['sign_id', 'at'])
    changeable('signs', update=('state', 'place'))
    only_edges('signs', ('made',), EDGES)
    never_changes('signs', ('id', 'spot_id', 'version', 'key_id', 'printed_at', 'printed_by'))
    insert_only('sign_changes')
    for table in ('sign_checks', 'sign_cases'):
        name = op.f(f'ck_{table}_fault')
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, FAULTS)
