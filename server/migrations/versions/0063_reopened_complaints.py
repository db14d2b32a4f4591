"""A complaint that was reopened was not answered thereby."""

from alembic import op

revision = '0063'
down_revision = '0062'


def upgrade() -> None:
    # Reopening writes 'answered' too, with who reopened it.
    op.execute("""
        CREATE OR REPLACE FUNCTION karcis_refuse_one_officers_end() RETURNS trigger
        LANGUAGE plpgsql AS $$
        DECLARE
            last complaint_changes;
        BEGIN
            SELECT * INTO last FROM complaint_changes
            WHERE complaint_id = NEW.complaint_id AND state_after = 'answered'
                AND state_before <> 'closed'
            ORDER BY changed_at DESC, id DESC LIMIT 1;
            IF last.who IS NULL OR last.who = NEW.who THEN
                RAISE EXCEPTION 'complaint % was answered by nobody else', NEW.complaint_id
                    USING ERRCODE = 'KA030';
            END IF;
            RETURN NEW;
        END $$
    """)
