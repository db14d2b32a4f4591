"""Attendants kept by officers: added by one and approved by another, stopped at once by one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from server.migrations.grants import changeable, insert_only, recorded

revision = '0064'
down_revision = '0071'

INSTANT = sa.DateTime(timezone=True)
HIDDEN = ('pin_hash', 'nik_digest', 'nik_ending')


def upgrade() -> None:
    _attendants()
    _requests()
    _changes()
    _assignments()


def _attendants() -> None:
    for column in (
        sa.Column('state', sa.Text(), nullable=False, server_default='active'),
        sa.Column('nik_digest', sa.LargeBinary(), nullable=True),
        sa.Column('nik_ending', sa.Text(), nullable=True),
        sa.Column('sk_number', sa.Text(), nullable=True),
        sa.Column('sk_from', sa.Date(), nullable=True),
        sa.Column('sk_until', sa.Date(), nullable=True),
    ):
        op.add_column('attendants', column)
    op.alter_column('attendants', 'state', server_default=None)
    op.alter_column('attendants', 'pin_hash', nullable=True)
    op.create_unique_constraint(op.f('uq_attendants_nik_digest'), 'attendants', ['nik_digest'])
    for name, condition in (
        ('state', "state IN ('requested', 'active', 'stopped')"),
        ('nik', 'num_nulls(nik_digest, nik_ending) IN (0, 2)'),
        ('sk', 'num_nulls(sk_number, sk_from) IN (0, 2) AND (sk_until IS NULL OR sk_until >= sk_from)'),
    ):
        op.create_check_constraint(op.f(f'ck_attendants_{name}'), 'attendants', condition)
    changeable(
        'attendants',
        update=(
            'name', 'state', 'pin_hash', 'nik_digest', 'nik_ending',
            'sk_number', 'sk_from', 'sk_until',
        ),
        hidden=HIDDEN,
    )
    recorded(
        'attendants',
        digests=('pin_hash', 'nik_digest'),
        left_out=('failed_tries', 'locked_until', 'nik_ending'),
    )


def _requests() -> None:
    op.create_table(
        'attendant_requests',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('attendant_id', sa.Uuid(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('approved', sa.Boolean(), nullable=True),
        sa.CheckConstraint(
            'proposed_by <> decided_by', name=op.f('ck_attendant_requests_maker_checker')
        ),
        sa.CheckConstraint(
            'num_nulls(decided_by, decided_at, approved) IN (0, 3)',
            name=op.f('ck_attendant_requests_decided'),
        ),
        sa.ForeignKeyConstraint(
            ['attendant_id'], ['attendants.id'], name=op.f('fk_attendant_requests_attendant_id')
        ),
        sa.ForeignKeyConstraint(
            ['proposed_by'], ['officers.id'], name=op.f('fk_attendant_requests_proposed_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_attendant_requests_decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_attendant_requests')),
    )
    op.create_index(
        op.f('ix_attendant_requests_attendant_id'), 'attendant_requests', ['attendant_id']
    )
    op.create_index(
        'uq_attendant_requests_open', 'attendant_requests', ['attendant_id'], unique=True,
        postgresql_where=sa.text('decided_at IS NULL'),
    )
    changeable('attendant_requests', update=('decided_by', 'decided_at', 'approved'))
    recorded('attendant_requests')


def _changes() -> None:
    op.create_table(
        'attendant_changes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('attendant_id', sa.Uuid(), nullable=False),
        sa.Column('changed_at', INSTANT, nullable=False),
        sa.Column('act', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['attendant_id'], ['attendants.id'], name=op.f('fk_attendant_changes_attendant_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_attendant_changes')),
    )
    op.create_index(
        op.f('ix_attendant_changes_attendant_id'), 'attendant_changes', ['attendant_id']
    )
    insert_only('attendant_changes')


def _assignments() -> None:
    op.create_table(
        'spot_assignments',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('attendant_id', sa.Uuid(), nullable=False),
        sa.Column('spot_id', sa.Uuid(), nullable=False),
        sa.Column('days', ARRAY(sa.Integer()), nullable=False),
        sa.Column('starts', sa.Time(), nullable=False),
        sa.Column('ends', sa.Time(), nullable=False),
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('valid_until', sa.Date(), nullable=True),
        sa.Column('assigned_by', sa.Uuid(), nullable=False),
        sa.Column('assigned_at', INSTANT, nullable=False),
        sa.CheckConstraint(
            "cardinality(days) > 0 AND days <@ '{1,2,3,4,5,6,7}'::integer[]",
            name=op.f('ck_spot_assignments_days'),
        ),
        sa.CheckConstraint('starts <> ends', name=op.f('ck_spot_assignments_hours')),
        sa.CheckConstraint(
            'valid_until IS NULL OR valid_until >= valid_from - 1',
            name=op.f('ck_spot_assignments_period'),
        ),
        sa.ForeignKeyConstraint(
            ['attendant_id'], ['attendants.id'], name=op.f('fk_spot_assignments_attendant_id')
        ),
        sa.ForeignKeyConstraint(
            ['spot_id'], ['spots.id'], name=op.f('fk_spot_assignments_spot_id')
        ),
        sa.ForeignKeyConstraint(
            ['assigned_by'], ['officers.id'], name=op.f('fk_spot_assignments_assigned_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_spot_assignments')),
    )
    for column in ('attendant_id', 'spot_id'):
        op.create_index(op.f(f'ix_spot_assignments_{column}'), 'spot_assignments', [column])
    changeable('spot_assignments', update=('valid_until',))
    recorded('spot_assignments')
