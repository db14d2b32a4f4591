"""Statements past SQLAlchemy's own execution, in its savepoints."""

import pytest
from sqlalchemy.exc import IntegrityError

from server.database import Transactions, fetch

UNIT = "INSERT INTO units (id, parent_id, code, name) VALUES (gen_random_uuid(), $1, $2, 'Uji')"


async def test_what_fails_in_a_savepoint_is_undone_alone(transactions: Transactions) -> None:
    async with transactions.begin() as db:
        [root] = await fetch(db, "SELECT id FROM units WHERE parent_id IS NULL")
        await fetch(db, UNIT, root["id"], "UJI-A")
        try:
            async with db.begin_nested():
                await fetch(db, UNIT, root["id"], "UJI-B")
                await fetch(db, UNIT, root["id"], "UJI-A")
        except IntegrityError:
            pass
        else:
            pytest.fail("two units of one code")
        await fetch(db, UNIT, root["id"], "UJI-C")
    async with transactions.begin() as db:
        rows = await fetch(db, "SELECT code FROM units WHERE code LIKE 'UJI-%' ORDER BY code")
        assert [row["code"] for row in rows] == ["UJI-A", "UJI-C"]
