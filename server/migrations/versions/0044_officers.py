"""Officers let in by two others, coordinators and inspectors among them, and first sign-in codes."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0044'
down_revision = '0043'

INSTANT = sa.DateTime(timezone=True)
ROLES = "'bendahara', 'verifikator', 'auditor', 'admin', 'koordinator', 'pengawas'"


def upgrade() -> None:
    op.drop_constraint(op.f('ck_officers_role'), 'officers')
    op.create_check_constraint(op.f('ck_officers_role'), 'officers', f'role IN ({ROLES})')
    changeable('officers', update=('role',), hidden=('password_hash',))
    op.create_table(
        'officer_requests',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('reset', sa.Boolean(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('approved', sa.Boolean(), nullable=True),
        sa.CheckConstraint(f'role IN ({ROLES})', name=op.f('ck_officer_requests_role')),
        sa.CheckConstraint(
            'proposed_by <> decided_by', name=op.f('ck_officer_requests_maker_checker')
        ),
        sa.CheckConstraint(
            'officer_id <> decided_by', name=op.f('ck_officer_requests_own_rights')
        ),
        sa.CheckConstraint(
            'num_nulls(decided_by, decided_at, approved) IN (0, 3)',
            name=op.f('ck_officer_requests_decided'),
        ),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_requests_officer_id')
        ),
        sa.ForeignKeyConstraint(
            ['proposed_by'], ['officers.id'], name=op.f('fk_officer_requests_proposed_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_officer_requests_decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_officer_requests')),
    )
    op.create_index(op.f('ix_officer_requests_officer_id'), 'officer_requests', ['officer_id'])
    op.create_index(
        'uq_officer_requests_open', 'officer_requests', ['officer_id'], unique=True,
        postgresql_where=sa.text('decided_at IS NULL'),
    )
    changeable('officer_requests', update=('decided_by', 'decided_at', 'approved'))
    op.create_table(
        'officer_setup_codes',
        sa.Column('code_hash', sa.LargeBinary(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('issued_by', sa.Uuid(), nullable=True),
        sa.Column('issued_at', INSTANT, nullable=False),
        sa.Column('expires_at', INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_setup_codes_officer_id')
        ),
        sa.ForeignKeyConstraint(
            ['issued_by'], ['officers.id'], name=op.f('fk_officer_setup_codes_issued_by')
        ),
        sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_officer_setup_codes')),
    )
    op.create_index(
        op.f('ix_officer_setup_codes_officer_id'), 'officer_setup_codes', ['officer_id']
    )
    changeable('officer_setup_codes', delete=True, hidden=('code_hash',))
