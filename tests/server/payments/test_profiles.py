"""Each acquirer's own way of notifying, signed here from its documents, not from its profile."""

import base64
import hashlib
import tomllib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from domain.payment import ChargeKind
from server.database import new_id
from server.payments.acquirer import PaidStatus, UnknownAcquirer, profile
from server.payments.callbacks import Callback, Refused, SnapListener
from server.payments.signatures import Encoding
from tests.server.conftest import CLIENT_SECRET
from tests.server.payments.voice import CLIENT_KEY, Voice, compact

NOW = datetime(2026, 11, 21, 3, 15, tzinfo=UTC)
STAMP = "2026-11-21T10:15:00+07:00"
STANDARD = "/v1.0/qr/qr-mpm-notify"


@dataclass(frozen=True)
class Manner:
    """How an acquirer's documents say it signs a notification and names the network's id."""

    rsa: bool
    path: str = STANDARD
    double_hex: bool = False
    extra: str = "additionalInfo"
    rrn: str = "rrn"
    of_the_network: bool = True


MANNERS = {
    "sandbox": Manner(rsa=True),
    "sandbox-symmetric": Manner(rsa=False),
    "doku": Manner(rsa=False),
    "bri": Manner(
        rsa=False,
        path="/v1.1/qr-dynamic/qr-mpm-notify",
        double_hex=True,
        extra="AdditionalInfo",
        rrn="issuerRrn",
        of_the_network=False,
    ),
    "midtrans": Manner(rsa=True),
    "astrapay": Manner(rsa=False, rrn="customerReferenceNumber", of_the_network=False),
}


def sign(voice: Voice, manner: Manner, content: bytes, token: str) -> str:
    digest = hashlib.sha256(content).hexdigest()
    if manner.double_hex:
        digest = "".join(f"{ord(character):02x}" for character in digest)
    if manner.rsa:
        return voice.rsa(f"POST:{manner.path}:{digest}:{STAMP}")
    return voice.hmac(f"POST:{manner.path}:{token}:{digest}:{STAMP}")


def listener(name: str, voice: Voice, **more: Any) -> SnapListener:
    return SnapListener(
        profile=profile(name),
        public_key=voice.key.public_key(),
        merchant_id=voice.merchant_id,
        client_key=CLIENT_KEY,
        client_secret=SecretStr(CLIENT_SECRET),
        clock_tolerance=timedelta(minutes=5),
        **more,
    )


def callback(voice: Voice, hears: SnapListener, manner: Manner) -> Callback:
    """A notification in this manner, under a token of the listener where one is needed."""
    asked = Callback(
        httpx.Headers(voice.token_headers(at=NOW)), b'{"grantType":"client_credentials"}'
    )
    token = hears.issue_token(asked, NOW).body["accessToken"]
    content = compact(
        voice.body(new_id(), 4_000, additionalInfo=None) | {manner.extra: {manner.rrn: "6261"}}
    )
    headers = {
        "X-TIMESTAMP": STAMP,
        "X-SIGNATURE": sign(voice, manner, content, token),
        "X-EXTERNAL-ID": "41807553358950093184162180797837",
    } | ({} if manner.rsa else {"Authorization": f"Bearer {token}"})
    return Callback(httpx.Headers(headers), content)


def profiles() -> dict[str, Any]:
    return tomllib.loads((files("server.payments") / "acquirers.toml").read_text())


def test_every_profile_that_speaks_snap_has_its_manner_here():
    assert {name for name in profiles() if profile(name).transport == "snap"} == set(MANNERS)


@pytest.mark.parametrize("name", MANNERS)
def test_an_acquirer_is_believed_in_its_own_manner_and_no_other(name, voice):
    hears, manner = listener(name, voice), MANNERS[name]
    told = hears.read(callback(voice, hears, manner), NOW)
    assert (told.status, told.amount_rp) == (PaidStatus.PAID, 4_000)
    assert told.rrn == ("000000006261" if manner.of_the_network else None)
    assert told.external_id == "41807553358950093184162180797837"

    for other in (
        replace(manner, rsa=not manner.rsa),
        replace(manner, path=f"/proxy{manner.path}"),
        replace(manner, double_hex=not manner.double_hex),
    ):
        with pytest.raises(Refused) as refused:
            hears.read(callback(voice, hears, other), NOW)
        assert refused.value.outcome in ("bad-signature", "bad-token"), other


def test_hexadecimal_signatures_are_read_where_the_profile_says_so(voice):
    hears = listener("sandbox-symmetric", voice)
    hears = replace(hears, profile=replace(hears.profile, encoding=Encoding.HEX))
    # Its request for a token is written in hexadecimal as well.
    asked = voice.token_headers(at=NOW)
    asked["X-SIGNATURE"] = base64.b64decode(asked["X-SIGNATURE"]).hex()
    token = hears.issue_token(
        Callback(httpx.Headers(asked), b'{"grantType":"client_credentials"}'), NOW
    ).body["accessToken"]
    content = compact(voice.body(new_id(), 4_000))
    signature = sign(voice, MANNERS["sandbox-symmetric"], content, token)
    headers = httpx.Headers(
        {
            "X-TIMESTAMP": STAMP,
            "X-SIGNATURE": base64.b64decode(signature).hex(),
            "X-EXTERNAL-ID": "1",
            "Authorization": f"Bearer {token}",
        }
    )
    assert hears.read(Callback(headers, content), NOW).amount_rp == 4_000
    with pytest.raises(Refused):
        hears.read(
            Callback(httpx.Headers(dict(headers) | {"x-signature": signature}), content), NOW
        )


def test_a_consumers_payment_is_notified_by_its_own_service_and_path(voice):
    hears = listener("sandbox", voice, kind=ChargeKind.CPM)
    told = hears.read(callback(voice, hears, Manner(rsa=True, path="/v1.0/qr/qr-cpm-notify")), NOW)
    assert told.status is PaidStatus.PAID
    assert hears.accepted().code == "2007900"

    with pytest.raises(Refused) as refused:  # what is signed for 52 is not believed by 79
        hears.read(callback(voice, hears, MANNERS["sandbox"]), NOW)
    assert hears.refused(refused.value).body["responseCode"] == "4017900"


@pytest.mark.parametrize("name", profiles())
def test_a_profile_grants_a_life_within_what_its_acquirer_grants(name):
    spoken = profile(name)
    least, most = spoken.validity(timedelta()), spoken.validity(timedelta(days=365))
    assert timedelta(seconds=60) <= least <= most <= timedelta(days=1)
    assert spoken.validity(timedelta(minutes=15)) == timedelta(minutes=15)
    assert all(path.startswith("/") for path in (spoken.token_path, spoken.path("qr-mpm-query")))


def test_paths_and_channels_are_the_acquirers_own():
    bri, astrapay = profile("bri"), profile("astrapay")
    assert bri.path("qr-mpm-generate") == "/v1.1/qr-dynamic-mpm/qr-mpm-generate-qr"
    assert bri.path("qr-mpm-query") == "/v1.1/qr-dynamic-mpm/qr-mpm-query"
    assert astrapay.path("qr-mpm-generate") == "/qris-service/snap/v1.0/qr/qr-mpm-generate"
    assert astrapay.channel_ids["qr-mpm-query"] == "00551"


def test_an_acquirer_without_a_profile_is_refused_by_name():
    with pytest.raises(UnknownAcquirer, match="sandbox-symmetric"):
        profile("bank-entah")
