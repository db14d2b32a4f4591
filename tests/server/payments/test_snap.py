"""The SNAP BI client against the real sandbox, and against answers no acquirer should give."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from domain.payment import ChargeKind
from server.database import new_id
from server.payments.acquirer import (
    AcquirerRefused,
    AcquirerUnknown,
    Meaning,
    NotOffered,
    PaidStatus,
    ToldRefund,
    profile,
)
from server.payments.snap import (
    Credentials,
    Service,
    SnapAcquirer,
    meaning,
    read_amount,
    read_time,
)
from server.payments.wire import AmountError, new_client
from tests.server.conftest import CLIENT_SECRET, Sandbox
from tests.server.payments.conftest import answers, fields_of

pytestmark = pytest.mark.usefixtures("no_faults")
AMOUNT_RP = 4_000
GOOD_QUERY = {"responseCode": "2005100", "amount": {"value": "4000.00", "currency": "IDR"}}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=15)


@pytest.fixture
async def no_faults(socket_sandbox: Sandbox) -> None:
    await socket_sandbox.client.post("/sandbox/faults", json={"clear": True})


class Wire(AiohttpTransport):
    """The real wire, with a tap that counts the requests of each service."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        return await super().handle_async_request(request)

    def count(self, service: str) -> int:
        return sum(request.url.path.endswith(service) for request in self.sent)


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def acquirer(
    socket_sandbox: Sandbox, credentials: Credentials, wire: Wire, clock: Clock
) -> AsyncIterator[SnapAcquirer]:
    client = httpx.AsyncClient(
        transport=wire, base_url=socket_sandbox.client.base_url, timeout=0.4, trust_env=False
    )
    made = SnapAcquirer(client, profile("sandbox"), credentials, clock)
    yield made
    await made.close()


def reference() -> str:
    return new_id().hex


async def orders_of(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    truth = await sandbox.truth()
    return [order for order in truth["orders"] if order["partner_reference_no"] == name]


async def test_twenty_calls_at_once_share_one_token(acquirer, wire):
    names = [reference() for _ in range(20)]
    issued = await asyncio.gather(*(acquirer.generate(name, AMOUNT_RP, soon()) for name in names))

    assert wire.count("access-token/b2b") == 1
    assert len({barcode.acquirer_reference for barcode in issued}) == 20
    assert {request.headers["content-type"] for request in wire.sent} == {"application/json"}
    used = {request.headers.get("x-external-id") for request in wire.sent} - {None}
    assert len(used) == 20
    assert all(text.isdigit() and len(text) <= 36 for text in used)


async def test_token_is_renewed_shortly_before_it_ends(acquirer, wire, clock):
    await acquirer.inquire(reference())
    clock.ahead = timedelta(minutes=13, seconds=50)
    await acquirer.inquire(reference())
    assert wire.count("access-token/b2b") == 1

    clock.ahead = timedelta(minutes=14, seconds=1)
    await acquirer.inquire(reference())
    assert wire.count("access-token/b2b") == 2


async def test_a_token_of_a_short_life_is_used_for_half_of_it(credentials, clock):
    asked = []

    def script(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"accessToken": "t", "expiresIn": "60"})

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(script), base_url="http://acquirer"
    ) as client:
        acquirer = SnapAcquirer(client, profile("sandbox"), credentials, clock=clock)
        for seconds, tokens in ((0, 1), (29, 1), (31, 2)):
            clock.ahead = timedelta(seconds=seconds)
            with pytest.raises(AcquirerUnknown):
                await acquirer.inquire(reference())
            assert asked.count("/v1.0/access-token/b2b") == tokens


async def test_revoked_token_is_renewed_once_for_all_that_held_it(acquirer, wire, socket_sandbox):
    await acquirer.inquire(reference())
    await socket_sandbox.fault("tokens_revoked")

    names = [reference() for _ in range(10)]
    issued = await asyncio.gather(*(acquirer.generate(name, AMOUNT_RP, soon()) for name in names))

    assert len(issued) == 10
    assert wire.count("access-token/b2b") == 2


