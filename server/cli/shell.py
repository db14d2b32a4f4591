"""What all commands share: their options, how they speak and fail, and the way to the database."""

import asyncio
import getpass
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar
from uuid import UUID

import typer
from rich.console import Console

Result = TypeVar("Result")
FAILED, USAGE, DIFFERENCES, APPROVAL_NEEDED = 1, 2, 3, 4
talk = Console(stderr=True, highlight=False)
DataDir = Annotated[
    Path, typer.Option("--data", help="Where the embedded database and all files are kept.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Day = Annotated[
    datetime, typer.Option("--date", formats=["%Y-%m-%d"], help="Business day, 2026-11-21.")
]
From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")]
To = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Last day, if it has one.")
]
Slip = Annotated[str, typer.Option(help="The number of the bank's slip.")]
PaidOn = Annotated[datetime, typer.Option("--on", formats=["%Y-%m-%d"], help="When paid in.")]
OfficerLogin = Annotated[str, typer.Option(help="The officer's login who saw the slip.")]
InputFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Id = Annotated[UUID, typer.Argument()]
Officer = Annotated[str, typer.Option("--officer", help="The login of the officer who does it.")]


class Decision(StrEnum):
    """What the second officer says."""

    APPROVE = "approve"
    DECLINE = "decline"


def fail(message: str, code: int = FAILED) -> NoReturn:
    talk.print(f"karcis: {message}", markup=False, soft_wrap=True)
    raise typer.Exit(code)


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Says so where a file cannot be written; inside a transaction, that is then undone."""
    try:
        yield
    except OSError as exc:
        fail(f"{out} cannot be written: {exc.strerror or exc}")


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def database_url(stack: ExitStack, data: Path, *, as_owner: bool = False) -> str:
    """DATABASE_URL where it is set, else the embedded database of the data directory.

    As the server's role, or as the owner of the schema.
    """
    from server.database import APP_ROLE, as_role, plain_url
    from server.embedded import EmbeddedPostgres

    given = os.environ.get("DATABASE_URL")
    if as_owner:
        given = os.environ.get("KARCIS_MIGRATION_URL") or given
    if given:
        try:
            return plain_url(given)
        except ValueError as exc:
            fail(str(exc))
    if not (data / "postgres").exists():
        fail(f"there is no database in {data}; `karcis run` makes one, or set DATABASE_URL")
    url = stack.enter_context(EmbeddedPostgres(data)).url
    return url if as_owner else as_role(url, APP_ROLE)


def in_transaction(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    """Run `work(db, books)` in one transaction on the installation's database."""
    from sqlalchemy import text

    from server.faults import crash_point
    from server.payments.books import Books

    async def run(transactions: Any, settings: Any) -> Result:
        async with transactions.begin() as db:
            await db.execute(text("SELECT set_config('karcis.who', :who, true)"), {"who": login()})
            return await work(db, Books.of(settings))

    done = _on_database(data, run)
    crash_point("command-not-answered")
    return done


def with_transactions(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    """Run `work(transactions, settings)`, which opens its own transactions."""
    from server.errors import Problem
    from server.observability import configure_logging

    configure_logging()
    try:
        return _on_database(data, work)
    except Problem as exc:
        fail(f"{exc.title_id} / {exc.title_en}")


def _on_database(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    from pydantic import ValidationError

    import server.tables  # noqa: F401
    from server.database import create_engine, create_transactions
    from server.payments.seals import ProofKeyUnfit
    from server.settings import Settings

    async def run(url: str) -> Result:
        engine = create_engine(url)
        try:
            return await work(create_transactions(engine), Settings())
        finally:
            await engine.dispose()

    with ExitStack() as stack:
        url = database_url(stack, data)
        try:
            return asyncio.run(run(url))
        except (ValidationError, ProofKeyUnfit) as exc:
            fail(str(exc))
        except database_errors() as exc:
            fail(why(exc))


def database_errors() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    return (OSError, SQLAlchemyError)


def why(exc: Exception) -> str:
    """What a person can do about a database that refused."""
    refusal = getattr(exc, "orig", exc)
    code = str(getattr(refusal, "sqlstate", None) or "")
    if code == "42P01":  # undefined_table
        return "the database has no schema yet; `karcis migrate` makes it"
    if code == "42501":  # insufficient_privilege
        needs = "; `karcis migrate` needs the schema's owner: set KARCIS_MIGRATION_URL"
        return f"the database refused: {refusal}".splitlines()[0] + needs
    # a value or a row the tables do not allow; a role that may not come in; a guard of ours
    if code[:2] in ("22", "23", "28", "KA"):
        return f"the database refused: {refusal}".splitlines()[0]
    return f"the database does not answer: {type(refusal.__cause__ or refusal).__name__}"


def login() -> str:
    """Who works at this terminal, for the record."""
    return f"cli:{getpass.getuser()}"


def or_say_why(data: Path, work: Callable[[Any, Any], Awaitable[Result]]) -> Result:
    from server.errors import Problem

    try:
        return in_transaction(data, work)
    except Problem as exc:
        fail(f"{exc.title_id} / {exc.title_en}{f' ({exc.detail})' if exc.detail else ''}")


def acting_as(data: Path, officer: str, work: Callable[..., Awaitable[Result]]) -> Result:
    """Run `work(db, books, officer_id, now)` in one transaction, for the officer of a login."""
    from sqlalchemy.exc import NoResultFound

    from server.identity import service as identity
    from server.identity.service import RoleNotAllowed

    async def acting(db: Any, books: Any) -> Result:
        try:
            officer_id = await identity.officer_named(db, officer)
        except NoResultFound as exc:
            raise RoleNotAllowed from exc
        return await work(db, books, officer_id, datetime.now(UTC))

    return or_say_why(data, acting)
