"""Passkeys of officers, and the challenges that wait for an answer."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, recorded

revision = '0047'
down_revision = '0046'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'officer_passkeys',
        sa.Column('credential_id', sa.LargeBinary(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('public_key', sa.LargeBinary(), nullable=False),
        sa.Column('sign_count', sa.BigInteger(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('added_at', INSTANT, nullable=False),
        sa.Column('last_used_at', INSTANT, nullable=True),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_officer_passkeys_officer_id')
        ),
        sa.PrimaryKeyConstraint('credential_id', name=op.f('pk_officer_passkeys')),
    )
    op.create_index(op.f('ix_officer_passkeys_officer_id'), 'officer_passkeys', ['officer_id'])
    changeable('officer_passkeys', update=('sign_count', 'last_used_at'), delete=True)
    recorded('officer_passkeys', key='credential_id', left_out=('sign_count', 'last_used_at'))
    op.create_table(
        'passkey_challenges',
        sa.Column('challenge', sa.LargeBinary(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=True),
        sa.Column('expires_at', INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_passkey_challenges_officer_id')
        ),
        sa.PrimaryKeyConstraint('challenge', name=op.f('pk_passkey_challenges')),
    )
    changeable('passkey_challenges', delete=True)