async def test_token_that_stays_refused_is_not_asked_for_for_ever(scripted):
    calls = itertools.count()

    def refuse(_request: httpx.Request) -> httpx.Response:
        next(calls)
        return httpx.Response(401, json={"responseCode": "4014701", "responseMessage": "Token"})

    with pytest.raises(AcquirerRefused, match="4014701"):
        await scripted(refuse).generate(reference(), AMOUNT_RP, soon())
    assert next(calls) == 2


async def test_external_id_taken_today_is_chosen_anew(scripted):
    seen: list[str] = []

    def conflict_once(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["x-external-id"])
        if len(seen) == 1:
            return httpx.Response(409, json={"responseCode": "4095100"})
        return httpx.Response(200, json=GOOD_QUERY | {"latestTransactionStatus": "01"})

    answer = await scripted(conflict_once).inquire(reference())
    assert answer.status is PaidStatus.UNPAID
    assert len(set(seen)) == len(seen) == 2


async def test_generate_again_gives_the_same_barcode(acquirer, socket_sandbox):
    name = reference()
    first = await acquirer.generate(name, AMOUNT_RP, soon())
    assert await acquirer.generate(name, AMOUNT_RP, soon() + timedelta(minutes=5)) == first
    assert len(await orders_of(socket_sandbox, name)) == 1

    with pytest.raises(AcquirerUnknown, match="4094701"):  # the reference is another sum's
        await acquirer.generate(name, AMOUNT_RP + 1, soon())


async def test_inquiry_tells_unpaid_paid_and_not_found(acquirer, socket_sandbox):
    name = reference()
    issued = await acquirer.generate(name, AMOUNT_RP, soon())
    unpaid = await acquirer.inquire(name)
    assert (unpaid.status, unpaid.qris) == (PaidStatus.UNPAID, issued.qris)

    paid = await socket_sandbox.pay(issued.qris)
    answer = await acquirer.inquire(name)
    assert (answer.status, answer.amount_rp, answer.rrn) == (
        PaidStatus.PAID,
        AMOUNT_RP,
        paid["rrn"],
    )
    assert answer.acquirer_reference == issued.acquirer_reference
    assert answer.paid_at is not None
    assert abs(datetime.now(UTC) - answer.paid_at) < timedelta(seconds=10)

    assert (await acquirer.inquire(reference())).status is PaidStatus.NOT_FOUND


# The delay comes last: a call still held up at the acquirer would take the next one's fault.
FAULTS = ("500", "429", "504", "no_answer_before_booking", "no_answer_after_booking", "delay")


@pytest.mark.parametrize("service", ["token", "generate", "query"])
async def test_no_fault_of_the_acquirer_is_taken_for_an_outcome(
    service, socket_sandbox, credentials
):
    """Each fault on a fresh client, then the same call again: it works and books nothing twice."""
    for kind in FAULTS:
        name = reference()
        patience_s = 1.5 if kind == "delay" else 60
        async with new_client(str(socket_sandbox.client.base_url), timeout_s=patience_s) as client:
            acquirer = SnapAcquirer(client, profile("sandbox"), credentials)
            if service == "query":
                await acquirer.generate(name, AMOUNT_RP, soon())
            loaded = await socket_sandbox.client.post(
                "/sandbox/faults",
                json={"fault": f"{service}_{kind}", "value": 20}
                | ({} if service == "token" else {"reference": name}),
            )
            assert loaded.status_code == 201

            call = (
                acquirer.inquire(name)
                if service == "query"
                else acquirer.generate(name, AMOUNT_RP, soon())
            )
            with pytest.raises(AcquirerUnknown):
                await call

            booked = len(await orders_of(socket_sandbox, name))
            after_booking = (service, kind) == ("generate", "no_answer_after_booking")
            assert booked == (1 if service == "query" or after_booking else 0), kind
            await acquirer.generate(name, AMOUNT_RP, soon())
            assert (await acquirer.inquire(name)).status is PaidStatus.UNPAID
            assert len(await orders_of(socket_sandbox, name)) == 1


