"""Commands of officers: how the first ones come in."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.shell import DataDir, fail, in_transaction, talk

officer_app = typer.Typer(help="Officers of the revenue office.", no_args_is_help=True)


@officer_app.callback()
def _officers() -> None:
    """Officers of the revenue office."""


@officer_app.command("add")
def add(
    login: Annotated[str, typer.Argument(help="The name to sign in with: lower case, digits.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[
        str,
        typer.Option(help="bendahara, verifikator, auditor, admin, koordinator or pengawas."),
    ],
    data: DataDir = Path("data"),
) -> None:
    """Let an officer in and print the code of the first sign-in; how the first ones come in."""
    import re

    from server.errors import Problem
    from server.identity import staff
    from server.identity.models import Role

    if role not in set(Role):
        fail(f"--role is one of {', '.join(Role)}", code=2)
    if not re.fullmatch(r"[a-z0-9._-]{2,40}", login):
        fail("LOGIN has 2 to 40 lower-case letters, digits, dots and dashes", code=2)

    async def work(db: Any, _books: Any) -> str:
        return await staff.add_at_once(db, login, name, Role(role), now=datetime.now(UTC))

    try:
        code = in_transaction(data, work)
    except Problem as exc:
        fail(f"{login}: {exc.title_id} / {exc.title_en}")
    talk.print("/office/first-sign-in, within 24 hours:", markup=False)
    print(code)
