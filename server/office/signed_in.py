"""Which officer's browser is asking, and what that officer may do."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Cookie, Depends, Form, Request

from server.database import Transaction, TransactionsDep
from server.identity import service as identity
from server.identity.models import Officer, Role
from server.identity.service import MAY, Right, RoleNotAllowed

COOKIE = "karcis_office"


async def signed_in_officer(
    db: Transaction, karcis_office: Annotated[str, Cookie()] = ""
) -> Officer:
    return await identity.who_is_officer(db, karcis_office, now=datetime.now(UTC))


OfficerDep = Annotated[Officer, Depends(signed_in_officer, scope="function")]


def allowed(right: Right) -> Any:
    """The signed-in officer, if the role has this right; raises NotSignedIn or RoleNotAllowed.

    Asked in a transaction of its own, so that none is open while an acquirer is called.
    """

    async def officer_with_right(
        transactions: TransactionsDep, karcis_office: Annotated[str, Cookie()] = ""
    ) -> Officer:
        async with transactions.begin() as db:
            officer = await identity.who_is_officer(db, karcis_office, now=datetime.now(UTC))
        if right not in MAY[Role(officer.role)]:
            raise RoleNotAllowed
        return officer

    return Depends(officer_with_right)


def confirmed(right: Right) -> Any:
    """The same officer, still the one at the screen: the form has the password once more.

    Tries are limited as signing in is.
    """

    async def officer_with_password(
        request: Request,
        officer: Annotated[Officer, allowed(right)],
        password: Annotated[str, Form(max_length=200)],
    ) -> Officer:
        request.app.state.office_limit.check(request)
        identity.confirm_password(officer, password)
        return officer

    return Depends(officer_with_password)
