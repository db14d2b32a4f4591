"""The SNAP BI client against the real sandbox, and against answers no acquirer should give."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from server.database import new_id
from server.payments.acquirer import (
    AcquirerRefused,
    AcquirerUnknown,
    PaidStatus,
    UnknownAcquirer,
    profile,
)
from server.payments.snap import AmountError, Credentials, SnapAcquirer, read_amount, read_time
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import answers, fields_of

pytestmark = pytest.mark.usefixtures("no_faults")
AMOUNT_RP = 4_000
GOOD_QUERY = {"responseCode": "2005100", "amount": {"value": "4000.00", "currency": "IDR"}}


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=15)


@pytest.fixture
async def no_faults(socket_sandbox: Sandbox) -> None:
    await socket_sandbox.client.post("/sandbox/faults", json={"clear": True})


class Wire(httpx.AsyncHTTPTransport):
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


FAULTS = ("500", "429", "504", "delay", "no_answer_before_booking", "no_answer_after_booking")


@pytest.mark.parametrize("service", ["token", "generate", "query"])
async def test_no_fault_of_the_acquirer_is_taken_for_an_outcome(
    service, socket_sandbox, credentials
):
    """Each fault on a fresh client, then the same call again: it works and books nothing twice."""
    for kind in FAULTS:
        name = reference()
        async with httpx.AsyncClient(
            base_url=socket_sandbox.client.base_url, timeout=0.15, trust_env=False
        ) as client:
            acquirer = SnapAcquirer(client, profile("sandbox"), credentials)
            if service == "query":
                await acquirer.generate(name, AMOUNT_RP, soon())
            loaded = await socket_sandbox.client.post(
                "/sandbox/faults",
                json={"fault": f"{service}_{kind}", "value": 0.4}
                # Else a call still delayed at the acquirer takes the next one's fault.
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
    (200, b'{"responseCode":"2005100","additionalInfo":{"x":"\\u0000"}}'),
    (200, b'{"responseCode":"2005100","x":"\\udfff"}'),
    (200, b'{"responseCode":"2005100","x":NaN}'),
    (200, b'{"responseCode":"2005100","x":1e999}'),
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
    async with asyncio.timeout(2):
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


async def test_what_we_send_says_whole_rupiah_and_when_it_ends(scripted):
    sent: list[dict[str, Any]] = []

    def keep(request: httpx.Request) -> httpx.Response:
        sent.append(fields_of(request))
        return httpx.Response(200, json={})

    ends = datetime(2026, 11, 21, 3, 15, 0, 123, tzinfo=UTC)
    with pytest.raises(AcquirerUnknown):
        await scripted(keep).generate("abc", 1_250_000, ends)
    assert sent[0]["amount"] == {"value": "1250000.00", "currency": "IDR"}
    assert sent[0]["validityPeriod"] == "2026-11-21T03:15:00+00:00"
    assert sent[0]["partnerReferenceNo"] == "abc"


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


def test_an_acquirer_without_a_profile_is_refused_by_name():
    with pytest.raises(UnknownAcquirer, match="sandbox-symmetric"):
        profile("bank-entah")
