"""First tables, with the guards that a bug in Python cannot pass.

Forward only: a money table is never dropped by a migration.
"""

import sqlalchemy as sa
from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from sqlalchemy.dialects import postgresql

revision = '0001'
down_revision = None


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.create_table('attendants',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('pin_hash', sa.Text(), nullable=False),
    sa.Column('failed_tries', sa.Integer(), nullable=False),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attendants')),
    sa.UniqueConstraint('code', name=op.f('uq_attendants_code'))
    )
    op.create_table('devices',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('public_key', sa.LargeBinary(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('enrolled_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('active', 'revoked')", name=op.f('ck_devices_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_devices')),
    sa.UniqueConstraint('public_key', name=op.f('uq_devices_public_key'))
    )
    op.create_table('discrepancies',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('difference_rp', sa.BigInteger(), nullable=False),
    sa.Column('details', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.CheckConstraint("state IN ('open', 'closed')", name=op.f('ck_discrepancies_state')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_discrepancies')),
    sa.UniqueConstraint('kind', 'subject', name=op.f('uq_discrepancies_kind_subject'))
    )
    op.create_index(op.f('ix_discrepancies_business_day'), 'discrepancies', ['business_day'], unique=False)
    op.create_table('enrolment_codes',
    sa.Column('code_hash', sa.LargeBinary(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_enrolment_codes'))
    )
    op.create_table('imported_files',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('sha256', sa.LargeBinary(), nullable=False),
    sa.Column('imported_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.CheckConstraint("kind IN ('settlement', 'statement')", name=op.f('ck_imported_files_kind')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_imported_files')),
    sa.UniqueConstraint('sha256', name=op.f('uq_imported_files_sha256'))
    )
    op.create_table('ledger_accounts',
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.CheckConstraint("kind IN ('asset', 'liability', 'revenue', 'expense')", name=op.f('ck_ledger_accounts_kind')),
    sa.PrimaryKeyConstraint('code', name=op.f('pk_ledger_accounts'))
    )
    op.create_table('ledger_entries',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('recorded_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_entries')),
    sa.UniqueConstraint('source', name=op.f('uq_ledger_entries_source'))
    )
    op.create_index(op.f('ix_ledger_entries_business_day'), 'ledger_entries', ['business_day'], unique=False)
    op.create_table('officers',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('login', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('password_hash', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_officers')),
    sa.UniqueConstraint('login', name=op.f('uq_officers_login'))
    )
    op.create_table('receipt_series',
    sa.Column('series', sa.Text(), nullable=False),
    sa.Column('last', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('series', name=op.f('pk_receipt_series'))
    )
    op.create_table('zones',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.CheckConstraint("code ~ '^[A-Z]{3}$'", name=op.f('ck_zones_code')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_zones')),
    sa.UniqueConstraint('code', name=op.f('uq_zones_code'))
    )
    op.create_table('device_events',
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('prev_hash', sa.Text(), nullable=False),
    sa.Column('hash', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('at', sa.Text(), nullable=False),
    sa.Column('body', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('signature', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_device_events_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'seq', name=op.f('pk_device_events')),
    sa.UniqueConstraint('device_id', 'prev_hash', name=op.f('uq_device_events_device_id_prev_hash'))
    )
    op.create_table('device_nonces',
    sa.Column('nonce', sa.Text(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_device_nonces_device_id')),
    sa.PrimaryKeyConstraint('nonce', name=op.f('pk_device_nonces'))
    )
    op.create_table('ledger_postings',
    sa.Column('entry_id', sa.Uuid(), nullable=False),
    sa.Column('line', sa.Integer(), nullable=False),
    sa.Column('account_code', sa.Text(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount_rp <> 0', name=op.f('ck_ledger_postings_amount')),
    sa.ForeignKeyConstraint(['account_code'], ['ledger_accounts.code'], name=op.f('fk_ledger_postings_account_code')),
    sa.ForeignKeyConstraint(['entry_id'], ['ledger_entries.id'], name=op.f('fk_ledger_postings_entry_id')),
    sa.PrimaryKeyConstraint('entry_id', 'line', name=op.f('pk_ledger_postings'))
    )
    op.create_index(op.f('ix_ledger_postings_account_code'), 'ledger_postings', ['account_code'], unique=False)
    op.create_table('officer_sign_ins',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('officer_id', sa.Uuid(), nullable=False),
    sa.Column('signed_in_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['officer_id'], ['officers.id'], name=op.f('fk_officer_sign_ins_officer_id')),
    sa.PrimaryKeyConstraint('token_hash', name=op.f('pk_officer_sign_ins'))
    )
    op.create_table('quarantined_events',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('event', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_quarantined_events_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantined_events'))
    )
    op.create_table('settlement_lines',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('line_number', sa.Integer(), nullable=False),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('batch_id', sa.Text(), nullable=False),
    sa.Column('settlement_date', sa.Date(), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('acquirer_reference', sa.Text(), nullable=False),
    sa.Column('rrn', sa.Text(), nullable=True),
    sa.Column('gross_rp', sa.BigInteger(), nullable=False),
    sa.Column('mdr_rp', sa.BigInteger(), nullable=False),
    sa.Column('net_rp', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('gross_rp - mdr_rp = net_rp', name=op.f('ck_settlement_lines_net')),
    sa.ForeignKeyConstraint(['file_id'], ['imported_files.id'], name=op.f('fk_settlement_lines_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_settlement_lines')),
    sa.UniqueConstraint('acquirer', 'acquirer_reference', 'rrn', name='uq_settlement_lines_acquirer_reference', postgresql_nulls_not_distinct=True)
    )
    op.create_index(op.f('ix_settlement_lines_settlement_date'), 'settlement_lines', ['settlement_date'], unique=False)
    op.create_table('shifts',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('attendant_id', sa.Uuid(), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['attendant_id'], ['attendants.id'], name=op.f('fk_shifts_attendant_id')),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_shifts_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shifts')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_shifts_token_hash'))
    )
    op.create_table('spots',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('code', sa.Text(), nullable=False),
    sa.Column('zone_id', sa.Uuid(), nullable=False),
    sa.Column('place', sa.Text(), nullable=False),
    sa.Column('latitude', sa.Double(), nullable=False),
    sa.Column('longitude', sa.Double(), nullable=False),
    sa.Column('exclusive', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['zone_id'], ['zones.id'], name=op.f('fk_spots_zone_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_spots')),
    sa.UniqueConstraint('code', name=op.f('uq_spots_code'))
    )
    op.create_index(op.f('ix_spots_zone_id'), 'spots', ['zone_id'], unique=False)
    op.create_table('statement_lines',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('file_id', sa.Uuid(), nullable=False),
    sa.Column('line_number', sa.Integer(), nullable=False),
    sa.Column('account', sa.Text(), nullable=False),
    sa.Column('statement_reference', sa.Text(), nullable=False),
    sa.Column('value_date', sa.Date(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('narrative', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['imported_files.id'], name=op.f('fk_statement_lines_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_statement_lines')),
    sa.UniqueConstraint('account', 'statement_reference', 'line_number', name=op.f('uq_statement_lines_account_statement_reference_line_number'))
    )
    op.create_index(op.f('ix_statement_lines_value_date'), 'statement_lines', ['value_date'], unique=False)
    op.create_table('tariffs',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('zone_id', sa.Uuid(), nullable=False),
    sa.Column('regulation', sa.Text(), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('version', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    postgresql.ExcludeConstraint((sa.column('zone_id'), '='), (sa.text("daterange(valid_from, valid_until, '[]')"), '&&'), using='gist', name='ex_tariffs_one_in_force'),
    sa.CheckConstraint('valid_until IS NULL OR valid_until >= valid_from', name=op.f('ck_tariffs_period')),
    sa.ForeignKeyConstraint(['zone_id'], ['zones.id'], name=op.f('fk_tariffs_zone_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tariffs'))
    )
    op.create_table('parking_sessions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('spot_id', sa.Uuid(), nullable=False),
    sa.Column('vehicle_class', sa.Text(), nullable=False),
    sa.Column('plate_masked', sa.Text(), nullable=True),
    sa.Column('exclusive', sa.Boolean(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True),
    postgresql.ExcludeConstraint((sa.column('spot_id'), '='), (sa.text('tstzrange(started_at, ends_at)'), '&&'), where=sa.text("exclusive AND state = 'open'"), using='gist', name='ex_parking_sessions_one_per_space'),
    sa.CheckConstraint("state IN ('open', 'ended', 'voided')", name=op.f('ck_parking_sessions_state')),
    sa.CheckConstraint('ends_at IS NULL OR ends_at > started_at', name=op.f('ck_parking_sessions_period')),
    sa.ForeignKeyConstraint(['spot_id'], ['spots.id'], name=op.f('fk_parking_sessions_spot_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_parking_sessions'))
    )
    op.create_table('payments',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('parking_session_id', sa.Uuid(), nullable=False),
    sa.Column('tariff_id', sa.Uuid(), nullable=False),
    sa.Column('shift_id', sa.Uuid(), nullable=True),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('quote', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('requested', 'paid', 'voided')", name=op.f('ck_payments_state')),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_payments_amount')),
    sa.ForeignKeyConstraint(['parking_session_id'], ['parking_sessions.id'], name=op.f('fk_payments_parking_session_id')),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_payments_shift_id')),
    sa.ForeignKeyConstraint(['tariff_id'], ['tariffs.id'], name=op.f('fk_payments_tariff_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payments'))
    )
    op.create_table('charges',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('payment_id', sa.Uuid(), nullable=False),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('reference', sa.Text(), nullable=False),
    sa.Column('acquirer_reference', sa.Text(), nullable=True),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('money_flag', sa.Text(), nullable=True),
    sa.Column('qris', sa.Text(), nullable=True),
    sa.Column('request_hash', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('next_inquiry_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint("money_flag IN ('exact', 'late', 'over', 'under', 'duplicate')", name=op.f('ck_charges_money_flag')),
    sa.CheckConstraint("state <> 'issued' OR qris IS NOT NULL", name=op.f('ck_charges_issued_has_qris')),
    sa.CheckConstraint("state IN ('new', 'issuing', 'issued', 'issue_unknown', 'issue_failed', 'paid', 'expired', 'cancelled', 'refund_pending', 'refunded', 'refund_unknown', 'refund_refused')", name=op.f('ck_charges_state')),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_charges_amount')),
    sa.ForeignKeyConstraint(['payment_id'], ['payments.id'], name=op.f('fk_charges_payment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_charges')),
    sa.UniqueConstraint('acquirer', 'acquirer_reference', name=op.f('uq_charges_acquirer_acquirer_reference')),
    sa.UniqueConstraint('reference', name=op.f('uq_charges_reference'))
    )
    op.create_index('ix_charges_due', 'charges', ['next_inquiry_at'], unique=False, postgresql_where=sa.text('next_inquiry_at IS NOT NULL'))
    op.create_index(op.f('ix_charges_payment_id'), 'charges', ['payment_id'], unique=False)
    op.create_index('ix_charges_qris', 'charges', [sa.literal_column('md5(qris)')], unique=False)
    op.create_table('charge_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state_before', sa.Text(), nullable=False),
    sa.Column('state_after', sa.Text(), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_charge_changes_charge_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_charge_changes'))
    )
    op.create_index(op.f('ix_charge_changes_charge_id'), 'charge_changes', ['charge_id'], unique=False)
    op.create_table('inquiries',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('answer', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_inquiries_charge_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_inquiries'))
    )
    op.create_index(op.f('ix_inquiries_charge_id'), 'inquiries', ['charge_id'], unique=False)
    op.create_table('notifications',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('received_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=False),
    sa.Column('response_code', sa.Text(), nullable=False),
    sa.Column('body_hash', sa.LargeBinary(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('signature', sa.Text(), nullable=True),
    sa.Column('charge_id', sa.Uuid(), nullable=True),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_notifications_charge_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notifications'))
    )
    op.create_index('uq_notifications_external_id', 'notifications', ['acquirer', 'day', 'external_id'], unique=True, postgresql_where=sa.text("outcome = 'accepted'"))
    op.create_table('money',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('acquirer', sa.Text(), nullable=False),
    sa.Column('acquirer_reference', sa.Text(), nullable=False),
    sa.Column('rrn', sa.Text(), nullable=True),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('flag', sa.Text(), nullable=False),
    sa.Column('paid_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('business_day', sa.Date(), nullable=False),
    sa.Column('notification_id', sa.Uuid(), nullable=True),
    sa.Column('inquiry_id', sa.Uuid(), nullable=True),
    sa.Column('entry_id', sa.Uuid(), nullable=False),
    sa.CheckConstraint("flag IN ('exact', 'late', 'over', 'under', 'duplicate')", name=op.f('ck_money_flag')),
    sa.CheckConstraint('amount_rp > 0', name=op.f('ck_money_amount')),
    sa.CheckConstraint('num_nonnulls(notification_id, inquiry_id) = 1', name=op.f('ck_money_evidence')),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_money_charge_id')),
    sa.ForeignKeyConstraint(['entry_id'], ['ledger_entries.id'], name=op.f('fk_money_entry_id')),
    sa.ForeignKeyConstraint(['inquiry_id'], ['inquiries.id'], name=op.f('fk_money_inquiry_id')),
    sa.ForeignKeyConstraint(['notification_id'], ['notifications.id'], name=op.f('fk_money_notification_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_money')),
    sa.UniqueConstraint('acquirer', 'acquirer_reference', 'rrn', name='uq_money_acquirer_reference', postgresql_nulls_not_distinct=True),
    sa.UniqueConstraint('entry_id', name=op.f('uq_money_entry_id'))
    )
    op.create_index(op.f('ix_money_business_day'), 'money', ['business_day'], unique=False)
    op.create_index('uq_money_final', 'money', ['charge_id'], unique=True, postgresql_where=sa.text("flag = 'exact'"))
    op.create_table('cases',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('money_id', sa.Uuid(), nullable=False),
    sa.Column('amount_rp', sa.BigInteger(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.CheckConstraint("state IN ('open', 'closed')", name=op.f('ck_cases_state')),
    sa.ForeignKeyConstraint(['money_id'], ['money.id'], name=op.f('fk_cases_money_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cases')),
    sa.UniqueConstraint('money_id', name=op.f('uq_cases_money_id'))
    )
    op.create_table('receipts',
    sa.Column('number', sa.Text(), nullable=False),
    sa.Column('series', sa.Text(), nullable=False),
    sa.Column('sequence', sa.BigInteger(), nullable=False),
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('money_id', sa.Uuid(), nullable=False),
    sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('facts', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_receipts_charge_id')),
    sa.ForeignKeyConstraint(['money_id'], ['money.id'], name=op.f('fk_receipts_money_id')),
    sa.ForeignKeyConstraint(['series'], ['receipt_series.series'], name=op.f('fk_receipts_series')),
    sa.PrimaryKeyConstraint('number', name=op.f('pk_receipts')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_receipts_charge_id')),
    sa.UniqueConstraint('money_id', name=op.f('uq_receipts_money_id')),
    sa.UniqueConstraint('series', 'sequence', name=op.f('uq_receipts_series_sequence'))
    )
    _guard()
    _install_job_queue()


INSERT_ONLY = (
    "ledger_entries",
    "ledger_postings",
    "charge_changes",
    "notifications",
    "inquiries",
    "money",
    "receipts",
    "device_events",
    "quarantined_events",
    "imported_files",
    "settlement_lines",
    "statement_lines",
)


def _guard() -> None:
    op.execute("""
        CREATE FUNCTION karcis_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME USING ERRCODE = 'KA001';
        END $$
    """)
    for table in INSERT_ONLY:
        op.execute(f"""
            CREATE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION karcis_refuse_change()
        """)
    # Checked at commit, on the entry and on every leg: no entry without legs, none out of balance,
    # and no leg added later to an entry that balanced.
    op.execute("""
        CREATE FUNCTION karcis_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            entry uuid := coalesce(to_jsonb(NEW) ->> 'entry_id', to_jsonb(NEW) ->> 'id');
            legs bigint;
            total numeric;
        BEGIN
            SELECT count(*), coalesce(sum(amount_rp), 0) INTO legs, total
            FROM ledger_postings WHERE entry_id = entry;
            IF legs < 2 OR total <> 0 THEN
                RAISE EXCEPTION 'entry % has % legs that sum to %', entry, legs, total
                USING ERRCODE = 'KA002';
            END IF;
            RETURN NULL;
        END $$
    """)
    for table in ("ledger_entries", "ledger_postings"):
        op.execute(f"""
            CREATE CONSTRAINT TRIGGER {table}_balance AFTER INSERT ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION karcis_entry_balances()
        """)


def _install_job_queue() -> None:
    # Several statements in one text, which asyncpg takes only outside a prepared statement. What
    # a newer PgQueuer needs is the work of a newer revision (`Queries.upgrade`).
    script = QueryBuilderEnvironment().build_install_query()
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda asyncpg_connection: asyncpg_connection.execute(script))