RUBBISH: list[tuple[int, bytes]] = [
    (200, b"<html><body>Bad Gateway</body></html>"),
    (502, b""),
    (200, b'{"responseCode":"2004700","qrContent":"0002'),
    (200, b"[]"),
    (200, b'[{"responseCode":"2004700"}]'),
    (200, b"null"),
    (200, b'"2004700"'),
    (200, b"{}"),
    (200, b'{"responseCode":2004700}'),
    (200, b'{"responseCode":null,"latestTransactionStatus":"00"}'),
    (200, b'{"responseCode":"2004700","referenceNo":"1"}'),
    (200, b'{"responseCode":"2004700","qrContent":"","referenceNo":"1"}'),
    (200, b'{"responseCode":"2004700","qrContent":["000201"],"referenceNo":"1"}'),
    (200, b'{"responseCode":"2004700","qrContent":"000201","referenceNo":"\\u0000"}'),
    (200, b'{"responseCode":"2024700","qrContent":"000201","referenceNo":"1"}'),
    (200, b"\xff\xfe\x00{}"),
    (200, b'{"a":"\\ud800"}'),
    (200, b"[" * 200_000),
    (200, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"00"}'),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"00","amount":4000}'),
    (
        200,
        b'{"responseCode":"2005100","latestTransactionStatus":"00",'
        b'"amount":{"value":"4000.50","currency":"IDR"}}',
    ),
    (
        200,
        b'{"responseCode":"2005100","latestTransactionStatus":"00",'
        b'"amount":{"value":"4000.00","currency":"USD"}}',
    ),
    (
        200,
        b'{"responseCode":"2005100","latestTransactionStatus":"00",'
        b'"amount":{"value":"0.00","currency":"IDR"}}',
    ),
    (200, b'{"responseCode":"2005100","additionalInfo":{"x":"\\u0000"}}'),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"03","x":"\\u0000"}'),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"03","x":"\\udfff"}'),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"03","x":NaN}'),
    (200, b'{"responseCode":"2005100","latestTransactionStatus":"03","x":1e999}'),
    (200, b'{"responseCode":"2005100","x":' + b"9" * 10_000 + b"}"),
    (200, b'{"responseCode":"4045100"}'),
    (404, b'{"responseCode":"4045113"}'),
    (409, b'{"responseCode":"4094701","responseMessage":"Duplicate partnerReferenceNo"}'),
    (429, b'{"responseCode":"4294700"}'),
    (500, b'{"responseCode":"5004700"}'),
    (504, b'{"responseCode":"5044700"}'),
]


@pytest.mark.parametrize(
    ("status", "content"), RUBBISH, ids=[f"{i}-{c[:40]!r}" for i, (_, c) in enumerate(RUBBISH)]
)
async def test_an_answer_we_do_not_understand_is_no_outcome(scripted, status, content):
    acquirer = scripted(lambda _request: httpx.Response(status, content=content))
    with pytest.raises(AcquirerUnknown):
        await acquirer.generate(reference(), AMOUNT_RP, soon())
    with pytest.raises(AcquirerUnknown):
        await acquirer.inquire(reference())


async def test_an_endless_answer_is_read_no_further_than_its_limit(scripted):
    given = 0

    async def flood() -> AsyncIterator[bytes]:
        nonlocal given
        yield b'{"a":"'
        while True:
            given += 64 * 1024
            assert given < 50_000_000, "nobody stopped reading"
            yield b"x" * 64 * 1024

    acquirer = scripted(lambda _request: httpx.Response(200, content=flood()))
    with pytest.raises(AcquirerUnknown):
        await acquirer.inquire(reference())
    assert given <= 2_000_000


async def test_an_answer_that_trickles_meets_a_deadline(scripted):
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.02)

    acquirer = scripted(lambda _request: httpx.Response(200, content=trickle()), deadline_s=0.2)
    async with asyncio.timeout(30):
        with pytest.raises(AcquirerUnknown):
            await acquirer.generate(reference(), AMOUNT_RP, soon())


