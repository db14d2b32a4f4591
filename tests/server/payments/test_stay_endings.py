"""What an ended stay owes, paid by the driver's wallet that was scanned, or by a voucher."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server.database import new_id
from server.payments import parts
from server.payments.acquirer import Acquirers
from server.payments.issuing import Issuer
from server.payments.parts import CashInHand, PartRequest, StayChargeOpen
from server.payments.snap import SnapAcquirer
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import HOURLY, Office
from tests.server.payments.test_consumers import shown
from tests.server.payments.test_stays import HOUR, Kerb, kerb
from tests.server.payments.test_vouchers import issue, redeem

__all__ = ["kerb"]


async def ended(kerb: Kerb, now: datetime) -> tuple[UUID, int]:
    """A stay that has just ended, and what it owes."""
    stay_id = await kerb.start(now - HOUR)
    await kerb.leave(stay_id, now)
    return stay_id, await kerb.owed(stay_id, now)


async def ask(
    api: httpx.AsyncClient, kerb: Kerb, stay_id: UUID, kind: str, **body: Any
) -> httpx.Response:
    told = {"id": str(new_id()), **body}
    return await api.post(
        f"/v1/stays/{stay_id}/{kind}-charges", json=told, auth=kerb.handheld.signed
    )


async def test_a_scanned_wallet_pays_what_a_stay_owes_once_the_acquirer_says_so(
    api: httpx.AsyncClient, office: Office, kerb: Kerb, sandbox: Sandbox, now: datetime
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    asked, text = str(new_id()), await shown(sandbox, "pay")
    for _ in "12":
        answer = await ask(api, kerb, stay_id, "consumer", id=asked, consumer_qr=text)
        told = answer.json()
        assert (answer.status_code, told["state"], told["amount_rp"]) == (201, "issued", owed_rp)
    assert await office.count("money") == await kerb.owed(stay_id, now) == 0
    await office.inquire(UUID(asked))
    stay = (await api.get(f"/v1/stays/{stay_id}", auth=kerb.handheld.signed)).json()
    assert [stay[name] for name in ("paid_rp", "waiting_rp", "owed_rp")] == [owed_rp, 0, 0]
    assert stay["charges"][0]["receipt"]["method"] == "QRIS"


async def test_a_stay_whose_wallet_refuses_is_owed_and_paid_by_a_voucher(
    api: httpx.AsyncClient, office: Office, kerb: Kerb, sandbox: Sandbox, now: datetime
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    text = await shown(sandbox, "insufficient")
    refused = (await ask(api, kerb, stay_id, "consumer", consumer_qr=text)).json()
    assert (refused["state"], await kerb.owed(stay_id, now)) == ("issue_failed", owed_rp)

    (voucher,) = await issue(office, owed_rp + 1_000, 1)
    asked = str(new_id())
    for _ in "12":
        answer = await ask(api, kerb, stay_id, "voucher", id=asked, voucher=voucher)
        told = answer.json()
        assert (answer.status_code, told["state"], told["amount_rp"]) == (201, "paid", owed_rp)
    receipt = told["receipt"]
    assert (receipt["method"], receipt["attendant_code"]) == ("Voucher", "J-001")
    account = await kerb.account(stay_id)
    assert (account.paid_rp, account.owed(now).amount_rp) == (owed_rp, 0)
    assert await office.count("money") == await office.count("voucher_ends") == 1
    nothing = await ask(api, kerb, stay_id, "voucher", voucher=voucher)
    assert nothing.json()["slug"] == "nothing-to-pay"


async def test_a_wallet_whose_answer_was_lost_is_inquired_about_and_never_asked_again(
    office: Office, kerb: Kerb, socket_sandbox: Sandbox, over_socket: SnapAcquirer, now: datetime
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    text = await shown(socket_sandbox, "pay")
    await socket_sandbox.fault("cpm_payment_no_answer_after_booking")
    wired = office.wired
    issuer = Issuer(office.transactions, Acquirers(over_socket), wired.announcer, wired.books)

    async def collect(charge_id: UUID) -> None:
        shift_id = kerb.shift.shift_id
        part = PartRequest(stay_id, charge_id, shift_id, ChargeKind.CPM, consumer_qr=text)
        await parts.issue(
            office.transactions,
            issuer,
            wired.books,
            part,
            lifetime=timedelta(minutes=2),
            now=datetime.now(UTC),
        )

    asked = new_id()
    for _ in "12":
        await collect(asked)
        assert (await office.charge(asked))["state"] == "issue_unknown"
    with pytest.raises(StayChargeOpen):
        await collect(new_id())
    await office.inquire(asked, acquirer=over_socket)
    assert (await office.charge(asked))["state"] == "paid"
    assert (await kerb.account(stay_id)).paid_rp == owed_rp


async def test_a_voucher_that_does_not_pay_a_stay_leaves_it_owed(
    api: httpx.AsyncClient,
    office: Office,
    kerb: Kerb,
    now: datetime,
    subtests: pytest.Subtests,
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    running = await kerb.start(now)
    waiting, _ = await ended(kerb, now)
    await kerb.charge(waiting, now)
    good, spent = await issue(office, owed_rp, 2)
    (small,) = await issue(office, owed_rp - 1, 1)
    (bikes,) = await issue(office, owed_rp, 1, VehicleClass.MOTORCYCLE)
    assert (await redeem(api, kerb.handheld, spent)).status_code == 201
    for slug, stay, text in (
        ("voucher-used", stay_id, spent),
        ("voucher-too-small", stay_id, small),
        ("voucher-other-class", stay_id, bikes),
        ("voucher-invalid", stay_id, "x"),
        ("stay-running", running, good),
        ("stay-charge-open", waiting, good),
        ("stay-not-found", new_id(), good),
    ):
        with subtests.test(slug):
            assert (await ask(api, kerb, stay, "voucher", voucher=text)).json()["slug"] == slug
    assert await kerb.owed(stay_id, now) == owed_rp
    assert await office.count("cases") == 0, "who asks the office has kept nothing yet"
    assert (await ask(api, kerb, stay_id, "voucher", voucher=good)).status_code == 201


async def test_a_voucher_taken_offline_for_a_stay_and_refused_is_one_case(
    api: httpx.AsyncClient, office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    (text,) = await issue(office, owed_rp, 1)
    assert (await redeem(api, kerb.handheld, text)).status_code == 201
    asked = {"id": str(new_id()), "voucher": text, "taken_at": now.isoformat()}
    for _ in "12":
        refused = await ask(api, kerb, stay_id, "voucher", **asked)
        assert (refused.status_code, refused.json()["slug"]) == (409, "voucher-used")
    (kept,) = await office.rows("SELECT * FROM voucher_refusals")
    assert (str(kept["id"]), kept["vehicle_class"]) == (asked["id"], "car")
    assert await office.count("cases") == 1
    assert await kerb.owed(stay_id, now) == owed_rp


async def test_a_voucher_taken_offline_for_a_stay_nobody_told_of_is_one_case(
    api: httpx.AsyncClient, office: Office, kerb: Kerb, now: datetime
) -> None:
    (text,) = await issue(office, 10_000, 1)
    asked = {"id": str(new_id()), "voucher": text, "spot": HOURLY, "vehicle_class": "car"}
    online = await ask(api, kerb, new_id(), "voucher", **asked)
    assert online.status_code == 404
    assert await office.count("cases") == 0, "who asks the office has kept nothing yet"
    stay_id = new_id()
    for _ in "12":
        refused = await ask(api, kerb, stay_id, "voucher", **asked, taken_at=now.isoformat())
        assert (refused.status_code, refused.json()["slug"]) == (404, "stay-not-found")
    (kept,) = await office.rows("SELECT * FROM voucher_refusals")
    assert (str(kept["id"]), kept["spot_code"], kept["vehicle_class"]) == (
        asked["id"], HOURLY, "car"
    )  # fmt: skip
    (case,) = await office.rows("SELECT * FROM cases")
    assert (case["kind"], case["owner"], case["amount_rp"]) == (
        "voucher-refused", "bendahara penerimaan", 10_000
    )  # fmt: skip
    assert await office.count("voucher_ends") == 0, "it may still pay"


async def test_cash_may_be_told_of_after_the_end_it_was_taken_at(
    office: Office, kerb: Kerb, now: datetime
) -> None:
    stay_id, owed_rp = await ended(kerb, now)
    cash = CashInHand(new_id(), owed_rp)
    for _ in "12":
        await kerb.leave(stay_id, now + HOUR, told_at=now, cash=cash)
    assert (await office.charge(cash.charge_id))["state"] == "paid"
    assert await office.count("money") == 1
    assert (await kerb.account(stay_id)).row.ended_at == now
