"""Which device took a proof first, and cases of proofs that were taken twice."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import insert_only, never_changes

revision = '0022'
down_revision = '0021'


def upgrade() -> None:
    op.create_table('proof_claims',
    sa.Column('charge_id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('shift_id', sa.Uuid(), nullable=False),
    sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_proof_claims_charge_id')),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_proof_claims_device_id')),
    sa.ForeignKeyConstraint(['shift_id'], ['shifts.id'], name=op.f('fk_proof_claims_shift_id')),
    sa.PrimaryKeyConstraint('charge_id', name=op.f('pk_proof_claims'))
    )
    insert_only('proof_claims')
    op.create_index(
        'ix_device_events_proof_taken',
        'device_events',
        [sa.text("(body ->> 'charge_id')")],
        postgresql_where=sa.text("kind = 'proof_taken'"),
    )
    op.add_column('cases', sa.Column('charge_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(op.f('fk_cases_charge_id'), 'cases', 'charges', ['charge_id'], ['id'])
    op.create_unique_constraint(op.f('uq_cases_charge_id_kind'), 'cases', ['charge_id', 'kind'])
    for name, condition in (
        (
            'subject',
            'num_nonnulls('
            'money_id, settlement_line_id, statement_line_id, refund_id, charge_id) = 1',
        ),
        (
            'outcome',
            "outcome IN ('recognised', 'kept', 'not_made', 'clarified', 'refunded', 'explained')",
        ),
        ('proposed_outcome', "proposed_outcome IN ('recognised', 'kept', 'not_made', 'clarified')"),
        (
            'decided',
            "outcome NOT IN ('recognised', 'kept', 'not_made', 'clarified')"
            " OR (num_nulls(proposed_by, decided_by) = 0"
            " AND outcome IS NOT DISTINCT FROM proposed_outcome)",
        ),
    ):
        op.drop_constraint(op.f(f'ck_cases_{name}'), 'cases')
        op.create_check_constraint(op.f(f'ck_cases_{name}'), 'cases', condition)
    never_changes(
        'cases',
        (
            'id', 'kind', 'money_id', 'settlement_line_id', 'statement_line_id', 'refund_id',
            'charge_id', 'amount_rp', 'opened_at',
        ),
    )