@pytest.mark.parametrize(
    "answer",
    [
        {"accessToken": "t"},
        {"accessToken": "", "expiresIn": "900"},
        {"accessToken": ["a token"], "expiresIn": "900"},
        {"accessToken": "t", "expiresIn": "²"},
        {"accessToken": "t", "expiresIn": "-900"},
        {"accessToken": "t", "expiresIn": "9" * 30},
        {"accessToken": "t\r\nX-Evil: 1", "expiresIn": "900"},
        {"accessToken": "t", "expiresIn": None},
        {"responseCode": "4017300"},
    ],
    ids=str,
)
async def test_a_token_answer_of_another_shape_is_no_token(credentials, answer):
    asked = []

    def script(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json=answer)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(script), base_url="http://acquirer"
    ) as client:
        acquirer = SnapAcquirer(client, profile("sandbox"), credentials)
        for _ in range(2):
            with pytest.raises(AcquirerUnknown):
                await acquirer.inquire(reference())
    assert asked == ["/v1.0/access-token/b2b"] * 2


async def test_only_the_success_code_is_ever_paid(scripted):
    codes = [f"{number:02d}" for number in range(100)] + ["", "0", "000", "00 ", " 00", "０0", "OK"]
    for code in [*codes, 0, None, True, ["00"]]:
        body = GOOD_QUERY | {"latestTransactionStatus": code}
        answer = await scripted(answers(body)).inquire(reference())
        assert (answer.status is PaidStatus.PAID) == (code == "00"), code
        if code not in [f"0{number}" for number in range(10)]:
            assert answer.status is PaidStatus.UNKNOWN, code


@pytest.mark.parametrize(
    "code", ["4004701", "4014700", "4034702", "4054700", "4044708", "4044716", "4044717"]
)
async def test_a_clear_refusal_is_known_to_have_booked_nothing(scripted, code):
    acquirer = scripted(answers({"responseCode": code, "responseMessage": "No"}, int(code[:3])))
    with pytest.raises(AcquirerRefused) as refused:
        await acquirer.generate(reference(), AMOUNT_RP, soon())
    assert refused.value.code == code


