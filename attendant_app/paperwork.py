"""What the records of this handheld are printed as.

A slip is built when it is printed, from what is known then: a code that expired or a stay that
ended meanwhile has no slip any more. Its number is the office's, or comes from its record: the same
each time.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from attendant_app import (
    closing,
    earnings,
    inspector,
    messages,
    notices,
    prices,
    problems,
    service,
    slips,
    stays,
)
from attendant_app.runtime import Handheld
from attendant_app.slips import Office, Printing, Vehicle, slip_number
from attendant_app.store import WATCHED_STATES, Charge, Shift
from domain.events import EventKind
from domain.payment import ChargeKind
from domain.receipt import ReceiptFacts, RefundFacts
from domain.tariff import VehicleClass
from printer.document import Document

RECEIPT, REFUND, NOTICE, SHARE = "receipt", "refund", "notice", "share"
# What the numbers of the slips begin with that the books give none.
PREFIXES = {
    "entry": "MASUK",
    "payment": "BAYAR",
    "shift": "TUGAS",
    "deposit": "SETOR",
    "void": "BATAL",
    "wish": "MINTA",
}


def number(handheld: Handheld, kind: str, record_id: str) -> str:
    """The number of a slip, which its copies share; empty while the office gave it none."""
    if kind == RECEIPT:
        known = service.charge_or_problem(handheld, record_id).known or {}
        return str((known.get("receipt") or {}).get("number", ""))
    if kind == REFUND:
        return record_id
    if kind == SHARE:
        return _own_share(handheld, record_id)[1].number
    if kind == NOTICE:
        return notices.find(handheld, record_id).number or ""
    try:
        return _number(kind, record_id)
    except (KeyError, ValueError):
        raise problems.NotFound from None


def document(handheld: Handheld, kind: str, record_id: str, how: Printing) -> Document | None:
    """The slip of a stay, charge, refund or shift; None where it may not be printed (any more).

    Raises NotFound for what is no record of this handheld, and ReceiptFactsError.
    """
    if kind not in _KINDS:
        raise problems.NotFound
    return _KINDS[kind](handheld, record_id, how)


def is_first(handheld: Handheld, kind: str, record_id: str) -> bool:
    """Whether nobody can hold the original: neither from elsewhere, nor from here long ago."""
    if kind == REFUND:  # the office tells every handheld that looks the charge up
        return _refunded(handheld, record_id)[0].shift_id is not None
    if kind != RECEIPT:
        return True
    charge = service.charge_or_problem(handheld, record_id)
    printed = handheld.store.first_event(EventKind.RECEIPT_PRINTED, charge_id=charge.id)
    return charge.print_when_paid and printed is None


def stay_of(handheld: Handheld, text: str) -> str | None:
    """The stay whose entry slip has this number, scanned or typed."""
    wanted = "".join(text.upper().split())
    found = (stay.id for stay in stays.listed(handheld) if _number("entry", stay.id) == wanted)
    return next(found, None)


def _number(kind: str, record_id: str) -> str:
    return slip_number(PREFIXES[kind], record_id)


def _receipt(handheld: Handheld, charge_id: str, how: Printing) -> Document | None:
    charge = service.charge_or_problem(handheld, charge_id)
    told = (charge.known or {}).get("receipt")
    return (
        slips.receipt(ReceiptFacts.from_json(told), how)
        if charge.state == "paid" and told
        else None
    )


def _entry(handheld: Handheld, stay_id: str, how: Printing) -> Document | None:
    stay = stays.get(handheld, stay_id)
    look = stays.view(handheld, stay)["look"]
    if look not in ("running", "over"):
        return None
    started = datetime.fromisoformat(stay.started_at)
    tariff = prices.tariff(handheld.store.master_data(), stay.spot, started)
    facts = slips.Entry(
        number=_number("entry", stay.id),
        vehicle=_vehicle(handheld, stay.spot, stay.vehicle_class, stay.shift_id),
        started_at=started,
        regulation=tariff.regulation if tariff else "",
        rate=tariff.rates.get(VehicleClass(stay.vehicle_class)) if tariff else None,
    )
    return slips.entry(facts, _office(handheld), how)


def _payment(handheld: Handheld, charge_id: str, how: Printing) -> Document | None:
    charge = service.charge_or_problem(handheld, charge_id)
    known = charge.known or {}
    if charge.state not in WATCHED_STATES or not known.get("qris") or not known.get("expires_at"):
        return None
    expires_at = datetime.fromisoformat(known["expires_at"])
    if expires_at <= handheld.office_time():
        return None
    facts = slips.PaymentCode(
        number=_number("payment", charge.id),
        vehicle=_vehicle(handheld, charge.spot, charge.vehicle_class, charge.shift_id),
        amount_rp=int(known["amount_rp"]),
        qris=str(known["qris"]),
        merchant=service.merchant_of(known["qris"]),
        match_code=str(known.get("code") or ""),
        expires_at=expires_at,
    )
    return slips.payment(facts, _office(handheld), how)


def _shift(handheld: Handheld, shift_id: str, how: Printing) -> Document | None:
    closed, shift = _closed(handheld, shift_id)
    if closed is None or closed.answer is None:
        return None
    taken = handheld.store.db.execute(
        "SELECT kind, count(*) AS n,"
        " sum(coalesce(json_extract(known, '$.amount_rp'), quoted_rp, 0)) AS rp"
        " FROM charges WHERE shift_id = ? AND state = 'paid' GROUP BY kind",
        (shift_id,),
    ).fetchall()
    cash = [row for row in taken if row["kind"] == ChargeKind.CASH]
    qris = [row for row in taken if row["kind"] in (ChargeKind.MPM, ChargeKind.CPM)]
    told = earnings.last(handheld, shift["attendant"])
    facts = slips.ClosedShift(
        number=_number("shift", shift_id),
        attendant=_person(shift),
        opened_at=datetime.fromisoformat(shift["started_at"]),
        closed_at=datetime.fromisoformat(shift["ended_at"]),
        qris_count=sum(row["n"] for row in qris),
        qris_rp=sum(row["rp"] for row in qris),
        cash_count=sum(row["n"] for row in cash),
        cash_rp=sum(row["rp"] for row in cash),
        counted_rp=closed.counted_rp,
        expected_rp=int(closed.answer["expected_rp"]),
        owed_rp=int(told.told["cash_owed_rp"]) if told else None,
        share_rp=int(told.told["share_rp"]) if told and told.is_of_today else None,
    )
    return slips.shift(facts, _office(handheld), how)


def _deposit(handheld: Handheld, shift_id: str, how: Printing) -> Document | None:
    closed, shift = _closed(handheld, shift_id)
    if closed is None or closed.answer is None:
        return None
    told = earnings.last(handheld, shift["attendant"])
    facts = slips.Deposit(
        number=_number("deposit", shift_id),
        attendant=_person(shift),
        shift_number=_number("shift", shift_id),
        amount_rp=closed.counted_rp,
        owed_rp=int(told.told["cash_owed_rp"]) if told else None,
        at=datetime.fromisoformat(shift["ended_at"]),
    )
    return slips.deposit(facts, _office(handheld), how)


def _void(handheld: Handheld, stay_id: str, how: Printing) -> Document | None:
    stay = stays.get(handheld, stay_id)
    if stay.void_reason is None:
        return None
    facts = slips.Void(
        number=_number("void", stay.id),
        entry_number=_number("entry", stay.id),
        vehicle=_vehicle(handheld, stay.spot, stay.vehicle_class, stay.shift_id),
        started_at=datetime.fromisoformat(stay.started_at),
        voided_at=datetime.fromisoformat(stay.changed_at),
        reason=messages.text(f"void-{stay.void_reason}", how.language),
    )
    return slips.void(facts, _office(handheld), how)


def _wish(handheld: Handheld, charge_id: str, how: Printing) -> Document | None:
    charge = service.charge_or_problem(handheld, charge_id)
    told = handheld.store.first_event(EventKind.REFUND_WISHED, charge_id=charge_id)
    known = charge.known or {}
    if told is None or known.get("amount_rp") is None or known.get("refunds"):
        return None  # what the office decided since is not "not given back yet"
    facts = slips.RefundWish(
        number=_number("wish", charge.id),
        receipt_number=str((known.get("receipt") or {}).get("number", "")),
        vehicle=_vehicle(handheld, charge.spot, charge.vehicle_class, charge.shift_id),
        paid_rp=int(known["amount_rp"]),
        reason=messages.text(f"wish-{told['body']['reason']}", how.language),
        at=datetime.fromisoformat(told["at"]),
    )
    return slips.refund_wish(facts, _office(handheld), how)


def _refund(handheld: Handheld, refund_number: str, how: Printing) -> Document:
    _, told = _refunded(handheld, refund_number)
    facts = RefundFacts.from_json(told)
    reason = _worded(f"wish-{facts.reason}", facts.reason, how)
    method = _worded(f"refund-by-{facts.method}", facts.method, how)
    return slips.refund(replace(facts, reason=reason, method=method), how)


def _notice(handheld: Handheld, notice_id: str, how: Printing) -> Document | None:
    found = notices.find(handheld, notice_id)
    if found.number is None or found.issued_at is None or found.object_until is None:
        return None
    vehicle_class = str(found.vehicle_class)
    vehicle = _vehicle(handheld, found.spot, vehicle_class, None)
    tariff = prices.tariff(handheld.store.master_data(), found.spot, found.issued_at)
    facts = slips.Notice(
        number=found.number,
        vehicle=replace(vehicle, plate=found.plate, attendant=found.attendant),
        issued_at=found.issued_at,
        finding=found.finding,
        expired_at=datetime.fromisoformat(found.expired_at) if found.expired_at else None,
        amount_rp=found.amount_rp,
        photos=len(found.photos),
        object_until=found.object_until,
        regulation=tariff.regulation if tariff else "",
        pay_url=f"{inspector.site_of(handheld)}/p/{found.spot}",
        check_url=notices.link(handheld, found),
    )
    return slips.notice(facts, _office(handheld), how)


def _share(handheld: Handheld, slip_number: str, how: Printing) -> Document:
    shift, slip = _own_share(handheld, slip_number)
    told = slip.told
    facts = slips.PaidShare(
        number=slip.number,
        attendant=f"{shift.attendant} {shift.attendant_name}",
        span=slip.span,
        days=told["days"],
        gross_rp=told["gross_rp"],
        part=slip.part,
        share_rp=told["share_rp"],
        taken_back_rp=told["taken_back_rp"],
        rest_rp=told["rest_rp"],
        amount_rp=told["amount_rp"],
        account=told["account"],
        reference=told["reference"],
        paid_on=slip.paid_on,
    )
    return slips.paid_share(facts, _office(handheld), how)


def _own_share(handheld: Handheld, slip_number: str) -> tuple[Shift, earnings.ShareSlip]:
    """Of who is on shift; raises NotFound for somebody else's, and once nobody is."""
    shift = handheld.store.shift()
    for slip in (earnings.share_slips(handheld, shift.attendant) if shift else None) or ():
        if slip.number == slip_number and shift:
            return shift, slip
    raise problems.NotFound


