"""A tree of units: zones, officers and attendants belong to one, all of them to its root so far."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, never_changes, recorded

revision = '0065'
down_revision = '0074'

ROOT = '00000000-0000-0000-0000-000000000000'
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _units()
    for table in ('zones', 'officers', 'attendants', 'officer_requests'):
        op.add_column(
            table, sa.Column('unit_id', sa.Uuid(), server_default=ROOT, nullable=False)
        )
        op.create_foreign_key(
            op.f(f'fk_{table}_unit_id'), table, 'units', ['unit_id'], ['id']
        )
    changeable('zones', update=('unit_id',))
    changeable('officers', update=('unit_id',), hidden=('password_hash',))
    changeable('attendants', update=('unit_id',), hidden=('pin_hash', 'nik_digest', 'nik_ending'))
    _moves()
    recorded('zones')
    recorded('officers', digests=('password_hash',))
    recorded(
        'attendants',
        digests=('pin_hash', 'nik_digest'),
        left_out=('failed_tries', 'locked_until', 'nik_ending'),
    )
    recorded('officer_requests')
    recorded('units')
    recorded('unit_moves')


def _units() -> None:
    op.create_table(
        'units',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('parent_id', sa.Uuid(), nullable=True),
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('operator', sa.Text(), nullable=True),
        sa.Column('contract', sa.Text(), nullable=True),
        sa.CheckConstraint(f"(parent_id IS NULL) = (id = '{ROOT}')", name=op.f('ck_units_root')),
        sa.CheckConstraint(
            "code ~ '^[A-Z0-9][A-Z0-9-]{1,19}$'", name=op.f('ck_units_code')
        ),
        sa.CheckConstraint(
            '(operator IS NULL) = (contract IS NULL)', name=op.f('ck_units_operator')
        ),
        sa.ForeignKeyConstraint(['parent_id'], ['units.id'], name=op.f('fk_units_parent_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_units')),
        sa.UniqueConstraint('code', name=op.f('uq_units_code')),
    )
    op.create_index(op.f('ix_units_parent_id'), 'units', ['parent_id'])
    changeable('units', update=('parent_id',))
    never_changes('units', ('id', 'code'))
    op.execute(f"INSERT INTO units (id, code, name) VALUES ('{ROOT}', 'PUSAT', 'Pusat')")
    # Two moves at a time could make a circle that neither of them sees.
    op.execute("""
        CREATE FUNCTION karcis_refuse_no_tree() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            reached bigint;
            deepest int;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('karcis_units'));
            WITH RECURSIVE t AS (
                SELECT id, 1 AS depth FROM units WHERE parent_id IS NULL
                UNION ALL SELECT u.id, t.depth + 1 FROM units u JOIN t ON u.parent_id = t.id
            )
            SELECT count(*), max(depth) INTO reached, deepest FROM t;
            IF deepest > 5 OR reached <> (SELECT count(*) FROM units) THEN
                RAISE EXCEPTION 'units are one tree of five levels at most'
                    USING ERRCODE = 'KA040';
            END IF;
            RETURN NULL;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER units_are_a_tree AFTER INSERT OR UPDATE ON units
        FOR EACH STATEMENT EXECUTE FUNCTION karcis_refuse_no_tree()
    """)


def _moves() -> None:
    op.create_table(
        'unit_moves',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('unit_id', sa.Uuid(), nullable=True),
        sa.Column('zone_id', sa.Uuid(), nullable=True),
        sa.Column('attendant_id', sa.Uuid(), nullable=True),
        sa.Column('to_id', sa.Uuid(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('approved', sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            'num_nonnulls(unit_id, zone_id, attendant_id) = 1',
            name=op.f('ck_unit_moves_subject'),
        ),
        sa.CheckConstraint(
            'proposed_by <> decided_by', name=op.f('ck_unit_moves_maker_checker')
        ),
        sa.CheckConstraint(
            'num_nulls(decided_by, decided_at, approved) IN (0, 3)',
            name=op.f('ck_unit_moves_decided'),
        ),
        *(
            sa.ForeignKeyConstraint(
                [column], [f'{table}.id'], name=op.f(f'fk_unit_moves_{column}')
            )
            for column, table in (
                ('unit_id', 'units'), ('zone_id', 'zones'), ('attendant_id', 'attendants'),
                ('to_id', 'units'), ('proposed_by', 'officers'), ('decided_by', 'officers'),
            )
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unit_moves')),
    )
    op.create_index(
        'uq_unit_moves_open', 'unit_moves', [sa.text('coalesce(unit_id, zone_id, attendant_id)')],
        unique=True, postgresql_where=sa.text('decided_at IS NULL'),
    )
    changeable('unit_moves', update=('decided_by', 'decided_at', 'approved'))
    never_changes(
        'unit_moves',
        (
            'id', 'unit_id', 'zone_id', 'attendant_id', 'to_id', 'proposed_by', 'proposed_at',
            'why',
        ),
    )