async def test_each_call_says_what_the_standard_asks_for_and_no_more(scripted, credentials):
    """Whole rupiah, the end of a barcode's life, a reason in printable ASCII, which service is
    asked about, and a consumer's payment by its own services."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path.rpartition("/")[2], fields_of(request)))
        return httpx.Response(200, json={})

    ends = datetime(2026, 11, 21, 3, 15, 0, 123, tzinfo=UTC)
    amount = {"value": "1250000.00", "currency": "IDR"}
    ours = {"merchantId": credentials.merchant_id}
    here = ours | {"terminalId": credentials.terminal_id}
    original = {"originalPartnerReferenceNo": "abc"} | ours
    back = original | {"partnerRefundNo": "R1", "refundAmount": amount, "reason": "salah ?"}
    to, cpm, ended = scripted(keep, clock=lambda: ends), ChargeKind.CPM, "2026-11-21T03:15:00+00:00"
    for call, service, body in (
        (to.generate("abc", 1_250_000, ends), "qr-mpm-generate",
         here | {"partnerReferenceNo": "abc", "amount": amount, "validityPeriod": ended}),
        (to.pay_consumer("abc", 1_250_000, "hQ", ends), "qr-cpm-payment",
         here | {"partnerReferenceNo": "abc", "amount": amount, "qrContent": "hQ",
                 "expiryTime": ended}),
        (to.decode("000201"), "qr-mpm-decode", {"qrContent": "000201", "scanTime": ended}),
        (to.inquire("abc"), "qr-mpm-query", original | {"serviceCode": "47"}),
        (to.inquire("abc", cpm), "qr-cpm-query", original | {"serviceCode": "60"}),
        (to.cancel("abc", "salah\n"), "qr-mpm-cancel", original | {"reason": "salah?"}),
        (to.cancel("abc", "salah", cpm), "qr-cpm-cancel", original | {"reason": "salah"}),
        (to.refund("abc", "R1", 1_250_000, "salah é"), "qr-mpm-refund", back),
        (to.refund("abc", "R1", 1_250_000, "salah é", cpm), "qr-cpm-refund", back),
    ):  # fmt: skip
        with pytest.raises(AcquirerUnknown):
            await call
        assert sent.pop() == (service, body)


@pytest.mark.parametrize(
    ("value", "amount_rp"),
    [
        ("2000.00", 2_000),
        ("2000", 2_000),
        ("2000.0", 2_000),
        ("0.00", 0),
        ("9999999999999", 9999999999999),
    ],
)
def test_whole_rupiah_are_read(value, amount_rp):
    assert read_amount({"value": value, "currency": "IDR"}) == amount_rp


@pytest.mark.parametrize(
    "value",
    ["2000.50", "2000.01", "2e3", "-1", "+1", "２０００", "2.000", "2,000", "2000.000", "2000.",
     ".00", "", " 2000", "2000\n", "0x10", "1_000", "99999999999999.00", "NaN", 2000, 2000.0, None],
)  # fmt: skip
def test_anything_else_is_no_amount(value):
    with pytest.raises(AmountError):
        read_amount({"value": value, "currency": "IDR"})


@pytest.mark.parametrize("amount", [None, "2000.00", [], {}, {"value": "2000.00"},
                                    {"value": "2000.00", "currency": "idr"}])  # fmt: skip
def test_an_amount_without_its_currency_is_refused(amount):
    with pytest.raises(AmountError):
        read_amount(amount)


def test_times_without_a_zone_are_no_times():
    assert read_time("2026-11-21T10:00:00+07:00") == datetime(2026, 11, 21, 3, tzinfo=UTC)
    for text in ("2026-11-21T10:00:00", "2026-11-21", "kemarin", "", None, 20261121):
        assert read_time(text) is None


# SNAP BI's responseCode, HTTP status and case, for every service alike.
CODES = {
    Meaning.ACCEPTED: "200/00",
    Meaning.IN_PROGRESS: "202/00",
    Meaning.NOTHING_BOOKED: "400/00 400/01 400/02 401/00 401/02 403/00 403/01 403/02 403/03 403/04"
    " 403/05 403/06 403/14 403/15 403/19 403/20 403/23 404/08 404/16 404/17 405/00 405/01",
    Meaning.NOT_FOUND: "404/01",
    Meaning.DUPLICATE: "409/01",
    Meaning.EXTERNAL_ID_TAKEN: "409/00",
    Meaning.TOKEN_DEAD: "401/01 401/03",
    Meaning.UNKNOWN: "404/00 404/13 404/14 404/18 404/19 429/00 500/00 500/01 500/02 504/00",
}
KNOWN = {code: meant for meant, codes in CODES.items() for code in codes.split()}


@pytest.mark.parametrize("service", Service)
def test_every_code_of_every_service_has_one_meaning_and_no_other_code_has_any(service):
    for status in range(100, 600):
        for case in range(100):
            expected = KNOWN.get(f"{status}/{case:02d}", Meaning.UNKNOWN)
            assert meaning(f"{status}{service.number}{case:02d}", service) is expected
            assert meaning(f"{status}99{case:02d}", service) is Meaning.UNKNOWN
    for rubbish in ("", "200", "2004", f"200{service.number}", f"200{service.number}0", "٢٠٠٤٧٠٠"):
        assert meaning(rubbish, service) is Meaning.UNKNOWN


Call = Callable[[SnapAcquirer], Coroutine[None, None, object]]
BOOKING: dict[Service, Call] = {
    Service.GENERATE: lambda to: to.generate(reference(), AMOUNT_RP, soon()),
    Service.DECODE: lambda to: to.decode("000201"),
    Service.CANCEL: lambda to: to.cancel(reference(), "salah"),
    Service.REFUND: lambda to: to.refund(reference(), "R1", AMOUNT_RP, "salah"),
    Service.PAY_CONSUMER: lambda to: to.pay_consumer(reference(), AMOUNT_RP, "hQVDUFYw", soon()),
    Service.CANCEL_CONSUMER: lambda to: to.cancel(reference(), "salah", ChargeKind.CPM),
    Service.REFUND_CONSUMER: lambda to: to.refund(
        reference(), "R1", AMOUNT_RP, "salah", ChargeKind.CPM
    ),
}
DONE = {"qrContent": "000201", "referenceNo": "77", "refundNo": "9", "merchantName": "PARKIR"}


@pytest.mark.parametrize("service", BOOKING)
async def test_only_what_surely_booked_nothing_is_called_refused(scripted, service):
    """For every call and every code, one that nobody has ever heard of included."""
    refused = (Meaning.NOTHING_BOOKED, Meaning.NOT_FOUND, Meaning.TOKEN_DEAD)
    for code, meant in (KNOWN | {"403/99": Meaning.UNKNOWN, "299/00": Meaning.UNKNOWN}).items():
        status, case = code.split("/")
        body = {"responseCode": status + service.number + case, "responseMessage": "Pesan"} | DONE
        call = BOOKING[service](scripted(answers(body, int(status))))
        in_progress = meant is Meaning.IN_PROGRESS and service is Service.PAY_CONSUMER
        if meant is Meaning.ACCEPTED or in_progress:
            await call
        else:
            with pytest.raises(AcquirerRefused if meant in refused else AcquirerUnknown):
                await call


async def test_an_acquirer_is_not_asked_for_what_its_profile_does_not_offer(credentials):
    def nobody_asks(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url.path)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(nobody_asks), base_url="http://acquirer"
    ) as client:
        bri = SnapAcquirer(client, profile("bri"), credentials)
        for service in set(BOOKING) - {Service.GENERATE}:
            with pytest.raises(NotOffered):
                await BOOKING[service](bri)


# The real sandbox: barcodes that consumers show, decode, cancel and refund


async def shown(sandbox: Sandbox, outcome: str, **more: Any) -> str:
    """A barcode on a consumer's screen, who will act as told once it is charged."""
    body = {"outcome": outcome, **more}
    answer = await sandbox.client.post("/wallet/codes", json=body)
    assert answer.status_code == 201, answer.text
    text: str = answer.json()["qris"]
    return text


