"""Whose proof was taken where: told to whoever asks next, and a case where it was taken twice.

A handheld that can ask claims the proof before it shows green, so that of two that ask one is
first. Two that could not ask have both shown green: their events meet here, and people look at it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import EventKind
from server.database import fetch
from server.identity.service import OnShift
from server.payments import cases
from server.sync import schemas


@dataclass(frozen=True)
class Taking:
    """That a device took the proof of a charge: by an event of its own, or by a claim alone."""

    device_id: UUID
    device: str
    attendant: str | None
    at: datetime


LOCK = "SELECT id, amount_rp FROM charges WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"
TAKINGS = """
    SELECT t.device_id, d.name AS device, a.name AS attendant, t.told, t.received_at FROM (
        SELECT device_id, body ->> 'shift_id' AS shift_id, at AS told, received_at
        FROM device_events WHERE kind = 'proof_taken' AND body ->> 'charge_id' = $1
        UNION ALL
        SELECT device_id, shift_id::text, NULL, claimed_at FROM proof_claims c
        WHERE charge_id = $1::uuid AND NOT EXISTS (
            SELECT FROM device_events e WHERE e.device_id = c.device_id
            AND kind = 'proof_taken' AND body ->> 'charge_id' = $1)
    ) t
    JOIN devices d ON d.id = t.device_id
    LEFT JOIN shifts s ON s.id::text = t.shift_id
    LEFT JOIN attendants a ON a.id = s.attendant_id
"""
CLAIM = """
    INSERT INTO proof_claims (charge_id, device_id, shift_id, claimed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
"""
TWICE = """
    SELECT (SELECT count(*) FROM device_events
            WHERE kind = 'proof_taken' AND body ->> 'charge_id' = $1::text) > 1
       AND NOT EXISTS (SELECT FROM cases WHERE charge_id = $1::uuid AND kind = $2) AS news
"""


async def claim(
    db: AsyncSession, shift: OnShift, charge_id: UUID, *, now: datetime
) -> Taking | None:
    """Take a paid charge's proof for this device, unless another was first: then that one."""
    await fetch(db, LOCK, [charge_id])
    others = [t for t in await of_charge(db, charge_id) if t.device_id != shift.device_id]
    if others:
        return others[0]
    await fetch(db, CLAIM, charge_id, shift.device_id, shift.shift_id, now)
    return None


async def of_charge(db: AsyncSession, charge_id: UUID) -> Sequence[Taking]:
    """Every taking of a charge's proof, the first one first."""
    rows = await fetch(db, TAKINGS, str(charge_id))
    takings = [
        Taking(
            row["device_id"],
            row["device"],
            row["attendant"],
            _credible(row["told"], row["received_at"]),
        )
        for row in rows
    ]
    return sorted(takings, key=lambda taking: taking.at)


def _credible(told: str | None, received_at: datetime) -> datetime:
    """The device's own time of an event, unless its clock must be wrong."""
    try:
        at = datetime.fromisoformat(told or "")
    except ValueError:
        return received_at
    return at if at.tzinfo is not None and at <= received_at else received_at


async def lock(db: AsyncSession, events: Iterable[schemas.SignedEvent]) -> dict[UUID, int]:
    """Lock the charges whose proofs a batch took; what each is for, where there is one.

    All of them before the first event, in one order, so that two batches do not wait for each
    other.
    """
    charges = {charge_id for event in events if (charge_id := charge_of(event))}
    if not charges:
        return {}
    return {row["id"]: row["amount_rp"] for row in await fetch(db, LOCK, list(charges))}


def charge_of(event: schemas.SignedEvent) -> UUID | None:
    """The charge whose proof an event says was taken."""
    return named(event.body) if event.kind == EventKind.PROOF_TAKEN else None


def named(body: dict[str, Any]) -> UUID | None:
    """The charge that an event's body names; a device may write what it likes there."""
    told = body.get("charge_id")
    if not isinstance(told, str):
        return None
    try:
        charge_id = UUID(told)
    except ValueError:
        return None
    return charge_id if str(charge_id) == told else None


async def noticed(
    db: AsyncSession, event: schemas.SignedEvent, amounts: dict[UUID, int], now: datetime
) -> None:
    """After an event was accepted: open one case where its proof had been taken before."""
    charge_id = charge_of(event)
    if charge_id is None or charge_id not in amounts:
        return
    ((news,),) = await fetch(db, TWICE, str(charge_id), cases.PROOF_TAKEN_TWICE)
    if news:
        subject = [(charge_id, amounts[charge_id])]
        await cases.open_cases(db, cases.PROOF_TAKEN_TWICE, "charge_id", subject, now)
