"""Who is asking: dependencies that turn a bearer token or cookie into a person."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Header

from server.database import Transaction
from server.identity import service
from server.identity.service import NotSignedIn, OnShift


def _token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotSignedIn
    return token


async def required_shift(
    db: Transaction, authorization: Annotated[str | None, Header()] = None
) -> OnShift:
    return await service.who_is_on_shift(db, _token(authorization), now=datetime.now(UTC))


async def optional_shift(
    db: Transaction, authorization: Annotated[str | None, Header()] = None
) -> OnShift | None:
    """Nobody, for a driver; a token that is given must still be good."""
    if authorization is None:
        return None
    return await required_shift(db, authorization)


RequiredShift = Annotated[OnShift, Depends(required_shift, scope="function")]
OptionalShift = Annotated[OnShift | None, Depends(optional_shift, scope="function")]