async def test_a_consumers_barcode_pays_and_only_the_inquiry_proves_it(acquirer, socket_sandbox):
    name = reference()
    code = await shown(socket_sandbox, "pay")
    paid = await acquirer.pay_consumer(name, AMOUNT_RP, code, soon())
    assert await acquirer.pay_consumer(name, AMOUNT_RP, code, soon()) == paid
    answer = await acquirer.inquire(name, ChargeKind.CPM)
    assert (answer.status, answer.amount_rp) == (PaidStatus.PAID, AMOUNT_RP)
    assert answer.acquirer_reference == paid.acquirer_reference
    assert (await acquirer.inquire(name)).status is PaidStatus.NOT_FOUND, "51 knows no CPM"

    back = await acquirer.refund(name, f"{name}R", AMOUNT_RP, "rusak", ChargeKind.CPM)
    told = await acquirer.inquire(name, ChargeKind.CPM)
    assert told.status is PaidStatus.REFUNDED
    assert told.refunds == (ToldRefund(f"{name}R", AMOUNT_RP, back.refunded_at),)


@pytest.mark.parametrize("outcome", ["insufficient", "refuse"])
async def test_a_consumer_who_does_not_pay_is_a_clear_refusal(acquirer, socket_sandbox, outcome):
    name = reference()
    code = await shown(socket_sandbox, outcome)
    with pytest.raises(AcquirerRefused):
        await acquirer.pay_consumer(name, AMOUNT_RP, code, soon())
    assert (await acquirer.inquire(name, ChargeKind.CPM)).status is not PaidStatus.PAID


async def test_a_consumer_who_hesitates_is_waited_for_or_cancelled(acquirer, socket_sandbox):
    name = reference()
    code = await shown(socket_sandbox, "pending", delay_s=3_600)
    begun = await acquirer.pay_consumer(name, AMOUNT_RP, code, soon())
    assert begun.answer["responseCode"] == "2026000"
    assert (await acquirer.inquire(name, ChargeKind.CPM)).status is PaidStatus.UNPAID
    await acquirer.cancel(name, "terlalu lama", ChargeKind.CPM)
    assert (await acquirer.inquire(name, ChargeKind.CPM)).status is PaidStatus.CANCELLED


async def test_the_acquirer_reads_whose_barcode_it_is(acquirer):
    issued = await acquirer.generate(reference(), AMOUNT_RP, soon())
    read = await acquirer.decode(issued.qris)
    assert (read.merchant_name, read.amount_rp) == ("PARKIR KAB CONTOH", AMOUNT_RP)
    assert all(pan.isdigit() for pan in read.pans.values())
    assert read.pans
    with pytest.raises(AcquirerRefused):
        await acquirer.decode("bukan QRIS")


