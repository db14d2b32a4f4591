"""Who works here: this device's enrolment, the shift of the attendant who carries it, and what
that attendant collected today.
"""

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from attendant_app import device_key, prices, problems, server_api
from attendant_app.runtime import Handheld, device_time, new_id
from attendant_app.store import Charge, Shift, Sync, stamp
from domain.business_days import BusinessDays
from domain.device import DeviceState
from domain.events import EventKind
from domain.payment import ChargeKind

# Enrolment and shifts


async def enrol(handheld: Handheld, code: str) -> None:
    """Register this device's key with a one-time code; once enrolled, a new key."""
    name = (platform.node() or "handheld")[:80]
    device = handheld.store.device()
    folder = handheld.settings.data
    key = handheld.key if device is None else device_key.next_key(folder)
    body = {"enrolment_code": code, "public_key": key.public_text(), "name": name}
    if device is None:
        answer = await server_api.ask(handheld, "POST", "/v1/devices", body=body)
        with handheld.store.transaction():
            handheld.store.enrol(str(answer["device_id"]), name, device_time())
    else:
        body["device_id"] = device.device_id
        answer = await server_api.ask(handheld, "POST", "/v1/devices", body=body)
        handheld.key = device_key.use_next(folder)
    handheld.link.state = str(answer["state"])
    handheld.nudge()


async def sign_in(handheld: Handheld, attendant: str, pin: str) -> Shift:
    """Open a shift at the office for an attendant with a PIN; needs a connection."""
    device = handheld.store.device()
    if device is None:
        raise problems.NotEnrolled
    attendant = attendant.strip().upper()
    if not 1 <= len(attendant) <= 40 or not 4 <= len(pin) <= 12:
        raise problems.SignInRefused
    # Online the office is asked: it may have changed its mind since.
    if not handheld.link.online and handheld.store.is_stopped(attendant):
        raise problems.AttendantStopped
    _may_take_over(handheld, attendant)
    nonce = (await server_api.ask(handheld, "POST", f"/v1/devices/{device.device_id}/nonce"))[
        "nonce"
    ]
    shift_id = new_id()
    text = f"karcis-shift|{shift_id}|{device.device_id}|{attendant}|{nonce}"
    body = {
        "id": shift_id,
        "device_id": device.device_id,
        "attendant": attendant,
        "pin": pin,
        "nonce": nonce,
        "signature": handheld.key.sign(text.encode()),
    }
    answer = await server_api.ask(handheld, "POST", "/v1/shifts", body=body)
    now = device_time()
    shift = Shift(
        id=shift_id,
        attendant=str(answer["attendant"]["code"]),
        attendant_name=str(answer["attendant"]["name"]),
        token=str(answer["token"]),
        started_at=stamp(now),
        expires_at=str(answer["expires_at"]),
    )
    _replace_shift(handheld, shift, now)
    handheld.nudge()
    return shift


async def wipe(handheld: Handheld, device_id: str) -> None:
    """Erase what was recorded here, then the key; nothing while anything is unsent."""
    if handheld.store.unsynced()[0] or handheld.store.waiting_for_leave():
        return
    handheld.store.erase()
    handheld.nudge()
    await server_api.ask(handheld, "POST", f"/v1/devices/{device_id}/wiped")
    handheld.store.forget_device()
    handheld.key = device_key.forget(handheld.settings.data)
    handheld.link.state = DeviceState.ACTIVE
    handheld.nudge()


def _may_take_over(handheld: Handheld, attendant: str) -> None:
    """A lapsed shift may be renewed, a running one is counted first; nobody inherits another
    person's unsent records."""
    open_shift = handheld.store.shift()
    if open_shift is None:
        return
    if open_shift.token is not None:
        raise problems.AlreadySignedIn
    if open_shift.attendant != attendant and handheld.store.unsynced()[0]:
        raise problems.UnsyncedRecords


