"""Stays that are paid when the vehicle leaves: started, extended, ended, taken back.

The server prices. What is shown until it has is what the same rules say by the office's time as
it is known here. Each step is a fact and a request; those of one stay are sent in their order.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from attendant_app import closing, prices, problems, server_api, service, shifts
from attendant_app.runtime import Handheld, device_time, new_id
from attendant_app.store import LONGEST_WAIT, NEXT_WRITTEN, WATCHED_STATES, Charge, Sync, stamp
from domain.events import EventKind
from domain.parking import VoidReason
from domain.payment import ChargeKind
from domain.tariff import VehicleClass

ANSWER_WAIT_S = 3.0
FRESH = timedelta(seconds=10)
"""A request that is sent within this time is priced by the server's clock; a later one tells when
it was made."""
LOOK_AGAIN_S = 20.0
PAUSE = timedelta(seconds=5)
EXTENSION_MINUTES = 60


@dataclass(frozen=True)
class Stay:
    """A vehicle that stands here; `known` is the server's own last answer."""

    id: str
    shift_id: str | None
    spot: str
    vehicle_class: str
    started_at: str
    ended_at: str | None
    void_reason: str | None
    known: dict[str, Any] | None
    problem: dict[str, Any] | None
    changed_at: str

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done for it here."""
        known = self.known or {}
        state = known.get("state")
        return state == "voided" or (state == "ended" and _unpaid_rp(known) == 0)


@dataclass(frozen=True)
class _Request:
    id: str
    stay_id: str
    path: str
    body: dict[str, Any]
    made_at: str


def get(handheld: Handheld, stay_id: str) -> Stay:
    row = handheld.store.db.execute("SELECT * FROM stays WHERE id = ?", (stay_id,)).fetchone()
    if row is None:
        raise problems.NotFound
    return _stay(row)


# However many came and went since: a stay that stands here must never fall off the screen.
UNDONE = """
    SELECT * FROM stays WHERE id NOT IN (SELECT id FROM charges)
      AND coalesce(json_extract(known, '$.state'), '') <> 'voided'
      AND NOT (coalesce(json_extract(known, '$.state'), '') = 'ended'
          AND json_extract(known, '$.owed_rp') + coalesce(json_extract(known, '$.waiting_rp'), 0)
              = 0)
    ORDER BY started_at, id
"""


def listed(handheld: Handheld) -> list[Stay]:
    """Those for which something is left to do, the oldest first.

    One that is paid before it begins is not among them: its charge stands for it.
    """
    return [stay for stay in map(_stay, handheld.store.db.execute(UNDONE)) if not stay.is_over]


def _stay(row: Any) -> Stay:
    values = dict(row)
    for name in ("known", "problem"):
        values[name] = None if values[name] is None else json.loads(values[name])
    return Stay(**values)


# What it owes


def owed_rp(handheld: Handheld, stay: Stay, minutes_more: int = 0) -> int | None:
    """What the stay owes beyond what was paid: the server's word once it has ended there."""
    known = stay.known or {}
    if known.get("state") == "ended":
        return _unpaid_rp(known)
    until = _moment(stay.ended_at) or handheld.office_time()
    ends_at = _moment(known.get("ends_at"))
    if minutes_more:
        until = (ends_at or _started(stay)) + timedelta(minutes=minutes_more)
    whole_rp = prices.whole_rp(
        handheld.store.master_data(),
        stay.spot,
        VehicleClass(stay.vehicle_class),
        _started(stay),
        max(filter(None, (until, ends_at))),
    )
    return None if whole_rp is None else max(0, whole_rp - int(known.get("paid_rp") or 0))


def _unpaid_rp(known: dict[str, Any]) -> int:
    """By the server's word: what nobody asked for yet, and what a code asks for that waits."""
    return int(known["owed_rp"]) + int(known.get("waiting_rp") or 0)


