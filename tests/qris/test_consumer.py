import base64
from dataclasses import replace
from typing import Any

import pytest

from qris import CardData, ConsumerPayload, QrisError, consumer
from tests.qris.samples import CONSUMER, TEXTS

ACCEPTED = [s for s in CONSUMER if s["code"] is None]
REFUSED = [s for s in CONSUMER if s["code"] is not None]
PLAIN = ConsumerPayload(
    applications=(
        CardData(
            aid=consumer.QRIS_AID,
            label="QRISCPM",
            pan="9360009900001234567",
            languages="iden",
            transparent=(("9F74", b"contoh-data-0001"),),
        ),
    )
)


def with_card(**changes: Any) -> ConsumerPayload:
    return replace(PLAIN, applications=(replace(PLAIN.applications[0], **changes),))


def named(samples: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sample", samples, ids=[s["name"] for s in samples])


@named(ACCEPTED)
def test_fixture_is_accepted(sample: dict[str, Any]) -> None:
    payload = consumer.parse(sample["text"])
    assert sorted(finding.code for finding in payload.warnings) == sample["warnings"]
    assert payload.account_number == sample["account_number"]


@named(REFUSED)
def test_fixture_is_refused(sample: dict[str, Any]) -> None:
    with pytest.raises(QrisError) as caught:
        consumer.parse(sample["text"])
    assert caught.value.code == sample["code"]


def test_the_writer_writes_what_a_hand_wrote() -> None:
    assert consumer.encode(PLAIN) == TEXTS["qris"]
    assert consumer.parse(TEXTS["qris"]) == PLAIN


def test_every_field_is_read() -> None:
    payload = consumer.parse(TEXTS["long-ber"])
    card = payload.qris
    assert card is not None
    assert (card.label, card.cardholder, card.languages) == ("QRISCPM", "SITI CONTOH", "iden")
    assert card.issuer_url == "siti.contoh@example.id"
    assert card.issuer_data == b"contoh-data-" + b"0123456789" * 5
    assert card.others == (("9F25", b"\x45\x67"),)


def test_raw_lengths_read_the_same_and_are_written_as_ber() -> None:
    raw = consumer.parse(TEXTS["long-raw"])
    assert raw == consumer.parse(TEXTS["long-ber"])
    assert consumer.encode(raw) == TEXTS["long-ber"] != TEXTS["long-raw"]


def test_the_strict_reading_explains_a_double_failure() -> None:
    # Read with raw lengths the same text would only be malformed.
    raw = base64.b64decode(TEXTS["long-ber"]).replace(b"\x5a\x0a", b"\xc1\x0a")
    with pytest.raises(QrisError) as caught:
        consumer.parse(base64.b64encode(raw).decode())
    assert caught.value.code == "missing-pan"


def test_qris_is_found_behind_another_application() -> None:
    payload = consumer.parse(TEXTS["two-applications"])
    assert payload.qris == payload.applications[1]
    assert consumer.parse(TEXTS["foreign"]).qris is None


@pytest.mark.parametrize("track2", ["ABCD", "12345", "D3112"])
def test_track_2_without_a_number_gives_none(track2: str) -> None:
    expected = track2 if track2.isdigit() else None
    assert CardData(track2=track2).account_number == expected


def test_no_person_in_the_representation() -> None:
    shown = repr(consumer.parse(TEXTS["long-ber"]))
    for secret in ("9360009900001234567", "SITI", "siti.contoh", "contoh-data"):
        assert secret not in shown


def test_a_merchant_s_code_is_no_consumer_s() -> None:
    with pytest.raises(QrisError) as caught:
        consumer.parse(TEXTS["static"])
    assert caught.value.code == "not-cpm"


def test_other_types_are_a_programming_error() -> None:
    with pytest.raises(TypeError):
        consumer.parse(b"hQVDUFY")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2])
def test_long_lengths_of_one_and_two_bytes(size: int) -> None:
    filler = b"x" * (100 if size == 1 else 300)
    payload = with_card(others=(("9F10", filler),))
    raw = base64.b64decode(consumer.encode(payload))
    assert raw[7:9] == bytes((0x61, 0x80 | size))
    assert consumer.parse(consumer.encode(payload)) == payload


@pytest.mark.parametrize(
    "raw",
    ["61", "6181", "618200", "61830000", "6180", "9F", "9F81", "610", "5A02AA"],
)
def test_broken_ber_is_refused(raw: str) -> None:
    octets = bytes.fromhex(raw if len(raw) % 2 == 0 else raw + "5")
    with pytest.raises(QrisError) as caught:
        list(consumer.walk(octets, "61"))
    assert (caught.value.code, caught.value.path) == ("malformed-ber", "61")


def test_tags_of_three_bytes() -> None:
    assert list(consumer.walk(bytes.fromhex("9F810101AA5A00"))) == [
        ("9F8101", b"\xaa", 5),
        ("5A", b"", 7),
    ]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (replace(PLAIN, applications=()), "missing-tag"),
        (with_card(aid=None), "missing-tag"),
        (with_card(aid="A00"), "bad-format"),
        (with_card(aid="A0000006"), "value-length"),
        (with_card(aid="a0000006022020"), "not-representable"),
        (with_card(pan=None), "missing-pan"),
        (with_card(pan=""), "missing-pan"),
        (with_card(pan="93x0"), "bad-format"),
        (with_card(pan="9" * 21), "value-length"),
        (with_card(track2="1" * 40), "value-length"),
        (with_card(label="L" * 17), "value-length"),
        (with_card(label="北"), "bad-format"),
        (with_card(label=None), "missing-subtag"),
        (with_card(label=""), "missing-subtag"),
        (with_card(cardholder="S"), "value-length"),
        (with_card(languages="identhenid"), "value-length"),
        (with_card(transparent=()), "missing-subtag"),
        (with_card(transparent=(("9F74", b"x" * 65),)), "value-length"),
        (with_card(transparent=(("9F74", b"x" * 8), ("9F74", b"x" * 8))), "duplicate-tag"),
        (with_card(others=(("zz", b""),)), "bad-format"),
        (with_card(others=(("5A", b"\x12"),)), "duplicate-tag"),
        (with_card(others=(("9F10", b"x" * 600),)), "text-too-long"),
        (with_card(others=(("9F10", b"x" * 300), ("9F11", b"x" * 200))), "text-too-long"),
        (replace(PLAIN, others=(("C1", b"x" * 400), ("C2", b"x" * 60))), "text-too-long"),
        (replace(PLAIN, others=(("62", b""),)), "not-representable"),
        (replace(PLAIN, common=CardData(label="L" * 17)), "value-length"),
    ],
)
def test_the_writer_refuses(payload: ConsumerPayload, code: str) -> None:
    with pytest.raises(QrisError) as caught:
        consumer.encode(payload)
    assert caught.value.code == code


def test_root_objects_beyond_the_known_are_kept() -> None:
    payload = replace(PLAIN, others=(("C1", b"abc"),))
    assert consumer.parse(consumer.encode(payload)) == payload
