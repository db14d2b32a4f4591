"""Cases of every kind: whose they are, notes on them, and their end by two officers."""

import sqlalchemy as sa
from alembic import op

from server.migrations.grants import (
    changeable,
    insert_only,
    never_changes,
    only_edges,
    recorded,
)

revision = '0057'
down_revision = '0056'

KINDS = (
    "kind IN ('discrepancy', 'suspense', 'refund', 'unended', 'count', 'quarantine', 'complaint',"
    " 'sign')"
)
STATES = "IN ('open', 'proposed', 'closed')"
INSTANT = sa.DateTime(timezone=True)
# Kind, table, key, and the column that says when a case was closed.
CLOSED = (
    ('quarantine', 'quarantine_cases', 'id', 'closed_at'),
    ('count', 'shift_differences', 'shift_id', 'explained_at'),
    ('unended', 'unended_stays', 'parking_session_id', 'closed_at'),
    ('sign', 'sign_cases', 'id', 'closed_at'),
)


def upgrade() -> None:
    op.execute("""
        INSERT INTO ledger_accounts (code, name, kind) VALUES
            ('1190', 'Klaim kelebihan MDR kepada acquirer', 'asset'),
            ('5140', 'Selisih pencairan yang dihapuskan', 'expense')
        ON CONFLICT DO NOTHING
    """)
    _assignments()
    _comments()
    _steps()
    _discrepancies()
    _suspense()
    for kind, table, key, closed_at in CLOSED:
        _closed_by_two(kind, table, key, closed_at)
    _complaints()
    for table in ('discrepancies', 'cases'):
        op.create_index(
            f'ix_{table}_waiting', table, ['opened_at'], postgresql_where=sa.text("state <> 'closed'")
        )


def _assignments() -> None:
    op.create_table(
        'case_assignments',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('case_id', sa.Uuid(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=True),
        sa.Column('assigned_by', sa.Uuid(), nullable=False),
        sa.Column('assigned_at', INSTANT, nullable=False),
        sa.CheckConstraint(KINDS, name=op.f('ck_case_assignments_kind')),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_case_assignments_officer_id')
        ),
        sa.ForeignKeyConstraint(
            ['assigned_by'], ['officers.id'], name=op.f('fk_case_assignments_assigned_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_case_assignments')),
    )
    op.create_index('ix_case_assignments_case', 'case_assignments', ['kind', 'case_id', 'id'])
    insert_only('case_assignments')


