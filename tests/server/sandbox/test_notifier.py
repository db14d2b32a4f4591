"""Notifications: signed, sent until acknowledged, remembered over a restart."""

import base64
import hashlib
import hmac
import json

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from server.sandbox import report
from server.sandbox.app import create_app
from server.sandbox.messages import luhn_digit
from server.sandbox.settings import NotifySignature, Settings
from tests.server.sandbox.conftest import Clock, Partner
from tests.server.sandbox.receiver import Heard, Receiver, eventually


def verify(heard: Heard, settings: Settings) -> None:
    """Raises InvalidSignature unless the acquirer's key signed exactly what was heard."""
    key = serialization.load_pem_public_key((settings.data / "acquirer.pub.pem").read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    digest = hashlib.sha256(heard.body).hexdigest()
    text = f"POST:{heard.path}:{digest}:{heard.headers['X-TIMESTAMP']}"
    signature = base64.b64decode(heard.headers["X-SIGNATURE"])
    key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())


async def delivered(partner: Partner) -> None:
    def done() -> bool:
        rows = report.everything(partner.acquirer.truth, None)["notifications"]
        return bool(rows) and all(row["state"] == "delivered" for row in rows)

    await eventually(done)


async def test_a_payment_is_notified_with_the_acquirers_signature(
    partner: Partner, receiver: Receiver
) -> None:
    order = await partner.order("K-1", terminalId="T07")
    paid = (await partner.pay(order["qrContent"])).json()
    [heard] = await receiver.wait_for(1)
    assert heard.path == "/v1.0/qr/qr-mpm-notify"
    verify(heard, partner.settings)
    body = json.loads(heard.body)
    assert body["originalReferenceNo"] == order["referenceNo"]
    assert body["originalPartnerReferenceNo"] == "K-1"
    assert body["latestTransactionStatus"] == "00"
    assert body["amount"] == {"value": "5000.00", "currency": "IDR"}
    details = body["additionalInfo"]
    assert details["rrn"] == paid["rrn"]
    assert len(details["rrn"]) == 12
    assert details["mpan"] == partner.settings.mpan + luhn_digit(partner.settings.mpan)
    assert details["nmid"] == partner.settings.nmid
    assert details["paidTime"] == "2026-11-21T10:00:00+07:00"
    assert details["terminalId"] == "T07"
    names = {row["payer_name"] for row in (await partner.truth())["payments"]}
    assert not any(name.encode() in heard.body for name in names)
    await delivered(partner)


async def test_retries_go_on_until_snap_success(partner: Partner, receiver: Receiver) -> None:
    receiver.answers = [
        (500, b"oops"),
        (200, b'{"responseCode":"4045200"}'),
        (200, b"[]"),
        (202, b'{"responseCode":"2005200"}'),
    ]
    await partner.pay((await partner.order("K-1"))["qrContent"])
    await receiver.wait_for(1)
    for count in (1, 2, 3):

        def attempted(count: int = count) -> bool:
            [row] = report.everything(partner.acquirer.truth, None)["notifications"]
            answered = [a for a in row["attempts"] if a["http_status"] is not None]
            return len(answered) == count

        await eventually(attempted)
        partner.advance(seconds=5)
    await delivered(partner)
    [row] = (await partner.truth())["notifications"]
    assert [attempt["http_status"] for attempt in row["attempts"]] == [500, 200, 200, 202]
    assert row["attempts"][0]["answer"] == "oops"
    assert row["attempts"][1]["response_code"] == "4045200"
    assert len({heard.headers["X-EXTERNAL-ID"] for heard in receiver.heard}) == 4
    assert len({heard.body for heard in receiver.heard}) == 1


async def test_a_restart_resumes_what_was_not_heard(
    settings: Settings, partner_key: rsa.RSAPrivateKey, receiver: Receiver
) -> None:
    receiver.answers = [(503, b"")]
    clock = Clock()
    app = create_app(settings, now=clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client,
    ):
        partner = Partner(client, partner_key, settings, clock)
        partner.app = app
        await partner.pay((await partner.order("K-1"))["qrContent"])
        await receiver.wait_for(1)
    clock.moment = clock.moment.replace(minute=30)
    again = create_app(settings, now=clock)
    async with again.router.lifespan_context(again):
        partner.app = again
        await receiver.wait_for(2)
        await delivered(partner)
    assert receiver.heard[0].body == receiver.heard[1].body


