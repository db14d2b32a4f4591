"""Stays that cost nothing: a pass that the office signed, or a vehicle that a regulation exempts.

Both are facts of the journal and need no connection. A pass is green by the office's signature; an
exempt vehicle rests on the attendant's word, so that it never is, and the office counts it.
"""

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from attendant_app import closing, prices, problems, service, shifts
from attendant_app.runtime import Handheld, device_time
from domain.covered import Pass, verify
from domain.events import EventKind
from domain.proof import ProofError
from domain.tariff import VehicleClass


@dataclass(frozen=True)
class Reading:
    """What a pass is worth here and now: `good`, or why not."""

    verdict: str
    held: Pass | None = None


def judge(handheld: Handheld, text: str, spot: dict[str, Any] | None) -> Reading:
    """By this device's records alone; where no spot is chosen yet, without its zone."""
    master = handheld.store.master_data() or {}
    keys = (master.get("proofs") or {}).get("keys") or {}
    try:
        held = verify(text, {str(name): b64decode(key) for name, key in keys.items()})
    except ProofError as error:
        return Reading("unknown-key" if error.reason == "unknown-key" else "forged")
    if held.serial in ((master.get("passes") or {}).get("revoked") or ()):
        return Reading("revoked", held)
    zone = spot["zone"]["code"] if spot else (held.zones or ("",))[0]
    return Reading(held.refusal(_today(handheld), zone) or "good", held)


def _today(handheld: Handheld) -> date:
    return handheld.office_time().astimezone(prices.zone_of(handheld.store.master_data())).date()


def found(handheld: Handheld, text: str) -> dict[str, Any]:
    """What the local API shows of a scanned pass."""
    reading = judge(handheld, text, None)
    told: dict[str, Any] = {"kind": "pass", "verdict": reading.verdict}
    if reading.held is not None:
        told["pass"] = {
            "serial": reading.held.serial,
            "classes": [wheels.value for wheels in reading.held.classes],
            "zones": list(reading.held.zones),
            "valid_from": reading.held.valid_from.isoformat(),
            "valid_until": reading.held.valid_until.isoformat(),
            "plate": reading.held.plate_masked,
        }
    return told


def take_pass(handheld: Handheld, spot: str, vehicle_class: str, text: str, stay_id: str) -> str:
    """Start a stay that a pass covers; the same id again is the same stay."""
    reading = judge(handheld, text, _spot(handheld, spot))
    if reading.held is None or reading.verdict != "good":
        raise problems.PassNotTaken(reading.verdict)
    if vehicle_class not in reading.held.classes:
        raise problems.PassNotTaken("other-class")
    fact = {"vehicle_class": vehicle_class, "pass": reading.held.serial}
    return _record(handheld, EventKind.STAY_COVERED, spot, stay_id, fact)


def exemptions(handheld: Handheld) -> list[dict[str, Any]]:
    """The kinds of vehicles that park free today, as the office last told."""
    today = _today(handheld).isoformat()
    told = (handheld.store.master_data() or {}).get("exemptions") or ()
    return [
        dict(kind)
        for kind in told
        if kind["valid_from"] <= today and today <= (kind["valid_until"] or today)
    ]


def exempt(handheld: Handheld, spot: str, code: str, stay_id: str) -> str:
    """Record a vehicle that a regulation exempts; the same id again is the same stay."""
    _spot(handheld, spot)
    kind = next((kind for kind in exemptions(handheld) if kind["code"] == code), None)
    if kind is None:
        raise problems.InvalidRequest("exemption")
    fact = {"vehicle_class": VehicleClass(kind["vehicle_class"]).value, "exemption": code}
    return _record(handheld, EventKind.STAY_EXEMPTED, spot, stay_id, fact)


def stay(handheld: Handheld, stay_id: str) -> dict[str, Any]:
    """A free stay as it was recorded here: its event's `kind`, `at` and `body`; else NotFound."""
    row = handheld.store.db.execute(
        "SELECT kind, at, body FROM events WHERE kind IN (?, ?)"
        " AND json_extract(body, '$.stay_id') = ?",
        (EventKind.STAY_COVERED.value, EventKind.STAY_EXEMPTED.value, stay_id),
    ).fetchone()
    if row is None:
        raise problems.NotFound
    return {"kind": row["kind"], "at": row["at"], "body": json.loads(row["body"])}


def _record(
    handheld: Handheld, kind: EventKind, spot: str, stay_id: str, fact: dict[str, str]
) -> str:
    shift = shifts.on_shift(handheld)
    closing.refuse_while_closing(handheld)
    try:
        stay_id = str(UUID(stay_id))
    except ValueError as error:
        raise problems.InvalidRequest("id") from error
    try:
        stay(handheld, stay_id)
    except problems.NotFound:
        service.refuse_where_closed(handheld, handheld.store.master_data(), spot)
        body = {"stay_id": stay_id, "shift_id": shift.id, "spot": spot, **fact}
        with handheld.store.transaction():
            handheld.record(kind, body, device_time())
        handheld.nudge()
    return stay_id


def _spot(handheld: Handheld, code: str) -> dict[str, Any]:
    spot = prices.spot_in(handheld.store.master_data(), code)
    if spot is None:
        raise problems.UnknownSpot(code)
    return spot
