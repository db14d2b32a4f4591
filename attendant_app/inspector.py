"""Whether a vehicle stands here rightly, and how many stand here at all; also without a network.

The office sends today's stays of the street with their plates hashed, and the key of the hashes.
A plate that is typed is hashed here, never sent and never recorded. What is scanned is checked and
recorded as what is typed.
"""

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from attendant_app import pool, prices, problems, proofs, recognise, server_api, shifts
from attendant_app.proofs import Verdict
from attendant_app.runtime import Handheld, device_time
from attendant_app.server_api import NoAnswer, Refusal
from attendant_app.store import stamp
from domain import notice
from domain.events import EventKind
from domain.notice import Finding, NoticeError, NoticeFacts
from domain.plate import PlateError, keyed, normalise
from domain.proof import Proof, is_proof
from domain.receipt import mask_plate
from domain.tariff import VehicleClass

COUNT_S = 60
PATIENCE = httpx.Timeout(1.5, connect=1)


class NotInspectable(ValueError):
    """A text that is no plate, no receipt and no proof."""


@dataclass(frozen=True)
class Answer:
    """What a list of a certain age says, or this device without one; `stays`: the best first.

    `check` is the number of the fact that records it; `plate` what was typed, masked; `notice` what
    a scanned notice says of itself.
    """

    result: str
    stays: list[dict[str, Any]]
    list_age_s: int | None
    check: int
    plate: str
    notice: NoticeFacts | None

    @property
    def may_have_notice(self) -> bool:
        return self.result in set(Finding)


def workplace(handheld: Handheld) -> dict[str, Any] | None:
    """The spot last worked at, whose zone is inspected."""
    return prices.spot_in(handheld.store.master_data(), pool.workplace(handheld) or "")


async def refresh(handheld: Handheld) -> None:
    """Fetch the street's list where the office can be asked; else the last one stays."""
    shift, spot = handheld.store.shift(), workplace(handheld)
    if shift is None or shift.token is None or spot is None or not handheld.link.online:
        return
    zone = spot["zone"]["code"]
    try:
        answer = await server_api.call(
            handheld.http,
            "GET",
            f"/v1/zones/{zone}/live-stays",
            token=shift.token,
            timeout=PATIENCE,
        )
    except (NoAnswer, Refusal):
        return
    handheld.store.db.execute(
        "INSERT OR REPLACE INTO live_stays VALUES (1, ?, ?)", (zone, json.dumps(answer.body))
    )


def _list(handheld: Handheld) -> dict[str, Any] | None:
    """The list of the zone worked at; another zone's says nothing here."""
    spot = workplace(handheld)
    row = handheld.store.db.execute("SELECT zone, body FROM live_stays").fetchone()
    if row is None or spot is None or row["zone"] != spot["zone"]["code"]:
        return None
    body: dict[str, Any] = json.loads(row["body"])
    return body


def list_age_s(handheld: Handheld) -> int | None:
    known = _list(handheld)
    if known is None:
        return None
    return max(0, int((handheld.office_time() - _moment(known["at"])).total_seconds()))


def inspect(handheld: Handheld, text: str) -> Answer | None:
    """What was typed or scanned: a plate, a receipt, a proof; nothing asks for the spot itself.

    None where nobody said which spot is worked at. Raises NotInspectable. Every check is recorded,
    also one that cannot be answered here; a plate never is.
    """
    shifts.on_shift(handheld)
    spot = workplace(handheld)
    if spot is None:
        return None
    known = _list(handheld)
    asked = _asked(handheld, known, text, spot["code"])
    stays = [] if known is None else _matching(handheld, known, asked)
    result = stays[0]["result"] if stays else asked.told or _unlisted(handheld, known, asked, spot)
    age_s = list_age_s(handheld)
    body = {
        "spot": spot["code"],
        "asked_by": asked.by,
        "result": result,
        "stay_id": stays[0]["id"] if stays else None,
        "list_age_s": age_s,
    }
    with handheld.store.transaction():
        handheld.record(EventKind.STAY_CHECKED, body, device_time())
        seq, _ = handheld.store.last_event() or (0, "")
    handheld.nudge()
    plate = mask_plate(text) if asked.by == "plate" else ""
    return Answer(result, stays, age_s, seq, plate, asked.notice)


@dataclass(frozen=True)
class _Asked:
    """`wanted` is looked for in the list; `told` is what the text itself says, list or not."""

    by: str
    wanted: str | None
    told: str | None = None
    proof: Proof | None = None
    notice: NoticeFacts | None = None


def _asked(handheld: Handheld, known: dict[str, Any] | None, text: str, spot: str) -> _Asked:
    text = text.strip()
    if not text:
        return _Asked("spot", spot)
    if is_proof(text):
        return _proof(handheld, text)
    if notice.is_link(text, site_of(handheld)):
        return _notice(handheld, text)
    found = recognise.read(text, recognise.site_of(handheld))
    if found.kind is recognise.Kind.RECEIPT:
        return _Asked("receipt", found.name)
    if found.kind is recognise.Kind.IMPOSTER:
        return _Asked("receipt", None, "forged")
    try:
        plate = normalise(text)
    except PlateError:
        raise NotInspectable from None
    key = ((known or {}).get("plate_key") or "").encode()
    return _Asked("plate", keyed(plate, key)) if key else _Asked("plate", None, "unknown")


def _proof(handheld: Handheld, text: str) -> _Asked:
    """A proof is only read: to take it for paid is its attendant's."""
    reading = proofs.judge(handheld, text)
    if reading.proof is None:
        forged = reading.verdict is Verdict.FORGED
        return _Asked("proof", None, "forged" if forged else "unknown")
    if reading.verdict is Verdict.VOID:
        return _Asked("proof", None, "void")
    return _Asked("proof", reading.proof.receipt_number, proof=reading.proof)