def charge_of_refund(handheld: Handheld, refund_number: str) -> str:
    """Raises NotFound for a number of none that this handheld was told of."""
    return _refunded(handheld, refund_number)[0].id


def _refunded(handheld: Handheld, refund_number: str) -> tuple[Charge, dict[str, Any]]:
    """A refund's charge, and what its proof says."""
    rows = handheld.store.db.execute(
        "SELECT charges.id, value FROM charges, json_each(known, '$.refunds')"
        " WHERE instr(known, ?) AND json_extract(value, '$.receipt.number') = ?",
        (refund_number, refund_number),
    )
    for charge_id, told in rows:
        return service.charge_or_problem(handheld, charge_id), json.loads(told)["receipt"]
    raise problems.NotFound


def _worded(key: str, text: str, how: Printing) -> str:
    """In words; as the office wrote it where a newer one says what is not known here."""
    return messages.text(key, how.language) if key in messages.MESSAGES else text


_KINDS: dict[str, Callable[[Handheld, str, Printing], Document | None]] = {
    RECEIPT: _receipt,
    "entry": _entry,
    "payment": _payment,
    "shift": _shift,
    "deposit": _deposit,
    "void": _void,
    "wish": _wish,
    REFUND: _refund,
    NOTICE: _notice,
    SHARE: _share,
}


