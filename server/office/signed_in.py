"""Which officer's browser is asking."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Cookie, Depends

from server.database import Transaction
from server.identity import service as identity
from server.identity.models import Officer

COOKIE = "karcis_office"


async def signed_in_officer(
    db: Transaction, karcis_office: Annotated[str, Cookie()] = ""
) -> Officer:
    return await identity.who_is_officer(db, karcis_office, now=datetime.now(UTC))


OfficerDep = Annotated[Officer, Depends(signed_in_officer, scope="function")]
