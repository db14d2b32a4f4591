"""Whatever a complaint is about, who answered it does not end it."""

from alembic import op

from server.migrations.grants import only_edges

revision = '0089'
down_revision = '0086'


def upgrade() -> None:
    only_edges(
        'complaints', ('open',),
        (('open', 'answered'), ('answered', 'closed'), ('closed', 'answered')),
    )
    op.execute("""
        CREATE OR REPLACE TRIGGER complaint_changes_two_officers BEFORE INSERT ON complaint_changes
        FOR EACH ROW WHEN (NEW.state_after = 'closed')
        EXECUTE FUNCTION karcis_refuse_one_officers_end()
    """)
    op.execute('DROP FUNCTION karcis_complaint_is_of_money(uuid)')
