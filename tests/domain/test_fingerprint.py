"""The four words by which two people compare a key."""

import re

from domain.device import fingerprint


def test_a_key_is_four_words_that_no_near_key_shares() -> None:
    words = [fingerprint(number.to_bytes(32)) for number in range(2000)]
    word = "(?:[cdfghjklmnprstwy][aiuo]){2}"
    assert all(re.fullmatch(f"{word}(?: {word}){{3}}", told) for told in words)
    assert len(set(words)) == len(words)


def test_the_words_are_the_hash_from_its_first_bit() -> None:
    assert fingerprint(b"\0" * 32) == "kinu miwu polo mimu"
