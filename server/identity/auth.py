"""Who is asking: dependencies that turn a bearer token into a person or a program."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from server.database import Transaction, TransactionsDep
from server.identity import api_keys, devices, service, signed_requests
from server.identity.api_keys import KeyHolder, Scope, ScopeMissing
from server.identity.service import AttendantStopped, DeviceRevoked, NotSignedIn, OnShift

shift_token = HTTPBearer(
    scheme_name="shift",
    description="The token a handheld gets when its attendant opens a shift. The device signs each"
    " request that carries it (RFC 9421; docs/api.md).",
    auto_error=False,
)
api_key = HTTPBearer(
    scheme_name="apiKey",
    description="A key the office issued to an integrator: `karcis_…`. It carries scopes.",
    auto_error=False,
)


async def required_shift(
    request: Request,
    transactions: TransactionsDep,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(shift_token)],
) -> OnShift:
    """Who asks. In a transaction of its own: what follows may call the acquirer for seconds."""
    if token is None:
        raise NotSignedIn
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        shift = await service.who_is_on_shift(db, token.credentials, now=now)
    await signed_requests.check(request, transactions, shift.device_id, shift.device_key, now=now)
    return shift


async def optional_shift(
    request: Request,
    transactions: TransactionsDep,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(shift_token)],
) -> OnShift | None:
    """Nobody, for a driver; a token that is given must still be good."""
    if "authorization" not in request.headers:
        return None
    return await required_shift(request, transactions, token)


async def signing_device(device_id: UUID, request: Request, transactions: TransactionsDep) -> UUID:
    """The device of the path, in whatever state, by whose newest key the request is signed."""
    async with transactions.begin() as db:
        key = await devices.newest_key(db, device_id)
    await signed_requests.check(request, transactions, device_id, key, now=datetime.now(UTC))
    return device_id


async def pushing_device(
    request: Request,
    transactions: TransactionsDep,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(shift_token)],
) -> UUID:
    """The device that signed, also between shifts: what it recorded is wanted at any time."""
    try:
        return (await required_shift(request, transactions, token)).device_id
    except (NotSignedIn, DeviceRevoked, AttendantStopped):
        device_id = signed_requests.claimed_device(request)
        if device_id is None:
            raise
    return await signing_device(device_id, request, transactions)


async def key_holder(
    request: Request,
    needed: SecurityScopes,
    db: Transaction,
    key: Annotated[HTTPAuthorizationCredentials | None, Security(api_key)],
) -> KeyHolder:
    """The program that asks, when its key has every scope the route names."""
    if key is None:
        raise NotSignedIn
    holder = await api_keys.who_holds(db, key.credentials, now=datetime.now(UTC))
    request.app.state.key_limit.count(str(holder.key_id))
    missing = set(needed.scopes) - holder.scopes
    if missing:
        raise ScopeMissing(", ".join(sorted(missing)))
    return holder


SigningDevice = Annotated[UUID, Depends(signing_device)]
PushingDevice = Annotated[UUID, Depends(pushing_device)]
RequiredShift = Annotated[OnShift, Depends(required_shift)]
OptionalShift = Annotated[OnShift | None, Depends(optional_shift)]
ChargesReader = Annotated[KeyHolder, Security(key_holder, scopes=[Scope.CHARGES_READ.value])]
ReceiptsReader = Annotated[KeyHolder, Security(key_holder, scopes=[Scope.RECEIPTS_READ.value])]
SpotsReader = Annotated[KeyHolder, Security(key_holder, scopes=[Scope.SPOTS_READ.value])]
LedgerReader = Annotated[KeyHolder, Security(key_holder, scopes=[Scope.LEDGER_READ.value])]
WebhooksWriter = Annotated[KeyHolder, Security(key_holder, scopes=[Scope.WEBHOOKS_WRITE.value])]
