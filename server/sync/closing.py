"""Closing a shift: the cash counted against the cash booked, once every record has arrived.

What the attendant owes is what the books say, counted or not; a difference is a case of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import GENESIS, EventKind
from server.errors import InvalidRequest, NotFound, Problem
from server.identity import service as identity
from server.identity.models import Shift, ShiftClosing, ShiftDifference
from server.identity.service import Right
from server.payments.models import OWNER, Money
from server.sync.models import DeviceEvent, QuarantinedEvent

MOST_NAMED = 200


class ShiftNotFound(NotFound):
    slug = "shift-not-found"
    title_id = "Giliran ini tidak dikenal pada perangkat ini"
    title_en = "This shift is not known of this device"


class ShiftClosed(Problem):
    slug = "shift-closed"
    status = 409
    title_id = "Giliran ini sudah ditutup"
    title_en = "This shift is closed already"


class RecordsMissing(Problem):
    """Records the device made and the office never had; `missing` numbers them."""

    slug = "records-missing"
    status = 409
    title_id = "Catatan perangkat ini belum lengkap di kantor; giliran belum ditutup"
    title_en = "Records of this device have not all arrived; the shift is not closed"

    def __init__(self, missing: list[int]) -> None:
        super().__init__(", ".join(map(str, missing)))
        self.missing = missing

    def body(self, language: str) -> dict[str, Any]:
        return super().body(language) | {"missing": self.missing}


@dataclass(frozen=True)
class Count:
    """What a handheld says it counted: `seq` is where its chain holds the count, signed."""

    seq: int
    counted_rp: int
    shown_rp: int


async def close(
    db: AsyncSession, device_id: UUID, shift_id: UUID, count: Count, *, now: datetime
) -> ShiftClosing:
    """End a shift of this device; the same count again gives the same closing.

    Raises RecordsMissing, ShiftClosed, ShiftNotFound, DeviceNotActive, InvalidRequest.
    """
    await identity.active_device_keys(db, device_id)
    await identity.lock_shift(db, shift_id)
    shift = await db.get(Shift, shift_id)
    if shift is None or shift.device_id != device_id:
        raise ShiftNotFound
    known = await db.get(ShiftClosing, shift_id)
    if known is not None:
        if (known.event_seq, known.counted_rp) == (count.seq, count.counted_rp):
            return known
        raise ShiftClosed
    held = await _quarantined(db, device_id)
    if missing := await _missing(db, device_id, count.seq, held):
        raise RecordsMissing(missing)
    kind, told = await _fact(db, device_id, count.seq) or held[count.seq].fact
    fact = {"shift_id": str(shift_id), "counted_rp": count.counted_rp, "shown_rp": count.shown_rp}
    if kind != EventKind.SHIFT_CLOSED or {name: told.get(name) for name in fact} != fact:
        raise InvalidRequest("seq: the chain holds another fact there")
    closing = ShiftClosing(
        shift_id=shift_id,
        closed_at=now,
        expected_rp=await cash_taken_on(db, shift_id),
        counted_rp=count.counted_rp,
        shown_rp=count.shown_rp,
        event_seq=count.seq,
    )
    db.add(closing)
    await db.flush()
    # Cash that the handheld told of and the books have not was refused: somebody has it.
    unbooked_rp = count.shown_rp - closing.expected_rp
    if difference_rp := count.counted_rp - closing.expected_rp or unbooked_rp:
        db.add(
            ShiftDifference(
                shift_id=shift_id, difference_rp=difference_rp, owner=OWNER, opened_at=now
            )
        )
        await db.flush()
    return closing


async def force(
    db: AsyncSession, officer_id: UUID, shift_id: UUID, why: str, *, now: datetime
) -> None:
    """End a shift whose handheld is lost or silent: nothing was counted, the debt stays."""
    officer = await identity.acting(db, officer_id, Right.CLOSE_SHIFT)
    await identity.lock_shift(db, shift_id)
    if await db.get(Shift, shift_id) is None:
        raise ShiftNotFound
    if await db.get(ShiftClosing, shift_id) is not None:
        raise ShiftClosed
    db.add(
        ShiftClosing(
            shift_id=shift_id,
            closed_at=now,
            expected_rp=await cash_taken_on(db, shift_id),
            forced_by=officer.id,
            why=why,
        )
    )
    await db.flush()


async def cash_taken_on(db: AsyncSession, shift_id: UUID) -> int:
    """The cash booked on a shift: what its attendant should have in hand of it."""
    taken = await db.scalar(
        select(func.coalesce(func.sum(Money.amount_rp), 0)).where(Money.shift_id == shift_id)
    )
    return int(taken or 0)


Fact = tuple[str, dict[str, Any]]
"""An event's kind and body."""


@dataclass(frozen=True)
class _Held:
    """An event that was refused; `gap` where only its predecessor was not there."""

    fact: Fact
    prev_hash: str
    hash: str
    gap: bool


async def _quarantined(db: AsyncSession, device_id: UUID) -> dict[int, _Held]:
    """What of this device is held back, by its number in the chain."""
    rows = await db.execute(
        select(QuarantinedEvent.event, QuarantinedEvent.reason)
        .where(QuarantinedEvent.device_id == device_id)
        .order_by(QuarantinedEvent.id)
    )
    events = [
        (json.loads(event["text"]) if "text" in event else event, reason) for event, reason in rows
    ]
    return {
        int(event["seq"]): _Held(
            (str(event["kind"]), event["body"]), event["prev_hash"], event["hash"], reason == "gap"
        )
        for event, reason in events
        # Neither of another device's chain nor the refused claim of a barcode, which has no number.
        if event.get("device_id") == str(device_id)
    }


async def _missing(
    db: AsyncSession, device_id: UUID, seq: int, held: Mapping[int, _Held]
) -> list[int]:
    """The numbers up to `seq` that the device is to send, the first of them.

    Those under which nothing came, and what was held back for a gap that is filled by now or will
    be: only what is refused for good, and what follows it, stays held.
    """
    last = await db.scalar(
        select(DeviceEvent)
        .where(DeviceEvent.device_id == device_id)
        .order_by(DeviceEvent.seq.desc())
        .limit(1)
    )
    before: str | None = last.hash if last else GENESIS
    broken = False
    missing: list[int] = []
    for number in range((last.seq if last else 0) + 1, seq + 1):
        event = held.get(number)
        if event is None:
            missing.append(number)
            before = None
        elif event.gap and not broken and before in (None, event.prev_hash):
            missing.append(number)
            before = event.hash
        else:
            broken = True
        if len(missing) == MOST_NAMED:
            break
    return missing


async def _fact(db: AsyncSession, device_id: UUID, seq: int) -> Fact | None:
    event = await db.get(DeviceEvent, (device_id, seq))
    return (event.kind, event.body) if event else None
