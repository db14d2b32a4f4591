from itertools import product

import pytest

from domain.parking import (
    SpotCodeError,
    StayEvent,
    StayState,
    TransitionRefused,
    advance,
    parse_spot_code,
    spot_code,
)

EDGES = {
    ("reserved", "begun"): "open",
    ("reserved", "voided"): "voided",
    ("open", "ended"): "ended",
    ("open", "voided"): "voided",
}


@pytest.mark.parametrize(("state", "event"), [*product(StayState, StayEvent)])
def test_every_pair_of_state_and_event_is_decided(state, event):
    target = EDGES.get((state.value, event.value))
    if target is None:
        with pytest.raises(TransitionRefused):
            advance(state, event)
    else:
        assert advance(state, event) is StayState(target)


@pytest.mark.parametrize(
    ("zone", "number", "code"),
    [
        ("MTG", 12, "MTG-012-3"),
        ("MTG", 999, "MTG-999-8"),
        ("MTG", 1_000, "MTG-1000-4"),
        ("A", 1, "A-001-A"),
        ("P2K", 99_999, "P2K-99999-X"),
    ],
)
def test_a_spot_code_names_zone_number_and_check_character(zone, number, code):
    assert spot_code(zone, number) == code
    assert parse_spot_code(code) == code


@pytest.mark.parametrize("zone", ["", "mtg", "M-G", "2K", "K2", "ABCDEFGHI", "MTG\n", "MTÉ"])
def test_a_zone_code_is_capitals_and_digits_that_begin_and_end_with_a_letter(zone):
    with pytest.raises(SpotCodeError, match=r"^zone "):
        spot_code(zone, 1)


@pytest.mark.parametrize("number", [0, -1, 100_000])
def test_a_spot_number_has_bounds(number):
    with pytest.raises(SpotCodeError, match=r"^number "):
        spot_code("MTG", number)


@pytest.mark.parametrize("text", ["mtg-012-3", " MTG 012 3 ", "mtg0123", "MTG–012–3", "M TG0-123"])
def test_a_typed_spot_code_becomes_canonical(text):
    assert parse_spot_code(text) == "MTG-012-3"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "characters"),
        ("MTG/012/3", "characters"),
        ("MTG-012-É", "characters"),
        ("MTG-012", "shape"),
        ("012-3", "shape"),
        ("MTG-12-3", "shape"),
        ("MTG-123456-3", "shape"),
        ("MTG-012-4", "check character"),
        ("MTG-021-3", "check character"),
        ("MGT-012-3", "check character"),
        ("MTG-0012-1", "number"),
        ("MTG-000-8", "number"),
    ],
)
def test_a_wrong_spot_code_is_refused_and_says_what_is_wrong(text, wrong):
    with pytest.raises(SpotCodeError, match=f"^{wrong}"):
        parse_spot_code(text)
