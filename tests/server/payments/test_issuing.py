"""Requesting payments: one charge for one request, whatever the network and the acquirer do."""

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from domain import check_digit
from domain.tariff import VehicleClass
from server import database, faults
from server.app import NotConfigured, create_app
from server.database import new_id
from server.parking.service import SpotOccupied
from server.payments import issuing
from server.payments.acquirer import Acquirer, Acquirers
from server.payments.issuing import Issuer, NothingToPay, PaymentRequest, StayNotPriced, Wanted
from server.payments.service import IdempotencyConflict
from server.settings import Settings
from server.spots.service import SpotCodeMistyped, SpotNotFound
from tests.server.conftest import CLIENT_SECRET, Sandbox
from tests.server.payments.conftest import (
    CAR_RP,
    EXCLUSIVE,
    FLAT,
    HOURLY,
    LIFETIME,
    Office,
    answers,
)

ASKED = ("new", "issuing", "request")


async def orders(sandbox: Sandbox, charge_id) -> list[dict]:
    return [
        order
        for order in (await sandbox.truth())["orders"]
        if order["partner_reference_no"] == charge_id.hex
    ]


async def nothing_kept(office: Office) -> bool:
    tables = ("parking_sessions", "payments", "charges", "charge_changes")
    return [await office.count(table) for table in tables] == [0] * 4


async def test_a_payment_is_requested_issued_and_told_from_start_to_end(office, sandbox):
    now = datetime.now(UTC)
    charge_id = await office.request(plate="KH 1234 AB", now=now)

    charge = await office.charge(charge_id)
    order = (await orders(sandbox, charge_id))[0]
    assert charge["state"] == "issued"
    assert (charge["amount_rp"], order["amount_rp"]) == (CAR_RP, CAR_RP)
    assert charge["qris"] == order["qr_content"]
    assert charge["acquirer_reference"] == order["reference_no"]
    assert (charge["created_at"], charge["expires_at"]) == (now, now + LIFETIME)
    assert charge["next_inquiry_at"] == now + timedelta(seconds=2)
    assert await office.stay(charge_id) == ("requested", "open")
    assert await office.story(charge_id) == [ASKED, ("issuing", "issued", "acquirer")]
    why = await office.rows("SELECT why FROM charge_changes ORDER BY id")
    assert [row["why"] for row in why] == ["requested", "issued"]
    stay = (await office.rows("SELECT plate_masked, ends_at FROM parking_sessions"))[0]
    assert stay == {"plate_masked": "KH 1••• AB", "ends_at": None}


@pytest.fixture(params=["one process", "several"])
def asked(request, office) -> dict[str, Acquirer | None]:
    """How requests at once are made: to one process, which groups them, or each to its own."""
    return {"acquirer": office.wired.acquirers.first if request.param == "several" else None}


async def test_twenty_same_requests_at_once_are_one_charge(office, sandbox, asked):
    for number, (spot, minutes) in enumerate([(FLAT, None), (EXCLUSIVE, 60)], 1):
        charge_id = new_id()
        wanted = {"charge_id": charge_id, "minutes": minutes, **asked}
        same = [office.request(spot, **wanted) for _ in range(20)]
        assert await asyncio.gather(*same) == [charge_id] * 20
        assert await office.request(spot, charge_id=charge_id, minutes=minutes) == charge_id

        for table in ("parking_sessions", "payments", "charges"):
            assert await office.count(table) == number
        assert len(await orders(sandbox, charge_id)) == 1
        assert await office.story(charge_id) == [ASKED, ("issuing", "issued", "acquirer")]


async def test_the_same_id_for_another_request_is_a_conflict(office):
    charge_id = await office.request(HOURLY, minutes=60, plate="KH 1 A")
    others = (
        {"spot": FLAT, "minutes": 60, "plate": "KH 1 A"},
        {"spot": HOURLY, "minutes": 61, "plate": "KH 1 A"},
        {"spot": HOURLY, "minutes": 60, "plate": "KH 1 B"},
        {"spot": HOURLY, "minutes": 60},
        {"spot": HOURLY, "minutes": 60, "plate": "KH 1 A", "vehicle_class": VehicleClass.TRUCK},
    )
    for other in others:
        with pytest.raises(IdempotencyConflict):
            await office.request(charge_id=charge_id, **other)
    assert await office.count("charges") == 1


