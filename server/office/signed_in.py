"""Which officer's browser is asking, and what that officer may do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, get_type_hints

from fastapi import Cookie, Depends, Form, Request

from server.database import TransactionsDep
from server.identity import sign_ins, units
from server.identity.models import ROOT, Officer, Role
from server.identity.service import (
    MONEY_ROLES,
    Right,
    UnitNotAllowed,
    refuse_without,
    rights_of,
)
from server.identity.sign_ins import ConfirmationNeeded, SecondFactorNeeded, SignedIn
from server.limits import address_of
from server.settings import Settings
from server.spots import units as scopes
from server.spots.units import Scope

COOKIE = "karcis_office"


async def signed_in(
    request: Request, transactions: TransactionsDep, karcis_office: Annotated[str, Cookie()] = ""
) -> SignedIn:
    """Also who still has to show a second factor; raises NotSignedIn.

    Asked in a transaction of its own, so that none is open while an acquirer is called.
    """
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    async with transactions.begin() as db:
        found = await sign_ins.who(db, karcis_office, now=now, idle=settings.office_idle)
        unit_id = found.officer.unit_id
        request.state.unit = None if unit_id == ROOT else (await units.find(db, unit_id)).name
        request.state.scope = await scopes.scope_of(db, found.officer)
    request.state.confirmed = found.confirmed(now)
    return found


SignedInDep = Annotated[SignedIn, Depends(signed_in)]


def shown_enough(request: Request, found: SignedIn) -> Officer:
    """Who has shown all that the role asks for; raises SecondFactorNeeded.

    Pages link to what the officer may see.
    """
    settings: Settings = request.app.state.settings
    asked_of = settings.second_factor_of
    needed = asked_of == "all" or (asked_of == "money" and Role(found.officer.role) in MONEY_ROLES)
    if found.shown_half or (needed and not found.sign_in.strong):
        raise SecondFactorNeeded
    request.state.rights = rights_of(found.officer)
    return found.officer


async def signed_in_officer(request: Request, found: SignedInDep) -> Officer:
    """Who has shown enough; an officer of a unit only where the route asks for `Within`.

    What does not say that it keeps to a unit is for the whole regency. Raises SecondFactorNeeded,
    RoleNotAllowed or UnitNotAllowed.
    """
    officer = shown_enough(request, found)
    if officer.unit_id != ROOT and not keeps_to_units(request.scope["endpoint"]):
        raise UnitNotAllowed
    return officer


OfficerDep = Annotated[Officer, Depends(signed_in_officer)]


def within(request: Request, officer: OfficerDep) -> Scope:
    """What of the regency this officer sees; the route asks nothing of the database without it."""
    scope: Scope = request.state.scope
    return scope


Within = Annotated[Scope, Depends(within)]


@cache
def keeps_to_units(endpoint: Callable[..., Any]) -> bool:
    return Within in get_type_hints(endpoint, include_extras=True).values()


def inside(back: str) -> str:
    """Where to go on to: a page of the office, whatever the address says."""
    return back if back.startswith("/office") else "/office"


@dataclass(frozen=True)
class Holder:
    """Lets in whose role has the right; a value, so that the table of routes can tell it."""

    right: Right

    async def __call__(self, officer: OfficerDep) -> Officer:
        refuse_without(officer, self.right)
        return officer


def allowed(right: Right) -> Any:
    """The signed-in officer, if the role has this right and the unit leaves it.

    Raises NotSignedIn, RoleNotAllowed or UnitNotAllowed.
    """
    return Depends(Holder(right))


async def confirm(
    request: Request,
    transactions: TransactionsDep,
    found: SignedInDep,
    password: Annotated[str, Form(max_length=200)] = "",
) -> SignedIn:
    """Who signed in is still the one at the screen.

    The form has the password or a code of the app once more, or it was shown within the last
    minutes. Tries are limited as signing in is.
    """
    now = datetime.now(UTC)
    if not password and found.confirmed(now):
        return found
    if not password:
        raise ConfirmationNeeded
    request.app.state.office_limit.check(request)
    key = request.app.state.settings.sign_in_key
    await sign_ins.confirm(transactions, found, password, key, address_of(request), now=now)
    return found


def confirmed(right: Right) -> Any:
    """The same officer, still the one at the screen."""

    async def officer_who_confirmed(
        officer: Annotated[Officer, allowed(right)], _: Annotated[SignedIn, Depends(confirm)]
    ) -> Officer:
        return officer

    return Depends(officer_who_confirmed)
