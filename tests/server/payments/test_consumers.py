"""The driver shows a barcode, the attendant scans it, and the acquirer, asked, tells if it paid."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.payment import ChargeKind
from domain.tariff import VehicleClass
from server.database import new_id
from server.payments.acquirer import Acquirers
from server.payments.issuing import Issuer, PaymentRequest
from server.payments.snap import SnapAcquirer
from tests.server.conftest import Sandbox
from tests.server.handhelds import Handheld
from tests.server.payments.conftest import CAR_RP, FLAT, MakeAcquirer, Office, answers


@pytest.fixture
async def handheld(office: Office) -> Handheld:
    return await office.open_shift()


async def shown(sandbox: Sandbox, outcome: str, **more: Any) -> str:
    """The text of a barcode on a driver's phone."""
    answer = await sandbox.client.post("/wallet/codes", json={"outcome": outcome, **more})
    assert answer.status_code == 201, answer.text
    text: str = answer.json()["qris"]
    return text


async def scan(
    api: httpx.AsyncClient, handheld: Handheld, text: str, **changes: Any
) -> httpx.Response:
    body = {"id": str(new_id()), "vehicle_class": "car", "consumer_qr": text, **changes}
    return await api.post(f"/v1/spots/{FLAT}/consumer-charges", json=body, auth=handheld.signed)


async def test_a_scanned_wallet_pays_once_the_acquirer_says_so(
    api: httpx.AsyncClient, office: Office, sandbox: Sandbox, handheld: Handheld
) -> None:
    text = await shown(sandbox, "pay")
    answer = await scan(api, handheld, text)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    charge_id = UUID(told["id"])
    # The answer to our own call proves nothing.
    assert (told["state"], told["qris"], await office.count("money")) == ("issued", None, 0)
    page = await api.get(f"/c/{charge_id}", headers={"Accept": "text/html"})
    assert (page.status_code, "Menunggu dompet Anda" in page.text) == (200, True)
    again = await scan(api, handheld, text, id=str(charge_id))
    assert again.json()["id"] == str(charge_id)

    await office.inquire(charge_id)
    charge = await office.charge(charge_id)
    assert (charge["state"], charge["money_flag"], charge["kind"]) == ("paid", "exact", "cpm")
    (receipt,) = await office.rows("SELECT facts FROM receipts")
    assert (receipt["facts"]["amount_rp"], receipt["facts"]["method"]) == (CAR_RP, "QRIS")
    for table in ("charges", "charge_changes", "inquiries", "money"):
        rows = await office.rows(f"SELECT CAST(t AS text) AS row FROM {table} t")
        assert not [row for row in rows if text in row["row"]], f"{table} keeps what pays"


async def test_a_wallet_that_takes_its_time_is_asked_about_until_it_pays(
    api: httpx.AsyncClient, office: Office, sandbox: Sandbox, handheld: Handheld
) -> None:
    answer = await scan(api, handheld, await shown(sandbox, "pending", delay_s=600))
    charge_id = UUID(answer.json()["id"])
    await office.inquire(charge_id)
    assert (await office.charge(charge_id))["state"] == "issued"
    moved = await sandbox.client.post("/sandbox/clock", json={"offset_s": 601})
    assert moved.status_code == 200, moved.text
    await office.inquire(charge_id)
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_a_wallet_without_money_frees_the_spot(
    api: httpx.AsyncClient, office: Office, sandbox: Sandbox, handheld: Handheld
) -> None:
    answer = await scan(api, handheld, await shown(sandbox, "insufficient"))
    told = answer.json()
    assert (answer.status_code, told["state"]) == (201, "issue_failed")
    assert await office.stay(UUID(told["id"])) == ("voided", "voided")


async def test_a_lost_answer_is_found_out_by_asking(
    office: Office, socket_sandbox: Sandbox, over_socket: SnapAcquirer
) -> None:
    text = await shown(socket_sandbox, "pay")
    await socket_sandbox.fault("cpm_payment_no_answer_after_booking")
    wired = office.wired
    issuer = Issuer(office.transactions, Acquirers(over_socket), wired.announcer, wired.books)
    charge_id = await issuer.request(
        PaymentRequest(new_id(), FLAT, VehicleClass.CAR, kind=ChargeKind.CPM, consumer_qr=text),
        lifetime=timedelta(minutes=2),
        now=datetime.now(UTC),
    )
    assert (await office.charge(charge_id))["state"] == "issue_unknown"
    await office.inquire(charge_id, acquirer=over_socket)
    assert (await office.charge(charge_id))["state"] == "paid"


async def test_of_an_answer_only_the_drivers_barcode_is_not_kept(
    api: httpx.AsyncClient,
    office: Office,
    sandbox: Sandbox,
    handheld: Handheld,
    scripted: MakeAcquirer,
) -> None:
    """Our own barcode stays in the evidence: it pays nobody but us."""
    scanned = UUID((await scan(api, handheld, await shown(sandbox, "pay"))).json()["id"])
    ours = await office.request()
    issuer = {"issuerName": "Dompet"}
    for charge_id, code, extra, kept in (
        (scanned, "2006100", issuer | {"qrContent": "hQVDUFYw"}, issuer),
        (scanned, "2006100", "tertunda", "tertunda"),
        (ours, "2005100", {"qrContent": "000201"}, {"qrContent": "000201"}),
    ):
        answer = {"responseCode": code, "latestTransactionStatus": "03", "additionalInfo": extra}
        await office.inquire(charge_id, acquirer=scripted(answers(answer)))
        rows = await office.rows("SELECT answer FROM inquiries ORDER BY id DESC LIMIT 1")
        assert rows == [{"answer": answer | {"additionalInfo": kept}}]


async def test_what_is_no_payers_barcode_is_refused(
    api: httpx.AsyncClient, office: Office, handheld: Handheld
) -> None:
    for text in ("", "halo", "00020101021126"):
        answer = await scan(api, handheld, text)
        assert (answer.status_code, answer.json()["slug"]) == (422, "consumer-qr-invalid"), text
    assert (await scan(api, Handheld(), "halo")).status_code == 401
    assert await office.count("charges") == 0
