"""What is registered to be posted at spots, checks of their signs, and the cases of wrong ones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only

revision = '0025'
down_revision = '0024'

FAULTS = (
    "fault IN ('other-nmid', 'same-name', 'other-spot', 'other-site', 'crc', 'static', 'one-time',"
    " 'old', 'other-data', 'not-a-sign', 'missing')"
)


def upgrade() -> None:
    op.create_table('posted_codes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('spot_id', sa.Uuid(), nullable=False),
    sa.Column('nmid', sa.Text(), nullable=False),
    sa.Column('pan', sa.Text(), nullable=True),
    sa.Column('criteria', sa.Text(), nullable=True),
    sa.Column('mcc', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=True),
    sa.Column('registered_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_posted_codes_amount')),
    sa.CheckConstraint('retired_at >= registered_at', name=op.f('ck_posted_codes_retired')),
    sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_posted_codes_spot_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_posted_codes'))
    )
    op.create_index(op.f('ix_posted_codes_spot_id'), 'posted_codes', ['spot_id'])
    op.create_table('sign_checks',
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('attendant_id', sa.Uuid(), nullable=False),
    sa.Column('spot_id', sa.Uuid(), nullable=False),
    sa.Column('fault', sa.Text(), nullable=True),
    sa.Column('seen', postgresql.JSONB(), nullable=False),
    sa.Column('told_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint(FAULTS, name=op.f('ck_sign_checks_fault')),
    sa.ForeignKeyConstraint(['attendant_id'], ['attendants.id'], name=op.f('fk_sign_checks_attendant_id')),
    sa.ForeignKeyConstraint(
        ['device_id', 'seq'], ['device_events.device_id', 'device_events.seq'],
        name=op.f('fk_sign_checks_device_id'),
    ),
    sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_sign_checks_spot_id')),
    sa.PrimaryKeyConstraint('device_id', 'seq', name=op.f('pk_sign_checks'))
    )
    op.create_index('ix_sign_checks_spot_id_received_at', 'sign_checks', ['spot_id', 'received_at'])
    op.create_table('sign_cases',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('spot_id', sa.Uuid(), nullable=False),
    sa.Column('fault', sa.Text(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_by', sa.Uuid(), nullable=True),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('what_was_done', sa.Text(), nullable=True),
    sa.CheckConstraint(
        'num_nulls(closed_by, closed_at, what_was_done) IN (0, 3)', name=op.f('ck_sign_cases_closed')
    ),
    sa.CheckConstraint(FAULTS, name=op.f('ck_sign_cases_fault')),
    sa.ForeignKeyConstraint(['closed_by'], ['officers.id'], name=op.f('fk_sign_cases_closed_by')),
    sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_sign_cases_spot_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sign_cases'))
    )
    op.create_index(
        'uq_sign_cases_open',
        'sign_cases',
        ['spot_id'],
        unique=True,
        postgresql_where=sa.text('closed_at IS NULL'),
    )
    changeable('posted_codes', update=('retired_at',))
    insert_only('sign_checks')
    changeable('sign_cases', update=('closed_by', 'closed_at', 'what_was_done'))