def _replace_shift(handheld: Handheld, shift: Shift, now: datetime) -> None:
    with handheld.store.transaction():
        before = handheld.store.shift()
        if before is not None:
            handheld.record(EventKind.SHIFT_CLOSED, {"shift_id": before.id}, now)
            if before.attendant != shift.attendant:
                hold_unsent(handheld, before)
            handheld.store.end_shift(before.id, now)
        handheld.store.start_shift(shift)
        handheld.store.note_resumed(shift.attendant)
        handheld.store.release_held(shift.attendant, now)
        body = {"shift_id": shift.id, "attendant": shift.attendant}
        handheld.record(EventKind.SHIFT_OPENED, body, now)


def hold_unsent(handheld: Handheld, shift: Shift) -> None:
    """A shift ends with requests unsent only where its attendant is stopped."""
    why = problems.RefusedByServer(
        problems.AttendantStopped.title_id, problems.AttendantStopped.slug
    )
    handheld.store.hold_unsent(shift.attendant, why.body(), device_time())


def signed_in(handheld: Handheld) -> Shift:
    """The shift that is open here, also of an attendant who may only count and close it."""
    shift = handheld.store.shift()
    if shift is None:
        raise problems.NotSignedIn
    return shift


def on_shift(handheld: Handheld) -> Shift:
    """The shift of an attendant who may work; raises NotSignedIn, AttendantStopped."""
    shift = signed_in(handheld)
    if handheld.store.is_stopped(shift.attendant):
        raise problems.AttendantStopped
    return shift


def made_by(handheld: Handheld, charge: Charge) -> str:
    """Whose charge it is, where that is not the attendant on shift: it counts for who made it."""
    row = handheld.store.db.execute(
        "SELECT made.attendant_name FROM shifts made, shifts now WHERE made.id = ?"
        " AND now.ended_at IS NULL AND now.attendant <> made.attendant",
        (charge.shift_id,),
    ).fetchone()
    return str(row["attendant_name"]) if row else ""


# What the attendant on shift collected


ASKED_BEFORE = timedelta(days=3)
"""How long before a day a charge that counts on it may have been made: as the office looks."""


@dataclass(frozen=True)
class Takings:
    """An attendant's day as this device knows it; the office's books decide what is owed."""

    day: date
    ends_at: datetime
    """By the regency's clock."""
    qris_count: int
    qris_rp: int
    cash_count: int
    cash_rp: int
    """Cash in hand, owed to the office: what it has recorded, and what is still to be sent."""
    cash_unsent_count: int


def takings(handheld: Handheld) -> Takings:
    """Those of the business day that it is now, of the attendant on shift."""
    shift = signed_in(handheld)
    days = prices.business_days(handheld.store.master_data())
    now = handheld.office_time()
    starts, _ = days.bounds(days.of(now))
    return of_day(handheld.store.charges_of(shift.attendant, starts - ASKED_BEFORE), days, now)


def of_day(charges: Iterable[Charge], days: BusinessDays, now: datetime) -> Takings:
    """Of these charges: QRIS on the day it was paid, cash from the moment it was taken."""
    day = days.of(now)
    own = [charge for charge in charges if days.of(_collected_at(charge)) == day]
    # Where money came and went back again, only the office knows what is left of it.
    held = [charge for charge in own if charge.state in ("new", "paid")]
    cash = [charge for charge in held if charge.kind is ChargeKind.CASH]
    by_barcode = (ChargeKind.MPM, ChargeKind.CPM)
    qris_paid = [c for c in held if c.kind in by_barcode and c.state == "paid"]
    return Takings(
        day=day,
        ends_at=days.bounds(day)[1].astimezone(days.timezone),
        qris_count=len(qris_paid),
        qris_rp=sum(_amount_rp(charge) for charge in qris_paid),
        cash_count=len(cash),
        cash_rp=sum(_amount_rp(charge) for charge in cash),
        cash_unsent_count=sum(charge.sync is not Sync.SENT for charge in cash),
    )


def _collected_at(charge: Charge) -> datetime:
    """By the server where it has told, so that both count it on the same day."""
    return datetime.fromisoformat((charge.known or {}).get("paid_at") or charge.created_at)


def _amount_rp(charge: Charge) -> int:
    """The server's amount where it has answered, else the one that was offered."""
    told = (charge.known or {}).get("amount_rp")
    return int(told if told is not None else charge.quoted_rp or 0)