def _notice(handheld: Handheld, text: str) -> _Asked:
    """A notice that hangs at the vehicle already; whether it is ours, its signature tells."""
    told = (handheld.store.master_data() or {}).get("notices", {}).get("keys", {})
    keys = {of: [b64decode(key) for key in each] for of, each in told.items()}
    try:
        facts = notice.verify(text, site_of(handheld), keys)
    except NoticeError as error:
        unknown = error.reason == "unknown-series"
        return _Asked("notice", None, "unknown" if unknown else "forged")
    return _Asked("notice", None, "noticed", notice=facts)


def site_of(handheld: Handheld) -> str:
    return recognise.site_of(handheld)


def listed_stay(handheld: Handheld, stay_id: str | None) -> dict[str, Any] | None:
    """A stay of the list, as the last check found it."""
    stays = (_list(handheld) or {}).get("stays", ())
    return next((stay for stay in stays if stay["id"] == stay_id), None)


def _names(stay: dict[str, Any], by: str) -> list[str | None]:
    """What a stay of the list goes by."""
    match by:
        case "plate":
            return [stay["plate"]]
        case "spot":
            return [stay["spot_code"]]
        case _:
            return list(stay.get("receipts", ()))  # one that was fetched before an update has none


def _matching(handheld: Handheld, known: dict[str, Any], asked: _Asked) -> list[dict[str, Any]]:
    if asked.wanted is None:
        return []
    local = prices.zone_of(handheld.store.master_data())
    now, grace = handheld.office_time().astimezone(local), timedelta(seconds=known["grace_s"])
    stays = [stay for stay in known["stays"] if asked.wanted in _names(stay, asked.by)]
    judged = [{**stay, "result": _result(stay, now, grace)} for stay in stays]
    if asked.by == "plate":
        judged += _passes(known, asked.wanted, now.date().isoformat())
    return sorted(judged, key=lambda stay: RESULTS.index(stay["result"]))


def _passes(known: dict[str, Any], plate: str, today: str) -> list[dict[str, Any]]:
    """The passes of a plate, as what lets it stand here; a list from before an update has none."""
    return [
        {
            "id": None,
            "pass": held["serial"],
            "vehicle_class": held["classes"][0],
            "valid_until": held["valid_until"],
            "paid": True,
            "result": "live",
        }
        for held in known.get("passes", ())
        if held["plate"] == plate and held["valid_until"] >= today
    ]


def _unlisted(
    handheld: Handheld, known: dict[str, Any] | None, asked: _Asked, spot: dict[str, Any]
) -> str:
    """What is not in the list, or is asked without one. A proof outweighs an older list."""
    if known is None:
        return "unknown"
    if asked.proof is None or recognise.of_another_zone(handheld, asked.proof, spot["code"]):
        return "none"
    if asked.proof.paid_at >= _moment(known["at"]):
        return "unknown"
    local = prices.zone_of(handheld.store.master_data())
    paid_on = asked.proof.paid_at.astimezone(local).date()
    return "none" if paid_on == handheld.office_time().astimezone(local).date() else "expired"


RESULTS = ("live", "just-expired", "expired")


def _result(stay: dict[str, Any], now: datetime, grace: timedelta) -> str:
    """A stay without an end is good for its day; `now` is by the regency's clock."""
    if stay["until"] is None:
        began = _moment(stay["started_at"]).astimezone(now.tzinfo)
        return "live" if began.date() == now.date() else "expired"
    if now < _moment(stay["until"]):
        return "live"
    return "just-expired" if now < _moment(stay["until"]) + grace else "expired"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# Counting


@dataclass(frozen=True)
class Count:
    """What was tapped so far, in its order."""

    spot: str
    taps: list[str]
    left_s: int

    def of(self, vehicle_class: str) -> int:
        return self.taps.count(vehicle_class)


def count(handheld: Handheld) -> Count | None:
    """The count under way, if there is one."""
    row = handheld.store.db.execute("SELECT * FROM head_count").fetchone()
    if row is None:
        return None
    spent = (device_time() - _moment(row["started_at"])).total_seconds()
    left = min(COUNT_S, max(0, COUNT_S - int(spent)))
    return Count(row["spot"], json.loads(row["taps"]), left)


def begin_count(handheld: Handheld) -> Count | None:
    """Count at the spot worked at: a new count, or the one under way."""
    shifts.on_shift(handheld)
    spot = workplace(handheld)
    if spot is not None and count(handheld) is None:
        handheld.store.db.execute(
            "INSERT INTO head_count VALUES (1, ?, ?, '[]')", (spot["code"], stamp(device_time()))
        )
    return count(handheld)


def tap(handheld: Handheld, vehicle_class: str) -> None:
    """One vehicle more; an empty class takes the last one back."""
    shifts.on_shift(handheld)
    known = count(handheld)
    if vehicle_class not in {*VehicleClass, ""}:
        raise problems.InvalidRequest("vehicle_class")
    if known is not None:
        taps = [*known.taps, vehicle_class] if vehicle_class else known.taps[:-1]
        handheld.store.db.execute("UPDATE head_count SET taps = ?", (json.dumps(taps),))


def end_count(handheld: Handheld) -> int:
    """Record the count as a fact; how many vehicles."""
    shifts.on_shift(handheld)
    known = count(handheld)
    if known is None:
        return 0
    counted = {name.value: known.of(name.value) for name in VehicleClass}
    with handheld.store.transaction():
        body = {"spot": known.spot, "counted": counted}
        handheld.record(EventKind.HEADS_COUNTED, body, device_time())
        handheld.store.db.execute("DELETE FROM head_count")
    handheld.nudge()
    return len(known.taps)
