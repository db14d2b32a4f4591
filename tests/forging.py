"""Rows of another time, put into the tables that are sealed by somebody who may do anything."""

from sqlalchemy import Column, Date, DateTime, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

import server.tables  # noqa: F401
from server.audit.sealed import SEALED, Source

LONG_AGO = "2020-01-01"
_ID_OF_THEN = "016f5e66-e800-7000-8000-000000000000"
_PLAIN = {Uuid: _ID_OF_THEN, Date: LONG_AGO, DateTime: LONG_AGO, Text: "uji", LargeBinary: "",
          JSONB: "{}", ARRAY: "{}"}  # fmt: skip


def put_in(name: str) -> list[str]:
    """What puts one row that says it is of long ago into a sealed table, its checks taken off."""
    checks = f"""DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT conname FROM pg_constraint
            WHERE conrelid = '{name}'::regclass AND contype = 'c'
        LOOP EXECUTE format('ALTER TABLE {name} DROP CONSTRAINT %I', name); END LOOP;
    END $$"""
    table, written = Source(name, SEALED[name]).table, SEALED[name].written
    told = {
        column.name: _value(column)
        for column in table.columns
        if column.name == written
        or not (column.nullable or column.identity is not None or column.server_default is not None)
    }
    values = ", ".join(f"'{value}'" for value in told.values())
    return [checks, f"INSERT INTO {name} ({', '.join(told)}) VALUES ({values})"]


def take_out(name: str) -> str:
    """What takes that row out again."""
    column = Source(name, SEALED[name]).table.c[SEALED[name].written]
    return f"DELETE FROM {name} WHERE {column.name} = '{_value(column)}'"


def _value(column: Column[object]) -> str:
    return next((value for kind, value in _PLAIN.items() if isinstance(column.type, kind)), "1")
