"""What the handheld decides about charges, and what an answer changes.

Green comes from the server's answer only. Nothing here lets an attendant say that money arrived.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import qris
from attendant_app import closing, offline, pool, prices, problems, server_api, shifts
from attendant_app.runtime import Handheld, device_time, new_id
from attendant_app.store import Charge, Outgoing, Sync, stamp
from domain.closure import Closure
from domain.events import EventKind
from domain.parking import SpotCodeError, parse_spot_code
from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from printer.errors import QueueFull

log = logging.getLogger(__name__)

BARCODE_WAIT_S = 3.0
"""How long a screen waits for the office before it shows what this device knows alone."""
LONGEST_STAY_MINUTES = 24 * 60
LONGEST_PLATE = 16
# Once reached, a charge's state is not undone by an answer that was under way before.
_SETTLED = frozenset({"paid", "refund_pending", "refunded", "refund_unknown", "refund_refused"})
_BEFORE_SETTLED = frozenset({"new", "issuing", "issued", "issue_unknown"})
NOTHING: Mapping[str, str] = MappingProxyType({})

# Charges


async def request_charge(
    handheld: Handheld,
    spot: str,
    vehicle_class: str,
    plate: str | None = None,
    minutes: int | None = None,
    consumer_qr: str | None = None,
) -> Charge:
    """Write the request down, then give the server a moment to answer it. Where it cannot be asked,
    show a barcode of the pool instead, if there is one.

    Comes back with or without a barcode: the request is safe either way and will be pushed.
    With `consumer_qr`, the barcode on the driver's phone, the driver's wallet is asked to pay.
    """
    charge_id = new_id()
    if consumer_qr is not None:
        may_collect(handheld, consumer_qr)
    elif not handheld.link.online:
        closing.refuse_while_closing(handheld)
        place = known_place(handheld, spot, vehicle_class)
        pooled = pool.show(handheld, shifts.on_shift(handheld), *place, minutes, known_plate(plate))
        if pooled is not None:
            return pooled
    kind = ChargeKind.MPM if consumer_qr is None else ChargeKind.CPM
    more = NOTHING if consumer_qr is None else {"consumer_qr": consumer_qr}
    write_request(handheld, charge_id, kind, spot, vehicle_class, plate, minutes, more)
    return await first_answer(handheld, charge_id)


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
    if handheld.store.charge(charge_id) is None:
        write_request(handheld, charge_id, ChargeKind.CASH, spot, vehicle_class, plate)
    return await first_answer(handheld, charge_id)


async def first_answer(handheld: Handheld, charge_id: str) -> Charge:
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


def may_collect(handheld: Handheld, consumer_qr: str) -> None:
    """A wallet's barcode is worth a minute: kept for later, it would charge who has driven off."""
    try:
        qris.consumer.parse(consumer_qr)
    except qris.QrisError as error:
        raise problems.InvalidRequest("consumer_qr") from error
    if not handheld.link.online:
        raise problems.ServerUnreachable


# Where a request for each kind goes, and the fact that it is.
REQUESTS = {
    ChargeKind.MPM: ("charges", EventKind.CHARGE_REQUESTED),
    ChargeKind.CPM: ("consumer-charges", EventKind.CHARGE_REQUESTED),
    ChargeKind.CASH: ("cash-charges", EventKind.CASH_TAKEN),
    ChargeKind.VOUCHER: ("voucher-charges", EventKind.VOUCHER_TAKEN),
}


def write_request(
    handheld: Handheld,
    charge_id: str,
    kind: ChargeKind,
    spot: str,
    vehicle_class: str,
    plate: str | None = None,
    minutes: int | None = None,
    more: Mapping[str, str] = NOTHING,
    fact: Mapping[str, str] = NOTHING,
) -> None:
    """Write a request down to be sent; `more` goes to the office with it, `fact` into the event."""
    if not _is_id(charge_id):
        raise problems.InvalidRequest("id")
    shift = shifts.on_shift(handheld)
    closing.refuse_while_closing(handheld)
    master = handheld.store.master_data()
    code, wheels = known_place(handheld, spot, vehicle_class)
    body: dict[str, Any] = {"id": charge_id, "vehicle_class": wheels.value}
    if written := known_plate(plate):
        body["plate"] = written
    if minutes is not None and not 1 <= minutes <= LONGEST_STAY_MINUTES:
        raise problems.InvalidRequest("minutes")
    offer = prices.offer(master, code, wheels, handheld.office_time(), minutes)
    if kind is ChargeKind.CASH and offer is None:
        raise problems.NoPrice
    # What is asked for is what the button offered, stay included.
    minutes = offer.minutes if offer else minutes
    if minutes is not None:
        body["minutes"] = minutes
    body |= more
    now = device_time()
    quoted_rp = offer.amount_rp if offer else None
    path, event = REQUESTS[kind]
    with handheld.store.transaction():
        add_charge(handheld, charge_id, shift.id, kind, code, wheels.value, quoted_rp)
        send_for(handheld, charge_id, f"/v1/spots/{code}/{path}", body)
        # The plate stays out: the journal is for ever, a plate is not.
        told = {
            "charge_id": charge_id,
            "shift_id": shift.id,
            "spot": code,
            "vehicle_class": wheels.value,
            "quoted_rp": quoted_rp,
            "minutes": minutes,
            **fact,
        }
        handheld.record(event, told, now)


