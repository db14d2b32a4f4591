"""Attendants belong to the unit whose spots they work, where those say one and nobody said."""

from alembic import op

revision = '0098'
down_revision = '0103'

ROOT = '00000000-0000-0000-0000-000000000000'


def upgrade() -> None:
    op.execute(f"""
        WITH said AS (
            SELECT g.attendant_id, min(z.unit_id::text)::uuid AS unit_id
            FROM spot_assignments g JOIN spots s ON s.id = g.spot_id
            JOIN zones z ON z.id = s.zone_id
            WHERE g.valid_until IS NULL
                OR (g.valid_until >= CURRENT_DATE AND g.valid_until >= g.valid_from)
            GROUP BY g.attendant_id HAVING count(DISTINCT z.unit_id) = 1
        ), placed AS (
            UPDATE attendants a SET unit_id = said.unit_id FROM said
            WHERE a.id = said.attendant_id AND a.unit_id = '{ROOT}' AND said.unit_id <> '{ROOT}'
                AND NOT EXISTS (SELECT FROM unit_moves m WHERE m.attendant_id = a.id)
            RETURNING a.id, said.unit_id
        )
        INSERT INTO attendant_changes (id, attendant_id, changed_at, act, who, why)
        SELECT gen_random_uuid(), p.id, now(), 'moved', 'karcis',
            u.name || ': penempatan sekarang / present assignments'
        FROM placed p JOIN units u ON u.id = p.unit_id
    """)
