"""Reports that are made by themselves, their files, and the mails that tell of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only, never_changes, recorded

revision = '0069'
down_revision = '0068'

INSTANT = sa.DateTime(timezone=True)
MADE_WITH = (
    'id', 'officer_id', 'report', 'filters', 'every', 'at', 'form', 'language', 'mail_to',
    'first_day', 'made_at',
)


def upgrade() -> None:
    _schedules()
    _files()


def _schedules() -> None:
    name = 'report_schedules'
    op.create_table(
        name,
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=False),
        sa.Column('report', sa.Text(), nullable=False),
        sa.Column('filters', postgresql.JSONB(), nullable=False),
        sa.Column('every', sa.Text(), nullable=False),
        sa.Column('at', sa.Time(), nullable=False),
        sa.Column('form', sa.Text(), nullable=False),
        sa.Column('language', sa.Text(), nullable=False),
        sa.Column('mail_to', sa.Text(), nullable=True),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('made_at', INSTANT, nullable=False),
        sa.Column('ended_at', INSTANT, nullable=True),
        sa.Column('ended_why', sa.Text(), nullable=True),
        sa.Column('failed_at', INSTANT, nullable=True),
        sa.Column('failure', sa.Text(), nullable=True),
        sa.CheckConstraint("every IN ('day', 'week', 'month')", name=op.f(f'ck_{name}_every')),
        sa.CheckConstraint("form IN ('csv', 'xlsx', 'pdf')", name=op.f(f'ck_{name}_form')),
        sa.CheckConstraint("language IN ('id', 'en')", name=op.f(f'ck_{name}_language')),
        sa.CheckConstraint(
            '(ended_at IS NULL) = (ended_why IS NULL)', name=op.f(f'ck_{name}_ended')
        ),
        sa.CheckConstraint(
            "ended_why IN ('officer', 'off', 'right')", name=op.f(f'ck_{name}_ended_why')
        ),
        sa.CheckConstraint(
            '(failed_at IS NULL) = (failure IS NULL)', name=op.f(f'ck_{name}_failed')
        ),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f(f'fk_{name}_officer_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{name}')),
    )
    op.create_index(op.f(f'ix_{name}_officer_id'), name, ['officer_id'])
    op.create_index(
        f'ix_{name}_live', name, ['id'], postgresql_where=sa.text('ended_at IS NULL')
    )
    changeable(name, update=('ended_at', 'ended_why', 'failed_at', 'failure'))
    never_changes(name, MADE_WITH)
    recorded(name, digests=('mail_to',), left_out=('failed_at', 'failure'))


def _files() -> None:
    name = 'scheduled_files'
    op.create_table(
        name,
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('schedule_id', sa.Uuid(), nullable=False),
        sa.Column('first_day', sa.Date(), nullable=False),
        sa.Column('last_day', sa.Date(), nullable=False),
        sa.Column('role', sa.Text(), nullable=False),
        sa.Column('download_id', sa.Uuid(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.Column('made_at', INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ['schedule_id'], ['report_schedules.id'], name=op.f(f'fk_{name}_schedule_id')
        ),
        sa.ForeignKeyConstraint(
            ['download_id'], ['report_downloads.id'], name=op.f(f'fk_{name}_download_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{name}')),
        sa.UniqueConstraint(
            'schedule_id', 'first_day', name=op.f(f'uq_{name}_schedule_id_first_day')
        ),
        sa.UniqueConstraint('download_id', name=op.f(f'uq_{name}_download_id')),
    )
    insert_only(name)
    name = 'scheduled_mails'
    op.create_table(
        name,
        sa.Column('file_id', sa.Uuid(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('next_try_at', INSTANT, nullable=True),
        sa.Column('sent_at', INSTANT, nullable=True),
        sa.Column('failure', sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ['file_id'], ['scheduled_files.id'], name=op.f(f'fk_{name}_file_id')
        ),
        sa.PrimaryKeyConstraint('file_id', name=op.f(f'pk_{name}')),
    )
    op.create_index(
        f'ix_{name}_due', name, ['next_try_at'], postgresql_where=sa.text('sent_at IS NULL')
    )
    changeable(name, update=('tries', 'next_try_at', 'sent_at', 'failure'))
