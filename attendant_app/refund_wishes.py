"""A driver's wish for money back: said here, looked into and decided by officers.

Nothing is given back or promised here. The wish is a fact in the device's chain, so that it also
holds without a network; once for each charge.
"""

from datetime import datetime

from attendant_app import offline, problems, service, shifts
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import Charge, stamp
from domain.events import EventKind
from domain.payment import ChargeKind, RefundReason

WATCHED_AT_ONCE = 20
# A payment that came late has its case at the office already.
REASONS = tuple(reason for reason in RefundReason if reason is not RefundReason.PAID_LATE)


def wishable(handheld: Handheld, charge_id: str) -> Charge:
    """The charge, where money of it could go back and this device took it; else a problem."""
    shifts.on_shift(handheld)
    charge = service.charge_or_problem(handheld, charge_id)
    if charge.shift_id is None:
        raise problems.MadeElsewhere
    paid = charge.state == "paid" or offline.is_proved(handheld, charge.id)
    if not paid or charge.kind is ChargeKind.VOUCHER:
        raise problems.NothingToGiveBack
    return charge


def wish(handheld: Handheld, charge_id: str, reason: str) -> None:
    """Tell the office; said again, it is told once."""
    charge = wishable(handheld, charge_id)
    if reason not in REASONS:
        raise problems.InvalidRequest("reason")
    body = {"charge_id": charge.id, "shift_id": charge.shift_id, "reason": reason}
    with handheld.store.transaction():
        if state(handheld, charge.id) is None:
            handheld.record(EventKind.REFUND_WISHED, body, device_time())
    handheld.nudge()


def undecided(handheld: Handheld, since: datetime) -> list[str]:
    """The newest charges whose wish the office has, and of which it told nothing since."""
    rows = handheld.store.db.execute(
        "SELECT charges.id FROM events"
        " JOIN charges ON charges.id = json_extract(body, '$.charge_id')"
        " WHERE events.kind = ? AND outcome = 'accepted' AND at > ?"
        " AND coalesce(json_array_length(known, '$.refunds'), 0) = 0"
        " ORDER BY seq DESC LIMIT ?",
        (EventKind.REFUND_WISHED.value, stamp(since), WATCHED_AT_ONCE),
    )
    return [row["id"] for row in rows]


def state(handheld: Handheld, charge_id: str) -> str | None:
    """Whether the office was told: `waiting`, `accepted` or `quarantined`; None for no wish."""
    told = handheld.store.first_event(EventKind.REFUND_WISHED, charge_id=charge_id)
    return str(told["outcome"]) if told else None
