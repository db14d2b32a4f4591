"""The switches: each fault of the table does what the table says, as often as asked."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa

from server.sandbox import report
from server.sandbox.faults import CALLS, FAULTS, GROUPS, Fault
from server.sandbox.settings import Settings
from tests.ports import free_port
from tests.server.sandbox.conftest import Partner, order_body
from tests.server.sandbox.receiver import Heard, Receiver, eventually
from tests.server.sandbox.test_cpm import shown
from tests.server.sandbox.test_notifier import verify
from tests.server.sandbox.test_process import connected, running

ROOT = Path(__file__).parents[3]

Call = Callable[[Partner, str], Awaitable[httpx.Response]]


async def _generate(partner: Partner, reference: str) -> httpx.Response:
    return await partner.call("generate", order_body(reference))


async def _decode(partner: Partner, reference: str) -> httpx.Response:
    order = partner.acquirer.truth.order(partner_reference_no=reference)
    body = {
        "partnerReferenceNo": reference,
        "qrContent": order.qr_content,
        "scanTime": "2026-11-21T10:00:00+07:00",
    }
    return await partner.call("decode", body)


async def _query(partner: Partner, reference: str) -> httpx.Response:
    body = {"originalPartnerReferenceNo": reference, "serviceCode": "47"}
    return await partner.call("query", body)


async def _cancel(partner: Partner, reference: str) -> httpx.Response:
    body = {
        "originalPartnerReferenceNo": reference,
        "merchantId": partner.settings.merchant_id,
        "reason": "batal",
    }
    return await partner.call("cancel", body)


async def _refund(partner: Partner, reference: str) -> httpx.Response:
    body = {"originalPartnerReferenceNo": reference, "partnerRefundNo": f"R-{reference}"}
    return await partner.call("refund", body)


async def _cpm_payment(partner: Partner, reference: str) -> httpx.Response:
    body = order_body(reference, qrContent=await shown(partner))
    return await partner.call("payment", body, channel="cpm")


CALL: dict[str, Call] = {
    "generate": _generate,
    "decode": _decode,
    "query": _query,
    "cancel": _cancel,
    "refund": _refund,
    "cpm_payment": _cpm_payment,
}


async def prepared(partner: Partner, call: str, reference: str) -> None:
    if call in ("decode", "query", "cancel", "refund"):
        order = await partner.order(reference)
        if call == "refund":
            await partner.pay(order["qrContent"])


def test_the_table_is_whole() -> None:
    assert {fault.group for fault in FAULTS.values()} == set(GROUPS)
    assert {fault.row for fault in FAULTS.values()} >= {"T11", "T12", "T13", "T14", "T15", "T17"}
    sentences = [fault.indonesian for fault in FAULTS.values() if fault.group not in CALLS]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("call", CALL)
async def test_every_call_can_be_refused_late_or_misanswered(partner: Partner, call: str) -> None:
    await prepared(partner, call, "K-1")
    refusals = {"500": 500, "429": 429, "504": 504, "409_external_id": 409, "409_reference": 409}
    for kind, status in refusals.items():
        await partner.fault(f"{call}_{kind}", reference="K-1")
        answer = await CALL[call](partner, "K-1")
        assert answer.status_code == status, kind
        case = answer.json()["responseCode"][-2:]
        assert case == ("01" if kind == "409_reference" else "00")
    if call == "generate":
        assert (await partner.truth())["orders"] == []

    await partner.fault(f"{call}_delay", value=0.05)
    before = time.monotonic()
    good = await CALL[call](partner, "K-1")
    assert time.monotonic() - before >= 0.05
    assert good.json()["responseCode"].startswith("200")

    for kind in ("html", "wrong_schema", "504_after_booking", "slow_loris"):
        await prepared(partner, call, f"K-{kind}")
        await partner.fault(f"{call}_{kind}", value=0.05)
        answer = await CALL[call](partner, f"K-{kind}")
        if kind == "html":
            assert answer.headers["content-type"].startswith("text/html")
        elif kind == "wrong_schema":
            said = answer.json()
            assert said.pop("responseCode").startswith("200")
            said.pop("responseMessage")
            assert all(isinstance(value, list) for value in said.values())
        elif kind == "504_after_booking":
            assert answer.status_code == 504
        else:
            assert answer.json()["responseCode"].startswith("200")
    fired = (await partner.client.get("/sandbox/faults")).json()["fired"]
    for kind in (*refusals, "delay", "html", "wrong_schema", "504_after_booking", "slow_loris"):
        assert fired[f"{call}_{kind}"] == 1
    booked = {line["partner_reference_no"]: line for line in (await partner.truth())["references"]}
    if call == "refund":
        assert booked["K-504_after_booking"]["refunded_rp"] == 5_000


@pytest.fixture
async def outside(settings: Settings, partner_key: rsa.RSAPrivateKey) -> AsyncIterator[Partner]:
    """The sandbox as a process, for what only a real connection can show."""
    port = free_port()
    with running(settings, port):
        async with connected(settings, partner_key, port) as partner:
            yield partner


async def test_cut_connections_tell_nothing_of_what_was_booked(outside: Partner) -> None:
    async def truth_of(reference: str) -> dict[str, Any]:
        lines = (await outside.truth())["references"]
        return next((line for line in lines if line["partner_reference_no"] == reference), {})

    for kind, booked in (
        ("no_answer_before_booking", False),
        ("no_answer_after_booking", True),
        ("truncated", True),
    ):
        await outside.fault(f"cpm_payment_{kind}")
        with pytest.raises(httpx.RemoteProtocolError):
            await _cpm_payment(outside, f"C-{kind}")
        assert bool(await truth_of(f"C-{kind}")) is booked
        order = await outside.order(f"R-{kind}")
        await outside.pay(order["qrContent"])
        await outside.fault(f"refund_{kind}")
        with pytest.raises(httpx.RemoteProtocolError):
            await _refund(outside, f"R-{kind}")
        assert (await truth_of(f"R-{kind}"))["refunded_rp"] == (5_000 if booked else 0)
    await outside.fault("token_truncated")
    outside.token = ""
    with pytest.raises(httpx.RemoteProtocolError):
        await outside.fetch_token()


# Notifications


async def notified(partner: Partner, receiver: Receiver, fault: str, **more: Any) -> Heard:
    """What the partner hears first of a payment made under this fault."""
    before = len(receiver.heard)
    await partner.fault(fault, reference=fault, **more)
    await partner.pay((await partner.order(fault))["qrContent"])
    return (await receiver.wait_for(before + 1))[before]


def is_signed(heard: Heard, settings: Settings) -> bool:
    try:
        verify(heard, settings)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(
    ("fault", "signed"),
    [
        ("notify_bad_signature", False),
        ("notify_altered_byte", False),
        ("notify_reserialised", False),
        ("notify_swapped_algorithm", False),
        ("notify_old_timestamp", True),
        ("notify_future_timestamp", True),
        ("notify_other_merchant", True),
        ("notify_wrong_amount", True),
        ("notify_amount_less", True),
        ("notify_other_currency", True),
        ("notify_unknown_reference", True),
        ("notify_oversized", True),
        ("notify_duplicate_keys", True),
    ],
)
async def test_forgeries(partner: Partner, receiver: Receiver, fault: str, signed: bool) -> None:
    heard = await notified(partner, receiver, fault)
    assert is_signed(heard, partner.settings) is signed
    said = json.loads(heard.body)
    true = json.loads(report.everything(partner.acquirer.truth, None)["notifications"][0]["body"])
    told = {
        "notify_altered_byte": said["amount"]["value"] != "5000.00",
        "notify_reserialised": said == true and b"\n" in heard.body,
        "notify_old_timestamp": heard.headers["X-TIMESTAMP"] == "2026-11-21T09:54:00+07:00",
        "notify_future_timestamp": heard.headers["X-TIMESTAMP"] == "2026-11-21T10:06:00+07:00",
        "notify_other_merchant": said["additionalInfo"]["merchantId"] != "KARCIS000000001",
        "notify_wrong_amount": said["amount"]["value"] == "5001.00",
        "notify_amount_less": said["amount"]["value"] == "4999.00",
        "notify_other_currency": said["amount"]["currency"] == "USD",
        "notify_unknown_reference": said["originalPartnerReferenceNo"] != fault,
        "notify_oversized": len(heard.body) > 1_000_000,
        "notify_duplicate_keys": heard.body.count(b'"amount"') == 2,
    }
    assert told.get(fault, said == true)


async def test_a_time_of_payment_that_is_not_told(partner: Partner, receiver: Receiver) -> None:
    heard = await notified(partner, receiver, "notify_without_paid_time")
    assert is_signed(heard, partner.settings)
    assert "paidTime" not in json.loads(heard.body)["additionalInfo"]


async def test_a_replayed_external_id(partner: Partner, receiver: Receiver) -> None:
    await partner.pay((await partner.order("K-0"))["qrContent"])
    [first] = await receiver.wait_for(1)
    again = await notified(partner, receiver, "notify_replayed_external_id")
    assert again.headers["X-EXTERNAL-ID"] == first.headers["X-EXTERNAL-ID"]
    assert again.body != first.body


async def test_copies_at_one_moment(partner: Partner, receiver: Receiver) -> None:
    await notified(partner, receiver, "concurrent_notifications", value=99)
    await receiver.wait_for(100)
    assert len({heard.headers["X-EXTERNAL-ID"] for heard in receiver.heard}) == 100
    assert len({heard.body for heard in receiver.heard}) == 1


async def test_late_reordered_and_after_a_refund(partner: Partner, receiver: Receiver) -> None:
    await partner.fault("late_notifications", reference="K-late", value=1_800)
    await partner.fault("reorder_notifications", reference="K-second", value=3_600)
    await partner.fault("notify_after_refund", reference="K-refund")
    for reference in ("K-late", "K-second", "K-refund", "K-first"):
        await partner.pay((await partner.order(reference))["qrContent"])
    await receiver.wait_for(2)

    def references() -> list[str]:
        return [json.loads(heard.body)["originalPartnerReferenceNo"] for heard in receiver.heard]

    assert references() == ["K-first", "K-second"]
    await _refund(partner, "K-refund")
    await receiver.wait_for(3)
    assert references()[2] == "K-refund"
    partner.advance(minutes=30)
    await receiver.wait_for(4)
    assert references()[3] == "K-late"


async def test_the_notification_can_be_faster_than_the_answer(
    partner: Partner, receiver: Receiver
) -> None:
    await partner.fault("notify_before_answer", value=5)
    await partner.order("K-1")
    assert len(receiver.heard) == 1
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "00"


async def test_dokus_plan_is_three_more_tries(partner: Partner, receiver: Receiver) -> None:
    receiver.answers = [(500, b"")] * 4
    await notified(partner, receiver, "doku_schedule")

    def attempts() -> int:
        order = partner.acquirer.truth.order(partner_reference_no="doku_schedule")
        return int(partner.acquirer.truth.attempts_ended(order))

    for count, minutes in enumerate((30, 6 * 60, 12 * 60), start=1):
        await eventually(lambda count=count: attempts() == count)  # type: ignore[misc]
        partner.advance(minutes=minutes - 1)
        await asyncio.sleep(0.02)
        assert len(receiver.heard) == count
        partner.advance(minutes=1)
        await receiver.wait_for(count + 1)
    await eventually(
        lambda: (
            report.everything(partner.acquirer.truth, None)["notifications"][0]["state"]
            == "given_up"
        )
    )


# Money and status


async def test_status_flaps_and_hides(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1"))["qrContent"])
    await partner.fault("query_flapping", reference="K-1")
    codes = [(await partner.query("K-1"))["responseCode"] for _ in range(3)]
    assert codes == ["2005100", "4045101", "2005100"]
    await partner.fault("query_not_found", times=2)
    codes = [(await partner.query("K-1"))["responseCode"] for _ in range(3)]
    assert codes == ["4045101", "4045101", "2005100"]


@pytest.mark.parametrize(
    ("fault", "amounts", "kinds"),
    [
        ("pay_twice", [5_000, 5_000], ["normal", "second"]),
        ("pay_twice_two_references", [5_000, 5_000], ["normal", "second"]),
        ("pay_one_more", [5_001], ["normal"]),
        ("pay_one_less", [4_999], ["normal"]),
    ],
)
async def test_payers_who_pay_otherwise(
    partner: Partner, receiver: Receiver, fault: str, amounts: list[int], kinds: list[str]
) -> None:
    await partner.fault(fault)
    await partner.pay((await partner.order("K-1"))["qrContent"])
    payments = (await partner.truth())["payments"]
    assert [payment["amount_rp"] for payment in payments] == amounts
    assert [payment["kind"] for payment in payments] == kinds
    heard = await receiver.wait_for(len(amounts))
    told = {json.loads(one.body)["originalReferenceNo"] for one in heard}
    assert len(told) == (2 if fault == "pay_twice_two_references" else 1)
    [line] = (await partner.truth())["references"]
    assert line["paid_rp"] == sum(amounts)


async def test_a_payment_may_come_late_though_the_payer_did_not_choose_it(
    partner: Partner,
) -> None:
    await partner.fault("pay_late")
    answer = (await partner.pay((await partner.order("K-1"))["qrContent"])).json()
    assert (answer["state"], answer["due_at"]) == ("pending", "2026-11-21T10:15:00+07:00")


async def test_a_lost_refund_is_answered_and_not_booked(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1"))["qrContent"])
    await partner.fault("refund_lost")
    told = (await _refund(partner, "K-1")).json()
    assert told["responseCode"] == "2007800"
    assert (await partner.truth())["refunds"] == []
    status = await partner.query("K-1")
    assert (status["latestTransactionStatus"], status["additionalInfo"]["refundHistory"]) == (
        "00",
        [],
    )


async def test_the_number_of_a_lost_refund_is_given_to_no_other(partner: Partner) -> None:
    numbers = set()
    for reference, lost in (("K-1", True), ("K-2", False), ("K-3", True), ("K-4", False)):
        await partner.pay((await partner.order(reference))["qrContent"])
        if lost:
            await partner.fault("refund_lost")
        numbers.add((await _refund(partner, reference)).json()["refundNo"])
    assert len(numbers) == 4


async def test_a_lost_cancellation_leaves_the_code_payable(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    await partner.fault("cancel_lost")
    assert (await _cancel(partner, "K-1")).json()["responseCode"] == "2007700"
    assert (await partner.pay(code)).json()["state"] == "paid"


@pytest.mark.parametrize(
    ("at_ms", "kind", "told"),
    [
        (-2_000, "normal", "2026-11-21T10:14:58+07:00"),
        (-50, "normal", "2026-11-21T10:14:59+07:00"),
        (0, "late", "2026-11-21T10:15:00+07:00"),
        (50, "late", "2026-11-21T10:15:00+07:00"),
    ],
)
@pytest.mark.parametrize("minutes", [0, 16])
async def test_money_can_come_exactly_around_the_end(
    partner: Partner, at_ms: int, kind: str, told: str, minutes: int
) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    partner.advance(minutes=minutes)
    paid = (await partner.pay(code, at_expiry_ms=at_ms)).json()["payments"][0]
    assert (paid["kind"], paid["paid_at"]) == (kind, told)
    assert (await partner.pay(code, at_expiry_ms=at_ms)).status_code == 409


async def test_the_clock_moves_money_and_not_signatures(partner: Partner) -> None:
    code = (await partner.order("K-1"))["qrContent"]
    moved = await partner.client.post("/sandbox/clock", json={"offset_s": 3_600})
    assert moved.json() == {"now": "2026-11-21T11:00:00+07:00", "offset_s": 3_600}
    assert (await partner.query("K-1"))["latestTransactionStatus"] == "05"
    assert (await partner.pay(code)).json()["state"] == "expired"
    back = await partner.client.post("/sandbox/clock", json={"offset_s": 0})
    assert back.json()["now"] == "2026-11-21T10:00:00+07:00"
    assert (await partner.pay(code)).json()["state"] == "paid"
    for nonsense in ({"offset_s": "1"}, {"offset_s": True}, {}, {"offset_s": 1e9}):
        refused = await partner.client.post("/sandbox/clock", json=nonsense)
        assert refused.json()["error"] == "bad_offset"


def _row(name: str, fault: Fault) -> str:
    value = f" ({fault.unit}: {fault.default:g})" if fault.unit else ""
    return f"| `{name}` | {fault.english}{value} | {fault.row} |"


def documented() -> str:
    """The fault tables of docs/sandbox.md, from the data."""
    of_generate = {
        f.name.removeprefix("generate"): f for f in FAULTS.values() if f.group == "generate"
    }
    of_calls = {f"{call}{suffix}" for call in CALLS for suffix in of_generate}
    others = [fault for fault in FAULTS.values() if fault.name not in of_calls]
    return "\n".join(
        [
            f"Calls: {', '.join(f'`{call}`' for call in CALLS)}.",
            "",
            "| suffix of a call | does | row |",
            "|---|---|---|",
            *(_row(suffix, fault) for suffix, fault in of_generate.items()),
            "",
            "| fault | does | row |",
            "|---|---|---|",
            *(_row(fault.name, fault) for fault in others),
        ]
    )


def test_the_documented_faults_are_the_table() -> None:
    assert documented() in (ROOT / "docs/sandbox.md").read_text()
