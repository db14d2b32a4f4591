"""What each role may do with a table, and how the database itself refuses what it must not do.

A table nobody granted is closed to both roles. A migration that makes a table says in one line
what it is: `insert_only("refund_changes")` or `changeable("refunds", update=("state",))`; one that
adds a column to change says `changeable("refunds", update=("sent_at",))` again. What each table is
then has to agree with `tests/server/test_roles.py`.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

from server.database import APP_ROLE, READ_ROLE


def insert_only(table: str, *, hidden: Iterable[str] = ()) -> None:
    """Rows are added and read, never changed: neither role may, and a trigger binds the owner."""
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
        FOR EACH STATEMENT EXECUTE FUNCTION karcis_refuse_change()
    """)
    changeable(table, hidden=hidden)


def changeable(
    table: str, *, update: Iterable[str] = (), delete: bool = False, hidden: Iterable[str] = ()
) -> None:
    """Let the application read, add, and change the columns `update`; readers see no `hidden` one.

    Where a column is hidden, each call names all that are: else readers are let see the table.
    """
    op.execute(f"GRANT SELECT, INSERT ON {table} TO {APP_ROLE}")
    if update:
        op.execute(f"GRANT UPDATE ({', '.join(update)}) ON {table} TO {APP_ROLE}")
    if delete:
        op.execute(f"GRANT DELETE ON {table} TO {APP_ROLE}")
    shown = ""
    if hidden:
        columns = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
        shown = f"({', '.join(name for name in columns if name not in set(hidden))})"
    op.execute(f"GRANT SELECT {shown} ON {table} TO {READ_ROLE}")


def only_edges(table: str, first: Iterable[str], edges: Iterable[tuple[str, str]]) -> None:
    """Refuse a row that does not start in one of `first`, and a change of state that is no edge.

    Both stand in the trigger's condition, so that an allowed change costs no function call.
    """
    allowed = ", ".join(f"'{before}>{after}'" for before, after in edges)
    starts = ", ".join(f"'{state}'" for state in first)
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_first_state BEFORE INSERT ON {table}
        FOR EACH ROW WHEN (NEW.state NOT IN ({starts}))
        EXECUTE FUNCTION karcis_refuse_state()
    """)
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_only_edges BEFORE UPDATE ON {table}
        FOR EACH ROW WHEN (
            OLD.state <> NEW.state AND OLD.state || '>' || NEW.state NOT IN ({allowed})
        )
        EXECUTE FUNCTION karcis_refuse_state()
    """)


def never_changes(table: str, columns: Iterable[str]) -> None:
    """Refuse to change what a row was made with."""
    old, new = (", ".join(f"{row}.{name}" for name in columns) for row in ("OLD", "NEW"))
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_never_changes BEFORE UPDATE ON {table}
        FOR EACH ROW WHEN (({old}) IS DISTINCT FROM ({new}))
        EXECUTE FUNCTION karcis_refuse_rewrite()
    """)


def recorded(
    table: str, *, key: str = "id", digests: Iterable[str] = (), left_out: Iterable[str] = ()
) -> None:
    """Write each change of a row down in `audit_changes`, and what the rows are now.

    Call it again, with all its columns as they then are, when one is added to the table.
    """
    hidden, absent = set(digests), set(left_out)
    names = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
    kept = ",".join(name for name in names if name not in hidden | absent)
    how = f"'{{{kept}}}', '{{{','.join(sorted(hidden))}}}'"
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_recorded AFTER INSERT OR UPDATE OR DELETE ON {table}
        FOR EACH ROW EXECUTE FUNCTION karcis_record_change('{key}', {how})
    """)
    op.execute("SET LOCAL timezone = 'UTC'")
    op.execute(f"""
        INSERT INTO audit_changes (at, table_name, key, act, state, who)
        SELECT clock_timestamp(), '{table}', t.{key}::text, 'found', s.state, session_user
        FROM {table} t CROSS JOIN LATERAL (
            SELECT karcis_recorded(to_jsonb(t), {how}) AS state
        ) s
        WHERE s.state IS DISTINCT FROM (
            SELECT c.state FROM audit_changes c
            WHERE c.table_name = '{table}' AND c.key = t.{key}::text ORDER BY c.id DESC LIMIT 1
        )
    """)
