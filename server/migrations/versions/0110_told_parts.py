"""Which stay the cash was taken for that officers booked; what they booked before is known too."""

import hashlib

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable

revision = '0110'
down_revision = '0118'

AS_TOLD = hashlib.sha256(b'cash that officers booked as a handheld told it').hexdigest()
# What two officers' decision booked: it was opened at that very moment, as a stay of its own.
BOOKED = """
    SELECT DISTINCT ON (c.id) c.id, q.event -> 'body' ->> 'stay_id' AS stay_id,
        (q.event -> 'body' ->> 'minutes')::int AS minutes, c.created_at
    FROM quarantined_events q
    JOIN case_steps s ON s.kind = 'quarantine' AND s.case_id = q.case_id
        AND s.event = 'accepted' AND s.outcome = 'booked'
    JOIN charges c ON c.created_at = s.at AND c.kind = 'cash'
        AND c.id::text = lower(q.event -> 'body' ->> 'charge_id')
    WHERE q.reason = 'attendant-stopped' AND q.event ->> 'kind' = 'cash_taken'
    ORDER BY c.id, q.id
"""


def upgrade() -> None:
    op.create_table(
        'told_parts',
        sa.Column('charge_id', sa.Uuid(), nullable=False),
        sa.Column('stay_id', sa.Uuid(), nullable=False),
        sa.Column('minutes', sa.Integer(), nullable=True),
        sa.Column('booked_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('covers_until', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['charge_id'], ['charges.id'], name=op.f('fk_told_parts_charge_id')
        ),
        sa.PrimaryKeyConstraint('charge_id', name=op.f('pk_told_parts')),
    )
    op.create_index(op.f('ix_told_parts_stay_id'), 'told_parts', ['stay_id'])
    op.execute(f"""
        INSERT INTO told_parts (charge_id, stay_id, minutes, booked_at)
        SELECT id, stay_id::uuid, minutes, created_at FROM ({BOOKED}) b
        WHERE stay_id ~* '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$'
    """)
    changeable('told_parts', update=('covers_until',))
    op.execute('ALTER TABLE charges DISABLE TRIGGER USER')
    op.execute(f"""
        UPDATE charges SET request_hash = '\\x{AS_TOLD}' FROM ({BOOKED}) b WHERE b.id = charges.id
    """)
    op.execute('ALTER TABLE charges ENABLE TRIGGER USER')
