"""Second factors of officers, browsers that can be signed out, tries that are counted."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only

revision = '0043'
down_revision = '0041'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column('officers', sa.Column('switched_off_at', INSTANT, nullable=True))
    op.alter_column('officers', 'password_hash', nullable=True)
    changeable(
        'officers', update=('password_hash', 'switched_off_at'), hidden=('password_hash',)
    )
    _sign_ins()
    op.create_table(
        'sign_in_tries',
        sa.Column('asker', sa.LargeBinary(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('last_at', INSTANT, nullable=False),
        sa.Column('locked_until', INSTANT, nullable=True),
        sa.PrimaryKeyConstraint('asker', name=op.f('pk_sign_in_tries')),
    )
    op.create_index(op.f('ix_sign_in_tries_last_at'), 'sign_in_tries', ['last_at'])
    changeable('sign_in_tries', update=('tries', 'last_at', 'locked_until'), delete=True)
    op.create_table(
        'officer_totps',
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('secret', sa.LargeBinary(), nullable=False),
        sa.Column('made_at', INSTANT, nullable=False),
        sa.Column('confirmed_at', INSTANT, nullable=True),
        sa.Column('last_step', sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_totps_officer_id')
        ),
        sa.PrimaryKeyConstraint('officer_id', name=op.f('pk_officer_totps')),
    )
    changeable(
        'officer_totps', update=('confirmed_at', 'last_step'), delete=True, hidden=('secret',)
    )
    op.create_table(
        'officer_recovery_codes',
        sa.Column('code_hash', sa.LargeBinary(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('made_at', INSTANT, nullable=False),
        sa.Column('used_at', INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_recovery_codes_officer_id')
        ),
        sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_officer_recovery_codes')),
    )
    op.create_index(
        op.f('ix_officer_recovery_codes_officer_id'), 'officer_recovery_codes', ['officer_id']
    )
    changeable('officer_recovery_codes', update=('used_at',), delete=True, hidden=('code_hash',))
    op.create_table(
        'officer_changes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('changed_at', INSTANT, nullable=False),
        sa.Column('act', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_changes_officer_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_officer_changes')),
    )
    op.create_index(op.f('ix_officer_changes_officer_id'), 'officer_changes', ['officer_id'])
    insert_only('officer_changes')


def _sign_ins() -> None:
    """Everybody signs in anew: of the browsers of before it is not known which they are."""
    op.execute('DELETE FROM officer_sign_ins')
    for column in (
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('seen_at', INSTANT, nullable=False),
        sa.Column('confirmed_at', INSTANT, nullable=True),
        sa.Column('method', sa.Text(), nullable=False),
        sa.Column('strong', sa.Boolean(), nullable=False),
        sa.Column('address', sa.Text(), nullable=False),
        sa.Column('browser', sa.Text(), nullable=False),
    ):
        op.add_column('officer_sign_ins', column)
    op.create_unique_constraint(op.f('uq_officer_sign_ins_id'), 'officer_sign_ins', ['id'])
    op.create_index(op.f('ix_officer_sign_ins_officer_id'), 'officer_sign_ins', ['officer_id'])
    changeable(
        'officer_sign_ins',
        update=('seen_at', 'confirmed_at'),
        delete=True,
        hidden=('token_hash',),
    )
