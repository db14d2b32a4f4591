"""Plates: one spelling each, and a hash that is nothing without its key."""

import pytest

from domain.plate import PlateError, keyed, normalise

KEY = b"k" * 32
KNOWN = "63789f3da548e20ecee46f77cc67d0a22a4bd0651a96c42cc2144c523d5c61fe"


@pytest.mark.parametrize(
    "text", ["KH 1234 AB", "kh1234ab", "KH-1234-AB", " kh.1234.ab ", "KH 01234 AB", "kh\t1234\nab"]
)
def test_every_spelling_of_a_plate_is_one(text: str) -> None:
    assert normalise(text) == "KH1234AB"
    assert keyed(text, KEY) == keyed("KH1234AB", KEY)


@pytest.mark.parametrize("text", ["B 1", "AB 9999 XYZ", "L 12 A"])
def test_short_and_long_civil_plates_are_plates(text: str) -> None:
    assert normalise(text) == text.replace(" ", "")


@pytest.mark.parametrize(
    "text", ["", "1234", "KH", "KH 12345 AB", "KH 0 AB", "KHX 1 A", "KH 1 ABCD", "KH 1/2 A", "КН 1"]
)
def test_what_is_no_plate_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PlateError) as refusal:
        normalise(text)
    assert str(refusal.value) == "want letters, up to four digits, letters, as in KH 1234 AB"


def test_the_hash_is_hmac_sha256_and_another_key_gives_another() -> None:
    # printf KH1234AB | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
    assert keyed("KH 1234 AB", KEY) == KNOWN
    assert keyed("KH 1234 AB", b"l" * 32) != KNOWN
    assert keyed("KH 1234 AC", KEY) != KNOWN
    with pytest.raises(ValueError, match="32 bytes"):
        keyed("KH 1234 AB", b"short")
