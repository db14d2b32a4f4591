"""What must hold for any input where payments meet the wire: signatures, amounts, schedules."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given
from hypothesis import strategies as st

from server.payments import signatures
from server.payments.inquiries import EXPIRY_GRACE, PAST_EXPIRY, next_inquiry
from server.payments.signatures import Encoding
from server.payments.snap import AmountError, read_amount, read_time, write_amount, write_time

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
MADE = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
spaces = st.text(" \t\r\n", max_size=3)


@given(json_values, st.booleans(), st.none() | st.integers(0, 4), spaces, spaces)
def test_minify_keeps_what_a_json_text_means(value, ascii_only, indent, before, after):
    compact = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode()
    loose = json.dumps(
        value,
        ensure_ascii=ascii_only,
        indent=indent,
        separators=(f"{before},{after}", f"{after}:{before}"),
    )
    minified = signatures.minify(f"{before}{loose}{after}".encode())
    assert minified == compact
    assert signatures.minify(minified) == minified
    assert json.loads(minified) == value


@given(st.binary(max_size=300))
def test_minify_takes_any_bytes_and_is_done_after_once(body):
    minified = signatures.minify(body)
    assert signatures.minify(minified) == minified
    assert len(minified) <= len(body)


@given(st.text(max_size=600), st.sampled_from(Encoding))
@example("é", Encoding.BASE64)
@example("=", Encoding.BASE64)
@example("A", Encoding.BASE64)
@example("0", Encoding.HEX)
@example("\x00", Encoding.HEX)
@example("\ud800", Encoding.BASE64)
def test_rubbish_for_a_signature_is_false_and_no_more(rubbish, encoding):
    assert signatures.verify_asymmetric(KEY.public_key(), "teks", rubbish, encoding) is False
    assert signatures.verify_symmetric("rahasia", "teks", rubbish, encoding) is False


@given(st.text(max_size=80), st.integers(0, 2**2048 - 1), st.sampled_from(Encoding))
def test_a_signature_holds_for_its_own_text_alone(text, other, encoding):
    mac = signatures.sign_symmetric("rahasia", text, encoding)
    assert signatures.verify_symmetric("rahasia", text, mac, encoding)
    assert not signatures.verify_symmetric("rahasia", text + "x", mac, encoding)
    assert not signatures.verify_symmetric("rahasiA", text, mac, encoding)
    forged = other.to_bytes(256)
    written = forged.hex() if encoding is Encoding.HEX else signatures.base64.b64encode(forged)
    written = written if isinstance(written, str) else written.decode()
    assert not signatures.verify_asymmetric(KEY.public_key(), text, written, encoding)


@given(st.integers(0, 10**13 - 1))
def test_an_amount_survives_the_wire(amount_rp):
    assert read_amount(write_amount(amount_rp)) == amount_rp


@given(st.text(max_size=20) | st.from_regex(r"[+-]?[0-9]{0,15}[.,]?[0-9]{0,3}(e[0-9])?"))
def test_an_amount_is_whole_rupiah_or_nothing(value):
    try:
        amount_rp = read_amount({"value": value, "currency": "IDR"})
    except AmountError:
        return
    assert value.isascii()
    assert value in {f"{amount_rp:0{n}d}{cents}" for n in range(14) for cents in ("", ".0", ".00")}


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=offsets))
def test_a_time_survives_the_wire_to_the_second(moment):
    assert read_time(write_time(moment)) == moment.replace(microsecond=0)
    assert len(write_time(moment)) == 25


@given(st.text(max_size=40))
def test_any_text_is_a_time_with_its_zone_or_none(text):
    moment = read_time(text)
    assert moment is None or moment.utcoffset() is not None


lifetimes = st.integers(1, 86_400).map(lambda seconds: timedelta(seconds=seconds))


@given(lifetimes, st.integers(-10, 90_000_000).map(lambda ms: timedelta(milliseconds=ms)))
def test_the_next_inquiry_is_always_ahead_and_never_after_the_last(lifetime, age):
    expires, now = MADE + lifetime, MADE + age
    moment = next_inquiry(MADE, expires, now)
    if moment is None:
        assert now + timedelta(seconds=60) > expires + PAST_EXPIRY
        return
    assert now < moment <= expires + PAST_EXPIRY
    assert moment - now <= timedelta(seconds=60)
    for due in (expires, expires + EXPIRY_GRACE):
        assert not now < due < moment, "an expiry is not slept over"


@pytest.mark.parametrize("minutes", [1, 15, 240])
def test_a_charge_is_asked_about_a_bounded_number_of_times(minutes):
    expires, now, count = MADE + timedelta(minutes=minutes), MADE, 0
    while (moment := next_inquiry(MADE, expires, now)) is not None:
        now, count = moment, count + 1
        assert count <= minutes + 13
