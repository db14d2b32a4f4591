"""Properties of the codec over generated payloads and arbitrary text."""

import base64
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import qris
from qris import QrisError, consumer, tlv
from tests.qris.samples import CONSUMER, PAYLOADS, TEXTS, seal

SAMPLES = st.sampled_from([sample["text"] for sample in (*PAYLOADS, *CONSUMER)])
READERS: list[Callable[[str], object]] = [qris.parse, consumer.parse, qris.explain]


def ans(longest: int, without: str = "") -> st.SearchStrategy[str]:
    """EMVCo's common character set: printable ASCII."""
    letters = st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters=without)
    return st.text(letters, min_size=1, max_size=longest)


def digits(shortest: int, longest: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=shortest, max_size=longest)


TRAPS = ["TOKO 5802ID", "WARUNG 6304ABCD", "KEDAI 010211", "5412345", "KOPI SÜSU", " A "]
NAMES = st.one_of(ans(25, without="|"), st.sampled_from(TRAPS))
CRITERIA = st.sampled_from(list(qris.Criteria))
AMOUNTS = st.builds(
    lambda whole, cents: f"{whole}{cents}",
    st.integers(1, 9_999_999_999),
    st.sampled_from(["", ".", ".0", ".00", ".50"]),
)
ADDITIONAL = st.builds(
    qris.AdditionalData,
    bill_number=ans(12),
    terminal_label=st.none() | ans(12),
    customer_label=st.none() | st.just("***"),
    consumer_data_request=st.none() | st.sampled_from(["A", "ME", "AME"]),
    others=st.sampled_from([(), (("12", "rfu"),), (("50", "0004ID.X"), ("99", "0042"))]),
)
LANGUAGES = st.builds(
    qris.LanguageTemplate,
    language=st.just("zh"),
    name=st.text(st.characters(categories=["L"]), min_size=1, max_size=25),
)
ROOT_OTHERS = st.dictionaries(
    st.integers(65, 79).map(str) | st.integers(2, 25).map("{:02d}".format), ans(8), max_size=2
)
STATIC = st.builds(
    qris.static,
    nmid=digits(13, 13).map("ID".__add__),
    acquirer_guid=ans(32),
    pan=digits(14, 15).map("9360".__add__),
    merchant_id=ans(15, without="|"),
    criteria=CRITERIA,
    mcc=digits(4, 4),
    name=NAMES,
    city=ans(15, without="|"),
    postal_code=ans(10, without="|"),
)


@st.composite
def payloads(draw: st.DrawFn) -> qris.QrisPayload:
    tip = draw(st.sampled_from([None, *qris.Tip]))
    return replace(
        draw(STATIC),
        initiation=draw(st.sampled_from([None, *qris.Initiation])),
        amount=draw(st.none() | AMOUNTS),
        tip=tip,
        fixed_fee=draw(AMOUNTS) if tip == qris.Tip.FIXED else None,
        percent_fee=draw(st.sampled_from(["5", "2.5", "99.99"]))
        if tip == qris.Tip.PERCENT
        else None,
        additional=draw(st.none() | ADDITIONAL),
        language=draw(st.none() | LANGUAGES),
        others=tuple(draw(ROOT_OTHERS).items()),
    )


@given(payloads())
def test_a_payload_reads_back_as_written(payload: qris.QrisPayload) -> None:
    text = qris.encode(payload)
    assert qris.parse(text) == payload
    assert qris.encode(qris.parse(text)) == text
    tags = [tag for tag, _, _ in tlv.walk(text)]
    assert tags[-1] == "63"
    assert tags[:-1] == sorted(tags[:-1])


@given(st.data(), payloads())
def test_any_one_character_corruption_is_refused(data: st.DataObject, p: qris.QrisPayload) -> None:
    text = qris.encode(p)
    at = data.draw(st.integers(0, len(text) - 1))
    # A CRC of 16 bits catches every change confined to 16 bits. A character of another width in
    # UTF-8 shifts what follows; that it catches but for one in 65536, too many for a test.
    width = len(text[at].encode())
    assume(width <= 2)
    lowest, highest = (0, 0x7F) if width == 1 else (0x80, 0x7FF)
    other = data.draw(
        st.characters(min_codepoint=lowest, max_codepoint=highest, exclude_characters=text[at])
    )
    with pytest.raises(QrisError):
        qris.parse(text[:at] + other + text[at + 1 :])


def test_every_digit_for_every_character_of_one_payload_is_refused() -> None:
    text = TEXTS["dynamic"]
    for at, right in enumerate(text):
        for other in "0123456789ABCDEFabcdef .|":
            if other != right:
                with pytest.raises(QrisError):
                    qris.parse(text[:at] + other + text[at + 1 :])


@given(payloads(), st.integers(1, 9_999_999))
def test_a_sealed_amount_parses_and_only_the_register_tells(p: qris.QrisPayload, rp: int) -> None:
    ours = qris.dynamic(p, amount_rp=rp, bill_number="B1")
    text = qris.encode(ours)
    forged = qris.parse(seal(qris.encode(replace(ours, amount=str(rp + 1)))))
    registration = qris.Registration(nmid=str(p.nmid), amount_rp=rp)
    assert qris.compare(registration, qris.parse(text)) == ()
    found = [difference.field for difference in qris.compare(registration, forged)]
    assert found == [qris.Field.AMOUNT]


