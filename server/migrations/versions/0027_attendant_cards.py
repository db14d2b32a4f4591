"""Attendants' cards; and by which shifts what an attendant collected is found."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0027'
down_revision = '0026'


def upgrade() -> None:
    op.create_table('attendant_cards',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('attendant_id', sa.Uuid(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.CheckConstraint(
        '(revoked_at IS NULL) = (why IS NULL)', name=op.f('ck_attendant_cards_revoked')
    ),
    sa.ForeignKeyConstraint(['attendant_id'], ['attendants.id'], name=op.f('fk_attendant_cards_attendant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attendant_cards'))
    )
    op.create_index(op.f('ix_attendant_cards_attendant_id'), 'attendant_cards', ['attendant_id'], unique=False)
    op.create_index(op.f('ix_shifts_attendant_id'), 'shifts', ['attendant_id'], unique=False)
    op.create_index(
        'ix_payments_shift_id', 'payments', ['shift_id'], unique=False,
        postgresql_where=sa.text('shift_id IS NOT NULL'),
    )
    changeable('attendant_cards', update=('revoked_at', 'why'))