def _comments() -> None:
    op.create_table(
        'case_comments',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('case_id', sa.Uuid(), nullable=False),
        sa.Column('words', sa.Text(), nullable=False),
        sa.Column('written_by', sa.Uuid(), nullable=False),
        sa.Column('written_at', INSTANT, nullable=False),
        sa.CheckConstraint(KINDS, name=op.f('ck_case_comments_kind')),
        sa.CheckConstraint(
            'length(words) BETWEEN 1 AND 1000', name=op.f('ck_case_comments_words')
        ),
        sa.ForeignKeyConstraint(
            ['written_by'], ['officers.id'], name=op.f('fk_case_comments_written_by')
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_case_comments')),
    )
    op.create_index('ix_case_comments_case', 'case_comments', ['kind', 'case_id', 'id'])
    insert_only('case_comments')


def _steps() -> None:
    op.create_table(
        'case_steps',
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('case_id', sa.Uuid(), nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('at', INSTANT, nullable=False),
        sa.Column('event', sa.Text(), nullable=False),
        sa.Column('state_before', sa.Text(), nullable=False),
        sa.Column('state_after', sa.Text(), nullable=False),
        sa.Column('officer_id', sa.Uuid(), nullable=True),
        sa.Column('outcome', sa.Text(), nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('entry_id', sa.Uuid(), nullable=True),
        sa.CheckConstraint(KINDS, name=op.f('ck_case_steps_kind')),
        sa.CheckConstraint('number > 0', name=op.f('ck_case_steps_number')),
        sa.CheckConstraint(
            "event IN ('proposed', 'declined', 'accepted', 'corrected', 'settled', 'reopened')",
            name=op.f('ck_case_steps_event'),
        ),
        sa.CheckConstraint(
            f'state_before {STATES} AND state_after {STATES}', name=op.f('ck_case_steps_states')
        ),
        sa.CheckConstraint(
            "officer_id IS NOT NULL OR event IN ('declined', 'settled', 'reopened')",
            name=op.f('ck_case_steps_officer'),
        ),
        sa.CheckConstraint(
            "entry_id IS NULL OR event IN ('accepted', 'corrected')",
            name=op.f('ck_case_steps_entry'),
        ),
        sa.CheckConstraint('length(why) BETWEEN 1 AND 200', name=op.f('ck_case_steps_why')),
        sa.ForeignKeyConstraint(
            ['officer_id'], ['officers.id'], name=op.f('fk_case_steps_officer_id')
        ),
        sa.ForeignKeyConstraint(
            ['entry_id'], ['ledger_entries.id'], name=op.f('fk_case_steps_entry_id')
        ),
        sa.PrimaryKeyConstraint('kind', 'case_id', 'number', name=op.f('pk_case_steps')),
        sa.UniqueConstraint('entry_id', name=op.f('uq_case_steps_entry_id')),
    )
    insert_only('case_steps')
    # The kind's own row is locked first, so the step before this one is there to be seen.
    op.execute("""
        CREATE FUNCTION karcis_refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last case_steps;
        BEGIN
            SELECT * INTO last FROM case_steps
            WHERE kind = NEW.kind AND case_id = NEW.case_id ORDER BY number DESC LIMIT 1;
            IF NEW.number <> coalesce(last.number, 0) + 1 THEN
                RAISE EXCEPTION '% % has % steps', NEW.kind, NEW.case_id, coalesce(last.number, 0)
                    USING ERRCODE = 'KA030';
            END IF;
            IF NEW.event IN ('accepted', 'corrected') OR NEW.event = 'declined'
                    AND NEW.officer_id IS NOT NULL THEN
                IF last.event IS DISTINCT FROM 'proposed'
                        OR NEW.outcome IS DISTINCT FROM last.outcome THEN
                    RAISE EXCEPTION '% % was not proposed so', NEW.kind, NEW.case_id
                        USING ERRCODE = 'KA030';
                END IF;
                IF last.officer_id = NEW.officer_id THEN
                    RAISE EXCEPTION '% % was proposed by the same officer', NEW.kind, NEW.case_id
                        USING ERRCODE = 'KA030';
                END IF;
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER case_steps_two_officers BEFORE INSERT ON case_steps
        FOR EACH ROW EXECUTE FUNCTION karcis_refuse_step()
    """)
    # What the last step of a case has to be, for its own row to say something.
    op.execute("""
        CREATE FUNCTION karcis_want_step(of_kind text, of_case uuid, wanted text) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
            last text;
        BEGIN
            SELECT event INTO last FROM case_steps
            WHERE kind = of_kind AND case_id = of_case ORDER BY number DESC LIMIT 1;
            IF last IS DISTINCT FROM wanted THEN
                RAISE EXCEPTION '% % was not % by officers', of_kind, of_case, wanted
                    USING ERRCODE = 'KA031';
            END IF;
        END $$
    """)
    # Its arguments: the kind, and the columns of its key and of when it was closed.
    op.execute("""
        CREATE FUNCTION karcis_refuse_one_officer() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            old_row jsonb := to_jsonb(OLD);
            new_row jsonb := to_jsonb(NEW);
            case_id uuid := (new_row ->> TG_ARGV[1])::uuid;
            was_closed boolean := old_row ->> TG_ARGV[2] IS NOT NULL;
            is_closed boolean := new_row ->> TG_ARGV[2] IS NOT NULL;
        BEGIN
            IF is_closed AND NOT was_closed THEN
                PERFORM karcis_want_step(TG_ARGV[0], case_id, 'accepted');
            ELSIF was_closed AND NOT is_closed THEN
                PERFORM karcis_want_step(TG_ARGV[0], case_id, 'reopened');
            ELSIF was_closed AND old_row IS DISTINCT FROM new_row THEN
                RAISE EXCEPTION '% % is closed', TG_ARGV[0], case_id USING ERRCODE = 'KA031';
            END IF;
            RETURN NEW;
        END $$
    """)


def _closed_by_two(kind: str, table: str, key: str, closed_at: str) -> None:
    op.execute(f"""
        CREATE TRIGGER {table}_two_officers BEFORE UPDATE ON {table} FOR EACH ROW
        EXECUTE FUNCTION karcis_refuse_one_officer('{kind}', '{key}', '{closed_at}')
    """)


def _discrepancies() -> None:
    op.add_column('discrepancies', sa.Column('outcome', sa.Text(), nullable=True))
    op.add_column('discrepancies', sa.Column('entry_id', sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f('fk_discrepancies_entry_id'), 'discrepancies', 'ledger_entries', ['entry_id'], ['id']
    )
    op.create_unique_constraint(op.f('uq_discrepancies_entry_id'), 'discrepancies', ['entry_id'])
    op.drop_constraint(op.f('ck_discrepancies_state'), 'discrepancies')
    for name, condition in (
        ('state', f'state {STATES}'),
        ('outcome', "outcome IN ('accepted', 'claimed', 'written_off')"),
        ('decided', "outcome IS NULL OR state = 'closed'"),
        (
            'entry',
            "outcome IS NULL OR (outcome IN ('claimed', 'written_off')) = (entry_id IS NOT NULL)",
        ),
    ):
        op.create_check_constraint(op.f(f'ck_discrepancies_{name}'), 'discrepancies', condition)
    changeable(
        'discrepancies', update=('state', 'difference_rp', 'details', 'outcome', 'entry_id')
    )
    recorded('discrepancies')
    never_changes(
        'discrepancies', ('id', 'kind', 'subject', 'business_day', 'owner', 'opened_at')
    )
    op.execute("""
        CREATE FUNCTION karcis_refuse_one_officers_word() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.outcome IS NOT NULL AND NEW.outcome IS DISTINCT FROM OLD.outcome THEN
                PERFORM karcis_want_step('discrepancy', NEW.id, 'accepted');
            ELSIF OLD.outcome IS NOT NULL AND NEW.outcome IS NULL THEN
                PERFORM karcis_want_step('discrepancy', NEW.id, 'reopened');
            ELSIF OLD.entry_id IS NOT NULL AND NEW.entry_id IS NULL THEN
                PERFORM karcis_want_step('discrepancy', NEW.id, 'corrected');
            ELSIF NEW.state = 'proposed' AND OLD.state <> 'proposed' THEN
                PERFORM karcis_want_step('discrepancy', NEW.id, 'proposed');
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE TRIGGER discrepancies_two_officers BEFORE UPDATE ON discrepancies FOR EACH ROW
        WHEN (OLD.outcome IS NOT NULL OR NEW.outcome IS NOT NULL OR OLD.entry_id IS NOT NULL
            OR NEW.state = 'proposed')
        EXECUTE FUNCTION karcis_refuse_one_officers_word()
    """)


def _suspense() -> None:
    name = op.f('ck_cases_proposed_outcome')
    op.drop_constraint(name, 'cases')
    op.create_check_constraint(
        name,
        'cases',
        "proposed_outcome IN ('recognised', 'kept', 'not_made', 'clarified', 'taken_back')",
    )
    # A case that was taken back is open again: nothing ever ends so.
    op.drop_constraint(op.f('ck_cases_outcome'), 'cases')
    op.create_check_constraint(
        op.f('ck_cases_outcome'),
        'cases',
        "outcome IN ('recognised', 'kept', 'not_made', 'clarified', 'taken_back', 'refunded',"
        " 'explained')",
    )
    op.create_check_constraint(op.f('ck_cases_taken_back'), 'cases', "outcome <> 'taken_back'")


def _complaints() -> None:
    only_edges(
        'complaints',
        ('open',),
        (
            ('open', 'answered'), ('open', 'closed'), ('answered', 'closed'),
            ('closed', 'answered'),
        ),
    )
    # About money, one officer answers and another one ends it.
    op.execute("""
        CREATE FUNCTION karcis_refuse_one_officers_end() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            last complaint_changes;
        BEGIN
            SELECT * INTO last FROM complaint_changes
            WHERE complaint_id = NEW.complaint_id AND state_after = 'answered'
            ORDER BY changed_at DESC, id DESC LIMIT 1;
            IF last.who IS NULL OR last.who = NEW.who THEN
                RAISE EXCEPTION 'complaint % was answered by nobody else', NEW.complaint_id
                    USING ERRCODE = 'KA030';
            END IF;
            RETURN NEW;
        END $$
    """)
    op.execute("""
        CREATE FUNCTION karcis_complaint_is_of_money(asked uuid) RETURNS boolean
        LANGUAGE sql STABLE AS $$
            SELECT kind IN ('overcharged', 'no_receipt', 'paid_not_recorded')
            FROM complaints WHERE id = asked
        $$
    """)
    op.execute("""
        CREATE TRIGGER complaint_changes_two_officers BEFORE INSERT ON complaint_changes
        FOR EACH ROW WHEN (
            NEW.state_after = 'closed' AND karcis_complaint_is_of_money(NEW.complaint_id)
        )
        EXECUTE FUNCTION karcis_refuse_one_officers_end()
    """)