def _started(stay: Stay) -> datetime:
    return datetime.fromisoformat((stay.known or {}).get("started_at") or stay.started_at)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def view(handheld: Handheld, stay: Stay) -> dict[str, Any]:
    known = stay.known or {}
    ends_at = known.get("ends_at")
    return {
        "id": stay.id,
        "spot": stay.spot,
        "vehicle_class": stay.vehicle_class,
        "started_at": _started(stay).isoformat(),
        "ends_at": ends_at,
        "ended": bool(stay.ended_at or known.get("ended_at")),
        "sent": known.get("state") is not None,
        "elapsed_min": int((handheld.office_time() - _started(stay)).total_seconds() // 60),
        "owed_rp": owed_rp(handheld, stay),
        "code": code_of(handheld, stay),
        "paid_rp": int(known.get("paid_rp") or 0),
        "void_reason": stay.void_reason,
        "problem": stay.problem,
        "look": _look(handheld, stay),
    }


def _look(handheld: Handheld, stay: Stay) -> str:
    known = stay.known or {}
    state = known.get("state")
    if stay.problem:
        return "refused"
    if stay.void_reason or state == "voided":
        return "voided"
    if state == "ended":
        if known.get("waiting_rp"):
            return "waiting"
        owed = int(known["owed_rp"])
        if owed and code_of(handheld, stay):
            return "waiting"  # asked for here, and not told of by the office yet
        return "owed" if owed else "paid" if known.get("paid_rp") else "free"
    if stay.ended_at:
        return "leaving"
    ends_at = _moment(known.get("ends_at"))
    return "over" if ends_at and ends_at < handheld.office_time() else "running"


def code_of(handheld: Handheld, stay: Stay) -> str | None:
    """The charge of this stay that a driver may still pay: no other is asked for before it ends."""
    open_states = ", ".join("?" * len(WATCHED_STATES))
    row = handheld.store.db.execute(
        "SELECT id FROM charges JOIN stay_charges ON charge_id = id"  # noqa: S608 - question marks
        f" WHERE stay_id = ? AND sync <> 'refused' AND state IN ({open_states})",
        (stay.id, *WATCHED_STATES),
    ).fetchone()
    return str(row["id"]) if row else None


def refuse_while_charged(handheld: Handheld, stay: Stay) -> None:
    if code_of(handheld, stay):
        raise problems.StayChargeOpen


# What happens to it


def start(handheld: Handheld, spot: str, vehicle_class: str, plate: str | None = None) -> Stay:
    """Write down that a vehicle parks now; works without a connection."""
    shift = shifts.on_shift(handheld)
    closing.refuse_while_closing(handheld)
    code, wheels = service.known_place(handheld, spot, vehicle_class)
    stay_id, now, at = new_id(), device_time(), stamp(handheld.office_time())
    body = {"id": stay_id, "vehicle_class": wheels.value, "told_at": at}
    if known_plate := service.known_plate(plate):
        body["plate"] = known_plate
    with handheld.store.transaction():
        _insert(handheld, stay_id, shift.id, code, wheels.value, at)
        _ask(handheld, stay_id, f"/v1/spots/{code}/stays", body)
        facts = {"spot": code, "vehicle_class": wheels.value, "started_at": at}
        _record(handheld, EventKind.STAY_STARTED, stay_id, shift.id, now, **facts)
    handheld.nudge()
    return get(handheld, stay_id)


async def leave(handheld: Handheld, stay_id: str, cash_charge: str | None = None) -> Stay:
    """Write down that the vehicle leaves, and give the server a moment to say what it owes.

    With `cash_charge`, the id of the cash that was taken for what this device alone could quote:
    the server takes it as paid where its tariff says the same, and else opens a case. Where the
    end was written down before, it is told once more with the cash.
    """
    shift, stay = shifts.on_shift(handheld), get(handheld, stay_id)
    if stay.void_reason is None and (stay.ended_at is None or cash_charge):
        now, at = device_time(), stay.ended_at or stamp(handheld.office_time())
        body: dict[str, Any] = {"told_at": at}
        quoted = owed_rp(handheld, stay) if cash_charge else None
        if cash_charge:
            refuse_while_charged(handheld, stay)
            closing.refuse_while_closing(handheld)
        if cash_charge and not quoted:
            raise problems.NoPrice
        with handheld.store.transaction():
            handheld.store.db.execute(
                "UPDATE stays SET ended_at = ?, changed_at = ? WHERE id = ?",
                (at, stamp(now), stay_id),
            )
            if cash_charge and quoted:
                body["cash"] = {"id": cash_charge, "amount_rp": quoted}
                _add_charge(handheld, stay, cash_charge, ChargeKind.CASH, quoted)
            _ask(handheld, stay_id, f"/v1/stays/{stay_id}/end", body)
            if stay.ended_at is None:
                facts = {"ended_at": at, "quoted_rp": quoted}
                _record(handheld, EventKind.STAY_ENDED, stay_id, shift.id, now, **facts)
    return await _answered(handheld, stay_id)


async def collect(
    handheld: Handheld,
    stay_id: str,
    kind: ChargeKind,
    *,
    minutes: int | None = None,
    charge_id: str | None = None,
    more: Mapping[str, str] = service.NOTHING,
    fact: Mapping[str, str] = service.NOTHING,
) -> Charge:
    """Ask for a charge of what the stay owes, or of an extension; cash is asked for once taken.

    `more` goes to the office with it, `fact` into the event.
    """
    stay, charge_id = get(handheld, stay_id), charge_id or new_id()
    if handheld.store.charge(charge_id) is None:
        refuse_while_charged(handheld, stay)
        closing.refuse_while_closing(handheld)
        quoted = owed_rp(handheld, stay, minutes or 0)
        body: dict[str, Any] = {"id": charge_id, **more}
        if minutes is not None:
            body["minutes"] = minutes
        path, _ = service.REQUESTS[kind]
        with handheld.store.transaction():
            _add_charge(handheld, stay, charge_id, kind, quoted, fact)
            service.send_for(handheld, charge_id, f"/v1/stays/{stay_id}/{path}", body)
    return await service.first_answer(handheld, charge_id)


def void(handheld: Handheld, stay_id: str, reason: str) -> Stay:
    """Write down that what nobody paid is given up, and why; the office decides whether it may."""
    try:
        why = VoidReason(reason)
    except ValueError as error:
        raise problems.InvalidRequest("reason") from error
    shift, now = shifts.on_shift(handheld), device_time()
    with handheld.store.transaction():
        charge = handheld.store.charge(stay_id)
        if charge is not None:  # it was to be paid before it began
            _insert(
                handheld, stay_id, shift.id, charge.spot, charge.vehicle_class, charge.created_at
            )
        stay = get(handheld, stay_id)
        if stay.void_reason is None:
            handheld.store.db.execute(
                "UPDATE stays SET void_reason = ?, problem = NULL, changed_at = ? WHERE id = ?",
                (why.value, stamp(now), stay_id),
            )
            _ask(handheld, stay_id, f"/v1/stays/{stay_id}/void", {"reason": why.value})
            _record(handheld, EventKind.STAY_VOIDED, stay_id, shift.id, now, reason=why.value)
    handheld.nudge()
    return get(handheld, stay_id)


async def cancel_code(handheld: Handheld, charge_id: str) -> str:
    """Have the office cancel a code that nobody paid; its stay may then be paid otherwise.

    Without its word nothing is cancelled: the driver may be paying.
    """
    shift, charge = shifts.on_shift(handheld), service.charge_or_problem(handheld, charge_id)
    path, why = f"/v1/charges/{charge.id}/cancel", {"reason": "petugas"}
    try:
        answer = await server_api.call(handheld.http, "POST", path, token=shift.token, body=why)
        service.keep_answer(handheld, charge.id, answer.body)
    except server_api.NoAnswer as no_answer:
        raise problems.ServerUnreachable from no_answer
    except server_api.Refusal as refusal:
        raise server_api.refused_by_server(refusal.problem) from refusal
    stay_id = of_charge(handheld, charge.id)
    await _look_again(handheld, stay_id)
    return stay_id


def check_id(charge_id: str) -> None:
    """Raises InvalidRequest for what is no id made by a page of ours."""
    try:
        UUID(charge_id)
    except ValueError as error:
        raise problems.InvalidRequest("id") from error


def of_charge(handheld: Handheld, charge_id: str) -> str:
    """The stay that a charge made here is for; one paid before it began has the charge's id."""
    row = handheld.store.db.execute(
        "SELECT stay_id FROM stay_charges WHERE charge_id = ?", (charge_id,)
    ).fetchone()
    return str(row["stay_id"]) if row else charge_id


def _insert(
    handheld: Handheld, stay_id: str, shift_id: str, spot: str, vehicle_class: str, at: str
) -> None:
    handheld.store.db.execute(
        "INSERT INTO stays (id, shift_id, spot, vehicle_class, started_at, changed_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (stay_id, shift_id, spot, vehicle_class, at, stamp(device_time())),
    )


def _ask(handheld: Handheld, stay_id: str, path: str, body: dict[str, Any]) -> None:
    now = stamp(device_time())
    handheld.store.db.execute(
        "INSERT INTO stay_requests (id, stay_id, path, body, made_at, next_try_at, written)"  # noqa: S608 - own SQL
        f" VALUES (?, ?, ?, ?, ?, ?, {NEXT_WRITTEN})",
        (new_id(), stay_id, path, json.dumps(body), now, now),
    )


def _record(
    handheld: Handheld, kind: EventKind, stay_id: str, shift_id: str, now: datetime, **facts: Any
) -> None:
    handheld.record(kind, {"stay_id": stay_id, "shift_id": shift_id, **facts}, now)


def _add_charge(
    handheld: Handheld,
    stay: Stay,
    charge_id: str,
    kind: ChargeKind,
    quoted_rp: int | None,
    fact: Mapping[str, str] = service.NOTHING,
) -> None:
    shift, now = shifts.on_shift(handheld), device_time()
    service.add_charge(
        handheld, charge_id, shift.id, kind, stay.spot, stay.vehicle_class, quoted_rp
    )
    handheld.store.db.execute(
        "INSERT INTO stay_charges (charge_id, stay_id) VALUES (?, ?)", (charge_id, stay.id)
    )
    _, event = service.REQUESTS[kind]
    facts = {"charge_id": charge_id, "spot": stay.spot, "quoted_rp": quoted_rp, **fact}
    _record(handheld, event, stay.id, shift.id, now, **facts)


async def _answered(handheld: Handheld, stay_id: str) -> Stay:
    """The stay once nothing about it waits to be sent, or as it is where nobody answers."""
    handheld.nudge()
    deadline = time.monotonic() + ANSWER_WAIT_S
    while True:
        heard, left = handheld.bell.rings, deadline - time.monotonic()
        waits = handheld.store.db.execute(
            "SELECT 1 FROM stay_requests WHERE stay_id = ? AND refused = 0", (stay_id,)
        ).fetchone()
        if waits is None or left <= 0 or not handheld.link.online:
            return get(handheld, stay_id)
        await handheld.bell.wait(heard, left)


# Sending


DUE = """
    SELECT id, stay_id, path, body, made_at FROM stay_requests r
    WHERE refused = 0 AND (next_try_at <= ? OR next_try_at > ?)
      AND NOT EXISTS (SELECT 1 FROM stay_requests e
          WHERE e.stay_id = r.stay_id AND e.refused = 0 AND e.rowid < r.rowid)
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.refused = 0 AND o.written < r.written
          AND (o.charge_id = r.stay_id OR o.charge_id IN
              (SELECT charge_id FROM stay_charges WHERE stay_id = r.stay_id)))
    ORDER BY rowid LIMIT 20
"""
"""Of each stay the request written first, once the charges asked for before have been answered.

By the order they were written in, and none waits for a moment that only a clock put back made
far: this device's clock may be anything."""


async def send(handheld: Handheld) -> None:
    """Send what is due, in order; a stay that cannot be told holds up only itself."""
    shift = handheld.store.shift()
    if shift is None or shift.token is None:
        return
    while True:
        now = device_time()
        rows = handheld.store.db.execute(DUE, (stamp(now), stamp(now + LONGEST_WAIT))).fetchall()
        for row in rows:
            values = dict(row)
            await _send(
                handheld, _Request(**{**values, "body": json.loads(values["body"])}), shift.token
            )
        if not rows:
            return


async def _send(handheld: Handheld, request: _Request, token: str) -> None:
    body = dict(request.body)
    age = device_time() - datetime.fromisoformat(request.made_at)
    if timedelta() <= age <= FRESH and "cash" not in body:
        body.pop("told_at", None)
    asked_at = device_time()
    try:
        answer = await server_api.call(handheld.http, "POST", request.path, token=token, body=body)
        _keep(handheld, request.stay_id, answer.body, asked_at)
        handheld.store.db.execute("DELETE FROM stay_requests WHERE id = ?", (request.id,))
    except server_api.NoAnswer as no_answer:
        pause = max(PAUSE, timedelta(seconds=no_answer.retry_after_s))
        _later(handheld, request, pause)
    except server_api.Refusal as refusal:
        if refusal.is_of_who_asked:
            _later(handheld, request, PAUSE)
        else:
            _refused(handheld, request, refusal)
    handheld.bell.ring()


def _later(handheld: Handheld, request: _Request, pause: timedelta) -> None:
    handheld.store.db.execute(
        "UPDATE stay_requests SET next_try_at = ? WHERE id = ?",
        (stamp(device_time() + pause), request.id),
    )


def _refused(handheld: Handheld, request: _Request, refusal: server_api.Refusal) -> None:
    """The office said no: kept and shown; what was to be given up still stands."""
    words = server_api.refused_by_server(refusal.problem).body()
    with handheld.store.transaction():
        handheld.store.db.execute(
            "UPDATE stay_requests SET refused = 1, body = json_remove(body, '$.plate')"
            " WHERE id = ?",
            (request.id,),
        )
        handheld.store.db.execute(
            "UPDATE stays SET problem = ?, void_reason = NULL, changed_at = ? WHERE id = ?",
            (json.dumps(words), stamp(device_time()), request.stay_id),
        )
        cash = request.body.get("cash")
        if cash:
            handheld.store.save_refusal(cash["id"], words, device_time())


def _keep(handheld: Handheld, stay_id: str, known: dict[str, Any], asked_at: datetime) -> None:
    """As of when it was asked for: what a charge told while the answer came is newer."""
    if known.get("id") != stay_id or not isinstance(known.get("state"), str):
        raise server_api.NoAnswer("not this stay", reached=True)
    handheld.store.db.execute(
        "UPDATE stays SET known = ?, changed_at = ? WHERE id = ?",
        (json.dumps(known), stamp(asked_at), stay_id),
    )
    for told in known.get("charges") or ():
        # Cash that went with the end, which has no request of its own.
        charge = handheld.store.charge(str(told.get("id")))
        if charge is not None and charge.sync is Sync.WAITING:
            service.keep_answer(handheld, charge.id, told)


async def follow(handheld: Handheld) -> None:
    """Look again where a charge was decided since, and let the amounts on the screens grow."""
    while True:
        heard = handheld.bell.rings
        if handheld.link.online:
            for stay_id in _stale(handheld):
                await _look_again(handheld, stay_id)
        await handheld.bell.wait(heard, LOOK_AGAIN_S)
        if handheld.bell.rings == heard and listed(handheld):
            handheld.bell.ring()
        await asyncio.sleep(0.5)


STALE = """
    SELECT DISTINCT s.id FROM stays s
    JOIN charges c ON c.id = s.id OR c.id IN
        (SELECT charge_id FROM stay_charges WHERE stay_id = s.id)
    WHERE c.sync = 'sent' AND c.changed_at > s.changed_at
"""


def _stale(handheld: Handheld) -> list[str]:
    return [row["id"] for row in handheld.store.db.execute(STALE)]


async def _look_again(handheld: Handheld, stay_id: str) -> None:
    shift = handheld.store.shift()
    if shift is None or shift.token is None:
        return
    path, asked_at = f"/v1/stays/{stay_id}", device_time()
    try:
        answer = await server_api.call(handheld.http, "GET", path, token=shift.token)
    except (server_api.NoAnswer, server_api.Refusal):
        return
    _keep(handheld, stay_id, answer.body, asked_at)
    handheld.bell.ring()