async def test_a_person_asks_whose_barcode_it_is(acquirer, socket_sandbox, keys):
    issued = await acquirer.generate(reference(), AMOUNT_RP, soon())
    environment = {
        **os.environ,
        "KARCIS_ACQUIRER_URL": str(socket_sandbox.client.base_url),
        "KARCIS_ACQUIRER_CLIENT_SECRET": CLIENT_SECRET,
        "KARCIS_PRIVATE_KEY": str(keys / "karcis.pem"),
    }

    async def decode(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "server", "acquirer", "decode", *arguments]
        return await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, timeout=300
        )

    read = await decode(issued.qris, "--json")
    assert read.returncode == 0, read.stderr
    told = json.loads(read.stdout)
    assert (told["merchant_name"], told["amount_rp"]) == ("PARKIR KAB CONTOH", AMOUNT_RP)
    shown = await decode(issued.qris)
    assert all(pan in shown.stdout for pan in told["pans"].values())
    unread = await decode("bukan QRIS")
    assert (unread.returncode, unread.stdout) == (1, "")
    assert unread.stderr.startswith("karcis: 400")


async def test_a_barcode_is_cancelled_once_and_not_after_it_was_paid(acquirer, socket_sandbox):
    name = reference()
    await acquirer.generate(name, AMOUNT_RP, soon())
    for _ in range(2):
        await acquirer.cancel(name, "pengemudi pergi – “salah titik”")
    assert (await acquirer.inquire(name)).status is PaidStatus.CANCELLED

    paid = reference()
    issued = await acquirer.generate(paid, AMOUNT_RP, soon())
    await socket_sandbox.pay(issued.qris)
    with pytest.raises(AcquirerUnknown):  # the transaction's state: an inquiry tells which
        await acquirer.cancel(paid, "terlambat")
    assert (await acquirer.inquire(paid)).status is PaidStatus.PAID
    with pytest.raises(AcquirerRefused):
        await acquirer.cancel(reference(), "tidak ada")


async def test_a_refund_returns_its_amount_once_and_never_more_than_was_paid(
    acquirer, socket_sandbox
):
    name = reference()
    issued = await acquirer.generate(name, AMOUNT_RP, soon())
    with pytest.raises(AcquirerUnknown):  # not paid yet
        await acquirer.refund(name, f"{name}R0", AMOUNT_RP, "belum dibayar")
    await socket_sandbox.pay(issued.qris)

    first = await acquirer.refund(name, f"{name}R1", 1_500, "lebih bayar")
    assert await acquirer.refund(name, f"{name}R1", 1_500, "lebih bayar") == first
    assert first.refunded_at is not None
    partly = await acquirer.inquire(name)
    assert partly.status is PaidStatus.PAID
    assert partly.refunds == (ToldRefund(f"{name}R1", 1_500, first.refunded_at),)
    with pytest.raises(AcquirerUnknown):
        await acquirer.refund(name, f"{name}R2", AMOUNT_RP - 1_499, "terlalu banyak")
    rest = await acquirer.refund(name, f"{name}R3", AMOUNT_RP - 1_500, "sisanya")
    assert rest.refund_number != first.refund_number
    fully = await acquirer.inquire(name)
    assert (fully.status, fully.amount_rp) == (PaidStatus.REFUNDED, AMOUNT_RP)
    assert fully.refunds is not None
    assert [one.amount_rp for one in fully.refunds] == [1_500, AMOUNT_RP - 1_500]


