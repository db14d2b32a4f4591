"""The append-only journal: each fact chained to the one before it and signed by the device.

It is written in the transaction of what it tells, so that neither exists without the other.
"""

from datetime import datetime
from typing import Any

from attendant_app.device_key import DeviceKey
from attendant_app.store import Store, StoredEvent, stamp
from domain.events import GENESIS, Event, EventKind, canonical, event_hash


def record(
    store: Store, key: DeviceKey, kind: EventKind, body: dict[str, Any], now: datetime
) -> None:
    """Append one fact. Call inside a transaction; nothing is recorded before enrolment."""
    device = store.device()
    if device is None:
        raise RuntimeError("an event needs an enrolled device")
    seq, prev_hash = store.last_event() or (0, GENESIS)
    event = Event(device.device_id, seq + 1, prev_hash, kind.value, stamp(now), body)
    store.append_event(
        StoredEvent(
            seq=event.seq,
            prev_hash=event.prev_hash,
            hash=event_hash(event),
            device_id=event.device_id,
            kind=event.kind,
            at=event.at,
            body=body,
            signature=key.sign(canonical(event)),
            outcome="waiting",
            reason=None,
        )
    )


def as_sent(event: StoredEvent) -> dict[str, Any]:
    """The wire form: the event's own fields with its hash and signature."""
    return {
        "device_id": event.device_id,
        "seq": event.seq,
        "prev_hash": event.prev_hash,
        "kind": event.kind,
        "at": event.at,
        "body": event.body,
        "hash": event.hash,
        "signature": event.signature,
    }


def as_event(event: StoredEvent) -> Event:
    return Event(event.device_id, event.seq, event.prev_hash, event.kind, event.at, event.body)