async def test_different_requests_with_one_id_at_once_leave_one_charge(office, asked):
    charge_id = new_id()
    requests = [
        office.request(charge_id=charge_id, plate=f"KH {n} A", **asked) for n in range(1, 9)
    ]
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert outcomes.count(charge_id) == 1
    assert sum(isinstance(outcome, IdempotencyConflict) for outcome in outcomes) == 7
    assert await office.count("charges") == 1


async def test_a_barcode_whose_answer_was_lost_is_found_paid_and_counted_once(
    office, over_socket, socket_sandbox
):
    await socket_sandbox.fault("generate_no_answer_after_booking")
    charge_id = await office.request(acquirer=over_socket)
    lost = await office.charge(charge_id)
    assert (lost["state"], lost["qris"]) == ("issue_unknown", None)
    assert await office.stay(charge_id) == ("requested", "open")

    await office.inquire(charge_id, acquirer=over_socket)
    found = await office.charge(charge_id)
    order = (await orders(socket_sandbox, charge_id))[0]
    assert (found["state"], found["qris"]) == ("issued", order["qr_content"])
    assert found["acquirer_reference"] == order["reference_no"]

    paid = await socket_sandbox.pay(found["qris"])
    for _ in range(2):
        await office.inquire(charge_id, acquirer=over_socket)
    answer = await office.tell(charge_id, rrn=paid["rrn"])
    assert answer.code == "2005200"
    assert (await office.charge(charge_id))["state"] == "paid"
    assert await office.count("money") == await office.count("receipts") == 1
    assert await office.stay(charge_id) == ("paid", "open")
    assert await office.story(charge_id) == [
        ASKED,
        ("issuing", "issue_unknown", "acquirer"),
        ("issue_unknown", "issued", "inquiry"),
        ("issued", "paid", "acquirer"),
    ]
    assert len(await orders(socket_sandbox, charge_id)) == 1


async def test_a_barcode_that_never_was_frees_the_spot_after_asking(
    office, over_socket, socket_sandbox
):
    spots = {"generate_no_answer_before_booking": EXCLUSIVE, "generate_500": "RSU-002-O"}
    for fault, spot in spots.items():
        await socket_sandbox.fault(fault)
        charge_id = await office.request(spot, minutes=60, acquirer=over_socket)
        assert (await office.charge(charge_id))["state"] == "issue_unknown"
        with pytest.raises(SpotOccupied):
            await office.request(spot, minutes=60, acquirer=over_socket)

        await office.inquire(charge_id, acquirer=over_socket)
        assert await office.story(charge_id) == [
            ASKED,
            ("issuing", "issue_unknown", "acquirer"),
            ("issue_unknown", "issue_failed", "inquiry"),
        ]
        assert await office.stay(charge_id) == ("voided", "voided")
        again = await office.request(spot, minutes=60, acquirer=over_socket)
        assert (await office.charge(again))["state"] == "issued"


async def test_a_refused_barcode_voids_the_stay_at_once(office, scripted):
    refusing = scripted(answers({"responseCode": "4034702", "responseMessage": "Limit"}, 403))
    charge_id = await office.request(EXCLUSIVE, minutes=60, acquirer=refusing)
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["next_inquiry_at"]) == ("issue_failed", None)
    assert await office.stay(charge_id) == ("voided", "voided")
    why = await office.rows("SELECT why FROM charge_changes WHERE state_after = 'issue_failed'")
    assert why == [{"why": "4034702 Limit"}]
    assert (await office.charge(await office.request(EXCLUSIVE, minutes=60)))["state"] == "issued"


async def test_a_barcode_that_does_not_ask_for_the_amount_is_never_shown(
    office, scripted, over_socket
):
    """Neither when it was just issued nor when an inquiry finds it again."""
    ends = datetime.now(UTC) + LIFETIME
    other_amount = (await over_socket.generate(new_id().hex, CAR_RP + 1, ends)).qris
    check = "0000" if other_amount[-4:] != "0000" else "1111"
    wrong = [other_amount, other_amount[:-4] + check, "https://contoh.example/bayar?rp=4000"]
    for number, text in enumerate(wrong):

        def answer(
            request: httpx.Request, text: str = text, number: int = number
        ) -> httpx.Response:
            if request.url.path.endswith("generate"):
                body = {"responseCode": "2004700", "referenceNo": f"{number}", "qrContent": text}
            else:
                body = {
                    "responseCode": "2005100",
                    "originalReferenceNo": f"{number}",
                    "latestTransactionStatus": "01",
                    "additionalInfo": {"qrContent": text},
                }
            return httpx.Response(200, json=body)

        acquirer, now = scripted(answer), datetime.now(UTC)
        charge_id = await office.request(now=now, acquirer=acquirer)
        for after in (timedelta(seconds=2), timedelta(seconds=30)):
            await office.inquire(charge_id, now=now + after, acquirer=acquirer)
            charge = await office.charge(charge_id)
            assert (charge["state"], charge["qris"]) == ("issue_unknown", None), text

        await office.inquire(charge_id, now=now + LIFETIME, acquirer=acquirer)
        charge = await office.charge(charge_id)
        assert (charge["state"], charge["qris"]) == ("issue_failed", None), text
        assert await office.stay(charge_id) == ("voided", "voided")


