"""The lists of what is sealed and recorded agree with what the database does and allows."""

import re

import pytest
from sqlalchemy import text

from server.audit.sealed import OUTSIDE, RECORDED, SEALED, Source
from server.database import APP_ROLE, Base, Transactions


async def test_no_sealed_column_may_be_changed(owner: Transactions) -> None:
    async with owner.begin() as db:
        rows = await db.execute(
            text("""SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a
                ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                AND has_column_privilege(:role, c.oid, a.attnum, 'UPDATE')"""),
            {"role": APP_ROLE},
        )
        changeable = {(row.relname, row.attname) for row in rows}
    sealed = {
        (name, column) for name, rule in SEALED.items() for column in Source(name, rule).columns
    }
    assert sealed & changeable == set()


async def test_triggers_record_what_the_list_says(
    owner: Transactions, subtests: pytest.Subtests
) -> None:
    async with owner.begin() as db:
        rows = await db.execute(
            text(
                "SELECT tgname, pg_get_triggerdef(oid) AS made FROM pg_trigger"
                " WHERE tgname LIKE '%\\_recorded'"
            )
        )
        made = {row.tgname.removesuffix("_recorded"): row.made for row in rows}
    assert made.keys() == RECORDED.keys()
    for name, rule in RECORDED.items():
        with subtests.test(name):
            (key, kept, digests) = re.findall(r"'([^']*)'", made[name])
            table = Base.metadata.tables[name]
            assert [key] == [column.name for column in table.primary_key]
            told = {column.name for column in table.columns} - rule.left_out
            assert set(digests.strip("{}").split(",")) - {""} == rule.digests
            assert set(kept.strip("{}").split(",")) == told - rule.digests


def test_secrets_and_plates_are_in_no_leaf_as_they_are() -> None:
    for name, rule in SEALED.items():
        shown = set(Source(name, rule).columns) - rule.digests
        assert not [c for c in shown if re.search("plate|token|secret|code_hash|content$", c)], name
    for name, recorded in RECORDED.items():
        columns = {column.name for column in Base.metadata.tables[name].columns}
        shown = columns - recorded.left_out - recorded.digests
        assert not [c for c in shown if re.search("plate|token|secret|_hash$|content$", c)], name
    assert all(OUTSIDE.values())
