from itertools import product

import pytest

from domain.check_digit import ALPHABET, LONGEST, CheckDigitError, append, is_valid, typed


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("MTG-012", "MTG-012-3"),
        ("MTG-2026-000123", "MTG-2026-000123-2"),
        ("0", "0-U"),
        ("Z", "Z-I"),
    ],
)
def test_signs_and_receipts_already_printed_stay_valid(text, whole):
    assert append(text) == whole
    assert is_valid(whole)


def test_every_text_of_two_is_caught_wherever_one_character_or_one_swap_is_wrong():
    for pair in product(ALPHABET, repeat=2):
        right = append("".join(pair)).replace("-", "")
        assert is_valid(right)
        wrong = {right[1] + right[0] + right[2], right[0] + right[2] + right[1], right[::-1]}
        wrong |= {right[:2] + other for other in ALPHABET}
        wrong |= {right[0] + other + right[2] for other in ALPHABET}
        wrong |= {other + right[1:] for other in ALPHABET}
        wrong.remove(right)
        assert not any(map(is_valid, wrong))


def test_a_doubled_character_mistyped_as_another_is_caught():
    for one, other in product(ALPHABET, repeat=2):
        right = append(f"7{one}{one}")
        assert is_valid(right.replace(one * 2, other * 2, 1)) == (one == other)


def test_a_lost_or_added_leading_zero_is_caught():
    assert not is_valid(append("00123")[1:])
    assert not is_valid("0" + append("00123"))


def test_hyphens_do_not_count_wherever_they_stand():
    assert is_valid("MTG0123")
    assert is_valid("M-T-G-0-1-2-3")
    assert append("MT-G012")[-1] == append("MTG-012")[-1]


@pytest.mark.parametrize("text", ["", "-", "mtg-012", "MTG 012", "É", "A" * (LONGEST + 1)])
def test_what_has_no_check_character_is_refused_and_never_valid(text):
    with pytest.raises(CheckDigitError):
        append(text)
    assert not is_valid(text)


@pytest.mark.parametrize("text", ["X", "-X-", "MTG-012-", "MTG-012-3 "])
def test_a_text_without_room_for_a_check_character_or_with_a_space_is_not_valid(text):
    assert not is_valid(text)


@pytest.mark.parametrize(
    "text", ["MTG-012-3", "mtg0123", " mtg 012 3\r\n", "MTG–012—3", "m.t.g\u00a0012-3", "MTG\t0123"]
)
def test_typing_is_taken_as_people_type(text):
    assert typed(text) == "MTG0123"


@pytest.mark.parametrize("text", ["", " - ", "MTG/012", "ſTG", "ıTG", "ßTG", "０１２", "A" * 65])
def test_typing_outside_the_alphabet_is_refused(text):
    with pytest.raises(CheckDigitError):
        typed(text)
