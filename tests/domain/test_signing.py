"""HTTP message signatures: the vectors of RFC 9421 and RFC 9530, and what is no signature."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from domain import signing

KEY = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
SIGNATURE = (
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
)
VALUES = {
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "@method": "POST",
    "@path": "/foo",
    "@authority": "example.com",
    "content-type": "application/json",
    "content-length": "18",
}


def test_the_ed25519_vector_of_rfc_9421_b_2_6() -> None:
    parameters = INPUT.removeprefix("sig-b26=")
    base = signing.signature_base(tuple(VALUES), VALUES, parameters)
    key = load_pem_private_key(KEY, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    assert base64.b64encode(key.sign(base)).decode() == SIGNATURE


def test_the_digest_of_rfc_9530() -> None:
    digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    assert signing.content_digest(b'{"hello": "world"}') == digest


def test_what_is_written_is_read_again() -> None:
    values = signing.values("POST", "/a%20b", "x=1&y=2", b"{}", "Bearer t")
    parameters = signing.parameters(tuple(values), 1618884473, "n-0", "device")
    headers = signing.headers(parameters, b"s" * 64, b"{}")
    told = signing.read(headers["Signature-Input"], headers["Signature"])
    assert told == signing.RequestSignature(
        ("@method", "@path", "@query", "content-digest", "authorization"),
        parameters,
        1618884473,
        "n-0",
        "device",
        b"s" * 64,
    )
    assert values["@query"] == "?x=1&y=2"


GOOD = 'a=("@method");created=1;keyid="k";nonce="n"'


@pytest.mark.parametrize(
    ("signature_input", "signature"),
    [
        ("", ""),
        (GOOD, ""),
        (GOOD, "b=:AAAA:"),
        (GOOD, "a=:AAA:"),
        (GOOD, "a=AAAA"),
        (f"{GOOD}, b=()", "a=:AAAA:"),
        (GOOD, "a=:AAAA:, b=:AAAA:"),
        ('a=();created=1;keyid="k";nonce="n"', "a=:AAAA:"),
        ('a=("@Method");created=1;keyid="k";nonce="n"', "a=:AAAA:"),
        ('a=("@method";req);created=1;keyid="k";nonce="n"', "a=:AAAA:"),
        ('a=("@method");keyid="k";nonce="n"', "a=:AAAA:"),
        ('a=("@method");created=1;nonce="n"', "a=:AAAA:"),
        ('a=("@method");created="1x";keyid="k";nonce="n"', "a=:AAAA:"),
        ('a=("@method");created=1;created=2;keyid="k";nonce="n"', "a=:AAAA:"),
        (f'{GOOD};alg="hmac-sha256"', "a=:AAAA:"),
        (f'{GOOD[:-1]}\n"', "a=:AAAA:"),
    ],
)
def test_what_is_not_one_plain_signature_is_refused(signature_input: str, signature: str) -> None:
    assert signing.read(GOOD, "a=:AAAA:")
    with pytest.raises(signing.SignatureUnreadable):
        signing.read(signature_input, signature)
