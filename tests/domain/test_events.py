import json
from dataclasses import replace

import pytest

from domain.events import (
    GENESIS,
    LARGEST,
    Event,
    EventError,
    EventKind,
    canonical,
    event_hash,
    verify_chain,
)

FIRST = Event(
    device_id="HH-1",
    seq=1,
    prev_hash=GENESIS,
    kind="charge_requested",
    at="2026-11-21T14:05:00+07:00",
    body={"spot": "MTG-012-3", "amount_rp": 2000, "lines": [{"b": None, "a": True}]},
)
HASH = "967df39b3d037355001b2746e029a471c5d1e6711a19ffa0ef48e3bb0e6936c7"


def chain(length):
    events = [FIRST]
    while len(events) < length:
        events.append(replace(FIRST, seq=len(events) + 1, prev_hash=event_hash(events[-1])))
    return events


def test_the_canonical_bytes_are_sorted_json_without_spaces():
    assert canonical(FIRST) == (
        b'{"at":"2026-11-21T14:05:00+07:00","body":{"amount_rp":2000,"lines":[{"a":true,"b":null}],'
        b'"spot":"MTG-012-3"},"device_id":"HH-1","kind":"charge_requested","prev_hash":"'
        + b"0" * 64
        + b'","seq":1}'
    )


def test_hashes_already_recorded_stay_what_they_are():
    assert event_hash(FIRST) == HASH


def test_neither_key_order_nor_the_type_of_kind_changes_the_hash():
    turned = dict(reversed(FIRST.body.items()))
    assert list(turned) != list(FIRST.body)
    assert event_hash(replace(FIRST, body=turned)) == event_hash(FIRST)
    assert event_hash(replace(FIRST, kind=EventKind.CHARGE_REQUESTED)) == event_hash(FIRST)


def test_text_is_hashed_as_it_is_written():
    event = replace(FIRST, body={"place": "Jl. Pejanggik – timur"})
    assert "Jl. Pejanggik – timur".encode() in canonical(event)
    assert json.loads(canonical(event))["body"] == event.body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device_id", "HH-2"),
        ("seq", 2),
        ("prev_hash", "1" * 64),
        ("kind", "shift_closed"),
        ("at", "2026-11-21T14:05:01+07:00"),
        ("body", {}),
    ],
)
def test_every_field_is_in_the_hash(field, value):
    assert event_hash(replace(FIRST, **{field: value})) != event_hash(FIRST)


def nested(depth):
    return {"x": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"amount_rp": 2000.0}, "float"),
        ({"x": [float("nan")]}, "float"),
        ({"x": b"bytes"}, "bytes"),
        ({"x": {1: 2}}, "key 1 is not text"),
        ({"x": "\ud800"}, "not Unicode"),
        ({"x": LARGEST + 1}, "64 bits"),
        ({"x": -LARGEST - 2}, "64 bits"),
        (nested(16), "deeper than 16"),
        (nested(300), "deeper than 16"),
    ],
)
def test_a_body_without_one_canonical_form_is_refused(body, message):
    with pytest.raises(EventError, match=message):
        canonical(replace(FIRST, body=body))


@pytest.mark.parametrize("body", [nested(15), {"x": LARGEST}, {"x": -LARGEST - 1}, {"x": (1, "a")}])
def test_a_body_at_the_bounds_is_taken(body):
    assert json.loads(canonical(replace(FIRST, body=body)))


def test_a_whole_chain_verifies_and_so_does_its_continuation():
    events = chain(6)
    assert verify_chain(events) is None
    assert verify_chain([]) is None
    head = event_hash(events[2])
    assert verify_chain(events[3:], after_seq=3, after_hash=head) is None
    assert verify_chain(iter(events)) is None


def test_the_chain_breaks_where_an_event_is_missing_repeated_or_out_of_order():
    one, two, three, four = chain(4)
    assert verify_chain([one, two, four]) == 3
    assert verify_chain([two, three]) == 1
    assert verify_chain([one, two, two, three]) == 3
    assert verify_chain([one, three, two, four]) == 2
    assert verify_chain([three, four], after_seq=2, after_hash=GENESIS) == 3


def test_an_event_numbered_wrongly_breaks_the_chain_though_its_hash_fits():
    one, two, _ = chain(3)
    assert verify_chain([one, replace(two, seq=3)]) == 2
    assert verify_chain([replace(one, seq=0)]) == 1


def test_an_edited_event_breaks_the_chain_at_the_next_one():
    events = chain(5)
    events[2] = replace(events[2], body={**FIRST.body, "amount_rp": 1000})
    assert verify_chain(events) == 4
    assert verify_chain(events[:3]) is None


def test_a_forked_or_restarted_chain_breaks_where_it_forks():
    events = chain(4)
    assert verify_chain([*events[:2], replace(events[2], prev_hash=GENESIS), events[3]]) == 3
    assert verify_chain([replace(FIRST, prev_hash="f" * 64)]) == 1


def test_an_event_of_another_device_does_not_belong():
    one, two, three = chain(3)
    stranger = replace(two, device_id="HH-2")
    assert verify_chain([one, stranger, replace(three, prev_hash=event_hash(stranger))]) == 2


def test_an_event_that_cannot_be_hashed_breaks_the_chain_there():
    one, two, three = chain(3)
    assert verify_chain([one, replace(two, body={"x": 0.5}), three]) == 2


def test_the_kinds_are_those_a_handheld_records():
    assert set(EventKind) == {
        "shift_opened",
        "charge_requested",
        "cash_taken",
        "voucher_taken",
        "stay_covered",
        "stay_exempted",
        "barcode_shown",
        "receipt_printed",
        "receipt_reprinted",
        "proof_taken",
        "shift_closed",
        "training_entered",
        "training_left",
        "sign_checked",
        "stay_checked",
        "heads_counted",
        "stay_started",
        "stay_ended",
        "stay_voided",
        "refund_wished",
        "notice_issued",
    }
