"""A batch of vouchers is issued, and vouchers are voided, by two officers."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, never_changes, only_edges, recorded

revision = '0096'
down_revision = '0098'

INSTANT = sa.DateTime(timezone=True)
EDGES = tuple(('requested', after) for after in ('approved', 'declined', 'withdrawn'))
CHECKS = {
    'act': "act IN ('issue', 'void')",
    'state': "state IN ('requested', 'approved', 'declined', 'withdrawn')",
    'terms': "num_nonnulls(seller, count, value_rp, valid_until)"
    " = CASE act WHEN 'issue' THEN 4 ELSE 0 END"
    " AND num_nonnulls(first_number, last_number) = CASE act WHEN 'void' THEN 2 ELSE 0 END"
    " AND (act = 'issue' OR vehicle_class IS NULL)",
    'vehicle_class': "vehicle_class IN ('motorcycle', 'car', 'truck')",
    'amount': 'count BETWEEN 1 AND 10000 AND value_rp > 0',
    'range': 'first_number BETWEEN 1 AND last_number',
    'batch': "(batch IS NULL) = (act = 'issue' AND state <> 'approved')",
    'maker_checker': "(proposed_by = decided_by) = (state = 'withdrawn')",
    'decided': "(state = 'requested') = (decided_by IS NULL)"
    ' AND (decided_by IS NULL) = (decided_at IS NULL)',
}


def upgrade() -> None:
    _proposals()
    _batches()
    _ends()


def _proposals() -> None:
    op.create_table(
        'voucher_proposals',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('act', sa.Text(), nullable=False),
        sa.Column('seller', sa.Text(), nullable=True),
        sa.Column('count', sa.Integer(), nullable=True),
        sa.Column('value_rp', sa.BigInteger(), nullable=True),
        sa.Column('vehicle_class', sa.Text(), nullable=True),
        sa.Column('valid_until', sa.Date(), nullable=True),
        sa.Column('batch', sa.Integer(), nullable=True),
        sa.Column('first_number', sa.Integer(), nullable=True),
        sa.Column('last_number', sa.Integer(), nullable=True),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        *(
            sa.CheckConstraint(condition, name=op.f(f'ck_voucher_proposals_{name}'))
            for name, condition in CHECKS.items()
        ),
        sa.ForeignKeyConstraint(
            ['batch'], ['voucher_batches.number'], name=op.f('fk_voucher_proposals_batch'),
            deferrable=True, initially='DEFERRED',
        ),
        sa.ForeignKeyConstraint(
            ['proposed_by'], ['officers.id'], name=op.f('fk_voucher_proposals_proposed_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_voucher_proposals_decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_voucher_proposals')),
    )
    op.create_index(
        'uq_voucher_proposals_issued', 'voucher_proposals', ['batch'], unique=True,
        postgresql_where=sa.text("act = 'issue'"),
    )
    changeable('voucher_proposals', update=('state', 'batch', 'decided_by', 'decided_at', 'why'))
    recorded('voucher_proposals')
    only_edges('voucher_proposals', ('requested',), EDGES)
    never_changes(
        'voucher_proposals',
        (
            'id', 'act', 'seller', 'count', 'value_rp', 'vehicle_class', 'valid_until',
            'first_number', 'last_number', 'reason', 'proposed_by', 'proposed_at',
        ),
    )
    op.execute("""
        CREATE TRIGGER voucher_proposals_batch_stays BEFORE UPDATE ON voucher_proposals
        FOR EACH ROW WHEN (OLD.batch IS NOT NULL AND OLD.batch IS DISTINCT FROM NEW.batch)
        EXECUTE FUNCTION karcis_refuse_rewrite()
    """)


def _batches() -> None:
    op.execute("""
        CREATE FUNCTION karcis_refuse_batch_of_one() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM voucher_proposals p
                WHERE p.act = 'issue' AND p.state = 'approved' AND p.batch = NEW.number
                    AND (p.seller, p.count, p.value_rp, p.valid_until)
                        = (NEW.seller, NEW.count, NEW.value_rp, NEW.valid_until)
                    AND p.vehicle_class IS NOT DISTINCT FROM NEW.vehicle_class
            ) THEN
                RAISE EXCEPTION 'no two officers issued batch % of vouchers', NEW.number
                    USING ERRCODE = 'KA041';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER voucher_batches_by_two BEFORE INSERT ON voucher_batches
        FOR EACH ROW EXECUTE FUNCTION karcis_refuse_batch_of_one()
    """)


def _ends() -> None:
    op.execute("""
        CREATE FUNCTION karcis_refuse_void_of_one() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM voucher_proposals p
                WHERE p.act = 'void' AND p.state = 'approved' AND p.batch = NEW.batch
                    AND split_part(NEW.serial, '-', 2)::int = NEW.batch
                    AND split_part(NEW.serial, '-', 3)::int
                        BETWEEN p.first_number AND p.last_number
            ) THEN
                RAISE EXCEPTION 'no two officers voided voucher %', NEW.serial
                    USING ERRCODE = 'KA042';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER voucher_ends_voided_by_two BEFORE INSERT ON voucher_ends
        FOR EACH ROW WHEN (NEW.why IS NOT NULL) EXECUTE FUNCTION karcis_refuse_void_of_one()
    """)
