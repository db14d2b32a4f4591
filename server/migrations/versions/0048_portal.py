"""Single sign-on: whose account at the city's portal is which officer, and attempts on their way."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, recorded

revision = '0048'
down_revision = '0047'


def upgrade() -> None:
    op.add_column('officers', sa.Column('portal_account', sa.Text(), nullable=True))
    op.create_unique_constraint(
        op.f('uq_officers_portal_account'), 'officers', ['portal_account']
    )
    changeable('officers', update=('portal_account',), hidden=('password_hash',))
    op.add_column('officer_requests', sa.Column('portal_account', sa.Text(), nullable=True))
    recorded('officers', digests=('password_hash',))
    recorded('officer_requests')
    op.create_table(
        'sign_on_attempts',
        sa.Column('state_hash', sa.LargeBinary(), nullable=False),
        sa.Column('nonce', sa.Text(), nullable=False),
        sa.Column('verifier_secret', sa.Text(), nullable=False),
        sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sign_in_id', sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint('state_hash', name=op.f('pk_sign_on_attempts')),
    )
    changeable('sign_on_attempts', delete=True, hidden=('nonce', 'verifier_secret'))
