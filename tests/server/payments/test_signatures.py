"""Known answers of SNAP BI signing. Source of A to C: Midtrans, SNAP-BI-Signature-Demo."""

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from server.payments import signatures
from server.payments.signatures import Encoding

PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlWbtlh3eM+bW3n5AFj42
wddC4L7tQqbLiCFbTv8K67yng9iwK5mEn+UMXiRhvB2JVWFafCPPxFamsiVG3Mjn
eGjC0BYgmpmw4qXnAnyO3nCdCuPtmZ3ljhKvSTPdWZxrcLi1Xa9V/+Pzb8hrjb5i
wMn6SZFNeMmZYgFKiSeueo6TPln2PoTqXCzs1HtsM8eUVe8GAsjJe/3dYl992nyX
OpG21GgNu8o5T3WOptPg6GdDTWkTWUu483yRbVVy04Pz4L8DDZTDv+WcsAViDn1r
A/jB1Auj/UGKx2ovGcBH/a/hor5TbABbODU6cPTHT54K3sSZtvZNV4eFDB1f/4wd
fwIDAQAB
-----END PUBLIC KEY-----
"""
TOKEN_SIGNATURE = (
    "WzW49tYIgKIBmBi/gVBHGLAkhEaZlXM11zcZxAiyHji6TLPjPbwLu3Z45it25AIeG0XDItcdTSkds47zFEMh6IP0"
    "PXPIP1+Ey4RmX/o2fuYRF/xBHvfvKnMmANMTS1axsXBSW3EHqYpbVrkCcqNnB3u+wu63us9WIhRZaWgxgQ2PJLaiVH"
    "Iwgu9u7jxkWX7Bg4rerZH3RKdQfIJAAJsSN13efR7VdSAyzU7QaKjgislxrLqmesYNJkbD03XLjHdo6YWuzAVV7xdZ"
    "RpLiGkIAkW7luXTBZYBO+4oENZAPQYzrLeN1qRY1Sr7BgLONCA2QA26BB6SYW4R7qofS9+RyOQ=="
)
GENERATE_BODY = (
    b'{"partnerReferenceNo":"2020102900000000000001","amount":{"value":"12345678.00",'
    b'"currency":"IDR"},"feeAmount":{"value":"12345678.00","currency":"IDR"},'
    b'"merchantId":"00007100010926","terminalId":"213141251124",'
    b'"validityPeriod":"2009-07-03T12:08:56-07:00"}'
)
GENERATE_SIGNATURE = (
    "wmzT7yjg1SxxCsxNsFgCR9SYXiZGGbceF6fV8xe97sAMHxZ+7OEBMIBmvb6Sj6GcksGp3iv77DiomgSbcST3XQ=="
)
NOTIFY_BODY = (
    b'{"originalPartnerReferenceNo":"GP24043015193402809",'
    b'"originalReferenceNo":"A120240430081940S9vu8gSjaRID","merchantId":"G099333790",'
    b'"amount":{"value":"102800.00","currency":"IDR"},"latestTransactionStatus":"00",'
    b'"transactionStatusDesc":"SUCCESS","additionalInfo":{"refundHistory":[]}}'
)
NOTIFY_DIGEST = "79ebbe6a6b695262dd686d0dedafc57c94e3b3dededf8d63971f8a95699ace85"
NOTIFY_SIGNATURE = (
    "RoJnP2tH/YiOhHM/lMVBMSAuzRmS8VrWdIy04Qqyb56daV7oWFMFoMMzqnjQ+q0MIUalYgU094GWQnCx2c29xb1kkq"
    "Hhv2+iJ9xl6NjGmFGYqyvcKvUDAV83Y1Mw9JnsEcjcupdGw9/MRv/mm2GMrQ+BCZGfc4a46JDyPZbcY294vDGqs5rF"
    "BN6iYer5ro4cAQGo9hET2G82Y+j50vCyO/79GFE4vB1rvtu6PK2Bxi+vTYV8k7P7PS8tOPWM2O+kjiVWjwvLR99Bot"
    "ou+a8sxlQqZaihfWMKcByzV+Lgkr9cptpjys+1NIRWT1ad/sJBSLHyldzC3q2oRn5z5oZmyg=="
)


@pytest.fixture(scope="module")
def public_key() -> rsa.RSAPublicKey:
    key = load_pem_public_key(PUBLIC_KEY)
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def test_token_request_is_signed_as_published(public_key):
    text = signatures.token_text("G1234325-SNAP", "2024-03-01T08:27:49.024Z")
    assert text == "G1234325-SNAP|2024-03-01T08:27:49.024Z"
    assert signatures.verify_asymmetric(public_key, text, TOKEN_SIGNATURE)
    assert not signatures.verify_asymmetric(public_key, text + " ", TOKEN_SIGNATURE)


def test_transaction_is_signed_as_published():
    pretty = json.dumps(json.loads(GENERATE_BODY), indent=2).encode()
    digest = signatures.body_digest(signatures.minify(pretty))
    assert digest == "01463f60dbb6ca538581579dd95b31c8ba9fc6600eca750e4d8460ca4e402111"
    text = signatures.symmetric_text(
        "POST", "/v1.0/qr/qr-mpm-generate", "myaccesstoken", digest, "2024-03-05T10:37:16.196Z"
    )
    assert signatures.sign_symmetric("myclientsecret", text) == GENERATE_SIGNATURE
    assert signatures.verify_symmetric("myclientsecret", text, GENERATE_SIGNATURE)
    assert not signatures.verify_symmetric("myclientsecret ", text, GENERATE_SIGNATURE)


def test_notification_is_verified_as_published(public_key):
    digest = signatures.body_digest(NOTIFY_BODY)
    text = signatures.asymmetric_text(
        "POST", "/v1.0/debit/notify", digest, "2024-05-02T14:43:08+07:00"
    )
    assert digest == NOTIFY_DIGEST
    assert signatures.verify_asymmetric(public_key, text, NOTIFY_SIGNATURE)
    assert not signatures.verify_asymmetric(
        public_key, text.replace("14:43:08", "14:43:09"), NOTIFY_SIGNATURE
    )


def test_double_hex_digest_is_the_hex_of_the_hex_text():
    # BRI signs the ASCII codes of the digest's hex digits: "79eb…" becomes "37396562…".
    digest = signatures.body_digest(NOTIFY_BODY, double_hex=True)
    assert digest == NOTIFY_DIGEST.encode("ascii").hex()
    assert digest.startswith("37396562")
    assert len(digest) == 128


@pytest.mark.parametrize("encoding", Encoding)
def test_what_is_signed_is_verified_in_its_own_encoding_only(encoding):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other = next(kind for kind in Encoding if kind is not encoding)
    rsa_signature = signatures.sign_asymmetric(key, "teks", encoding)
    mac = signatures.sign_symmetric("rahasia", "teks", encoding)

    assert signatures.verify_asymmetric(key.public_key(), "teks", rsa_signature, encoding)
    assert signatures.verify_symmetric("rahasia", "teks", mac, encoding)
    assert not signatures.verify_asymmetric(key.public_key(), "teks", rsa_signature, other)
    assert not signatures.verify_symmetric("rahasia", "teks", mac, other)
    assert not signatures.verify_symmetric("rahasia", "Teks", mac, encoding)
    if encoding is Encoding.HEX:
        assert mac == mac.lower()
        assert set(mac) <= set("0123456789abcdef")


def test_minify_drops_only_whitespace_between_tokens():
    pretty = (
        b' {\r\n\t"b" : 1.00 , "a":2E+3 ,"\\u00e9" : "dua  kata\\" , { x : 1 } \\\\" ,'
        b' "b" : [ true , null , -0 ] } \n'
    )
    expected = b'{"b":1.00,"a":2E+3,"\\u00e9":"dua  kata\\" , { x : 1 } \\\\","b":[true,null,-0]}'
    assert signatures.minify(pretty) == expected
    assert signatures.minify(b"") == b""


def test_an_empty_body_is_hashed_as_nothing():
    assert signatures.body_digest(b"") == hashlib.sha256(b"").hexdigest()


def test_a_signature_is_believed_only_as_it_was_written():
    """Base64 that skips what it does not know would give one signature many spellings."""
    signed = signatures.sign_symmetric("rahasia", "teks")
    assert signatures.verify_symmetric("rahasia", "teks", signed)
    for odd in (f"!{signed}", f"{signed[:9]} {signed[9:]}", f"{signed}\n", signed[:-1]):
        assert not signatures.verify_symmetric("rahasia", "teks", odd), odd