@pytest.mark.parametrize("reader", READERS)
@given(text=st.text(st.characters(), max_size=600))
@example(text="")
@example(text="000201\ud800")
@example(text="000201" + "0" * 100_000)
@example(text="hQVDUFY" + "\x00")
@example(text="hQVDUFY=")
def test_any_text_is_answered_or_refused(reader: Callable[[str], object], text: str) -> None:
    with suppress(QrisError):
        reader(text)


@pytest.mark.parametrize("reader", READERS)
@given(octets=st.binary(max_size=600))
def test_any_bytes_are_answered_or_refused(reader: Callable[[str], object], octets: bytes) -> None:
    for text in (
        octets.decode("latin-1"),
        "000201" + octets.decode("utf-8", "surrogateescape"),
        base64.b64encode(b"\x85\x05CPV01" + octets).decode(),
    ):
        with suppress(QrisError):
            reader(text)


@pytest.mark.parametrize("reader", READERS)
@given(st.data())
def test_damaged_samples_are_answered_or_refused(
    reader: Callable[[str], object], data: st.DataObject
) -> None:
    text = data.draw(SAMPLES)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    patch = data.draw(st.text("0123456789|\x00é\ud800", max_size=6))
    damaged = text[:start] + patch + text[end:]
    for candidate in (damaged, damaged.encode("utf-8", "replace").decode("latin-1")):
        with suppress(QrisError):
            reader(candidate)
        with suppress(QrisError):
            reader(seal(candidate))


@given(st.data())
def test_what_is_read_is_written_back_or_refused(data: st.DataObject) -> None:
    text = data.draw(SAMPLES)
    at = data.draw(st.integers(0, len(text)))
    patch = data.draw(st.text("0123456789ABC", min_size=1, max_size=4))
    with suppress(QrisError):
        payload = qris.parse(seal(text[:at] + patch + text[at + len(patch) :]))
        assert qris.parse(qris.encode(payload)) == payload


CARDS = st.builds(
    qris.CardData,
    aid=st.sampled_from([consumer.QRIS_AID, "A0000009999999"]),
    label=ans(16),
    pan=digits(12, 19),
    track2=st.none()
    | digits(8, 16).map(lambda number: f"{number}D3112201{'F' * (len(number) % 2)}"),
    cardholder=st.none() | st.text(st.characters(max_codepoint=0xFF), min_size=2, max_size=26),
    languages=st.none() | st.just("iden"),
    issuer_url=st.none() | ans(40),
    transparent=st.binary(min_size=8, max_size=64).map(lambda raw: (("9F74", raw),)),
    others=st.binary(max_size=60).map(lambda raw: (("9F10", raw),)),
)


@given(CARDS, st.none() | st.builds(qris.CardData, cardholder=ans(26).filter(lambda n: len(n) > 1)))
def test_a_consumer_payload_reads_back_as_written(
    card: qris.CardData, common: qris.CardData | None
) -> None:
    payload = qris.ConsumerPayload(applications=(card,), common=common)
    assert consumer.parse(consumer.encode(payload)) == payload


def _hostile() -> dict[str, str]:
    """Texts of at most 512 characters built to cost the most: many tags, each with a blemish."""
    tail = "52047523" + "5303360" + "5802ID" + "5901A" + "6001B"
    head = "0002010201A"
    subs = "".join(f"{tag:02d}00" for tag in range(24))
    texts = {
        "empty tags": head + "".join(f"{t:02d}00" for t in (*range(3, 52), *range(65, 100))) + tail,
        "full templates": head + "".join(f"{t}96{subs}" for t in range(26, 30)) + tail,
        "small templates": head + "".join(f"{t}0800000100" for t in range(26, 52)) + tail,
        "opaque templates": head + "".join(f"{t}04x|\u202eé" for t in range(45, 52)) + tail,
    }
    return {name: f"{text}6304{tlv.crc(text + '6304')}" for name, text in texts.items()} | {
        "zeros": "000201" + "0" * 506,
        "objects": base64.b64encode(b"\x85\x05CPV01" + b"\x50\x00" * 188).decode()[:512],
        "huge": "0002010100" * 10_000,
    }


def calls(reader: Callable[[str], object], text: str) -> int:
    """How many functions are called to read it: the work, whatever the machine."""
    count = 0

    def called(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        with suppress(QrisError):
            reader(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.skipif(sys.getprofile() is not None, reason="another profiler counts already")
@pytest.mark.parametrize("text", _hostile().values(), ids=_hostile().keys())
@pytest.mark.parametrize("reader", [qris.parse, consumer.parse])
def test_hostile_text_costs_little_more_than_a_good_one(
    reader: Callable[[str], object], text: str
) -> None:
    dearest = max(calls(reader, sample["text"]) for sample in (*PAYLOADS, *CONSUMER))
    assert calls(reader, text) < 20 * dearest