async def test_dropped_duplicated_wrong_and_unsigned(partner: Partner, receiver: Receiver) -> None:
    await partner.fault("drop_notifications", times=2, reference="K-1")
    await partner.fault("duplicate_notifications", reference="K-1")
    code = (await partner.order("K-1"))["qrContent"]
    await partner.pay(code)

    def dropped(count: int) -> bool:
        [row] = report.everything(partner.acquirer.truth, None)["notifications"]
        return sum(a["error"] is not None for a in row["attempts"]) == count

    await eventually(lambda: dropped(1))
    assert receiver.heard == []
    partner.advance(seconds=5)
    await eventually(lambda: dropped(2))
    partner.advance(seconds=5)
    await receiver.wait_for(2)
    await delivered(partner)
    assert receiver.heard[0].body == receiver.heard[1].body

    await partner.fault("notify_wrong_amount", reference="K-2")
    await partner.fault("notify_bad_signature", reference="K-2")
    await partner.pay((await partner.order("K-2"))["qrContent"])
    wrong = (await receiver.wait_for(3))[2]
    assert json.loads(wrong.body)["amount"]["value"] == "5001.00"
    assert (await partner.query("K-2"))["amount"]["value"] == "5000.00"
    key = partner.acquirer.key.public_key()
    signature = base64.b64decode(wrong.headers["X-SIGNATURE"])
    key.verify(signature, b"something else", padding.PKCS1v15(), hashes.SHA256())


async def test_a_held_notification_waits_while_the_money_is_there(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.pay((await partner.order("K-1"))["qrContent"], delay_s=60)
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "00"
    assert receiver.heard == []
    partner.advance(seconds=60)
    await receiver.wait_for(1)


async def test_giving_up_after_two_days(partner: Partner, receiver: Receiver) -> None:
    receiver.answers = [(500, b"")] * 2
    await partner.pay((await partner.order("K-1"))["qrContent"])
    await receiver.wait_for(1)
    await eventually(lambda: partner.acquirer.truth.next_due_ms(except_ids=()) is not None)
    partner.advance(days=2, seconds=60)
    await eventually(
        lambda: (
            report.everything(partner.acquirer.truth, None)["notifications"][0]["state"]
            == "given_up"
        )
    )


async def test_symmetric_notifications_use_the_partners_token(
    settings: Settings, partner_key: rsa.RSAPrivateKey, receiver: Receiver
) -> None:
    symmetric = settings.model_copy(update={"notify_signature": NotifySignature.SYMMETRIC})
    receiver.answers = [(401, b'{"responseCode":"4015201"}')]
    clock = Clock()
    app = create_app(symmetric, now=clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client,
    ):
        partner = Partner(client, partner_key, symmetric, clock)
        partner.app = app
        await partner.pay((await partner.order("K-1"))["qrContent"])
        await receiver.wait_for(1)
        await eventually(
            lambda: report.everything(app.state.acquirer.truth, None)["notifications"][0][
                "attempts"
            ][0]["http_status"]
        )
        partner.advance(seconds=2)
        heard = (await receiver.wait_for(2))[1]
        await delivered(partner)
    assert len(receiver.tokens) == 2  # the refusal made it ask anew
    asked = receiver.tokens[0].headers
    key = app.state.acquirer.key.public_key()
    text = f"{symmetric.notify_client_key}|{asked['X-TIMESTAMP']}".encode()
    signature = base64.b64decode(asked["X-SIGNATURE"])
    key.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    assert heard.headers["Authorization"] == "Bearer token-mitra"
    digest = hashlib.sha256(heard.body).hexdigest()
    text = f"POST:{heard.path}:token-mitra:{digest}:{heard.headers['X-TIMESTAMP']}".encode()
    secret = symmetric.notify_client_secret.get_secret_value().encode()
    expected = base64.b64encode(hmac.digest(secret, text, "sha512")).decode()
    assert heard.headers["X-SIGNATURE"] == expected
