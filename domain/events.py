"""Facts a handheld records while it may be offline, chained so that none can be lost or altered.

Each event carries the hash of the one before it on the same device. The chain shows gaps, edits
and forks; that its newest end is there, only a signature or the next event can show.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""The ``prev_hash`` of a device's first event."""

DEEPEST = 16
LARGEST = 2**63 - 1


class EventError(ValueError):
    """A body that has no single canonical form."""


class EventKind(StrEnum):
    SHIFT_OPENED = "shift_opened"
    CHARGE_REQUESTED = "charge_requested"
    CASH_TAKEN = "cash_taken"
    VOUCHER_TAKEN = "voucher_taken"
    STAY_COVERED = "stay_covered"
    STAY_EXEMPTED = "stay_exempted"
    BARCODE_SHOWN = "barcode_shown"
    RECEIPT_PRINTED = "receipt_printed"
    RECEIPT_REPRINTED = "receipt_reprinted"
    PROOF_TAKEN = "proof_taken"
    SHIFT_CLOSED = "shift_closed"
    TRAINING_ENTERED = "training_entered"
    TRAINING_LEFT = "training_left"
    SIGN_CHECKED = "sign_checked"
    STAY_CHECKED = "stay_checked"
    HEADS_COUNTED = "heads_counted"
    NOTICE_ISSUED = "notice_issued"
    STAY_STARTED = "stay_started"
    STAY_ENDED = "stay_ended"
    STAY_VOIDED = "stay_voided"
    REFUND_WISHED = "refund_wished"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact.

    ``seq`` counts from 1 on each device without gaps. ``kind`` is an EventKind, kept as text so
    that an older server can still verify a newer handheld's chain. ``at`` is an aware ISO 8601
    time by the device's clock, kept as text so that its hash survives storage.
    """

    device_id: str
    seq: int
    prev_hash: str
    kind: str
    at: str
    body: dict[str, Any]


def happened_at(at: str, now: datetime) -> datetime:
    """An event's ``at`` in UTC, and never later than now.

    Raises ValueError for what is no time, or lies in the calendar's first or last year, from which
    no day can be counted on.
    """
    told = datetime.fromisoformat(at)
    if not MINYEAR < told.year < MAXYEAR:
        raise ValueError(at)
    return min(told.astimezone(UTC), now)


def canonical(event: Event) -> bytes:
    """The bytes that are hashed and signed: UTF-8 JSON, keys sorted, no spaces.

    Raises EventError for a float (amounts are whole rupiah, and floats have no one spelling), a
    key that is not text, text that is not Unicode, a number beyond 64 bits, or nesting deeper
    than 16.
    """
    facts = {field.name: getattr(event, field.name) for field in fields(event)}
    _require_plain(facts, DEEPEST)
    try:
        return json.dumps(
            facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
        ).encode()
    except UnicodeEncodeError as error:
        raise EventError(f"text that is not Unicode: {error.reason}") from None


def event_hash(event: Event) -> str:
    """SHA-256 of the canonical bytes, 64 lower-case hexadecimal digits; raises EventError."""
    return hashlib.sha256(canonical(event)).hexdigest()


def verify_chain(
    events: Iterable[Event], *, after_seq: int = 0, after_hash: str = GENESIS
) -> int | None:
    """The first seq at which the chain is broken, or None when it is whole.

    Broken at n means: the event n is missing, is out of order, is of another device, does not
    carry the hash of n-1, or cannot be hashed. ``after_seq`` and ``after_hash`` continue a chain
    whose head is already known. An empty chain is whole.
    """
    device_id: str | None = None
    for seq, event in enumerate(events, start=after_seq + 1):
        device_id = event.device_id if device_id is None else device_id
        if (event.device_id, event.seq, event.prev_hash) != (device_id, seq, after_hash):
            return seq
        try:
            after_hash = event_hash(event)
        except EventError:
            return seq
    return None


def _require_plain(value: object, depth: int) -> None:
    if depth < 0:
        raise EventError(f"nested deeper than {DEEPEST}")
    match value:
        case int() if not -LARGEST - 1 <= value <= LARGEST:
            raise EventError("a number does not fit 64 bits")
        case None | int() | str():
            return
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    raise EventError(f"key {key!r} is not text")
                _require_plain(item, depth - 1)
        case list() | tuple():
            for item in value:
                _require_plain(item, depth - 1)
        case _:
            raise EventError(f"{type(value).__name__} {value!r} has no canonical form")
