"""Where payees' shares go: an account that one officer recorded and another agreed to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.shares import zone_of
from server.errors import NotFound, Problem
from server.identity import service as identity
from server.identity.models import Attendant
from server.identity.service import Right
from server.reconciliation.payout_models import PayeeAccount, PayeeDecision
from server.spots.models import Zone

Party: TypeAlias = tuple[str, str]
"""The ledger account, and who is owed in it."""


class PayeeAccountNotFound(NotFound):
    slug = "payee-account-not-found"
    title_id = "Rekening ini tidak ada"
    title_en = "There is no such account of a payee"


class PayeeAccountDecided(Problem):
    slug = "payee-account-decided"
    status = 409
    title_id = "Rekening ini sudah diputuskan, atau ada yang lebih baru"
    title_en = "This account was decided already, or there is a newer one"


class OwnPayeeAccount(Problem):
    slug = "own-payee-account"
    status = 403
    title_id = "Yang mencatat rekening tidak boleh menyetujuinya"
    title_en = "Who recorded the account may not agree to it"


@dataclass(frozen=True)
class Parties:
    """The names of who is owed shares: zones and attendants by their codes."""

    zones: Mapping[str, str]
    attendants: Mapping[str, str]
    regency: str

    def called(self, party: str, language: str = "id") -> str:
        """A party as people read it; a third party is called as its rule names it."""
        zone = zone_of(party)
        if zone is None:
            name = self.attendants.get(party)
            return party if name is None else f"{name} ({party})"
        name = f"{self.zones.get(zone, zone)} ({zone}), {self.regency}"
        if language == "en":
            return f"attendants together, zone {name}"
        return f"juru parkir bersama, zona {name}"


async def parties(db: AsyncSession, regency: str) -> Parties:
    zones = await db.execute(select(Zone.code, Zone.name))
    attendants = await db.execute(select(Attendant.code, Attendant.name))
    return Parties(
        {zone.code: zone.name for zone in zones},
        {one.code: one.name for one in attendants},
        regency,
    )


async def agreed(db: AsyncSession) -> dict[Party, PayeeAccount]:
    """The newest account of each party that two officers saw."""
    rows = await db.scalars(
        select(PayeeAccount)
        .join(PayeeDecision, PayeeDecision.account_id == PayeeAccount.id)
        .where(PayeeDecision.agreed)
        .order_by(PayeeAccount.id)
    )
    return {(row.account_code, row.party): row for row in rows}


async def waiting(db: AsyncSession) -> Mapping[Party, PayeeAccount]:
    """The newest account of each party, where nobody has decided on it."""
    rows = await db.execute(
        select(PayeeAccount, PayeeDecision.account_id)
        .outerjoin(PayeeDecision, PayeeDecision.account_id == PayeeAccount.id)
        .order_by(PayeeAccount.id)
    )
    newest = {(row.account_code, row.party): (row, decided) for row, decided in rows}
    return {party: row for party, (row, decided) in newest.items() if decided is None}


async def decide(
    db: AsyncSession, officer_id: UUID, account_id: UUID, why: str, *, agree: bool, now: datetime
) -> None:
    """Let shares go to an account that another officer recorded, or not.

    Raises PayeeAccountNotFound, PayeeAccountDecided, OwnPayeeAccount or RoleNotAllowed.
    """
    checker = await identity.acting(db, officer_id, Right.DECIDE_PAYOUT)
    account = await db.get(PayeeAccount, account_id)
    if account is None:
        raise PayeeAccountNotFound
    if account.recorded_by == checker.id:
        raise OwnPayeeAccount
    newest = (await waiting(db)).get((account.account_code, account.party))
    if newest is None or newest.id != account_id:
        raise PayeeAccountDecided
    made = await db.scalar(
        upsert(PayeeDecision)
        .values(
            account_id=account_id,
            agreed=agree,
            why=why.strip()[:200],
            decided_by=checker.id,
            decided_at=now,
        )
        .on_conflict_do_nothing()
        .returning(PayeeDecision.account_id)
    )
    if made is None:
        raise PayeeAccountDecided