async def test_a_lost_refund_is_found_by_asking_and_not_booked_again(acquirer, socket_sandbox):
    name = reference()
    await socket_sandbox.pay((await acquirer.generate(name, AMOUNT_RP, soon())).qris)
    await socket_sandbox.fault("refund_no_answer_after_booking")
    with pytest.raises(AcquirerUnknown):
        await acquirer.refund(name, f"{name}R", AMOUNT_RP, "rusak")
    found = (await acquirer.inquire(name)).refunds
    again = await acquirer.refund(name, f"{name}R", AMOUNT_RP, "rusak")
    assert found == (ToldRefund(f"{name}R", AMOUNT_RP, again.refunded_at),)
    assert (await acquirer.inquire(name)).refunds == found


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ({"refundNo": "0077"}, "000000000077"),
        ({"refundNo": " RFD1"}, "RFD1"),
        ({"refundNo": "", "referenceNo": "9"}, "000000000009"),
        ({"refundNo": "000"}, None),
    ],
)
async def test_the_number_of_a_refund_is_spelled_as_settlement_files_are_read(
    scripted, told, number
):
    body = {"responseCode": "2007800", "responseMessage": "Successful"} | told
    asked = scripted(answers(body)).refund(reference(), "R1", AMOUNT_RP, "salah")
    if number is None:
        with pytest.raises(AcquirerUnknown, match="without its number"):
            await asked
    else:
        assert (await asked).refund_number == number


async def test_told_refunds_are_read_whole_or_not_at_all(scripted):
    good = {
        "partnerRefundNo": "R1",
        "refundAmount": {"value": "1500.00", "currency": "IDR"},
        "refundTime": "2026-11-21T10:00:00+07:00",
    }
    told = ToldRefund("R1", 1_500, datetime(2026, 11, 21, 3, tzinfo=UTC))
    cases: list[tuple[object, object]] = [
        ([good], (told,)),
        ([], ()),
        (None, None),
        ("R1", None),
        ([good, "R2"], None),
        ([good, good | {"partnerRefundNo": ""}], None),
        ([good | {"refundAmount": {"value": "1500.50", "currency": "IDR"}}], None),
        ([good | {"refundTime": "kemarin"}], (replace(told, refunded_at=None),)),
    ]
    for status in ("00", "04"):
        for history, expected in cases:
            body = GOOD_QUERY | {
                "latestTransactionStatus": status,
                "additionalInfo": {"refundHistory": history},
            }
            answer = await scripted(answers(body)).inquire(reference())
            assert answer.refunds == expected, history
            assert answer.amount_rp == AMOUNT_RP


# The token under load


async def test_two_hundred_calls_at_once_renew_a_token_once_each_time_it_dies(
    socket_sandbox, credentials, wire, clock
):
    client = httpx.AsyncClient(
        transport=wire,
        base_url=socket_sandbox.client.base_url,
        timeout=120,
        trust_env=False,
        limits=httpx.Limits(max_connections=50),
    )
    acquirer = SnapAcquirer(client, profile("sandbox"), credentials, clock, deadline_s=60)

    async def two_hundred() -> None:
        answered = await asyncio.gather(*(acquirer.inquire(reference()) for _ in range(200)))
        assert {answer.status for answer in answered} == {PaidStatus.NOT_FOUND}

    try:
        await two_hundred()
        assert wire.count("access-token/b2b") == 1

        await socket_sandbox.fault("tokens_revoked")  # each call is refused its token, once
        await two_hundred()
        assert wire.count("access-token/b2b") == 2

        under_way = asyncio.create_task(two_hundred())  # and dies while calls are under way
        while wire.count("qr-mpm-query") < 500:  # noqa: ASYNC110 - the wire offers no event
            await asyncio.sleep(0.001)
        await socket_sandbox.fault("tokens_revoked")
        await under_way
        assert wire.count("access-token/b2b") == 3

        clock.ahead = timedelta(minutes=14, seconds=1)  # less than the margin left
        await two_hundred()
        assert wire.count("access-token/b2b") == 4
        dying = wire.sent[-200].headers["authorization"]
        assert {request.headers["authorization"] for request in wire.sent[-200:]} == {dying}
        assert dying not in {request.headers.get("authorization") for request in wire.sent[:-200]}
    finally:
        await acquirer.close()


async def test_one_renewal_that_fails_is_shared_by_all_who_waited_for_it(credentials):
    asked = []

    async def silent(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        await asyncio.sleep(0.05)
        return httpx.Response(500, json={"responseCode": "5007300"})

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(silent), base_url="http://acquirer"
    ) as client:
        acquirer = SnapAcquirer(client, profile("sandbox"), credentials)
        calls = (acquirer.inquire(reference()) for _ in range(200))
        failed = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(failure, AcquirerUnknown) for failure in failed)
    assert asked == ["/v1.0/access-token/b2b"]
