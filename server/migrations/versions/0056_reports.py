"""Targets of revenue, and which reports were taken out as files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import insert_only

revision = '0056'
down_revision = '0055'

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        'revenue_targets',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('year', sa.Integer(), nullable=False),
        sa.Column('month', sa.Integer(), nullable=True),
        sa.Column('zone_id', sa.Uuid(), nullable=True),
        sa.Column('amount_rp', sa.BigInteger(), nullable=False),
        sa.Column('regulation', sa.Text(), nullable=False),
        sa.Column('set_by', sa.Text(), nullable=False),
        sa.Column('set_at', INSTANT, nullable=False),
        sa.CheckConstraint('year BETWEEN 2000 AND 2999', name=op.f('ck_revenue_targets_year')),
        sa.CheckConstraint('month BETWEEN 1 AND 12', name=op.f('ck_revenue_targets_month')),
        sa.CheckConstraint('amount_rp >= 0', name=op.f('ck_revenue_targets_amount')),
        sa.ForeignKeyConstraint(
            ['zone_id'], ['zones.id'], name=op.f('fk_revenue_targets_zone_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_revenue_targets')),
    )
    insert_only('revenue_targets')
    op.create_table(
        'report_downloads',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('who', sa.Text(), nullable=False),
        sa.Column('report', sa.Text(), nullable=False),
        sa.Column('form', sa.Text(), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('last_day', sa.Date(), nullable=False),
        sa.Column('filters', postgresql.JSONB(), nullable=False),
        sa.Column('row_count', sa.Integer(), nullable=False),
        sa.Column('sha256', sa.LargeBinary(), nullable=False),
        sa.Column('made_at', INSTANT, nullable=False),
        sa.CheckConstraint(
            "form IN ('csv', 'xlsx', 'pdf')", name=op.f('ck_report_downloads_form')
        ),
        sa.CheckConstraint(
            'octet_length(sha256) = 32', name=op.f('ck_report_downloads_sha256')
        ),
        sa.CheckConstraint('last_day >= first_day', name=op.f('ck_report_downloads_period')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_report_downloads')),
    )
    insert_only('report_downloads')