async def test_not_found_is_not_believed_while_our_own_call_is_under_way(office, scripted, sandbox):
    """A slow acquirer books only after the first inquiry has been answered."""
    asked, may_answer = asyncio.Event(), asyncio.Event()
    wired = office.wired

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.set()
        await may_answer.wait()
        issued = await wired.acquirers.first.generate(
            charge_id.hex, CAR_RP, datetime.now(UTC) + LIFETIME
        )
        body = {
            "responseCode": "2004700",
            "referenceNo": issued.acquirer_reference,
            "qrContent": issued.qris,
        }
        return httpx.Response(200, json=body)

    charge_id, now = new_id(), datetime.now(UTC)
    requesting = asyncio.create_task(
        office.request(charge_id=charge_id, now=now, acquirer=scripted(slow))
    )
    await asked.wait()
    for seconds in (2, 6, 14):
        await office.inquire(charge_id, now=now + timedelta(seconds=seconds))
    may_answer.set()
    await requesting
    assert (await office.charge(charge_id))["state"] == "issued"
    assert await office.stay(charge_id) == ("requested", "open")


async def test_a_charge_whose_process_died_before_asking_is_given_up_in_time(office):
    """The row says `issuing`, and no process is left that could still be asking."""
    charge_id, now = new_id(), datetime.now(UTC)
    request = PaymentRequest(charge_id, FLAT, VehicleClass.CAR)
    async with office.transactions.begin() as db:
        await issuing.open_charge(db, "sandbox", office.wired.books, Wanted(request, LIFETIME, now))
    await office.inquire(charge_id, now=now + timedelta(seconds=60))
    assert (await office.charge(charge_id))["state"] == "issue_failed"
    assert await office.stay(charge_id) == ("voided", "voided")


