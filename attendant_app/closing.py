"""Closing a shift: count the cash, compare it, say so once more; the office has the last word.

The count is a fact in the chain before it is a request. Until the office has answered, the shift is
closing: it takes no new charges, and the count cannot be changed.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from attendant_app import problems, server_api, shifts
from attendant_app.runtime import Handheld, device_time
from attendant_app.store import stamp
from domain.events import EventKind

ANSWER_WAIT_S = 6.0
MOST_RP = 10_000_000_000
NOTES_RP = (100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000)
"""What is counted by the piece; coins are counted together."""


@dataclass(frozen=True)
class Closing:
    """A count that was made; `answer` is what the office closed the shift with."""

    shift_id: str
    seq: int
    counted_rp: int
    shown_rp: int
    answer: dict[str, Any] | None
    problem: dict[str, Any] | None

    @property
    def difference_rp(self) -> int:
        """By the office's books where it has answered, else by this device."""
        expected_rp = (self.answer or {}).get("expected_rp", self.shown_rp)
        return self.counted_rp - int(expected_rp)


_COLUMNS = "shift_id, seq, counted_rp, shown_rp, answer, problem"


def of_shift(handheld: Handheld, shift_id: str) -> Closing | None:
    return _one(handheld, "WHERE shift_id = ?", shift_id)


def waiting(handheld: Handheld) -> Closing | None:
    """The count that the office has not answered yet."""
    return _one(handheld, "WHERE answer IS NULL ORDER BY seq LIMIT 1")


def _one(handheld: Handheld, where: str, *values: object) -> Closing | None:
    query = f"SELECT {_COLUMNS} FROM closings {where}"  # noqa: S608 - own words only
    row = handheld.store.db.execute(query, values).fetchone()
    if row is None:
        return None
    told = {name: json.loads(row[name]) if row[name] else None for name in ("answer", "problem")}
    return Closing(**{**dict(row), **told})


def refuse_while_closing(handheld: Handheld) -> None:
    """A count that was made must stay true: raises ShiftClosing."""
    if waiting(handheld) is not None:
        raise problems.ShiftClosing


def expected_rp(handheld: Handheld, shift_id: str) -> int:
    """The cash that was taken on a shift, as this device recorded it."""
    total = handheld.store.db.execute(
        "SELECT coalesce(sum(coalesce(json_extract(known, '$.amount_rp'), quoted_rp)), 0)"
        " FROM charges WHERE shift_id = ? AND kind = 'cash' AND state <> 'cancelled'",
        (shift_id,),
    ).fetchone()
    return int(total[0])


async def close(handheld: Handheld, counted_rp: int, held_seen: int) -> Closing:
    """Record the count and give the office a moment to answer; again shows the same count.

    `held_seen` is how many records held by the office the attendant was shown. Raises NotSignedIn,
    UnsyncedRecords, HeldUnseen, ServerUnreachable, InvalidRequest.
    """
    shift = shifts.signed_in(handheld)
    if of_shift(handheld, shift.id) is None:
        if not 0 <= counted_rp <= MOST_RP:
            raise problems.InvalidRequest("counted_rp")
        if handheld.store.unsynced()[0]:
            raise problems.UnsyncedRecords
        if handheld.store.quarantined() > held_seen:
            raise problems.HeldUnseen
        if not handheld.link.online:
            raise problems.ServerUnreachable
        _record(handheld, shift.id, counted_rp, held_seen)
    handheld.nudge()
    return await _answered(handheld, shift.id)


def _record(handheld: Handheld, shift_id: str, counted_rp: int, held: int) -> None:
    now = device_time()
    shown_rp = expected_rp(handheld, shift_id)
    body = {"shift_id": shift_id, "counted_rp": counted_rp, "shown_rp": shown_rp, "held": held}
    with handheld.store.transaction():
        handheld.record(EventKind.SHIFT_CLOSED, body, now)
        seq, _ = handheld.store.last_event() or (0, "")
        handheld.store.db.execute(
            "INSERT INTO closings (shift_id, seq, counted_rp, shown_rp, made_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (shift_id, seq, counted_rp, shown_rp, stamp(now)),
        )


async def _answered(handheld: Handheld, shift_id: str) -> Closing:
    deadline = time.monotonic() + ANSWER_WAIT_S
    while True:
        heard = handheld.bell.rings
        found = of_shift(handheld, shift_id)
        assert found is not None
        left = deadline - time.monotonic()
        if found.answer is not None or left <= 0:
            return found
        await handheld.bell.wait(heard, left)


async def send(handheld: Handheld) -> None:
    """Ask the office to close what was counted, once every record has been sent."""
    found, device = waiting(handheld), handheld.store.device()
    if found is None or device is None or handheld.store.unsynced()[0]:
        return
    path = f"/v1/devices/{device.device_id}/shifts/{found.shift_id}/close"
    body = {"seq": found.seq, "counted_rp": found.counted_rp, "shown_rp": found.shown_rp}
    try:
        answer = await server_api.call(handheld.http, "POST", path, body=body)
    except server_api.NoAnswer:
        return
    except server_api.Refusal as refusal:
        _refused(handheld, found, refusal)
        return
    _closed(handheld, found, answer.body)


def _refused(handheld: Handheld, found: Closing, refusal: server_api.Refusal) -> None:
    if refusal.slug == "shift-closed":
        # By the office, or by a count that another life of this device made: it is over here too.
        _closed(handheld, found, {"elsewhere": True})
        return
    words = server_api.refused_by_server(refusal.problem).body()
    with handheld.store.transaction():
        handheld.store.db.execute(
            "UPDATE closings SET problem = ? WHERE shift_id = ?",
            (json.dumps(words), found.shift_id),
        )
        handheld.store.send_again(refusal.problem.get("missing"))
    handheld.bell.ring()


def _closed(handheld: Handheld, found: Closing, answer: dict[str, Any]) -> None:
    with handheld.store.transaction():
        handheld.store.db.execute(
            "UPDATE closings SET answer = ?, problem = NULL WHERE shift_id = ?",
            (json.dumps(answer), found.shift_id),
        )
        if (shift := handheld.store.shift()) is not None and shift.id == found.shift_id:
            shifts.hold_unsent(handheld, shift)
        handheld.store.end_shift(found.shift_id, device_time())
    handheld.bell.ring()
