"""The test page: what comes out tells what the printer can do, whatever profile was guessed."""

import itertools
import re
from dataclasses import replace

import pytest

import printer
from printer import selftest
from printer.interpreter import interpret
from tests.printer.samples import ESCPOS

WIDE = printer.profile("generic-80")


def came_out(page: bytes, machine: printer.Profile) -> list[str]:
    (receipt,) = interpret(page, machine)
    return receipt.text


@pytest.mark.parametrize("name", ESCPOS)
def test_a_printer_that_can_do_all_prints_every_letter_whatever_was_guessed(name: str) -> None:
    text = came_out(selftest.page(printer.profile(name), "printer siap"), WIDE)
    whole = [line[0] for line in text if re.match("[A-G](23|  )", line)]
    assert whole == list("ABCDEFG")
    assert [len(line) for line in text if re.match("[A-C]23", line)] == [32, 42, 48]
    assert next(line for line in text if line.startswith("[")) == "[QR KARCIS-UJI-D]"
    assert any(line.startswith("[gambar") for line in text)
    assert any(selftest.SAMPLE in line for line in text)
    assert "printer siap" in " ".join(text)
    assert text[-1].strip() == "-- AKHIR UJI CETAK --"


def test_a_narrow_printer_breaks_the_rulers_that_are_too_long() -> None:
    text = came_out(selftest.page(WIDE, "printer siap"), printer.profile("generic-58-qr"))
    whole = [line[0] for line in text if line[1:3] == "23" and line.endswith("|")]
    assert whole == ["A"]


def test_no_profile_fits_that_asks_for_more_than_came_out() -> None:
    for size in range(8):
        for letters in itertools.combinations("ABCDEFG", size):
            for name in selftest.fitting("".join(letters), "escpos"):
                kind = printer.profile(name)
                assert kind.columns in (selftest.RULERS.get(letter) for letter in letters)
                assert ("D" if kind.native_qr else "E") in letters
                assert kind.charset == "ascii" or kind.charset in {
                    selftest.CHARSETS[letter][0] for letter in letters if letter in "FG"
                }


@pytest.mark.parametrize("name", printer.names())
def test_the_whole_page_of_a_printer_finds_its_own_profile(name: str) -> None:
    kind = printer.profile(name)
    wide_enough = [letter for letter, width in selftest.RULERS.items() if width <= kind.columns]
    qr = "DE" if kind.native_qr else "E"
    assert name in selftest.fitting("".join(wide_enough) + qr + "FG", kind.language)


def test_the_page_is_laid_out_in_every_language() -> None:
    for name in printer.names():
        tried = printer.profile(name)
        assert all(printer.preview(*part).width for part in selftest.parts(tried, "siap"))
        assert selftest.page(replace(tried, cutter="none"), "siap")