def _office(handheld: Handheld) -> Office:
    told = (handheld.store.master_data() or {}).get("regency", {})
    return Office(
        regency=told.get("name", ""),
        agency=told.get("agency", ""),
        complaint=told.get("complaint", ""),
        porporasi=told.get("porporasi", ""),
    )


def _vehicle(
    handheld: Handheld, spot_code: str, vehicle_class: str, shift_id: str | None
) -> Vehicle:
    spot = prices.spot_in(handheld.store.master_data(), spot_code) or {}
    shift = _shift_row(handheld, shift_id)
    return Vehicle(
        vehicle_class=VehicleClass(vehicle_class),
        spot_code=spot_code,
        place=spot.get("place", ""),
        zone=spot.get("zone", {}).get("name", ""),
        attendant=_person(shift) if shift else "",
    )


def _closed(handheld: Handheld, shift_id: str) -> tuple[closing.Closing | None, Any]:
    """A count that the office answered, with its shift; None where another device made it."""
    closed, shift = closing.of_shift(handheld, shift_id), _shift_row(handheld, shift_id)
    if shift is None:
        raise problems.NotFound
    if closed is None or not closed.answer or closed.answer.get("elsewhere"):
        return None, None
    return closed, shift


def _shift_row(handheld: Handheld, shift_id: str | None) -> Any:
    query = "SELECT attendant, attendant_name, started_at, ended_at FROM shifts WHERE id = ?"
    return handheld.store.db.execute(query, (shift_id,)).fetchone()


def _person(shift: Any) -> str:
    return f"{shift['attendant']} {shift['attendant_name']}"
