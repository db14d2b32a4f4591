"""Amounts as they are said."""

import pytest

from attendant_app import speech


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "nol"),
        (10, "sepuluh"),
        (11, "sebelas"),
        (19, "sembilan belas"),
        (21, "dua puluh satu"),
        (100, "seratus"),
        (115, "seratus lima belas"),
        (1000, "seribu"),
        (2000, "dua ribu"),
        (3500, "tiga ribu lima ratus"),
        (11_000, "sebelas ribu"),
        (150_000, "seratus lima puluh ribu"),
        (1_001_100, "satu juta seribu seratus"),
        (2_000_000_000, "dua miliar"),
    ],
)
def test_numbers_in_bahasa(number: int, words: str) -> None:
    assert speech.in_words(number) == words
