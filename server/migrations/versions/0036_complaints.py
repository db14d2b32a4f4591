"""What drivers tell the office: complaints, their photos and answers, wishes for money back."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only, never_changes, only_edges

revision = '0036'
down_revision = '0035'

KINDS = "'overcharged', 'no_receipt', 'qr_not_offered', 'attendant', 'sign', 'paid_not_recorded', 'other'"
REASONS = "'paid_twice', 'paid_late', 'other_amount', 'wrong_charge', 'not_parked', 'other'"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'complaints',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('spot_id', sa.Uuid(), nullable=True),
        sa.Column('attendant_code', sa.Text(), nullable=True),
        sa.Column('receipt_number', sa.Text(), nullable=True),
        sa.Column('amount_rp', sa.BigInteger(), nullable=True),
        sa.Column('reference', sa.Text(), nullable=True),
        sa.Column('paid_on', sa.Date(), nullable=True),
        sa.Column('story', sa.Text(), nullable=True),
        sa.Column('contact', sa.LargeBinary(), nullable=True),
        sa.Column('owner', sa.Text(), nullable=False),
        sa.Column('opened_at', INSTANT, nullable=False),
        sa.Column('due_on', sa.Date(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('answer', sa.Text(), nullable=True),
        sa.Column('outcome', sa.Text(), nullable=True),
        sa.Column('closed_at', INSTANT, nullable=True),
        sa.Column('destroyed_at', INSTANT, nullable=True),
        sa.CheckConstraint(f'kind IN ({KINDS})', name=op.f('ck_complaints_kind')),
        sa.CheckConstraint(
            "state IN ('open', 'answered', 'closed')", name=op.f('ck_complaints_state')
        ),
        sa.CheckConstraint(
            "outcome IN ('upheld', 'not_upheld', 'unclear')", name=op.f('ck_complaints_outcome')
        ),
        sa.CheckConstraint('amount_rp > 0', name=op.f('ck_complaints_amount')),
        sa.CheckConstraint(
            "(state = 'closed') = (closed_at IS NOT NULL)"
            " AND (state = 'closed') = (outcome IS NOT NULL)",
            name=op.f('ck_complaints_closed'),
        ),
        sa.CheckConstraint(
            "state = 'open' OR answer IS NOT NULL", name=op.f('ck_complaints_answered')
        ),
        sa.CheckConstraint(
            'destroyed_at IS NULL OR num_nonnulls(story, contact) = 0',
            name=op.f('ck_complaints_destroyed'),
        ),
        sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_complaints_spot_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_complaints')),
        sa.UniqueConstraint('number', name=op.f('uq_complaints_number')),
    )
    op.create_index(
        'ix_complaints_due', 'complaints', ['due_on'],
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index(
        'ix_complaints_to_destroy', 'complaints', ['closed_at'],
        postgresql_where=sa.text("state = 'closed' AND destroyed_at IS NULL"),
    )
    changeable(
        'complaints',
        update=('story', 'contact', 'state', 'answer', 'outcome', 'closed_at', 'destroyed_at'),
        hidden=('contact',),
    )
    only_edges(
        'complaints',
        ('open',),
        (('open', 'answered'), ('open', 'closed'), ('answered', 'closed')),
    )
    never_changes('complaints', ('number', 'kind', 'owner', 'opened_at', 'due_on'))
    op.create_table(
        'complaint_photos',
        sa.Column('complaint_id', sa.Uuid(), nullable=False),
        sa.Column('jpeg', sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            'octet_length(jpeg) <= 1000000', name=op.f('ck_complaint_photos_size')
        ),
        sa.ForeignKeyConstraint(
            ['complaint_id'], ['complaints.id'], name=op.f('fk_complaint_photos_complaint_id')
        ),
        sa.PrimaryKeyConstraint('complaint_id', name=op.f('pk_complaint_photos')),
    )
    changeable('complaint_photos', delete=True, hidden=('jpeg',))
    op.create_table(
        'complaint_changes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('complaint_id', sa.Uuid(), nullable=False),
        sa.Column('changed_at', INSTANT, nullable=False),
        sa.Column('state_before', sa.Text(), nullable=False),
        sa.Column('state_after', sa.Text(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['complaint_id'], ['complaints.id'], name=op.f('fk_complaint_changes_complaint_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_complaint_changes')),
    )
    op.create_index(
        op.f('ix_complaint_changes_complaint_id'), 'complaint_changes', ['complaint_id']
    )
    insert_only('complaint_changes')
    op.create_table(
        'refund_wishes',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('charge_id', sa.Uuid(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('note', sa.Text(), nullable=True),
        sa.Column('contact', sa.LargeBinary(), nullable=True),
        sa.Column('wished_at', INSTANT, nullable=False),
        sa.CheckConstraint(f'reason IN ({REASONS})', name=op.f('ck_refund_wishes_reason')),
        sa.ForeignKeyConstraint(
            ['charge_id'], ['charges.id'], name=op.f('fk_refund_wishes_charge_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_refund_wishes')),
        sa.UniqueConstraint('charge_id', name=op.f('uq_refund_wishes_charge_id')),
    )
    op.create_index(
        'ix_refund_wishes_to_destroy', 'refund_wishes', ['wished_at'],
        postgresql_where=sa.text('contact IS NOT NULL OR note IS NOT NULL'),
    )
    changeable('refund_wishes', update=('contact', 'note'), hidden=('contact',))
