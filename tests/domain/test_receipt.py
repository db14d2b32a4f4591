import json
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.receipt import (
    METHODS,
    ReceiptFacts,
    ReceiptFactsError,
    ReceiptNumberError,
    mask_plate,
    parse_receipt_number,
    receipt_number,
    series,
)
from domain.tariff import QuoteLine, VehicleClass

MAKASSAR = ZoneInfo("Asia/Makassar")
FACTS = ReceiptFacts(
    number="MTG-2026-000123-2",
    regency="Kabupaten Contoh",
    agency="Dinas Perhubungan",
    regulation="Perda 1/2024 pasal 12",
    plate="DR 1••• AB",
    vehicle_class=VehicleClass.CAR,
    spot_code="MTG-012-3",
    place="Jl. Pejanggik",
    zone="Mataram Tengah",
    attendant_code="J-07",
    attendant_name="Made",
    started_at=datetime(2026, 11, 21, 14, 5, tzinfo=MAKASSAR),
    paid_at=datetime(2026, 11, 21, 16, 2, 30, tzinfo=MAKASSAR),
    amount_rp=3_000,
    lines=(
        QuoteLine("Jam pertama", "First hour", 1, 2_000, 2_000),
        QuoteLine("Jam berikutnya", "Further hours", 1, 1_000, 1_000),
    ),
    method="QRIS",
    rrn="632514051234",
    reference="0199-a",
    complaint="0370-1234",
    verify_url="https://parkir.example/r/MTG-2026-000123-2",
)


@pytest.mark.parametrize(
    ("zone", "year", "sequence", "number"),
    [
        ("MTG", 2026, 123, "MTG-2026-000123-2"),
        ("MTG", 2026, 1_000_000, "MTG-2026-1000000-8"),
        ("KT", 2026, 1, "KT-2026-000001-I"),
        ("A", 9999, 10**12 - 1, "A-9999-999999999999-2"),
    ],
)
def test_a_receipt_number_names_series_sequence_and_check_character(zone, year, sequence, number):
    assert receipt_number(series(zone, year), sequence) == number
    assert parse_receipt_number(number) == (f"{zone}-{year}", sequence)


@pytest.mark.parametrize(
    "text",
    ["mtg-2026-000123-2", " MTG 2026 000123 2 ", "mtg20260001232", "MTG–2026–000123–2"],
)
def test_a_number_is_read_as_people_type_it(text):
    assert parse_receipt_number(text) == ("MTG-2026", 123)


@pytest.mark.parametrize(
    ("zone", "year"),
    [("mtg", 2026), ("MT-G", 2026), ("", 2026), ("2K", 2026), ("MTG", 1999), ("MTG", 10_000)],
)
def test_a_series_is_a_zone_and_a_year(zone, year):
    with pytest.raises(ReceiptNumberError, match=r"^series "):
        series(zone, year)


@pytest.mark.parametrize(
    "text", ["MTG", "MTG-26", "MTG-2026-1", "mtg-2026", "MTG2026", "MTG-2026\n"]
)
def test_a_number_is_made_in_a_proper_series_only(text):
    with pytest.raises(ReceiptNumberError, match=r"^series "):
        receipt_number(text, 1)


@pytest.mark.parametrize("sequence", [0, -1, 10**12])
def test_a_sequence_has_bounds(sequence):
    with pytest.raises(ReceiptNumberError, match=r"^sequence "):
        receipt_number("MTG-2026", sequence)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "characters"),
        ("MTG_2026_000123_2", "characters"),
        ("MTG-2026-000123", "shape"),
        ("MTG-012-3", "shape"),
        ("MTG-2026-000123-3", "check character"),
        ("MTG-2026-000132-2", "check character"),
        ("MTG-2062-000123-2", "check character"),
        ("MTG-2026-0000123-7", "sequence"),
        ("MTG-2026-000000-5", "sequence"),
    ],
)
def test_a_wrong_number_is_refused_and_says_what_is_wrong(text, wrong):
    with pytest.raises(ReceiptNumberError, match=f"^{wrong}"):
        parse_receipt_number(text)


