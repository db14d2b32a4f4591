"""What the handheld decides: shifts, charges, and what an answer changes.

Green comes from the server's answer only. Nothing here lets an attendant say that money arrived.
"""

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import qris
from attendant_app import device_key, journal, prices, problems, server_api
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import Charge, Outgoing, Shift, Sync, stamp
from domain.device import DeviceState
from domain.events import EventKind
from domain.ids import uuid7
from domain.parking import SpotCodeError, parse_spot_code
from domain.payment import ChargeKind
from domain.tariff import VehicleClass

BARCODE_WAIT_S = 3.0
LONGEST_STAY_MINUTES = 24 * 60
LONGEST_PLATE = 16
# Once reached, a charge's state is not undone by an answer that was under way before.
_SETTLED = frozenset({"paid", "refund_pending", "refunded", "refund_unknown", "refund_refused"})
_BEFORE_SETTLED = frozenset({"new", "issuing", "issued", "issue_unknown"})


def new_id() -> str:
    return str(uuid7(time.time_ns() // 1_000_000, os.urandom(10)))


# Enrolment and shifts


async def enrol(handheld: Handheld, code: str) -> None:
    """Register this device's key with a one-time code; once enrolled, a new key."""
    name = (platform.node() or "handheld")[:80]
    device = handheld.store.device()
    folder = handheld.settings.data
    key = handheld.key if device is None else device_key.next_key(folder)
    body = {"enrolment_code": code, "public_key": key.public_text(), "name": name}
    if device is None:
        answer = await _ask(handheld, "POST", "/v1/devices", body=body)
        with handheld.store.transaction():
            handheld.store.enrol(str(answer["device_id"]), name, device_time())
    else:
        body["device_id"] = device.device_id
        answer = await _ask(handheld, "POST", "/v1/devices", body=body)
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
    _may_take_over(handheld, attendant)
    nonce = (await _ask(handheld, "POST", f"/v1/devices/{device.device_id}/nonce"))["nonce"]
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
    answer = await _ask(handheld, "POST", "/v1/shifts", body=body)
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
    if handheld.store.unsynced()[0]:
        return
    handheld.store.erase()
    handheld.nudge()
    await _ask(handheld, "POST", f"/v1/devices/{device_id}/wiped")
    handheld.store.forget_device()
    handheld.key = device_key.forget(handheld.settings.data)
    handheld.link.state = DeviceState.ACTIVE
    handheld.nudge()


def _may_take_over(handheld: Handheld, attendant: str) -> None:
    """A lapsed shift may be renewed; nobody inherits another person's unsent records."""
    open_shift = handheld.store.shift()
    if open_shift is None or open_shift.attendant == attendant:
        return
    if open_shift.token is not None:
        raise problems.AlreadySignedIn
    if handheld.store.unsynced()[0]:
        raise problems.UnsyncedRecords


def _replace_shift(handheld: Handheld, shift: Shift, now: datetime) -> None:
    with handheld.store.transaction():
        before = handheld.store.shift()
        if before is not None:
            handheld.store.end_shift(before.id, now)
            _record(handheld, EventKind.SHIFT_CLOSED, {"shift_id": before.id}, now)
        handheld.store.start_shift(shift)
        body = {"shift_id": shift.id, "attendant": shift.attendant}
        _record(handheld, EventKind.SHIFT_OPENED, body, now)


def sign_out(handheld: Handheld) -> None:
    """End the shift. Refused while anything made here has not reached the office."""
    shift = handheld.store.shift()
    if shift is None:
        raise problems.NotSignedIn
    if handheld.store.unsynced()[0]:
        raise problems.UnsyncedRecords
    now = device_time()
    with handheld.store.transaction():
        handheld.store.end_shift(shift.id, now)
        _record(handheld, EventKind.SHIFT_CLOSED, {"shift_id": shift.id}, now)
    handheld.nudge()


def on_shift(handheld: Handheld) -> Shift:
    shift = handheld.store.shift()
    if shift is None:
        raise problems.NotSignedIn
    return shift


def _record(handheld: Handheld, kind: EventKind, body: dict[str, Any], now: datetime) -> None:
    journal.record(handheld.store, handheld.key, kind, body, now)


async def _ask(
    handheld: Handheld,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One call whose outcome a person waits for, with the two ways it can fail as problems."""
    try:
        answer = await server_api.call(handheld.http, method, path, token=token, body=body)
    except server_api.NoAnswer as no_answer:
        if no_answer.problem:
            raise refused_by_server(no_answer.problem) from no_answer
        raise problems.ServerUnreachable from no_answer
    except server_api.Refusal as refusal:
        if refusal.slug == problems.SignInRefused.slug:
            raise problems.SignInRefused from refusal
        raise refused_by_server(refusal.problem) from refusal
    handheld.link.learn_time(answer.server_time)
    return answer.body


def refused_by_server(problem: Mapping[str, Any]) -> problems.RefusedByServer:
    """The office's own words, kept short: they are shown, not interpreted."""
    words = " ".join(str(problem.get(part) or "") for part in ("title", "detail")).strip()
    return problems.RefusedByServer(words[:300], str(problem.get("slug") or "")[:60])


# Charges


async def request_charge(
    handheld: Handheld,
    spot: str,
    vehicle_class: str,
    plate: str | None = None,
    minutes: int | None = None,
    consumer_qr: str | None = None,
) -> Charge:
    """Write the request down, then give the server a moment to answer it.

    Comes back with or without a barcode: the request is safe either way and will be pushed.
    With `consumer_qr`, the barcode on the driver's phone, the driver's wallet is asked to pay.
    """
    charge_id = new_id()
    if consumer_qr is not None:
        _may_collect(handheld, consumer_qr)
    kind = ChargeKind.MPM if consumer_qr is None else ChargeKind.CPM
    _write_request(
        handheld, charge_id, kind, spot, vehicle_class, plate, minutes, consumer_qr=consumer_qr
    )
    return await _first_answer(handheld, charge_id)


async def take_cash(
    handheld: Handheld,
    spot: str,
    vehicle_class: str,
    plate: str | None = None,
    charge_id: str | None = None,
) -> Charge:
    """Write down cash that the attendant has in hand and owes; asking with the same id is harmless.

    Even so it is paid only once the server has it: until then it is cash received, not sent.
    """
    charge_id = charge_id or new_id()
    if not _is_id(charge_id):
        raise problems.InvalidRequest("id")
    if handheld.store.charge(charge_id) is None:
        _write_request(handheld, charge_id, ChargeKind.CASH, spot, vehicle_class, plate)
    return await _first_answer(handheld, charge_id)


async def _first_answer(handheld: Handheld, charge_id: str) -> Charge:
    handheld.nudge()
    deadline = time.monotonic() + BARCODE_WAIT_S
    while True:
        heard = handheld.bell.rings
        charge = charge_or_problem(handheld, charge_id)
        known, left = charge.known or {}, deadline - time.monotonic()
        answered = known.get("qris") or charge.state not in _BEFORE_SETTLED
        if charge.sync is Sync.REFUSED or answered or left <= 0:
            return charge
        if charge.kind is ChargeKind.CPM and charge.sync is Sync.SENT:
            return charge
        if charge.sync is Sync.WAITING and not handheld.link.online:
            return charge
        await handheld.bell.wait(heard, left)


def _may_collect(handheld: Handheld, consumer_qr: str) -> None:
    """A wallet's barcode is worth a minute: kept for later, it would charge who has driven off."""
    try:
        qris.consumer.parse(consumer_qr)
    except qris.QrisError as error:
        raise problems.InvalidRequest("consumer_qr") from error
    if not handheld.link.online:
        raise problems.ServerUnreachable


# Where a request for each kind goes, and the fact that it is.
_REQUESTS = {
    ChargeKind.MPM: ("charges", EventKind.CHARGE_REQUESTED),
    ChargeKind.CPM: ("consumer-charges", EventKind.CHARGE_REQUESTED),
    ChargeKind.CASH: ("cash-charges", EventKind.CASH_TAKEN),
}


def _write_request(
    handheld: Handheld,
    charge_id: str,
    kind: ChargeKind,
    spot: str,
    vehicle_class: str,
    plate: str | None = None,
    minutes: int | None = None,
    consumer_qr: str | None = None,
) -> None:
    shift = on_shift(handheld)
    master = handheld.store.master_data()
    try:
        code, wheels = parse_spot_code(spot), VehicleClass(vehicle_class)
    except SpotCodeError as error:
        raise problems.UnknownSpot(str(error)) from error
    except ValueError as error:
        raise problems.InvalidRequest("vehicle_class") from error
    if prices.spot_in(master, code) is None:
        raise problems.UnknownSpot(code)
    body: dict[str, Any] = {"id": charge_id, "vehicle_class": wheels.value}
    if plate is not None and plate.strip():
        body["plate"] = _plate(plate)
    if minutes is not None and not 1 <= minutes <= LONGEST_STAY_MINUTES:
        raise problems.InvalidRequest("minutes")
    offer = prices.offer(master, code, wheels, handheld.office_time(), minutes)
    if kind is ChargeKind.CASH and offer is None:
        raise problems.NoPrice
    # What is asked for is what the button offered, stay included.
    minutes = offer.minutes if offer else minutes
    if minutes is not None:
        body["minutes"] = minutes
    if consumer_qr is not None:
        body["consumer_qr"] = consumer_qr
    now = device_time()
    quoted_rp = offer.amount_rp if offer else None
    path, event = _REQUESTS[kind]
    with handheld.store.transaction():
        handheld.store.add_charge(
            Charge(
                id=charge_id,
                shift_id=shift.id,
                kind=kind,
                spot=code,
                vehicle_class=wheels.value,
                quoted_rp=quoted_rp,
                print_when_paid=True,
                sync=Sync.WAITING,
                state="new",
                known=None,
                problem=None,
                created_at=stamp(now),
                changed_at=stamp(now),
            )
        )
        handheld.store.add_outgoing(
            Outgoing(
                id=new_id(),
                charge_id=charge_id,
                path=f"/v1/spots/{code}/{path}",
                body=body,
                made_at=stamp(now),
                tries=0,
                next_try_at=stamp(now),
                last_error=None,
            )
        )
        # The plate stays out: the journal is for ever, a plate is not.
        fact = {
            "charge_id": charge_id,
            "shift_id": shift.id,
            "spot": code,
            "vehicle_class": wheels.value,
            "quoted_rp": quoted_rp,
            "minutes": minutes,
        }
        _record(handheld, event, fact, now)


def _plate(text: str) -> str:
    plate = " ".join(text.upper().split())
    if len(plate) > LONGEST_PLATE or not plate.replace(" ", "").isalnum() or not plate.isascii():
        raise problems.InvalidRequest("plate")
    return plate


def charge_or_problem(handheld: Handheld, charge_id: str) -> Charge:
    charge = handheld.store.charge(charge_id) if _is_id(charge_id) else None
    if charge is None:
        raise problems.NotFound
    return charge


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def keep_answer(handheld: Handheld, charge_id: str, known: dict[str, Any]) -> Charge:
    """Take in what the server says a charge is. The only way to `paid`, and to a printed original.

    Raises NoAnswer for a body that is not this charge: it proves nothing.
    """
    if known.get("id") != charge_id or not isinstance(known.get("state"), str):
        raise server_api.NoAnswer("not this charge", reached=True)
    now = device_time()
    store = handheld.store
    with store.transaction():
        before = store.charge(charge_id)
        if before is None:
            raise server_api.NoAnswer("not a charge of this handheld", reached=True)
        if before.state in _SETTLED and known["state"] in _BEFORE_SETTLED:
            return before
        if before.known != known or before.sync is not Sync.SENT:
            store.save_answer(charge_id, known, now)
        receipt = known.get("receipt")
        if known["state"] == "paid" and receipt and before.print_when_paid:
            store.add_print_job(charge_id, str(receipt["number"]), 0, now)
        after = store.charge(charge_id)
    if before.known != known:
        handheld.nudge()
    assert after is not None
    return after


def adopt(handheld: Handheld, known: dict[str, Any]) -> Charge:
    """Follow a charge that was made elsewhere, as by a driver's own phone.

    Where it is paid already somebody may hold its receipt: then only a marked copy is printed here.
    """
    now = device_time()
    if handheld.store.charge(str(known["id"])) is None:
        with handheld.store.transaction():
            handheld.store.add_charge(
                Charge(
                    id=str(known["id"]),
                    shift_id=None,
                    kind=ChargeKind.MPM,
                    spot=str(known["spot"]),
                    vehicle_class=str(known["vehicle_class"]),
                    quoted_rp=None,
                    print_when_paid=known["state"] in _BEFORE_SETTLED,
                    sync=Sync.SENT,
                    state=str(known["state"]),
                    known=known,
                    problem=None,
                    created_at=stamp(now),
                    changed_at=stamp(now),
                )
            )
    return keep_answer(handheld, str(known["id"]), known)


def view(handheld: Handheld, charge: Charge) -> dict[str, Any]:
    """A charge as the page and the local API show it: the server's answer, or what waits for it."""
    known = charge.known or {}
    amount = known.get("amount_rp")
    master = handheld.store.master_data()
    spot = prices.spot_in(master, charge.spot) or {}
    return {
        "id": charge.id,
        "kind": charge.kind.value,
        "spot": charge.spot,
        "place": known.get("place") or spot.get("place", ""),
        "vehicle_class": charge.vehicle_class,
        "state": charge.state,
        "sync": charge.sync.value,
        "amount_rp": charge.quoted_rp if amount is None else amount,
        "quoted_rp": charge.quoted_rp,
        "qris": known.get("qris"),
        "code": known.get("code"),
        "money_flag": known.get("money_flag"),
        "page": known.get("page"),
        "quote": known.get("quote") or [],
        "created_at": known.get("created_at") or charge.created_at,
        "expires_at": known.get("expires_at"),
        "paid_at": known.get("paid_at"),
        "receipt": known.get("receipt"),
        "problem": charge.problem,
    }


def merchant_of(text: str | None) -> str:
    """The name a driver's wallet will show; empty where the text is no QRIS."""
    try:
        return qris.parse(text).name if text else ""
    except qris.QrisError:
        return ""


def spots(handheld: Handheld) -> list[dict[str, Any]]:
    """The spots this attendant may charge for, each with its prices right now."""
    master = handheld.store.master_data()
    now = handheld.office_time()

    def offers(code: str) -> dict[str, dict[str, Any] | None]:
        found = {name.value: prices.offer(master, code, name, now) for name in VehicleClass}
        return {name: asdict(offer) if offer else None for name, offer in found.items()}

    return [
        {
            "code": spot["code"],
            "place": spot["place"],
            "zone": spot["zone"],
            "offers": offers(spot["code"]),
        }
        for spot in (master or {}).get("spots", ())
    ]


# What the attendant on shift collected


@dataclass(frozen=True)
class Takings:
    """An attendant's day as this device knows it; the office's books decide what is owed."""

    qris_count: int
    qris_rp: int
    cash_count: int
    cash_rp: int
    """Cash in hand, owed to the office: what it has recorded, and what is still to be sent."""
    cash_unsent_count: int


def takings(handheld: Handheld) -> Takings:
    """Today's, by the regency's clock: QRIS only once paid, cash from the moment it was taken."""
    shift = on_shift(handheld)
    today = handheld.office_time().astimezone(prices.zone_of(handheld.store.master_data()))
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)
    own = handheld.store.charges_of(shift.attendant, midnight)
    # Where money came and went back again, only the office knows what is left of it.
    held = [charge for charge in own if charge.state in ("new", "paid")]
    cash = [charge for charge in held if charge.kind is ChargeKind.CASH]
    qris_paid = [charge for charge in held if charge not in cash and charge.state == "paid"]
    return Takings(
        qris_count=len(qris_paid),
        qris_rp=sum(_amount_rp(charge) for charge in qris_paid),
        cash_count=len(cash),
        cash_rp=sum(_amount_rp(charge) for charge in cash),
        cash_unsent_count=sum(charge.sync is not Sync.SENT for charge in cash),
    )


def _amount_rp(charge: Charge) -> int:
    """The server's amount where it has answered, else the one that was offered."""
    told = (charge.known or {}).get("amount_rp")
    return int(told if told is not None else charge.quoted_rp or 0)


# What the status bar shows


def status(handheld: Handheld) -> dict[str, Any]:
    store = handheld.store
    shift, device = store.shift(), store.device()
    unsynced, oldest = store.unsynced()
    age = device_time() - datetime.fromisoformat(oldest) if oldest else timedelta()
    return {
        "enrolled": device is not None,
        "device_state": handheld.link.state,
        "fingerprint": handheld.key.fingerprint(),
        "signed_in": shift is not None,
        "sign_in_lapsed": shift is not None and shift.token is None,
        "attendant": shift and {"code": shift.attendant, "name": shift.attendant_name},
        "online": handheld.link.online,
        "unsynced": unsynced,
        # A clock set back must not show a negative age.
        "oldest_unsynced_s": max(0, int(age.total_seconds())) if oldest else None,
        "quarantined": store.quarantined(),
        "now": handheld.office_time().astimezone(UTC).isoformat(timespec="milliseconds"),
    }