async def test_a_crash_between_booking_and_recording_loses_nothing(
    office, settings, socket_sandbox, over_socket, keys, tmp_path
):
    """A real process, killed as by `kill -9` at the named point."""
    charge_id = new_id()
    script = textwrap.dedent("""
        import asyncio, sys
        from datetime import UTC, datetime, timedelta
        from uuid import UUID
        from domain.tariff import VehicleClass
        from server.app import create_app
        from server.payments.issuing import PaymentRequest
        from server.settings import Settings

        async def main():
            wired = create_app(Settings()).state.payments
            await wired.issuer.request(
                PaymentRequest(UUID(sys.argv[1]), sys.argv[2], VehicleClass.CAR),
                lifetime=timedelta(minutes=15), now=datetime.now(UTC))

        asyncio.run(main())
    """)
    environment = os.environ | {
        faults.CRASH_AT: "generated-not-recorded",
        "DATABASE_URL": settings.database_url,
        "KARCIS_ACQUIRER_URL": str(socket_sandbox.client.base_url),
        "KARCIS_ACQUIRER_CLIENT_SECRET": CLIENT_SECRET,
        "KARCIS_NOTIFY_CLIENT_SECRET": CLIENT_SECRET,
        "KARCIS_ACQUIRER_PUBLIC_KEY": str(keys / "acquirer.pub.pem"),
        "KARCIS_PRIVATE_KEY": str(keys / "karcis.pem"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(charge_id), FLAT, env=environment
    )
    assert await process.wait() == -signal.SIGKILL
    left = await office.charge(charge_id)
    assert (left["state"], left["qris"]) == ("issuing", None)

    # The client asks again with its id, and the inquiry finds what was booked.
    assert await office.request(charge_id=charge_id, acquirer=over_socket) == charge_id
    await office.inquire(charge_id, acquirer=over_socket)
    found = await office.charge(charge_id)
    booked = await orders(socket_sandbox, charge_id)
    assert found["state"] == "issued"
    assert [found["qris"]] == [order["qr_content"] for order in booked]


def test_a_crash_point_is_refused_in_production(monkeypatch, keys):
    monkeypatch.setenv(faults.CRASH_AT, "generated-not-recorded")
    settings = Settings(
        mode="production",
        public_url="https://parkir.contoh",
        database_url="postgresql://127.0.0.1/x",
        acquirer_client_secret=CLIENT_SECRET,
        notify_client_secret=CLIENT_SECRET,
        plate_key="kunci pelat yang cukup panjang sekali",
        sign_in_key="kunci masuk yang cukup panjang sekali",
        collecting_account="0011223344",
        acquirer_public_key=keys / "acquirer.pub.pem",
        private_key=keys / "karcis.pem",
    )
    with pytest.raises(NotConfigured, match=faults.CRASH_AT):
        create_app(settings)


async def reprice_cars(meddle, zone: str, rate: dict) -> None:
    await meddle(
        "UPDATE tariffs SET version = jsonb_set(version, '{rates,car}', CAST(:rate AS jsonb))"
        " FROM zones WHERE zones.id = tariffs.zone_id AND zones.code = :zone",
        zone=zone,
        rate=json.dumps(rate),
    )


async def test_a_free_stay_has_nothing_to_pay(office, sandbox, meddle):
    await reprice_cars(meddle, "PSR", {"kind": "flat", "amount_rp": 0})
    await reprice_cars(
        meddle,
        "RSU",
        {"kind": "hourly", "first_hour_rp": 4000, "next_hour_rp": 2000, "free_minutes": 10},
    )
    with pytest.raises(NothingToPay):
        await office.request(FLAT)
    with pytest.raises(NothingToPay):
        await office.request(HOURLY, minutes=10)
    assert await nothing_kept(office)
    assert (await sandbox.truth())["orders"] == []

    charge_id = await office.request(HOURLY, minutes=11)
    assert (await office.charge(charge_id))["amount_rp"] == CAR_RP


async def test_what_cannot_be_priced_or_placed_leaves_nothing_behind(office, sandbox):
    refusals: list[tuple[Callable, dict]] = [
        (StayNotPriced, {"spot": HOURLY}),
        (SpotCodeMistyped, {"spot": "PSR-001-X"}),
        (SpotCodeMistyped, {"spot": ""}),
        (SpotCodeMistyped, {"spot": "PSR-001-U\x00"}),
        (SpotNotFound, {"spot": "ZZZ-001-" + check_of("ZZZ-001")}),
    ]
    for problem, request in refusals:
        with pytest.raises(problem):
            await office.request(**request)
    assert await nothing_kept(office)
    assert (await sandbox.truth())["orders"] == []


def check_of(text: str) -> str:
    return check_digit.append(text)[-1]


async def test_a_taken_spot_is_refused_without_a_trace_until_its_time_is_over(office, sandbox):
    now = datetime.now(UTC)
    first = await office.request(EXCLUSIVE, minutes=60, now=now)
    for after in (timedelta(), timedelta(minutes=59)):
        with pytest.raises(SpotOccupied):
            await office.request(EXCLUSIVE, minutes=30, now=now + after)
    for table in ("parking_sessions", "payments", "charges"):
        assert await office.count(table) == 1
    assert len((await sandbox.truth())["orders"]) == 1

    second = await office.request(EXCLUSIVE, minutes=30, now=now + timedelta(minutes=60))
    assert {(await office.charge(c))["state"] for c in (first, second)} == {"issued"}


async def test_two_drivers_at_once_cannot_both_have_one_space(office, asked):
    requests = [office.request(EXCLUSIVE, minutes=60, **asked) for _ in range(8)]
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    assert sum(isinstance(outcome, SpotOccupied) for outcome in outcomes) == 7
    assert await office.count("charges") == await office.count("parking_sessions") == 1


async def test_requests_that_come_together_share_a_transaction_and_not_a_refusal(office):
    taken = await office.request(EXCLUSIVE, minutes=60)
    known = await office.request()
    good = [office.request(spot, minutes=60) for spot in (FLAT, HOURLY) for _ in range(6)]
    refused: dict[type[Exception], dict] = {
        SpotOccupied: {"spot": EXCLUSIVE, "minutes": 30},
        StayNotPriced: {"spot": HOURLY},
        SpotCodeMistyped: {"spot": "PSR-001-U\x00"},
        SpotNotFound: {"spot": "ZZZ-001-" + check_of("ZZZ-001")},
        IdempotencyConflict: {"charge_id": known, "plate": "KH 1 A"},
    }
    bad = [office.request(**request) for request in refused.values()]
    outcomes = await asyncio.gather(*good[:6], *bad, *good[6:], return_exceptions=True)
    assert [type(outcome) for outcome in outcomes[6:11]] == list(refused)
    issued = {*outcomes[:6], *outcomes[11:], taken, known}
    charges = await office.rows("SELECT id, state FROM charges")
    assert {row["id"] for row in charges if row["state"] == "issued"} == issued
    assert len(charges) == await office.count("parking_sessions") == len(issued) == 14
    written = await office.rows("SELECT DISTINCT xmin::text FROM payments")
    assert len(written) < 14


@pytest.fixture
def impatient(monkeypatch):
    """Before an office opens: its statements wait for a lock no longer than that."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT_MS", 300)


async def test_a_spot_that_somebody_holds_keeps_no_other_waiting_for_nothing(
    impatient, office, owner
):
    """A transaction that stalls at an exclusive spot refuses the spot's own driver, nobody else."""
    async with owner.begin() as stalled:
        await stalled.execute(
            sa.text(
                "INSERT INTO parking_sessions"
                " (id, spot_id, vehicle_class, exclusive, state, started_at)"
                " SELECT gen_random_uuid(), id, 'car', true, 'open', now() FROM spots"
                " WHERE code = :code"
            ),
            {"code": EXCLUSIVE},
        )
        spots = [FLAT, FLAT, EXCLUSIVE, FLAT, FLAT]
        outcomes = await asyncio.gather(
            *(office.request(spot, minutes=60) for spot in spots), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [UUID, UUID, DBAPIError, UUID, UUID]
    assert await office.count("charges") == 4


async def test_a_charge_that_was_long_in_opening_is_not_asked_for(office, sandbox, monkeypatch):
    """Else its barcode could be booked after an inquiry was told that there is none."""
    monkeypatch.setattr(issuing, "LONGEST_OPENING_S", 0.0)
    charge_id = await office.request()
    assert (await office.charge(charge_id))["state"] == "issue_unknown"
    assert await orders(sandbox, charge_id) == []
    await office.inquire(charge_id, now=datetime.now(UTC) + timedelta(seconds=60))
    assert (await office.charge(charge_id))["state"] == "issue_failed"
    assert await office.stay(charge_id) == ("voided", "voided")


async def test_a_group_that_an_acquirer_mixes_up_loses_only_what_is_mixed_up(office, scripted):
    """One reference for two of three charges at once: one of them is left to be asked about."""
    numbers = iter(["A1", "A1", "A2"])
    qris_text = (await office.charge(await office.request()))["qris"]

    def answer(_: httpx.Request) -> httpx.Response:
        issued = {"referenceNo": next(numbers), "qrContent": qris_text}
        return httpx.Response(200, json={"responseCode": "2004700", **issued})

    wired = office.wired
    issuer = Issuer(office.transactions, Acquirers(scripted(answer)), wired.announcer, wired.books)
    request = partial(PaymentRequest, spot_code=FLAT, vehicle_class=VehicleClass.CAR)
    await asyncio.gather(
        *(
            issuer.request(request(new_id()), lifetime=LIFETIME, now=datetime.now(UTC))
            for _ in range(3)
        )
    )
    rows = await office.rows(
        "SELECT state, acquirer_reference FROM charges WHERE acquirer_reference LIKE 'A_'"
        " OR state = 'issue_unknown' ORDER BY acquirer_reference"
    )
    assert [(row["state"], row["acquirer_reference"]) for row in rows] == [
        ("issued", "A1"),
        ("issued", "A2"),
        ("issue_unknown", None),
    ]


async def test_a_reference_given_twice_leaves_the_second_charge_to_be_asked_about(office, scripted):
    """An acquirer that mixes its charges up must not make one of ours the other."""
    first = await office.request()
    given = (await office.charge(first))["acquirer_reference"]
    qris_text = (await office.charge(first))["qris"]
    issued = {"responseCode": "2004700", "referenceNo": given, "qrContent": qris_text}
    second = await office.request(acquirer=scripted(answers(issued)))
    charge = await office.charge(second)
    assert (charge["state"], charge["acquirer_reference"]) == ("issue_unknown", None)
    assert (await office.charge(first))["state"] == "issued"
