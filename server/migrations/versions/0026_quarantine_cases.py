"""Each refused event is kept once, in a case of its device that an officer closes."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0026'
down_revision = '0025'


def upgrade() -> None:
    op.create_table('quarantine_cases',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('closed_by', sa.Uuid(), nullable=True),
    sa.Column('why', sa.Text(), nullable=True),
    sa.CheckConstraint(
        'num_nulls(closed_at, closed_by, why) IN (0, 3)', name=op.f('ck_quarantine_cases_closed')
    ),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_quarantine_cases_device_id')),
    sa.ForeignKeyConstraint(['closed_by'], ['officers.id'], name=op.f('fk_quarantine_cases_closed_by')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantine_cases'))
    )
    op.create_index(
        'uq_quarantine_cases_open', 'quarantine_cases', ['device_id'], unique=True,
        postgresql_where=sa.text('closed_at IS NULL'),
    )
    changeable('quarantine_cases', update=('closed_at', 'closed_by', 'why'))
    _keep_in_cases()
    op.create_unique_constraint(
        op.f('uq_quarantined_events_device_id_digest'), 'quarantined_events', ['device_id', 'digest']
    )
    op.create_index(op.f('ix_quarantined_events_case_id'), 'quarantined_events', ['case_id'])
    op.create_foreign_key(
        op.f('fk_quarantined_events_case_id'), 'quarantined_events', 'quarantine_cases',
        ['case_id'], ['id'],
    )


def _keep_in_cases() -> None:
    """Those of before: a case for each device; each by its row's id, for nobody wrote digests."""
    op.add_column('quarantined_events', sa.Column('case_id', sa.Uuid(), nullable=True))
    op.add_column('quarantined_events', sa.Column('digest', sa.LargeBinary(), nullable=True))
    op.execute("""
        INSERT INTO quarantine_cases (id, device_id, owner, opened_at)
        SELECT gen_random_uuid(), device_id, 'admin sistem', min(received_at)
        FROM quarantined_events GROUP BY device_id
    """)
    op.execute("ALTER TABLE quarantined_events DISABLE TRIGGER quarantined_events_insert_only")
    op.execute("""
        UPDATE quarantined_events e SET digest = uuid_send(e.id), case_id = c.id
        FROM quarantine_cases c WHERE c.device_id = e.device_id
    """)
    op.execute("ALTER TABLE quarantined_events ENABLE TRIGGER quarantined_events_insert_only")
    for column in ('case_id', 'digest'):
        op.alter_column('quarantined_events', column, nullable=False)
