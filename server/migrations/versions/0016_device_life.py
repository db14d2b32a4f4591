"""A device's life: enrolled by one officer's code, approved by another, with every key it had."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import changeable, insert_only, only_edges

revision = '0016'
down_revision = '0015'

EDGES = (
    ('pending', 'active'),
    ('pending', 'revoked'),
    ('active', 'suspended'),
    ('active', 'pending'),
    ('active', 'revoked'),
    ('suspended', 'active'),
    ('suspended', 'pending'),
    ('suspended', 'revoked'),
)


def upgrade() -> None:
    _know_who_made_a_code()
    op.create_table('device_keys',
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('public_key', sa.LargeBinary(), nullable=False),
    sa.Column('code_hash', sa.LargeBinary(), nullable=True),
    sa.Column('registered_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['code_hash'], ['enrolment_codes.code_hash'], name=op.f('fk_device_keys_code_hash')),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_device_keys_device_id')),
    sa.PrimaryKeyConstraint('device_id', 'number', name=op.f('pk_device_keys')),
    sa.UniqueConstraint('code_hash', name=op.f('uq_device_keys_code_hash')),
    sa.UniqueConstraint('public_key', name=op.f('uq_device_keys_public_key'))
    )
    op.create_table('device_changes',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('device_id', sa.Uuid(), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state_before', sa.Text(), nullable=False),
    sa.Column('state_after', sa.Text(), nullable=False),
    sa.Column('who', sa.Text(), nullable=False),
    sa.Column('why', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['device_id'], ['devices.id'], name=op.f('fk_device_changes_device_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_device_changes'))
    )
    op.create_index(op.f('ix_device_changes_device_id'), 'device_changes', ['device_id'], unique=False)
    _have_devices_approved()
    changeable('enrolment_codes', update=('used_at',), hidden=('code_hash',))
    changeable('devices', update=('state', 'enrolled_by', 'approved_by'))
    insert_only('device_changes')
    insert_only('device_keys', hidden=('code_hash',))
    only_edges('devices', ('pending',), EDGES)


def _know_who_made_a_code() -> None:
    # Codes live for a day, and who made those of before was not recorded.
    op.execute('DELETE FROM enrolment_codes')
    op.add_column('enrolment_codes', sa.Column('device_id', sa.Uuid(), nullable=True))
    op.add_column('enrolment_codes', sa.Column('issued_by', sa.Uuid(), nullable=False))
    op.add_column('enrolment_codes', sa.Column('issued_at', sa.DateTime(timezone=True), nullable=False))
    op.create_foreign_key(op.f('fk_enrolment_codes_device_id'), 'enrolment_codes', 'devices', ['device_id'], ['id'])
    op.create_foreign_key(op.f('fk_enrolment_codes_issued_by'), 'enrolment_codes', 'officers', ['issued_by'], ['id'])


def _have_devices_approved() -> None:
    """A device of before was approved by nobody: it is revoked, and enrolled anew."""
    op.execute(
        'INSERT INTO device_keys (device_id, number, public_key, registered_at)'
        ' SELECT id, 1, public_key, enrolled_at FROM devices'
    )
    op.drop_column('devices', 'public_key')
    op.execute(
        "INSERT INTO device_changes (id, device_id, changed_at, state_before, state_after, who, why)"
        " SELECT gen_random_uuid(), id, now(), state, 'revoked', 'migration',"
        " 'approved by nobody' FROM devices"
    )
    op.execute("UPDATE devices SET state = 'revoked'")
    for name in ('enrolled_by', 'approved_by'):
        op.add_column('devices', sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f'fk_devices_{name}'), 'devices', 'officers', [name], ['id'])
    op.drop_constraint(op.f('ck_devices_state'), 'devices')
    for name, condition in (
        ('state', "state IN ('pending', 'active', 'suspended', 'revoked')"),
        ('maker_checker', 'enrolled_by <> approved_by'),
        (
            'approved',
            "CASE state WHEN 'revoked' THEN true"
            " WHEN 'pending' THEN enrolled_by IS NOT NULL AND approved_by IS NULL"
            ' ELSE num_nulls(enrolled_by, approved_by) = 0 END',
        ),
    ):
        op.create_check_constraint(op.f(f'ck_devices_{name}'), 'devices', condition)