@pytest.mark.parametrize(
    ("plate", "masked"),
    [
        ("KH 1234 AB", "KH 1••• AB"),
        ("kh1234ab", "KH 1••• AB"),
        ("KH-1234-AB", "KH 1••• AB"),
        ("B 1 XYZ", "B 1••• XYZ"),
        ("B 12345 X", "B 1••• X"),
        ("RI 1", "RI 1•••"),
        ("CD 12 345", "CD 1•••"),
        ("DR 1234 AB 5", "D•••"),
        ("1234-00", "1•••"),
        ("tanpa plat", "T•••"),
        ("KH 1••• AB", "KH 1••• AB"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_plate_is_masked_whatever_was_typed(plate, masked):
    assert mask_plate(plate) == masked
    assert mask_plate(masked) == masked


def test_facts_survive_json_and_keep_their_hour():
    data = json.loads(json.dumps(FACTS.to_json()))
    assert data["started_at"] == "2026-11-21T14:05:00+08:00"
    assert data["vehicle_class"] == "car"
    assert data["lines"][0] == {
        "label_id": "Jam pertama",
        "label_en": "First hour",
        "quantity": 1,
        "unit_rp": 2000,
        "amount_rp": 2000,
    }
    read = ReceiptFacts.from_json(data)
    assert read == FACTS
    assert read.to_json() == data
    assert read.started_at.hour == 14


def test_what_is_optional_may_be_missing_or_null():
    bare = replace(FACTS, plate=None, attendant_code=None, attendant_name=None, rrn=None)
    data = bare.to_json()
    assert data["plate"] is None
    assert ReceiptFacts.from_json(data) == bare
    for name in ("plate", "attendant_code", "attendant_name", "rrn"):
        del data[name]
    assert ReceiptFacts.from_json(data) == bare


def test_a_newer_servers_field_does_not_stop_an_older_handheld():
    assert ReceiptFacts.from_json({**FACTS.to_json(), "weather": "rain"}) == FACTS


@pytest.mark.parametrize("name", sorted(set(FACTS.to_json()) - {"plate", "rrn"}))
def test_a_field_of_the_wrong_kind_is_named(name):
    with pytest.raises(ReceiptFactsError, match=f"^{name}: "):
        ReceiptFacts.from_json({**FACTS.to_json(), name: {"a": 1}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "MTG-2026-000123-3"),
        ("number", "mtg-2026-000123-2"),
        ("plate", "DR 1234 AB"),
        ("method", "Transfer"),
        ("started_at", "2026-11-21T14:05:00"),
        ("paid_at", "yesterday"),
        ("vehicle_class", "bicycle"),
        ("amount_rp", 3_001),
        ("amount_rp", 3_000.0),
        ("lines", []),
        ("lines", [1]),
        ("lines", [{"label_id": "Parkir"}]),
        ("lines", [{**FACTS.to_json()["lines"][0], "amount_rp": 3_000}]),
        ("lines", [{**FACTS.to_json()["lines"][0], "unit_rp": "2000"}]),
    ],
)
def test_facts_that_make_no_receipt_are_refused_by_name(name, value):
    wanted = "amount_rp" if value == [] else name
    with pytest.raises(ReceiptFactsError, match=f"^{wanted}: "):
        ReceiptFacts.from_json({**FACTS.to_json(), name: value})


@pytest.mark.parametrize("data", [None, [], "receipt"])
def test_a_receipt_is_an_object(data):
    with pytest.raises(ReceiptFactsError, match=r"^receipt: "):
        ReceiptFacts.from_json(data)


def test_nothing_is_receipted_for_nothing():
    free = (QuoteLine("Gratis 10 menit", "Free 10 minutes", 1, 0, 0),)
    with pytest.raises(ReceiptFactsError, match=r"^amount_rp: "):
        replace(FACTS, amount_rp=0, lines=free)


@pytest.mark.parametrize("method", METHODS)
def test_cash_and_qris_are_the_methods(method):
    assert replace(FACTS, method=method).method == method


def test_times_of_another_zone_are_the_same_moment():
    data = {**FACTS.to_json(), "paid_at": "2026-11-21T08:02:30+00:00"}
    assert ReceiptFacts.from_json(data) == FACTS
    assert ReceiptFacts.from_json(data).paid_at == datetime(2026, 11, 21, 8, 2, 30, tzinfo=UTC)
