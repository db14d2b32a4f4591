"""The wallet as programs use it, and its pages without JavaScript."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import qris
from server.sandbox import words
from server.sandbox.settings import Settings
from tests.server.sandbox.conftest import Clock, Partner
from tests.server.sandbox.test_pictures import code, encoded

FOREIGN = qris.encode(
    qris.dynamic(
        qris.static(
            nmid="ID9900000000099",
            acquirer_guid="ID.CO.LAIN.WWW",
            pan="936009880000000001",
            merchant_id="LAIN1",
            criteria=qris.Criteria("UMI"),
            mcc="5812",
            name="WARUNG LAIN",
            city="KOTA LAIN",
            postal_code="12345",
        ),
        amount_rp=7_000,
        bill_number="X1",
    )
)


async def test_read_tells_what_the_code_says(partner: Partner) -> None:
    order = await partner.order("K-1", 5_000)
    answer = (
        await partner.client.post("/wallet/read", json={"qris": f" {order['qrContent']}\n"})
    ).json()
    assert answer == {
        "qris": order["qrContent"],
        "merchant": "PARKIR KAB CONTOH",
        "amount_rp": 5_000,
        "city": "KAB CONTOH",
        "nmid": partner.settings.nmid,
        "order": order["referenceNo"],
        "partner_reference_no": "K-1",
        "expires_at": "2026-11-21T10:15:00+07:00",
        "state": "payable",
        "warnings": [],
    }


async def test_read_takes_a_picture(partner: Partner) -> None:
    order = await partner.order("K-1")
    picture = encoded(code(order["qrContent"]), ".png")
    files = {"picture": ("kode.png", picture, "image/png")}
    answer = await partner.client.post("/wallet/read", files=files)
    assert (answer.status_code, answer.json()["state"]) == (200, "payable")
    blank = {"picture": ("kode.png", b"\x89PNG nonsense", "image/png")}
    nothing = await partner.client.post("/wallet/read", files=blank)
    assert (nothing.status_code, nothing.json()["error"]) == (422, "no_barcode")
    assert nothing.json()["message"] != nothing.json()["message_en"]


async def test_pay_answers_with_the_rrn(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    answer = (await partner.pay(code)).json()
    assert answer["state"] == "paid"
    assert re.fullmatch(r"\d{12}", answer["rrn"])
    assert [payment["rrn"] for payment in answer["payments"]] == [answer["rrn"]]
    again = await partner.pay(code)
    assert (again.status_code, again.json()["state"]) == (409, "paid")
    assert len((await partner.truth())["payments"]) == 1


async def test_paying_twice_moves_money_twice(partner: Partner) -> None:
    order = await partner.order("K-1")
    answer = (await partner.pay(order["qrContent"], "twice")).json()
    first, second = answer["payments"]
    assert first["rrn"] != second["rrn"]
    assert (first["kind"], second["kind"]) == ("normal", "second")
    truth = await partner.truth()
    bodies = [row["body"] for row in truth["notifications"]]
    assert len(bodies) == 2
    assert all(order["referenceNo"] in body for body in bodies)
    assert (await partner.query("K-1"))["additionalInfo"]["paymentCount"] == "2"
    third = (await partner.pay(order["qrContent"], "twice")).json()
    assert len(third["payments"]) == 1


async def test_a_declined_payment_moves_nothing_and_may_be_tried_again(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    declined = (await partner.pay(code, "decline")).json()
    assert (declined["state"], declined["rrn"], declined["payments"]) == ("declined", None, [])
    assert (await partner.truth())["notifications"] == []
    assert (await partner.pay(code)).json()["state"] == "paid"


async def test_after_expiry_only_a_late_payment_goes_through(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    partner.advance(seconds=900)
    refused = await partner.pay(code)
    assert (refused.status_code, refused.json()["state"]) == (409, "expired")
    late = (await partner.pay(code, "late")).json()
    assert (late["state"], late["payments"][0]["kind"]) == ("paid", "late")
    assert late["payments"][0]["paid_at"] == "2026-11-21T10:15:00+07:00"


async def test_late_before_expiry_is_booked_when_the_code_has_expired(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    pending = (await partner.pay(code, "late")).json()
    assert (pending["state"], pending["rrn"]) == ("pending", None)
    assert pending["due_at"] == "2026-11-21T10:15:00+07:00"
    assert (await partner.pay(code)).json()["state"] == "pending"
    partner.advance(seconds=901)
    partner.acquirer.book_due()
    await partner.fetch_token()
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "00"
    [payment] = (await partner.truth())["payments"]
    assert payment["paid_at"] == "2026-11-21T10:15:01+07:00"


async def test_foreign_and_altered_codes_are_not_paid(partner: Partner) -> None:
    ours = (await partner.order("K-1"))["qrContent"]
    altered = qris.encode(replace(qris.parse(ours), amount="500"))
    for text, state in ((FOREIGN, "foreign"), (altered, "tampered")):
        read = (await partner.client.post("/wallet/read", json={"qris": text})).json()
        assert (read["state"], read["order"]) == (state, None)
        refused = await partner.pay(text)
        assert (refused.status_code, refused.json()["state"]) == (409, state)
    broken = await partner.pay(ours[:-1] + ("0" if ours[-1] != "0" else "1"))
    assert (broken.status_code, broken.json()["error"]) == (422, "invalid_qris")
    assert (await partner.truth())["payments"] == []


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"qris": "x", "outcome": "steal"}, 422, "bad_outcome"),
        ({"qris": "x", "outcome": ["pay"]}, 422, "bad_outcome"),
        ({"qris": "x", "delay_s": -1}, 422, "bad_outcome"),
        ({"qris": "x", "delay_s": "5"}, 422, "bad_outcome"),
        ({"outcome": "pay"}, 422, "no_text"),
        ({"qris": 5}, 422, "no_text"),
        ([], 400, "bad_request"),
        ({"qris": "x" * 9_000}, 413, "too_large"),
    ],
)
async def test_pay_refusals(partner: Partner, body: Any, status: int, error: str) -> None:
    response = await partner.client.post("/wallet/pay", json=body)
    assert (response.status_code, response.json()["error"]) == (status, error)


async def test_uploads_are_bounded(partner: Partner) -> None:
    files = {"picture": ("kode.png", b"x" * 10_000_001, "image/png")}
    response = await partner.client.post("/wallet/read", files=files)
    assert (response.status_code, response.json()["error"]) == (413, "too_large")
    broken = await partner.client.post(
        "/wallet/read",
        content=b"no boundary here",
        headers={"content-type": "multipart/form-data"},
    )
    assert (broken.status_code, broken.json()["error"]) == (400, "bad_request")


async def test_pages_pay_without_javascript(partner: Partner) -> None:
    order = await partner.order("K-1")
    code = order["qrContent"]
    start = await partner.client.get("/wallet")
    assert "tidak ada uang sungguhan" in start.text
    policy = start.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", start.text)
    checked = await partner.client.post("/wallet/check", data={"qris": code})
    assert "PARKIR KAB CONTOH" in checked.text
    assert "Rp\u00a05.000" in checked.text
    done = await partner.client.post("/wallet/confirm", data={"qris": code, "outcome": "pay"})
    assert done.status_code == 303
    bill = await partner.client.get(done.headers["location"])
    [payment] = (await partner.truth())["payments"]
    assert payment["rrn"] in bill.text
    reloaded = await partner.client.post("/wallet/confirm", data={"qris": code, "outcome": "pay"})
    assert reloaded.status_code == 409
    assert len((await partner.truth())["payments"]) == 1


async def test_pages_speak_english_when_asked(partner: Partner) -> None:
    first = await partner.client.get("/wallet?lang=en")
    assert "no real money moves" in first.text
    assert "no real money moves" in (await partner.client.get("/wallet")).text
    bad = await partner.client.post("/wallet/check", data={"qris": "000201"})
    assert bad.status_code == 422
    assert 'role="alert"' in bad.text
    unknown = await partner.client.get("/wallet/bills/1?lang=id")
    assert unknown.status_code == 404
    assert "Tagihan tidak ditemukan" in unknown.text


async def test_text_from_outside_is_escaped(partner: Partner) -> None:
    nasty = '<script>alert("x")</script>'
    response = await partner.client.get("/wallet", params={"qris": nasty})
    assert "<script>alert" not in response.text


def test_every_word_is_said_in_both_languages() -> None:
    assert all(indonesian and english for indonesian, english in words.WORDS.values())


def test_amounts_and_times_are_written_as_people_write_them() -> None:
    moment = datetime(2026, 11, 21, 7, 5, 33, tzinfo=UTC).astimezone(Settings().zone)
    assert words.rupiah(1_250_000) == "Rp\u00a01.250.000"
    assert words.when(moment, "id") == "21 November 2026, 14.05.33 WIB"
    assert words.when(moment, "en") == "21 November 2026, 14:05:33 WIB"


async def test_money_paid_now_is_there_at_once_however_the_clock_ticks(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock moves between any two looks at it, as it does on a busy machine."""
    text = (await partner.order("K-1"))["qrContent"]

    def tick(clock: Clock) -> datetime:
        clock.moment += timedelta(milliseconds=1)
        return clock.moment

    monkeypatch.setattr(Clock, "__call__", tick)
    assert (await partner.pay(text)).json()["state"] == "paid"
