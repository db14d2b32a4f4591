"""Keys, lists and deliveries for integrators; reconciled and closed days."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only

revision = '0007'
down_revision = '0006'


def upgrade() -> None:
    op.create_table('api_keys',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('key_hash', sa.LargeBinary(), nullable=False),
    sa.Column('scopes', postgresql.ARRAY(sa.Text()), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('cardinality(scopes) > 0', name=op.f('ck_api_keys_scopes')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('key_hash', name=op.f('uq_api_keys_key_hash'))
    )
    op.create_check_constraint(op.f('ck_webhook_subscriptions_disabled_why'), 'webhook_subscriptions', "disabled_why IN ('asked', 'gone', 'exhausted')")
    # Nothing was ever delivered by the tables as they were.
    op.drop_table('webhook_attempts')
    op.drop_table('webhook_deliveries')
    op.create_table('webhook_deliveries',
    sa.Column('outbox_id', sa.Uuid(), nullable=False),
    sa.Column('subscription_id', sa.Uuid(), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.CheckConstraint('(outcome IS NULL) = (next_attempt_at IS NOT NULL)', name=op.f('ck_webhook_deliveries_under_way')),
    sa.CheckConstraint("outcome IN ('delivered', 'gone', 'exhausted')", name=op.f('ck_webhook_deliveries_outcome')),
    sa.ForeignKeyConstraint(['outbox_id'], ['outbox.id'], name=op.f('fk_webhook_deliveries_outbox_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscription_id'], ['webhook_subscriptions.id'], name=op.f('fk_webhook_deliveries_subscription_id')),
    sa.PrimaryKeyConstraint('outbox_id', 'subscription_id', name=op.f('pk_webhook_deliveries'))
    )
    op.create_index('ix_webhook_deliveries_of_subscription', 'webhook_deliveries', ['subscription_id', 'outbox_id'], unique=False)
    op.create_index('ix_webhook_deliveries_due', 'webhook_deliveries', ['subscription_id', 'next_attempt_at'], unique=False, postgresql_where=sa.text('next_attempt_at IS NOT NULL'))
    op.create_table('webhook_attempts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('outbox_id', sa.Uuid(), nullable=False),
    sa.Column('subscription_id', sa.Uuid(), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('duration_ms', sa.Integer(), nullable=False),
    sa.Column('status_code', sa.Integer(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('response_head', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['outbox_id', 'subscription_id'], ['webhook_deliveries.outbox_id', 'webhook_deliveries.subscription_id'], name=op.f('fk_webhook_attempts_outbox_id_subscription_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_attempts'))
    )
    op.create_index('ix_webhook_attempts_of_delivery', 'webhook_attempts', ['outbox_id', 'subscription_id'], unique=False)
    op.create_table('reconciliations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('ran_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('difference_count', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reconciliations'))
    )
    op.create_index(op.f('ix_reconciliations_business_day'), 'reconciliations', ['business_day'], unique=False)
    op.create_table('closed_days',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('closed_by', sa.Uuid(), nullable=False),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('totals', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['closed_by'], ['officers.id'], name=op.f('fk_closed_days_closed_by')),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_closed_days'))
    )
    # The transaction that wrote a row: what lists for integrators are ordered by.
    for table in ('charge_changes', 'receipts', 'spots'):
        op.add_column(table, sa.Column('written_in', sa.BigInteger(), server_default=sa.text('(pg_current_xact_id()::text::bigint)'), nullable=False))
    op.create_index(op.f('ix_charge_changes_written_in_id'), 'charge_changes', ['written_in', 'id'], unique=False)
    op.create_index(op.f('ix_receipts_written_in_number'), 'receipts', ['written_in', 'number'], unique=False)
    changeable('spots', update=('written_in',))
    changeable('api_keys', update=('revoked_at',), hidden=('key_hash',))
    changeable('webhook_deliveries', update=('attempts', 'next_attempt_at', 'outcome'))
    changeable('webhook_attempts')
    for table in ('reconciliations', 'closed_days'):
        insert_only(table)
