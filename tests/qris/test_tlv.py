import pytest

from qris import QrisError, tlv


def bitwise_crc(text: str) -> str:
    """The CRC written out bit by bit from ISO/IEC 13239, as an oracle for the library call."""
    crc = 0xFFFF
    for byte in text.encode("utf-8"):
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return f"{crc:04X}"


@pytest.mark.parametrize("text", ["123456789", "", "6304", "KOPI SÜSU", "北京6304"])
def test_crc_agrees_with_the_definition(text: str) -> None:
    assert tlv.crc(text) == bitwise_crc(text)


def test_crc_known_answer() -> None:
    # The check value published for this CRC ("CCITT-FALSE").
    assert tlv.crc("123456789") == "29B1"


def test_crc_keeps_leading_zeros() -> None:
    text = next(str(n) for n in range(1000) if int(bitwise_crc(str(n)), 16) < 0x100)
    assert len(tlv.crc(text)) == 4
    assert tlv.crc(text).startswith("00")


def test_lengths_count_characters() -> None:
    assert tlv.read("0102SÜ0202北京") == {"01": "SÜ", "02": "北京"}


def test_an_empty_value_is_read() -> None:
    assert tlv.read("0700") == {"07": ""}


@pytest.mark.parametrize(
    "text",
    ["0", "010", "0102A", "A102AA", "01A2AA", "0102AAx", "٠١02AA", "01²2AA", "0102AA\n", "-102AA"],
)
def test_broken_structure_is_refused(text: str) -> None:
    with pytest.raises(QrisError) as caught:
        tlv.read(text, "62")
    assert (caught.value.code, caught.value.path) == ("malformed-tlv", "62")


def test_a_tag_may_occur_once() -> None:
    with pytest.raises(QrisError) as caught:
        tlv.read("0101A0101B", "26")
    assert (caught.value.code, caught.value.path) == ("duplicate-tag", "26.01")


def test_walk_yields_what_comes_before_the_damage() -> None:
    walker = tlv.walk("0101A02")
    assert next(walker) == ("01", "A", 5)
    with pytest.raises(QrisError):
        next(walker)


def test_write_orders_and_leaves_out_what_is_absent() -> None:
    assert tlv.write([("07", "B"), ("02", None), ("01", "A")]) == "0101A0701B"


@pytest.mark.parametrize(
    ("element", "code"),
    [
        (("1", "A"), "bad-format"),
        (("x1", "A"), "bad-format"),
        (("٠١", "A"), "bad-format"),
        (("01", ""), "empty-value"),
        (("01", "A" * 100), "value-too-long"),
    ],
)
def test_write_refuses(element: tuple[str, str], code: str) -> None:
    with pytest.raises(QrisError) as caught:
        tlv.write([element])
    assert caught.value.code == code


def test_write_takes_the_longest_value() -> None:
    assert tlv.read(tlv.write([("01", "A" * 99)])) == {"01": "A" * 99}


def test_bounds_on_the_whole_text() -> None:
    assert len(tlv.to_bytes("x" * tlv.MAX_TEXT)) == tlv.MAX_TEXT
    with pytest.raises(QrisError) as caught:
        tlv.to_bytes("x" * (tlv.MAX_TEXT + 1))
    assert caught.value.code == "text-too-long"


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(QrisError) as caught:
        tlv.crc("toko \ud83d")
    assert caught.value.code == "text-not-unicode"
