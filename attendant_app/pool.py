"""Barcodes that the office issued ahead, to be shown while nobody can be asked.

Each is a real charge that can be paid, and is shown to one driver only. That it was shown is a
signed fact and a claim that goes to the office; that it was paid, only the office tells or a proof.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from attendant_app import offline, prices, problems, server_api
from attendant_app.prices import Offer
from attendant_app.runtime import Handheld, device_time, new_id
from attendant_app.store import Charge, Outgoing, Shift, Sync, stamp
from domain.events import EventKind
from domain.payment import ChargeKind
from domain.tariff import VehicleClass

LEAST_LEFT = timedelta(minutes=5)
"""What a driver needs to pay; a barcode with less is not shown any more."""


@dataclass(frozen=True)
class Pooled:
    """A barcode issued ahead; `known` is what the office answered, None while it has not."""

    charge_id: str
    spot: str
    vehicle_class: str
    attendant: str
    minutes: int | None
    known: dict[str, Any] | None


# While the office answers


def work_at(handheld: Handheld, spot: str) -> None:
    """Keep the pool for this spot from now on."""
    if workplace(handheld) != spot:
        handheld.store.db.execute(
            "INSERT INTO workplace VALUES (1, ?)"
            " ON CONFLICT (id) DO UPDATE SET spot = excluded.spot",
            (spot,),
        )
        handheld.nudge()


async def fill(handheld: Handheld) -> None:
    """Ask for what is missing, one after the other. Raises NoAnswer or Refusal."""
    shift, spot = handheld.store.shift(), workplace(handheld)
    master = handheld.store.master_data() or {}
    if shift is None or shift.token is None or spot is None:
        return
    if handheld.store.is_stopped(shift.attendant):
        return
    if prices.closed(master, spot, handheld.office_time()) is not None:
        return
    _drop(handheld, shift.attendant)
    for wheels in VehicleClass:
        offer = prices.offer(master, spot, wheels, handheld.office_time())
        if offer is None or offer.amount_rp <= 0:
            continue
        for pooled in _wanted(handheld, master, shift, spot, wheels, offer):
            await _ask(handheld, shift, pooled)


def _wanted(
    handheld: Handheld,
    master: dict[str, Any],
    shift: Shift,
    spot: str,
    wheels: VehicleClass,
    offer: Offer,
) -> list[Pooled]:
    """What to ask for: first what was asked for and not answered, with its own id."""
    policy = master.get("offline") or {}
    size = int(policy.get("pool_size", 0))
    alone = timedelta(seconds=int(policy.get("window_s", offline.WINDOW_S)))
    kept = _kept(handheld, spot, wheels, shift.attendant, offer.minutes)
    lasting = [
        one
        for one in kept
        if one.known
        and _lasts(handheld, one.known, offer, alone)
        and not _of_a_former(handheld, master, spot, one.known)
    ]
    unanswered = [one for one in kept if one.known is None]
    missing = max(0, size - len(lasting))
    new = [
        Pooled(new_id(), spot, wheels.value, shift.attendant, offer.minutes, None)
        for _ in range(missing - len(unanswered))
    ]
    return [*unanswered, *new][:missing]


def _lasts(handheld: Handheld, known: dict[str, Any], offer: Offer, alone: timedelta) -> bool:
    """Whether it will do for as long as this device may be alone, or half its life at least."""
    if known["amount_rp"] != offer.amount_rp:
        return False
    ends = datetime.fromisoformat(known["expires_at"])
    life = ends - datetime.fromisoformat(known["created_at"])
    return ends - handheld.office_time() > min(life / 2, alone)


def _of_a_former(
    handheld: Handheld, master: dict[str, Any], spot: str, known: dict[str, Any]
) -> bool:
    """Whether the office has told since that another issues barcodes at this spot.

    One that is newer than what the office told may be of the next one, and is as good.
    """
    told_at = handheld.store.master_data_at()
    zone = (prices.spot_in(master, spot) or {}).get("zone") or {}
    issuer = ((master.get("offline") or {}).get("issuers") or {}).get(zone.get("code"))
    if not issuer or not told_at or known.get("issued_by") in (None, issuer):
        return False
    return datetime.fromisoformat(known["created_at"]) < datetime.fromisoformat(told_at)


async def _ask(handheld: Handheld, shift: Shift, pooled: Pooled) -> None:
    _add(handheld, pooled)
    body: dict[str, Any] = {"id": pooled.charge_id, "vehicle_class": pooled.vehicle_class}
    if pooled.minutes is not None:
        body["minutes"] = pooled.minutes
    path = f"/v1/spots/{pooled.spot}/pooled-charges"
    try:
        answer = await server_api.call(handheld.http, "POST", path, token=shift.token, body=body)
    except server_api.Refusal:
        # Whatever it was refused for, nothing was issued under this id, or nothing that is ours.
        _forget(handheld, pooled.charge_id)
        raise
    known = answer.body
    if known.get("id") == pooled.charge_id and known.get("state") == "issued" and known["qris"]:
        handheld.store.db.execute(
            "UPDATE pool SET known = ? WHERE charge_id = ? AND used_at IS NULL",
            (json.dumps(known), pooled.charge_id),
        )
        handheld.bell.ring()


# While nobody can be asked


def ready(handheld: Handheld, spot: str, wheels: VehicleClass, offer: Offer | None) -> list[Pooled]:
    """What may be shown for this vehicle, what lapses first in front."""
    shift = handheld.store.shift()
    if shift is None or offer is None:
        return []
    latest = handheld.office_time() + LEAST_LEFT
    master = handheld.store.master_data() or {}
    kept = _kept(handheld, spot, wheels, shift.attendant, offer.minutes)
    fit = [
        one
        for one in kept
        if one.known
        and one.known["amount_rp"] == offer.amount_rp
        and not _of_a_former(handheld, master, spot, one.known)
        and datetime.fromisoformat(one.known["expires_at"]) > latest
    ]
    return sorted(fit, key=lambda one: str(one.known and one.known["expires_at"]))


def show(
    handheld: Handheld,
    shift: Shift,
    spot: str,
    wheels: VehicleClass,
    minutes: int | None,
    plate: str | None,
) -> Charge | None:
    """Take a barcode for a vehicle, once and for ever; None where there is none to take.

    Raises OfflineTooLong or OfflineLimit where this handheld may not while it is alone.
    """
    window = offline.window(handheld)
    if window.over:
        raise problems.OfflineTooLong
    offer = prices.offer(
        handheld.store.master_data(), spot, wheels, handheld.office_time(), minutes
    )
    if offer is None:
        return None
    if not window.has_room_for(offer.amount_rp):
        raise problems.OfflineLimit
    found = ready(handheld, spot, wheels, offer)
    if not found:
        return None
    return _take(handheld, shift, found[0], offer, plate)


def _take(
    handheld: Handheld, shift: Shift, pooled: Pooled, offer: Offer, plate: str | None
) -> Charge:
    assert pooled.known is not None
    now = device_time()
    shown_at = stamp(now.astimezone(UTC))
    charge = Charge(
        id=pooled.charge_id,
        shift_id=shift.id,
        kind=ChargeKind.MPM,
        spot=pooled.spot,
        vehicle_class=pooled.vehicle_class,
        quoted_rp=offer.amount_rp,
        print_when_paid=True,
        sync=Sync.WAITING,
        state=str(pooled.known["state"]),
        known=pooled.known,
        problem=None,
        created_at=shown_at,
        changed_at=shown_at,
    )
    claim = Outgoing(
        id=new_id(),
        charge_id=charge.id,
        path=f"/v1/charges/{charge.id}/claim",
        body={"shown_at": shown_at} | ({"plate": plate} if plate else {}),
        made_at=shown_at,
        tries=0,
        next_try_at=shown_at,
        last_error=None,
    )
    fact = {
        "charge_id": charge.id,
        "shift_id": shift.id,
        "spot": charge.spot,
        "vehicle_class": charge.vehicle_class,
        "amount_rp": offer.amount_rp,
    }
    with handheld.store.transaction():
        _use(handheld, charge.id, shown_at)
        handheld.store.add_charge(charge)
        handheld.store.add_outgoing(claim)
        handheld.record(EventKind.BARCODE_SHOWN, fact, now)
    handheld.nudge()
    return charge


# What is kept of it


def workplace(handheld: Handheld) -> str | None:
    """The spot that the pool is kept for."""
    row = handheld.store.db.execute("SELECT spot FROM workplace").fetchone()
    return row["spot"] if row else None


def _kept(
    handheld: Handheld, spot: str, wheels: VehicleClass, attendant: str, minutes: int | None
) -> list[Pooled]:
    """Those that were not shown to anybody yet."""
    rows = handheld.store.db.execute(
        "SELECT charge_id, spot, vehicle_class, attendant, minutes, known FROM pool"
        " WHERE spot = ? AND vehicle_class = ? AND attendant = ? AND minutes IS ?"
        " AND used_at IS NULL ORDER BY charge_id",
        (spot, wheels.value, attendant, minutes),
    )
    return [
        Pooled(**{**dict(row), "known": row["known"] and json.loads(row["known"])}) for row in rows
    ]


def _add(handheld: Handheld, pooled: Pooled) -> None:
    """Before it is asked for; asking for it again changes nothing."""
    handheld.store.db.execute(
        "INSERT INTO pool (charge_id, spot, vehicle_class, attendant, minutes)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (pooled.charge_id, pooled.spot, pooled.vehicle_class, pooled.attendant, pooled.minutes),
    )


def _use(handheld: Handheld, charge_id: str, at: str) -> None:
    """Once: a barcode that was shown to one driver is never another's."""
    cursor = handheld.store.db.execute(
        "UPDATE pool SET used_at = ? WHERE charge_id = ? AND used_at IS NULL", (at, charge_id)
    )
    if cursor.rowcount != 1:
        raise RuntimeError("this barcode was shown before")


def _forget(handheld: Handheld, charge_id: str) -> None:
    handheld.store.db.execute(
        "DELETE FROM pool WHERE charge_id = ? AND used_at IS NULL", (charge_id,)
    )


def _drop(handheld: Handheld, attendant: str) -> None:
    """Forget what nobody was shown and nobody may be: another attendant's, or expired."""
    handheld.store.db.execute(
        "DELETE FROM pool WHERE used_at IS NULL AND (attendant <> ?"
        " OR julianday(json_extract(known, '$.expires_at')) <= julianday(?))",
        (attendant, stamp(handheld.office_time())),
    )
