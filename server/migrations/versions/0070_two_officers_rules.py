"""Rules that steer money, payees' accounts and a tariff's withdrawal are decided by two officers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from server.migrations.grants import (
    changeable,
    insert_only,
    never_changes,
    only_edges,
    recorded,
)

revision = '0070'
down_revision = '0067'

INSTANT = sa.DateTime(timezone=True)
EDGES = tuple(('requested', after) for after in ('approved', 'declined', 'withdrawn'))


def upgrade() -> None:
    _proposals()
    _tariffs_taken_back()
    _payees()
    _complaints()


def _proposals() -> None:
    op.create_table(
        'rule_proposals',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('body', postgresql.JSONB(), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('state', sa.Text(), nullable=False),
        sa.Column('proposed_by', sa.Uuid(), nullable=False),
        sa.Column('proposed_at', INSTANT, nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=True),
        sa.Column('decided_at', INSTANT, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('share', 'mdr', 'payout', 'matching', 'target', 'tariff-back')",
            name=op.f('ck_rule_proposals_kind'),
        ),
        sa.CheckConstraint("body->>'kind' = kind", name=op.f('ck_rule_proposals_body')),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'declined', 'withdrawn')",
            name=op.f('ck_rule_proposals_state'),
        ),
        sa.CheckConstraint(
            "(proposed_by = decided_by) = (state = 'withdrawn')",
            name=op.f('ck_rule_proposals_maker_checker'),
        ),
        sa.CheckConstraint(
            "(state = 'requested') = (decided_by IS NULL)"
            ' AND (decided_by IS NULL) = (decided_at IS NULL)',
            name=op.f('ck_rule_proposals_decided'),
        ),
        sa.ForeignKeyConstraint(
            ['proposed_by'], ['officers.id'], name=op.f('fk_rule_proposals_proposed_by')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_rule_proposals_decided_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_proposals')),
    )
    op.create_index(
        'uq_rule_proposals_open', 'rule_proposals', ['body'], unique=True,
        postgresql_where=sa.text("state = 'requested'"),
    )
    changeable('rule_proposals', update=('state', 'decided_by', 'decided_at', 'why'))
    recorded('rule_proposals')
    only_edges('rule_proposals', ('requested',), EDGES)
    never_changes(
        'rule_proposals', ('id', 'kind', 'body', 'reason', 'proposed_by', 'proposed_at')
    )


def _tariffs_taken_back() -> None:
    """One that is taken back leaves its days to the others."""
    op.add_column('tariffs', sa.Column('taken_back_by', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_tariffs_taken_back_by'), 'tariffs', 'rule_proposals', ['taken_back_by'], ['id']
    )
    for name, where in (('one_in_force', 'event IS NULL'), ('one_event', 'event IS NOT NULL')):
        op.drop_constraint(f'ex_tariffs_{name}', 'tariffs')
        op.execute(f"""
            ALTER TABLE tariffs ADD CONSTRAINT ex_tariffs_{name} EXCLUDE USING gist (
                zone_id WITH =, daterange(valid_from, valid_until, '[]') WITH &&
            ) WHERE ({where} AND taken_back_by IS NULL)
        """)
    changeable('tariffs', update=('valid_until', 'version', 'taken_back_by'))
    recorded('tariffs')
    # At the transaction's end, as what a proposal would change is tried before it is approved.
    op.execute("""
        CREATE FUNCTION karcis_refuse_taking_back() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.taken_back_by IS NOT NULL OR NOT EXISTS (
                SELECT FROM rule_proposals p JOIN zones z ON z.id = NEW.zone_id
                WHERE p.id = NEW.taken_back_by AND p.state = 'approved'
                    AND p.body = jsonb_build_object(
                        'kind', 'tariff-back', 'zone', z.code,
                        'valid_from', to_char(NEW.valid_from, 'YYYY-MM-DD'), 'event', NEW.event
                    )
            ) THEN
                RAISE EXCEPTION 'no two officers took tariff % back', NEW.id
                    USING ERRCODE = 'KA032';
            END IF;
            RETURN NULL;
        END $$
    """)
    for act, when in (
        ('INSERT', 'NEW.taken_back_by IS NOT NULL'),
        ('UPDATE', 'NEW.taken_back_by IS DISTINCT FROM OLD.taken_back_by'),
    ):
        op.execute(f"""
            CREATE CONSTRAINT TRIGGER tariffs_taken_back_on_{act} AFTER {act} ON tariffs
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ({when})
            EXECUTE FUNCTION karcis_refuse_taking_back()
        """)


def _payees() -> None:
    op.create_table(
        'payee_decisions',
        sa.Column('account_id', sa.Uuid(), nullable=False),
        sa.Column('agreed', sa.Boolean(), nullable=False),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('decided_by', sa.Uuid(), nullable=False),
        sa.Column('decided_at', INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id'], ['payee_accounts.id'], name=op.f('fk_payee_decisions_account_id')
        ),
        sa.ForeignKeyConstraint(
            ['decided_by'], ['officers.id'], name=op.f('fk_payee_decisions_decided_by')
        ),
        sa.PrimaryKeyConstraint('account_id', name=op.f('pk_payee_decisions')),
    )
    insert_only('payee_decisions')
    op.execute("""
        CREATE FUNCTION karcis_refuse_own_payee() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.decided_by = (
                SELECT recorded_by FROM payee_accounts WHERE id = NEW.account_id
            ) THEN
                RAISE EXCEPTION 'account % is decided by who recorded it', NEW.account_id
                    USING ERRCODE = 'KA033';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER payee_decisions_maker_checker BEFORE INSERT ON payee_decisions
        FOR EACH ROW EXECUTE FUNCTION karcis_refuse_own_payee()
    """)
    # Who approved a run saw its accounts.
    op.execute("""
        INSERT INTO payee_decisions (account_id, agreed, why, decided_by, decided_at)
        SELECT DISTINCT ON (a.id) a.id, true, r.number, r.decided_by, r.decided_at
        FROM payee_accounts a
        JOIN payout_lines l ON l.payee_account_id = a.id
        JOIN payout_runs r ON r.id = l.run_id AND r.state = 'approved'
        WHERE r.decided_by <> a.recorded_by
        ORDER BY a.id, r.decided_at
    """)
    op.execute("""
        CREATE FUNCTION karcis_refuse_unseen_payee() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NOT EXISTS (
                SELECT FROM payee_decisions WHERE account_id = NEW.payee_account_id AND agreed
            ) THEN
                RAISE EXCEPTION 'account % was seen by one officer', NEW.payee_account_id
                    USING ERRCODE = 'KA034';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER payout_lines_seen_by_two BEFORE INSERT ON payout_lines
        FOR EACH ROW EXECUTE FUNCTION karcis_refuse_unseen_payee()
    """)


def _complaints() -> None:
    """Who ended one does not end it again, once it was reopened, on the same answer."""
    op.execute("""
        CREATE OR REPLACE FUNCTION karcis_refuse_one_officers_end() RETURNS trigger
        LANGUAGE plpgsql AS $$
        DECLARE
            answered complaint_changes;
            ended complaint_changes;
        BEGIN
            -- Reopening writes 'answered' too, with who reopened it.
            SELECT * INTO answered FROM complaint_changes
            WHERE complaint_id = NEW.complaint_id AND state_after = 'answered'
                AND state_before <> 'closed'
            ORDER BY changed_at DESC, id DESC LIMIT 1;
            SELECT * INTO ended FROM complaint_changes
            WHERE complaint_id = NEW.complaint_id AND state_after = 'closed'
            ORDER BY changed_at DESC, id DESC LIMIT 1;
            IF answered.who IS NULL OR answered.who = NEW.who
                OR (ended.id > answered.id AND ended.who = NEW.who)
            THEN
                RAISE EXCEPTION 'complaint % was answered by nobody else',
                    NEW.complaint_id USING ERRCODE = 'KA030';
            END IF;
            RETURN NEW;
        END $$
    """)
