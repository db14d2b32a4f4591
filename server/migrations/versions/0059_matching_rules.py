"""Dated rules of matching, lines whose outcome nobody knows, and who took a file in."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only

revision = '0059'
down_revision = '0058'


def upgrade() -> None:
    op.add_column('imported_files', sa.Column('imported_by', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_imported_files_imported_by'), 'imported_files', 'officers', ['imported_by'], ['id']
    )
    op.create_table(
        'matching_rules',
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('fee_rounding_rp', sa.Integer(), nullable=False),
        sa.Column('late_after_days', sa.Integer(), nullable=False),
        sa.Column('heard_within_days', sa.Integer(), nullable=False),
        sa.Column('regulation', sa.Text(), nullable=False),
        sa.CheckConstraint(
            'fee_rounding_rp BETWEEN 0 AND 1000', name=op.f('ck_matching_rules_fee_rounding')
        ),
        sa.CheckConstraint(
            'late_after_days BETWEEN 0 AND 31', name=op.f('ck_matching_rules_late_after')
        ),
        sa.CheckConstraint(
            'heard_within_days BETWEEN 0 AND 3', name=op.f('ck_matching_rules_heard_within')
        ),
        sa.PrimaryKeyConstraint('valid_from', name=op.f('pk_matching_rules')),
    )
    insert_only('matching_rules')
    _create_unsettled_lines()


def _create_unsettled_lines() -> None:
    op.create_table('unsettled_lines',
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
    sa.Column('vat_rp', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('withheld_rp', sa.BigInteger(), server_default='0', nullable=False),
    sa.CheckConstraint(
        'gross_rp - mdr_rp - vat_rp - withheld_rp = net_rp', name=op.f('ck_unsettled_lines_net')
    ),
    sa.ForeignKeyConstraint(['file_id'], ['imported_files.id'], name=op.f('fk_unsettled_lines_file_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_unsettled_lines'))
    )
    op.create_index(
        op.f('ix_unsettled_lines_settlement_date'), 'unsettled_lines', ['settlement_date'], unique=False
    )
    op.create_index(
        'uq_unsettled_lines_acquirer_reference',
        'unsettled_lines',
        ['acquirer', 'acquirer_reference', 'rrn', sa.text('(gross_rp < 0)')],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    insert_only('unsettled_lines')
