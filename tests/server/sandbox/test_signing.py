"""Known answers: vectors A to C of github.com/Midtrans/SNAP-BI-Signature-Demo, `sample-code/`."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.sandbox import signing

PUBLIC_KEY = signing.public_key(
    b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlWbtlh3eM+bW3n5AFj42
wddC4L7tQqbLiCFbTv8K67yng9iwK5mEn+UMXiRhvB2JVWFafCPPxFamsiVG3Mjn
eGjC0BYgmpmw4qXnAnyO3nCdCuPtmZ3ljhKvSTPdWZxrcLi1Xa9V/+Pzb8hrjb5i
wMn6SZFNeMmZYgFKiSeueo6TPln2PoTqXCzs1HtsM8eUVe8GAsjJe/3dYl992nyX
OpG21GgNu8o5T3WOptPg6GdDTWkTWUu483yRbVVy04Pz4L8DDZTDv+WcsAViDn1r
A/jB1Auj/UGKx2ovGcBH/a/hor5TbABbODU6cPTHT54K3sSZtvZNV4eFDB1f/4wd
fwIDAQAB
-----END PUBLIC KEY-----
"""
)
TOKEN_SIGNATURE = (
    "WzW49tYIgKIBmBi/gVBHGLAkhEaZlXM11zcZxAiyHji6TLPjPbwLu3Z45it25AIeG0XDItcdTSkds47zFEMh6IP0PXPIP"
    "1+Ey4RmX/o2fuYRF/xBHvfvKnMmANMTS1axsXBSW3EHqYpbVrkCcqNnB3u+wu63us9WIhRZaWgxgQ2PJLaiVHIwgu9u7j"
    "xkWX7Bg4rerZH3RKdQfIJAAJsSN13efR7VdSAyzU7QaKjgislxrLqmesYNJkbD03XLjHdo6YWuzAVV7xdZRpLiGkIAkW7"
    "luXTBZYBO+4oENZAPQYzrLeN1qRY1Sr7BgLONCA2QA26BB6SYW4R7qofS9+RyOQ=="
)
NOTIFY_SIGNATURE = (
    "RoJnP2tH/YiOhHM/lMVBMSAuzRmS8VrWdIy04Qqyb56daV7oWFMFoMMzqnjQ+q0MIUalYgU094GWQnCx2c29xb1kkqHhv"
    "2+iJ9xl6NjGmFGYqyvcKvUDAV83Y1Mw9JnsEcjcupdGw9/MRv/mm2GMrQ+BCZGfc4a46JDyPZbcY294vDGqs5rFBN6iYe"
    "r5ro4cAQGo9hET2G82Y+j50vCyO/79GFE4vB1rvtu6PK2Bxi+vTYV8k7P7PS8tOPWM2O+kjiVWjwvLR99Botou+a8sxlQ"
    "qZaihfWMKcByzV+Lgkr9cptpjys+1NIRWT1ad/sJBSLHyldzC3q2oRn5z5oZmyg=="
)
NOTIFY_BODY = (
    b'{"originalPartnerReferenceNo":"GP24043015193402809",'
    b'"originalReferenceNo":"A120240430081940S9vu8gSjaRID","merchantId":"G099333790",'
    b'"amount":{"value":"102800.00","currency":"IDR"},"latestTransactionStatus":"00",'
    b'"transactionStatusDesc":"SUCCESS","additionalInfo":{"refundHistory":[]}}'
)
GENERATE_BODY = (
    b'{"partnerReferenceNo":"2020102900000000000001",'
    b'"amount":{"value":"12345678.00","currency":"IDR"},'
    b'"feeAmount":{"value":"12345678.00","currency":"IDR"},"merchantId":"00007100010926",'
    b'"terminalId":"213141251124","validityPeriod":"2009-07-03T12:08:56-07:00"}'
)


def test_vector_a_token_request() -> None:
    text = signing.token_string("G1234325-SNAP", "2024-03-01T08:27:49.024Z")
    assert signing.rsa_matches(PUBLIC_KEY, text, TOKEN_SIGNATURE)
    assert not signing.rsa_matches(PUBLIC_KEY, text[:-1] + b"z", TOKEN_SIGNATURE)


def test_vector_b_symmetric_request() -> None:
    text = signing.request_string(
        "POST",
        "/v1.0/qr/qr-mpm-generate",
        GENERATE_BODY,
        "2024-03-05T10:37:16.196Z",
        token="myaccesstoken",
    )
    assert b":01463f60dbb6ca538581579dd95b31c8ba9fc6600eca750e4d8460ca4e402111:" in text
    assert signing.sign_hmac("myclientsecret", text) == (
        "wmzT7yjg1SxxCsxNsFgCR9SYXiZGGbceF6fV8xe97sAMHxZ+7OEBMIBmvb6Sj6GcksGp3iv77DiomgSbcST3XQ=="
    )


def test_vector_c_notification() -> None:
    text = signing.request_string(
        "POST", "/v1.0/debit/notify", NOTIFY_BODY, "2024-05-02T14:43:08+07:00"
    )
    assert signing.rsa_matches(PUBLIC_KEY, text, NOTIFY_SIGNATURE)
    assert not signing.rsa_matches(PUBLIC_KEY, text, NOTIFY_SIGNATURE[:-4] + "AAA=")


@pytest.mark.parametrize("signature", ["", "not base64!", "AAAA", "é"])
def test_nonsense_is_no_signature(signature: str) -> None:
    assert not signing.rsa_matches(PUBLIC_KEY, b"text", signature)
    assert not signing.hmac_matches("secret", b"text", signature)


def test_minify_touches_only_whitespace_outside_strings() -> None:
    spread = b'{\r\n\t"b" : "x \\" y\\\\" ,\n "a": [1.0, 2e5] }\n'
    assert signing.minify(spread) == b'{"b":"x \\" y\\\\","a":[1.0,2e5]}'
    assert signing.minify(b"") == b""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_minify_gives_the_compact_form_of_any_json(value: object) -> None:
    compact = json.dumps(value, separators=(",", ":")).encode()
    assert signing.minify(json.dumps(value, indent=3).encode()) == compact


def test_own_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "acquirer.pem"
    first = signing.own_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    again = signing.own_key(path)
    assert again.private_numbers() == first.private_numbers()
    public = signing.public_key((tmp_path / "keys" / "acquirer.pub.pem").read_bytes())
    assert signing.rsa_matches(public, b"text", signing.sign_rsa(again, b"text"))
