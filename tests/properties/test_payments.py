"""What must hold for any input where payments meet the wire: signatures, amounts, schedules."""

import asyncio
import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from server.payments import signatures
from server.payments.acquirer import (
    Acquirer,
    AcquirerUnknown,
    InquiryAnswer,
    PaidStatus,
    profile,
)
from server.payments.callbacks import Callback, Refused, SnapListener
from server.payments.inquiries import EXPIRY_GRACE, LONG_PAST_EXPIRY, PAST_EXPIRY, next_inquiry
from server.payments.rest import RestAcquirer, RestListener
from server.payments.signatures import Encoding
from server.payments.snap import (
    Credentials,
    SnapAcquirer,
    read_amount,
    read_time,
    write_amount,
    write_time,
)
from server.payments.wire import AmountError

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
    written = forged.hex() if encoding is Encoding.HEX else b64encode(forged)
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
        assert now >= expires + LONG_PAST_EXPIRY[-1]
        return
    assert now < moment <= expires + LONG_PAST_EXPIRY[-1]
    if now + timedelta(seconds=60) <= expires + PAST_EXPIRY:
        assert moment - now <= timedelta(seconds=60)
    for due in (expires, expires + EXPIRY_GRACE):
        assert not now < due < moment, "an expiry is not slept over"


@pytest.mark.parametrize("minutes", [1, 15, 240])
def test_a_charge_is_asked_about_a_bounded_number_of_times(minutes):
    expires, now, count = MADE + timedelta(minutes=minutes), MADE, 0
    while (moment := next_inquiry(MADE, expires, now)) is not None:
        now, count = moment, count + 1
        assert count <= minutes + 17


# Whatever an acquirer says, it ends in one of the ways the payments slice knows

GOOD = {
    "responseCode": "2005100",
    "latestTransactionStatus": "00",
    "originalReferenceNo": "77",
    "originalPartnerReferenceNo": "abc",
    "amount": {"value": "4000.00", "currency": "IDR"},
    "additionalInfo": {"rrn": "A1", "refundHistory": []},
    "paidTime": "2026-11-21T10:15:00+07:00",
    "status_code": "200",
    "order_id": "abc",
    "transaction_id": "77",
    "transaction_status": "settlement",
    "fraud_status": "accept",
    "gross_amount": "4000.00",
    "currency": "IDR",
    "refunds": None,
}
LIKELY = (
    st.sampled_from(["2005100", "4045101", "00", "04", "200", "407", "settlement", "refund"])
    | st.sampled_from(
        ["4000.00", "4000", "IDR", "accept", "2026-11-21 10:15:00", "A1", "partial_refund"]
    )
    | st.builds(lambda value: {"value": value, "currency": "IDR"}, st.sampled_from(["4000.00", 1]))
    | st.builds(lambda history: {"refundHistory": history}, json_values)
)
changes = st.dictionaries(st.sampled_from(list(GOOD)), LIKELY | json_values, max_size=3)
messages = changes.map(lambda changed: GOOD | changed)
"""What both wires understand, a few words of it changed."""
CREDENTIALS = Credentials("kami", SecretStr("rahasia"), KEY, "M1", "A01")


def asked(make: Callable[[httpx.AsyncClient], Acquirer], said: object) -> InquiryAnswer | None:
    """What an inquiry takes from an answer; None when it is no outcome."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/access-token/b2b"):
            return httpx.Response(200, json={"accessToken": "t", "expiresIn": "900"})
        return httpx.Response(200, content=json.dumps(said).encode(errors="surrogatepass"))

    async def inquire() -> InquiryAnswer | None:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://acquirer") as client:
            try:
                return await make(client).inquire("abc")
            except AcquirerUnknown:
                return None

    return asyncio.run(inquire())


@settings(deadline=None)
@given(messages)
@example({"responseCode": "2005100", "latestTransactionStatus": "00", "amount": "\ud800"})
def test_an_inquiry_over_snap_is_paid_only_by_the_code_status_and_amount_that_say_so(said):
    answer = asked(lambda client: SnapAcquirer(client, profile("sandbox"), CREDENTIALS), said)
    if answer is not None and answer.status is PaidStatus.PAID:
        assert (said["responseCode"], said["latestTransactionStatus"]) == ("2005100", "00")
        assert Decimal(said["amount"]["value"]) == answer.amount_rp


@settings(deadline=None)
@given(messages)
@example({"status_code": "200", "transaction_status": "settlement", "gross_amount": 4000})
def test_an_inquiry_over_rest_is_paid_only_by_the_status_and_amount_that_say_so(said):
    key = SecretStr("rahasia")
    answer = asked(lambda client: RestAcquirer(client, profile("sandbox-rest"), key), said)
    if answer is not None and answer.status is PaidStatus.PAID:
        assert said["transaction_status"] in ("settlement", "partial_refund")
        assert said.get("fraud_status", "accept") == "accept"
        assert Decimal(said["gross_amount"]) == answer.amount_rp


@given(messages | json_values)
def test_a_webhook_is_read_or_refused_and_never_pays(said):
    key = SecretStr("rahasia")
    if isinstance(said, dict):
        signed = "".join(str(said.get(n)) for n in ("order_id", "status_code", "gross_amount"))
        digest = hashlib.sha512(f"{signed}rahasia".encode(errors="replace")).hexdigest()
        said = {"signature_key": digest} | said
    content = json.dumps(said).encode()
    try:
        told = RestListener(profile("sandbox-rest"), "M1", key).read(Callback({}, content), MADE)
    except Refused:
        return
    assert told.status is PaidStatus.UNKNOWN


@given(messages | json_values, st.sampled_from(["sandbox", "bri"]))
def test_a_well_signed_notification_of_any_content_is_read_or_refused(said, name):
    content = json.dumps(said).encode()
    spoken = replace(profile(name), notify_signature="asymmetric")
    digest = signatures.body_digest(content, double_hex=spoken.notify_double_hex)
    stamp = write_time(MADE)
    text = signatures.asymmetric_text("POST", spoken.notify_path, digest, stamp)
    headers = {
        "x-timestamp": stamp,
        "x-external-id": "1",
        "x-signature": signatures.sign_asymmetric(KEY, text),
    }
    hears = SnapListener(
        spoken, KEY.public_key(), "M1", "k", SecretStr("rahasia"), timedelta(minutes=5)
    )
    try:
        told = hears.read(Callback(headers, content), MADE)
    except Refused:
        return
    assert (told.status is PaidStatus.PAID) == (said["latestTransactionStatus"] == "00")