def add_charge(
    handheld: Handheld,
    charge_id: str,
    shift_id: str,
    kind: ChargeKind,
    spot: str,
    vehicle_class: str,
    quoted_rp: int | None,
) -> None:
    """A charge that is asked for now; call inside a transaction of the store."""
    now = stamp(device_time())
    handheld.store.add_charge(
        Charge(
            id=charge_id,
            shift_id=shift_id,
            kind=kind,
            spot=spot,
            vehicle_class=vehicle_class,
            quoted_rp=quoted_rp,
            print_when_paid=not handheld.training,
            sync=Sync.WAITING,
            state="new",
            known=None,
            problem=None,
            created_at=now,
            changed_at=now,
        )
    )


def send_for(handheld: Handheld, charge_id: str, path: str, body: dict[str, Any]) -> None:
    """The request by which the server learns of a charge; call inside the same transaction."""
    now = stamp(device_time())
    handheld.store.add_outgoing(
        Outgoing(
            id=new_id(),
            charge_id=charge_id,
            path=path,
            body=body,
            made_at=now,
            tries=0,
            next_try_at=now,
            last_error=None,
        )
    )


def known_place(handheld: Handheld, spot: str, vehicle_class: str) -> tuple[str, VehicleClass]:
    try:
        code, wheels = parse_spot_code(spot), VehicleClass(vehicle_class)
    except SpotCodeError as error:
        raise problems.UnknownSpot(str(error)) from error
    except ValueError as error:
        raise problems.InvalidRequest("vehicle_class") from error
    master = handheld.store.master_data()
    if prices.spot_in(master, code) is None:
        raise problems.UnknownSpot(code)
    refuse_where_closed(handheld, master, code)
    return code, wheels


def refuse_where_closed(handheld: Handheld, master: Mapping[str, Any] | None, code: str) -> None:
    """No stay begins where the office closed; those that run are ended and paid as ever."""
    if prices.closed(master, code, handheld.office_time()) is not None:
        raise problems.SpotClosed(code)


def known_plate(text: str | None) -> str | None:
    plate = " ".join((text or "").upper().split())
    if not plate:
        return None
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
        _queue_original(handheld, before, known, now)
        after = store.charge(charge_id)
    if before.known != known:
        handheld.nudge()
    assert after is not None
    return after


def _queue_original(
    handheld: Handheld, before: Charge, known: dict[str, Any], now: datetime
) -> None:
    """Once, with the answer that first brings the receipt: a later one must not print it again."""
    receipt = known.get("receipt")
    if known["state"] != "paid" or not receipt or (before.known or {}).get("receipt"):
        return
    if not before.print_when_paid:
        return
    try:
        handheld.store.print_queue.submit(str(receipt["number"]), before.id, now=now)
    except QueueFull as error:
        # The payment stands; its screen offers the slip.
        log.error("receipt %s is not printed: %s", receipt["number"], error)  # noqa: TRY400 - no fault


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
        "refunds": known.get("refunds") or [],
        "problem": charge.problem,
    }


def merchant_of(text: str | None) -> str:
    """The name a driver's wallet will show; empty where the text is no QRIS."""
    try:
        return qris.parse(text).name if text else ""
    except qris.QrisError:
        return ""


def _told_closed(closure: Closure | None) -> dict[str, Any] | None:
    """Why and until when, as screens and the local API tell it; None where it is open."""
    if closure is None:
        return None
    ends = closure.ends and closure.ends.isoformat()
    return {"reason": closure.reason.value, "until": ends}


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
            "closed": _told_closed(prices.closed(master, spot["code"], now)),
        }
        for spot in (master or {}).get("spots", ())
    ]


# What the status bar shows


def status(handheld: Handheld) -> dict[str, Any]:
    store = handheld.store
    shift, device = store.shift(), store.device()
    unsynced, oldest = store.unsynced()
    age = device_time() - datetime.fromisoformat(oldest) if oldest else timedelta()
    return {
        "enrolled": device is not None,
        "training": handheld.training,
        "device_state": handheld.link.state,
        "fingerprint": handheld.key.fingerprint(),
        "signed_in": shift is not None,
        "stopped": shift is not None and store.is_stopped(shift.attendant),
        "sign_in_lapsed": shift is not None and shift.token is None,
        "closing": closing.waiting(handheld) is not None,
        "attendant": shift and {"code": shift.attendant, "name": shift.attendant_name},
        "online": handheld.link.online,
        "unsynced": unsynced,
        # A clock set back must not show a negative age.
        "oldest_unsynced_s": max(0, int(age.total_seconds())) if oldest else None,
        "quarantined": store.quarantined(),
        "offline": offline.window(handheld).as_json(),
        "now": handheld.office_time().astimezone(UTC).isoformat(timespec="milliseconds"),
    }
