"""How many barcodes may wait for money at once: of one address, and at one spot.

What is refused here is a bot that reserves every spot, or fills one with barcodes nobody will pay.
Addresses are kept in memory only, and only until their barcodes have run out.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import Request

from server.database import Transactions, autocommit, fetch
from server.errors import Problem
from server.limits import address_of


class TooManyOpenCharges(Problem):
    slug = "too-many-open-charges"
    status = 429
    title_id = "Terlalu banyak barcode yang belum dibayar"
    title_en = "Too many barcodes are waiting to be paid"


@asynccontextmanager
async def asked_by_driver(
    request: Request, charge_id: UUID, spot: str, *, now: datetime
) -> AsyncIterator[None]:
    """Refuses what only a bot would ask for; a charge that is asked for inside counts as open."""
    state = request.app.state
    state.driver_limit.check(request)
    state.spot_limit.count(spot)
    waiting: OpenCharges = state.open_charges
    async with waiting.holding(
        state.transactions,
        charge_id,
        address=address_of(request),
        spot=spot,
        lifetime=state.settings.charge_lifetime,
        now=now,
    ):
        yield


# What is not there yet is being asked for at this moment, and counts.
CLOSED = """
    SELECT id FROM charges WHERE id = ANY($1::uuid[])
        AND (expires_at <= $2 OR state NOT IN ('new', 'issuing', 'issue_unknown', 'issued'))
"""
MOST_ASKERS = 10_000


class OpenCharges:
    """Who asked this process for charges that may still wait for their money."""

    def __init__(self, per_address: int, per_spot: int) -> None:
        self._most = {"address": per_address, "spot": per_spot}
        self._open: dict[tuple[str, str], dict[UUID, datetime]] = {}

    @asynccontextmanager
    async def holding(
        self,
        transactions: Transactions,
        charge_id: UUID,
        *,
        address: str,
        spot: str,
        lifetime: timedelta,
        now: datetime,
    ) -> AsyncIterator[None]:
        """Count a charge that is asked for inside, unless it is refused.

        Raises TooManyOpenCharges with the seconds until the first of those that wait has run out.
        """
        askers = [("address", address), ("spot", spot)]
        await self._make_room(transactions, askers, charge_id, now)
        for asker in askers:
            self._open.setdefault(asker, {})[charge_id] = now + lifetime
        try:
            yield
        except BaseException:
            for asker in askers:
                self._open.get(asker, {}).pop(charge_id, None)
            raise

    async def _make_room(
        self,
        transactions: Transactions,
        askers: Iterable[tuple[str, str]],
        charge_id: UUID,
        now: datetime,
    ) -> None:
        if len(self._open) > MOST_ASKERS:
            self._open = {
                asker: held
                for asker, held in self._open.items()
                if any(until > now for until in held.values())
            }
        # The database is asked only by whoever seems to have too many.
        full = [asker for asker in askers if self._is_full(asker, charge_id)]
        if not full:
            return
        ids = [held for asker in full for held in self._open[asker]]
        async with autocommit(transactions) as db:
            closed = [row["id"] for row in await fetch(db, CLOSED, ids, now)]
        for asker in full:
            held = self._open.get(asker, {})
            for gone in closed:
                held.pop(gone, None)
            if self._is_full(asker, charge_id):
                wait_s = int((min(held.values()) - now).total_seconds()) + 1
                raise TooManyOpenCharges(retry_after_s=max(1, wait_s))

    def _is_full(self, asker: tuple[str, str], charge_id: UUID) -> bool:
        held = self._open.get(asker, {})
        return charge_id not in held and len(held) >= self._most[asker[0]]
