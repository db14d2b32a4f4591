"""Passes that a driver orders and pays by QRIS: their prices, the office's permits, the orders."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import changeable, insert_only, never_changes, recorded

revision = '0050'
down_revision = '0049'

KINDS = "'ordinary', 'resident', 'disabled'"
CLASSES = "'motorcycle', 'car', 'truck'"
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _prices()
    _permits()
    _orders()
    op.add_column('passes', sa.Column('kind', sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f('ck_passes_kind'), 'passes', "kind IN ('resident', 'disabled')"
    )
    op.add_column('passes', sa.Column('order_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_passes_order_id'), 'passes', 'pass_orders', ['order_id'], ['id']
    )
    op.create_unique_constraint(op.f('uq_passes_order_id'), 'passes', ['order_id'])
    op.create_index(
        'ix_passes_plate_hash', 'passes', ['plate_hash'],
        postgresql_where=sa.text('plate_hash IS NOT NULL'),
    )
    _payments()


def _prices() -> None:
    op.create_table(
        'pass_prices',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('vehicle_class', sa.Text(), nullable=False),
        sa.Column('months', sa.Integer(), nullable=False),
        sa.Column('zones', postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column('price_rp', sa.BigInteger(), nullable=False),
        sa.Column('regulation', sa.Text(), nullable=False),
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('valid_until', sa.Date(), nullable=True),
        sa.CheckConstraint(f'kind IN ({KINDS})', name=op.f('ck_pass_prices_kind')),
        sa.CheckConstraint(
            f'vehicle_class IN ({CLASSES})', name=op.f('ck_pass_prices_vehicle_class')
        ),
        sa.CheckConstraint('months BETWEEN 1 AND 12', name=op.f('ck_pass_prices_months')),
        sa.CheckConstraint(
            "price_rp > 0 OR (price_rp = 0 AND kind <> 'ordinary')",
            name=op.f('ck_pass_prices_price'),
        ),
        sa.CheckConstraint(
            'valid_until IS NULL OR valid_until >= valid_from', name=op.f('ck_pass_prices_period')
        ),
        postgresql.ExcludeConstraint(
            ('code', '='),
            (sa.text("daterange(valid_from, valid_until, '[]')"), '&&'),
            name='ex_pass_prices_one_in_force',
            using='gist',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_pass_prices')),
    )
    changeable('pass_prices', update=('valid_until',))
    recorded('pass_prices')
    never_changes(
        'pass_prices',
        (
            'id', 'code', 'kind', 'vehicle_class', 'months', 'zones', 'price_rp', 'regulation',
            'valid_from',
        ),
    )


def _permits() -> None:
    op.create_table(
        'pass_permits',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('vehicle_class', sa.Text(), nullable=False),
        sa.Column('plate_masked', sa.Text(), nullable=False),
        sa.Column('plate_hash', sa.Text(), nullable=False),
        sa.Column('proof', sa.Text(), nullable=False),
        sa.Column('approved_by', sa.Uuid(), nullable=False),
        sa.Column('approved_at', INSTANT, nullable=False),
        sa.Column('valid_until', sa.Date(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('resident', 'disabled')", name=op.f('ck_pass_permits_kind')
        ),
        sa.CheckConstraint(
            f'vehicle_class IN ({CLASSES})', name=op.f('ck_pass_permits_vehicle_class')
        ),
        sa.ForeignKeyConstraint(
            ['approved_by'], ['officers.id'], name=op.f('fk_pass_permits_approved_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_pass_permits')),
    )
    op.create_index(op.f('ix_pass_permits_plate_hash'), 'pass_permits', ['plate_hash'])
    insert_only('pass_permits')


def _orders() -> None:
    op.create_table(
        'pass_orders',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('price_id', sa.Uuid(), nullable=False),
        sa.Column('valid_from', sa.Date(), nullable=False),
        sa.Column('plate_masked', sa.Text(), nullable=True),
        sa.Column('plate_hash', sa.Text(), nullable=True),
        sa.Column('ordered_at', INSTANT, nullable=False),
        sa.CheckConstraint(
            '(plate_hash IS NULL) = (plate_masked IS NULL)', name=op.f('ck_pass_orders_plate')
        ),
        sa.ForeignKeyConstraint(
            ['price_id'], ['pass_prices.id'], name=op.f('fk_pass_orders_price_id')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_pass_orders')),
    )
    op.create_index(
        'ix_pass_orders_plate_kept', 'pass_orders', ['ordered_at'],
        postgresql_where=sa.text('plate_masked IS NOT NULL'),
    )
    changeable('pass_orders', update=('plate_masked', 'plate_hash'))
    never_changes('pass_orders', ('id', 'price_id', 'valid_from', 'ordered_at'))


def _payments() -> None:
    op.alter_column('payments', 'parking_session_id', nullable=True)
    op.alter_column('payments', 'tariff_id', nullable=True)
    op.add_column('payments', sa.Column('pass_order_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_payments_pass_order_id'), 'payments', 'pass_orders', ['pass_order_id'], ['id']
    )
    op.create_check_constraint(
        op.f('ck_payments_subject'),
        'payments',
        'num_nonnulls(parking_session_id, pass_order_id) = 1'
        ' AND (tariff_id IS NULL) = (parking_session_id IS NULL)'
        ' AND (pass_order_id IS NULL OR pass_order_id = id)',
    )
    never_changes(
        'payments',
        (
            'id', 'parking_session_id', 'pass_order_id', 'tariff_id', 'amount_rp', 'quote',
            'charged_before_rp', 'covers_until',
        ),
    )
