"""Files say by which mapping they were read, comparisons what matched and how.

Taking a file out again is a download on record.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0078'
down_revision = '0085'


def upgrade() -> None:
    op.add_column('imported_files', sa.Column('mapping', sa.Text(), nullable=True))
    op.add_column('imported_files', sa.Column('mapping_sha256', sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        op.f('ck_imported_files_mapping_sha256'), 'imported_files',
        'octet_length(mapping_sha256) = 32',
    )
    op.add_column('reconciliations', sa.Column('matched', postgresql.JSONB(), nullable=True))
    op.drop_constraint(op.f('ck_report_downloads_form'), 'report_downloads')
    op.create_check_constraint(
        op.f('ck_report_downloads_form'), 'report_downloads',
        "form IN ('csv', 'xlsx', 'pdf', 'zip', 'original')",
    )
