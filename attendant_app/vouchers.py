"""Vouchers that the office signed, read on the device and redeemed at the office.

Offline a good one is taken on its signature, amber until the office has it. It pays one stay whose
price is at most its value; the rest is not given back, and a dearer stay is not paid in part.
"""

import json
from base64 import b64decode
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from attendant_app import offline, prices, problems, service
from attendant_app.runtime import Handheld, new_id
from attendant_app.store import Charge
from domain.events import EventKind
from domain.payment import ChargeKind
from domain.proof import ProofError
from domain.tariff import VehicleClass
from domain.voucher import Voucher, verify


class Verdict(StrEnum):
    """Only GOOD is taken; none is green, for the office alone says that a stay is paid."""

    GOOD = "good"
    USED = "used"
    EXPIRED = "expired"
    VOID = "void"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged"


@dataclass(frozen=True)
class Reading:
    """What a voucher is worth here and now; `used` is the event of when it was used here before."""

    verdict: Verdict
    voucher: Voucher | None = None
    used: dict[str, Any] | None = None


def judge(handheld: Handheld, text: str) -> Reading:
    """By this device's records alone: the keys and void serials that the office last told."""
    master = handheld.store.master_data() or {}
    keys = (master.get("proofs") or {}).get("keys") or {}
    try:
        voucher = verify(text, {str(name): b64decode(key) for name, key in keys.items()})
    except ProofError as error:
        unknown = error.reason == "unknown-key"
        return Reading(Verdict.UNKNOWN_KEY if unknown else Verdict.FORGED)
    if voucher.serial in ((master.get("vouchers") or {}).get("revoked") or ()):
        return Reading(Verdict.VOID, voucher)
    used = _used_here(handheld, voucher.serial)
    if used is not None:
        return Reading(Verdict.USED, voucher, used)
    if handheld.office_time().astimezone(prices.zone_of(master)).date() > voucher.valid_until:
        return Reading(Verdict.EXPIRED, voucher)
    return Reading(Verdict.GOOD, voucher)


def _used_here(handheld: Handheld, serial: str) -> dict[str, Any] | None:
    """When it was first taken here; a charge that the office refused has not used it up."""
    row = handheld.store.db.execute(
        "SELECT e.at, e.body FROM events e"
        " JOIN charges c ON c.id = json_extract(e.body, '$.charge_id')"
        " WHERE e.kind = ? AND json_extract(e.body, '$.serial') = ? AND c.sync <> 'refused'"
        " ORDER BY e.seq LIMIT 1",
        (EventKind.VOUCHER_TAKEN.value, serial),
    ).fetchone()
    return {"at": row["at"], "body": json.loads(row["body"])} if row else None


def found(handheld: Handheld, text: str) -> dict[str, Any]:
    """What the page and the local API show of a scanned voucher."""
    reading = judge(handheld, text)
    told: dict[str, Any] = {"kind": "voucher", "verdict": reading.verdict.value}
    if reading.voucher is not None:
        only = reading.voucher.vehicle_class
        told["voucher"] = asdict(reading.voucher) | {
            "vehicle_class": only and only.value,
            "valid_until": reading.voucher.valid_until.isoformat(),
        }
    if reading.used is not None:
        told["used_at"], told["used_spot"] = reading.used["at"], reading.used["body"]["spot"]
    return told


async def take(
    handheld: Handheld, spot: str, vehicle_class: str, text: str, charge_id: str | None = None
) -> Charge:
    """Redeem a voucher for a stay; asking with the same id is harmless."""
    charge_id = charge_id or new_id()
    if handheld.store.charge(charge_id) is None:
        try:
            wheels = VehicleClass(vehicle_class)
        except ValueError as error:
            raise problems.InvalidRequest("vehicle_class") from error
        now = handheld.office_time()
        offer = prices.offer(handheld.store.master_data(), spot, wheels, now)
        voucher = worth(handheld, wheels, offer.amount_rp if offer else None, text)
        service.write_request(
            handheld,
            charge_id,
            ChargeKind.VOUCHER,
            spot,
            vehicle_class,
            more=as_sent(handheld, text),
            fact={"serial": voucher.serial},
        )
    return await service.first_answer(handheld, charge_id)


def as_sent(handheld: Handheld, text: str) -> dict[str, str]:
    """What the office is told of a voucher that is taken now."""
    return {"voucher": text, "taken_at": handheld.office_time().isoformat()}


def worth(handheld: Handheld, wheels: VehicleClass, price_rp: int | None, text: str) -> Voucher:
    """The voucher where it pays this price; raises why it does not."""
    reading = judge(handheld, text)
    if reading.verdict is not Verdict.GOOD or reading.voucher is None:
        raise problems.VoucherNotTaken(reading.verdict.value)
    if not reading.voucher.fits(wheels):
        raise problems.VoucherNotTaken("other-class")
    if price_rp is None:
        raise problems.NoPrice
    if price_rp > reading.voucher.value_rp:
        raise problems.VoucherNotTaken("too-small")
    if not handheld.link.online:
        _refuse_beyond_window(handheld, price_rp)
    return reading.voucher


def _refuse_beyond_window(handheld: Handheld, amount_rp: int) -> None:
    """Alone, a handheld is trusted for a while and up to a sum, as with barcodes of its pool."""
    window = offline.window(handheld)
    if window.over:
        raise problems.OfflineTooLong
    if not window.has_room_for(amount_rp):
        raise problems.OfflineLimit
