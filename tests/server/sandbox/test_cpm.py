"""Consumer-presented payments: shown by the wallet, charged by the merchant, notified as 79."""

import json
from typing import Any

import pytest

from qris import consumer
from tests.server.sandbox.conftest import Partner, order_body
from tests.server.sandbox.receiver import Receiver, eventually
from tests.server.sandbox.test_notifier import delivered, verify


async def shown(partner: Partner, outcome: str = "pay", **more: Any) -> str:
    response = await partner.client.post("/wallet/codes", json={"outcome": outcome, **more})
    assert response.status_code == 201, response.text
    text: str = response.json()["qris"]
    return text


async def charge(partner: Partner, reference: str, text: str, **more: Any) -> dict[str, Any]:
    body = order_body(reference, qrContent=text, **more)
    return (await partner.call("payment", body, channel="cpm")).json()


async def status(partner: Partner, reference: str) -> dict[str, Any]:
    body = {"originalPartnerReferenceNo": reference, "serviceCode": "60"}
    return (await partner.call("query", body, channel="cpm")).json()


async def test_the_payers_code_is_charged_once_and_notified(
    partner: Partner, receiver: Receiver
) -> None:
    text = await shown(partner)
    code = consumer.parse(text)
    assert code.warnings == ()
    assert code.qris is not None
    paid = await charge(partner, "K-1", text)
    assert paid["responseCode"] == "2006000"
    assert await charge(partner, "K-1", text) == paid
    [heard] = await receiver.wait_for(1)
    assert heard.path == "/v1.0/qr/qr-cpm-notify"
    verify(heard, partner.settings)
    body = json.loads(heard.body)
    assert body["additionalInfo"]["rrn"] == paid["additionalInfo"]["rrn"]
    assert body["originalReferenceNo"] == paid["referenceNo"]
    told = await status(partner, "K-1")
    assert (told["responseCode"], told["latestTransactionStatus"]) == ("2006100", "00")
    assert told["additionalInfo"]["rrn"] == paid["additionalInfo"]["rrn"]
    assert code.account_number not in heard.body.decode()


async def test_a_notification_of_79_is_acknowledged_by_its_own_code(
    partner: Partner, receiver: Receiver
) -> None:
    receiver.answers = [
        (200, b'{"responseCode":"2005200"}'),
        (200, b'{"responseCode":"2007900"}'),
    ]
    await charge(partner, "K-1", await shown(partner))
    await receiver.wait_for(1)
    order = partner.acquirer.truth.order(partner_reference_no="K-1")
    await eventually(lambda: partner.acquirer.truth.attempts_ended(order) == 1)
    partner.advance(seconds=5)
    await receiver.wait_for(2)
    await delivered(partner)


@pytest.mark.parametrize(("outcome", "code"), [("insufficient", "4036014"), ("refuse", "4036005")])
async def test_a_payer_who_cannot_pay(partner: Partner, outcome: str, code: str) -> None:
    text = await shown(partner, outcome)
    assert (await charge(partner, "K-1", text))["responseCode"] == code
    assert (await charge(partner, "K-1", text))["responseCode"] == code
    assert (await status(partner, "K-1"))["latestTransactionStatus"] == "06"
    assert (await partner.truth())["references"][0]["paid_rp"] == 0


async def test_pending_then_paid_or_taken_back(partner: Partner) -> None:
    for reference in ("K-1", "K-2"):
        text = await shown(partner, "pending", delay_s=30)
        assert (await charge(partner, reference, text))["responseCode"] == "2026000"
        assert (await status(partner, reference))["latestTransactionStatus"] == "03"
    body = {"originalPartnerReferenceNo": "K-2", "merchantId": "KARCIS000000001", "reason": "batal"}
    assert (await partner.call("cancel", body, channel="cpm")).json()["responseCode"] == "2006200"
    partner.advance(seconds=31)
    partner.acquirer.book_due()
    assert (await status(partner, "K-1"))["latestTransactionStatus"] == "00"
    assert (await status(partner, "K-2"))["latestTransactionStatus"] == "05"
    late = await partner.call("cancel", body | {"originalPartnerReferenceNo": "K-1"}, channel="cpm")
    assert late.json()["responseCode"] == "4046214"


async def test_a_code_serves_once_and_not_for_long(partner: Partner) -> None:
    text = await shown(partner)
    await charge(partner, "K-1", text)
    assert (await charge(partner, "K-2", text))["responseCode"] == "4036015"
    assert (await charge(partner, "K-1", await shown(partner)))["responseCode"] == "4096001"
    old = await shown(partner, validity_s=60)
    partner.advance(seconds=60)
    assert (await charge(partner, "K-3", old))["responseCode"] == "4036000"
    foreign = consumer.encode(consumer.parse(text)).replace("=", "")
    assert (await charge(partner, "K-4", foreign[:-4]))["responseCode"] == "4006001"
    strange = consumer.ConsumerPayload(
        applications=(
            consumer.CardData(
                aid=consumer.QRIS_AID,
                label="QRISCPM",
                pan="9360990100000000017",
                transparent=(("9F74", b"12345678"),),
            ),
        )
    )
    assert (await charge(partner, "K-5", consumer.encode(strange)))["responseCode"] == "4046001"
    assert len((await partner.truth())["orders"]) == 1


async def test_a_cpm_payment_is_refunded_by_80_and_told_with_its_history(partner: Partner) -> None:
    await charge(partner, "K-1", await shown(partner))

    async def refund(number: str, amount_rp: int) -> dict[str, Any]:
        body = {
            "originalPartnerReferenceNo": "K-1",
            "partnerRefundNo": number,
            "refundAmount": {"value": f"{amount_rp}.00", "currency": "IDR"},
        }
        return (await partner.call("refund", body, channel="cpm")).json()

    first = await refund("R-1", 2_000)
    assert first["responseCode"] == "2008000"
    told = await status(partner, "K-1")
    assert told["latestTransactionStatus"] == "00"
    [history] = told["additionalInfo"]["refundHistory"]
    assert history == {
        name: first[name] for name in ("refundNo", "partnerRefundNo", "refundAmount", "refundTime")
    }
    await refund("R-2", 3_000)
    told = await status(partner, "K-1")
    assert told["latestTransactionStatus"] == "04"
    assert len(told["additionalInfo"]["refundHistory"]) == 2
    [line] = (await partner.truth())["references"]
    assert (line["channel"], line["paid_rp"], line["refunded_rp"]) == ("cpm", 5_000, 5_000)


async def test_an_order_answers_to_its_own_services_only(partner: Partner) -> None:
    await partner.order("K-1")
    assert (await status(partner, "K-1"))["responseCode"] == "4046101"


async def test_decode_explains_any_merchants_code(partner: Partner) -> None:
    order = await partner.order("K-1", 7_500)
    body = {"qrContent": order["qrContent"], "scanTime": "2026-11-21T10:00:00+07:00"}
    told = (await partner.call("decode", body)).json()
    assert told["responseCode"] == "2004800"
    assert told["merchantName"] == "PARKIR KAB CONTOH"
    assert told["transactionAmount"] == {"value": "7500.00", "currency": "IDR"}
    [info] = told["merchantInfos"]
    assert info["acquirerName"] == partner.settings.acquirer_name
    assert len(info["merchantPAN"]) == 19
    broken = await partner.call("decode", body | {"qrContent": order["qrContent"][:-4] + "0000"})
    assert broken.json()["responseCode"] == "4004801"
