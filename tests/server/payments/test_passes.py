"""Passes paid by QRIS: one pass for its money, whatever is told how often and what dies between."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from attendant_app import covered as kerb
from attendant_app import inspector
from domain.covered import last_day, sign
from domain.payment import CaseOutcome, RefundMethod, RefundReason
from server import sample
from server.casework.service import OutcomeUnfit
from server.database import Transactions, new_id
from server.identity import service as identity
from server.parking import pass_orders, retention
from server.parking.covered_models import PassPermit, PassPrice
from server.payments import passes, proposals, receipts, refunds
from server.payments.passes import PassRequest, Plate
from server.payments.refunds import RefundLimits, RefundRequest
from tests.server.conftest import Sandbox
from tests.server.handhelds import on_shift
from tests.server.inspection.test_stays import live, offline_device
from tests.server.payments.conftest import LIFETIME, Office, broken_on_purpose, violations
from tests.server.payments.refunding import Desk

PLATE = "KH 1234 AB"
CAR_RP = 60_000
NOW = datetime.now(UTC)


async def price_of(office: Office, code: str) -> PassPrice:
    async with office.transactions.begin() as db:
        today = office.wired.books.day(datetime.now(UTC))
        return next(row for row in await pass_orders.prices_on(db, today) if row.code == code)


async def order(
    office: Office,
    code: str = "mobil-1",
    plate: str = PLATE,
    order_id: UUID | None = None,
    starts: date | None = None,
) -> UUID:
    """A pass that a driver asks for, with its barcode."""
    wired, now = office.wired, datetime.now(UTC)
    today = wired.books.day(now)
    price = await price_of(office, code)
    wanted = PassRequest(
        order_id or new_id(), price.id, Plate.of(plate, wired.books), starts or today
    )
    await passes.issue(
        office.transactions, wired.issuer, wanted,
        today=today, lifetime=LIFETIME, now=now,
    )  # fmt: skip
    await office.learn(wanted.order_id)
    return wanted.order_id


async def registered(office: Office) -> list[dict[str, Any]]:
    return await office.rows("SELECT * FROM passes ORDER BY number")


async def balance(office: Office, account: str) -> int:
    [row] = await office.rows(
        "SELECT coalesce(sum(amount_rp), 0)::bigint AS rp FROM ledger_postings"
        " WHERE account_code = :code",
        code=account,
    )
    return int(row["rp"])


async def paid(office: Office, order_id: UUID, amount_rp: int = CAR_RP) -> None:
    answer = await office.tell(order_id, amount_rp, order_id.hex[-12:])
    assert answer.code == "2005200", answer


async def test_a_pass_is_given_once_however_often_its_money_is_told(
    office: Office, sandbox: Sandbox
) -> None:
    order_id = await order(office)
    assert await order(office, order_id=order_id) == order_id  # a double tap
    charge = await office.charge(order_id)
    assert (charge["state"], charge["amount_rp"]) == ("issued", CAR_RP)
    assert await registered(office) == []
    await sandbox.pay(charge["qris"])
    await asyncio.gather(
        office.inquire(order_id),
        office.inquire(order_id),
        *(office.tell(order_id, CAR_RP, None) for _ in range(2)),
    )
    await office.inquire(order_id)
    [held] = await registered(office)
    today = office.wired.books.day(datetime.now(UTC))
    assert (held["order_id"], held["price_rp"], held["kind"]) == (order_id, CAR_RP, None)
    assert (held["valid_from"], held["valid_until"]) == (today, last_day(today, 1))
    assert held["plate_masked"] == "KH 1••• AB"
    assert held["plate_hash"] == office.wired.books.plate_hash(PLATE)
    assert await balance(office, "4120") == -CAR_RP
    assert await balance(office, "1120") == CAR_RP
    assert await balance(office, "5120") == 0  # nobody shares it
    [receipt] = await office.rows("SELECT * FROM receipts")
    assert receipt["series"] == f"LANGGAN-{today.year}"
    assert receipt["facts"]["pass_serial"] == held["serial"]
    assert receipt["facts"]["lines"][0]["label_id"] == "Langganan mobil 1 bulan"
    async with office.transactions.begin() as db:
        known = await receipts.know(
            db, receipt["number"], office.wired.books, now=datetime.now(UTC)
        )
    assert known.verdict.standing == "valid"
    assert known.facts.valid_until == held["valid_until"]


async def test_another_pass_for_the_same_vehicle_begins_after_the_first(office: Office) -> None:
    first, second = await order(office), await order(office)  # in two tabs, both paid
    elsewhere = await order(office, plate="KH 9 ZZ")
    for order_id in (first, second, elsewhere):
        await paid(office, order_id)
    rows = {row["order_id"]: row for row in await registered(office)}
    follows = rows[first]["valid_until"] + timedelta(days=1)
    assert rows[second]["valid_from"] == follows
    assert rows[second]["valid_until"] == last_day(follows, 1)
    assert rows[elsewhere]["valid_from"] == rows[first]["valid_from"]
    books, price = office.wired.books, await price_of(office, "mobil-pasar-1")
    async with office.transactions.begin() as db:
        today = books.day(datetime.now(UTC))
        found_by = Plate.of(PLATE, books).found_by
        plan = await pass_orders.plan(db, price.id, found_by, today, today)
        assert plan.begins_after == rows[second]["valid_until"]
        with pytest.raises(pass_orders.PassDayUnfit):
            await pass_orders.plan(db, price.id, found_by, today - timedelta(days=1), today)


async def test_what_a_pass_costs_is_the_regulations_of_that_day(office: Office) -> None:
    today = office.wired.books.day(datetime.now(UTC))
    old = await price_of(office, "mobil-1")
    async with office.transactions.begin() as db:
        await pass_orders.set_price(
            db,
            PassPrice(
                code="mobil-1", kind="ordinary", vehicle_class="car", months=1, zones=[],
                price_rp=75_000, regulation="Perda Contoh 9/2030 (sampel)", valid_from=today,
            ),
        )  # fmt: skip
    assert (await price_of(office, "mobil-1")).price_rp == 75_000
    found_by = Plate.of(PLATE, office.wired.books).found_by
    with pytest.raises(pass_orders.PassPriceNotFound):
        async with office.transactions.begin() as db:
            await pass_orders.plan(db, old.id, found_by, today, today)


async def test_a_residents_pass_needs_the_permit_of_this_vehicle(office: Office) -> None:
    with pytest.raises(pass_orders.PermitNeeded):
        await order(office, "warga-mobil-12")
    with pytest.raises(pass_orders.PassGivenAtOffice):
        await order(office, "difabel-motor-12")
    with pytest.raises(passes.PlateUnfit):
        await order(office, plate="bukan nomor")
    async with office.transactions.begin() as db:
        plate = Plate.of(PLATE, office.wired.books)
        await pass_orders.approve(
            db,
            PassPermit(
                kind="resident", vehicle_class="car", plate_masked=plate.masked,
                plate_hash=plate.found_by, proof="KTP", approved_at=NOW,
                approved_by=await identity.officer_named(db, sample.OFFICER),
                valid_until=NOW.date() + timedelta(days=30),
            ),
        )  # fmt: skip
    await paid(office, await order(office, "warga-mobil-12"), 180_000)
    [held] = await registered(office)
    assert (held["kind"], held["zones"]) == ("resident", ["PSR"])
    with pytest.raises(pass_orders.PermitNeeded):
        await order(office, "warga-mobil-12", plate="KH 5 X")


async def test_a_barcode_of_a_pass_that_lapsed_is_made_anew(
    office: Office, api: httpx.AsyncClient
) -> None:
    order_id = await order(office)
    form = {"id": str(new_id())}
    early = await api.post(f"/c/{order_id}/again", data=form)
    assert (early.status_code, early.json()["slug"]) == (409, "barcode-not-lapsed")
    await office.inquire(order_id, now=datetime.now(UTC) + timedelta(minutes=17))
    assert "Buat barcode baru" in (await api.get(f"/c/{order_id}")).text
    first, again = [await api.post(f"/c/{order_id}/again", data=form) for _ in range(2)]
    assert first.headers["location"] == again.headers["location"] == f"/c/{form['id']}", first.text
    renewed = UUID(form["id"])
    assert (await office.charge(renewed))["amount_rp"] == CAR_RP
    await paid(office, renewed)
    [held] = await registered(office)
    today = office.wired.books.day(datetime.now(UTC))
    assert (held["order_id"], held["plate_masked"]) == (renewed, "KH 1••• AB")
    assert held["valid_from"] == today
    closed = await api.post(f"/c/{renewed}/again", data={"id": str(new_id())})
    assert closed.json()["slug"] == "barcode-not-lapsed"


async def test_late_money_gives_the_pass_only_when_two_officers_say_so(
    office: Office, sandbox: Sandbox, owner_url: str
) -> None:
    order_id = await order(office)
    after = datetime.now(UTC) + timedelta(minutes=17)
    await office.inquire(order_id, now=after)
    assert (await office.charge(order_id))["state"] == "expired"
    await office.tell(order_id, CAR_RP, "626100000001", now=after)
    await office.tell(order_id, CAR_RP, "626100000002", now=after)
    assert await registered(office) == []
    assert await balance(office, "2190") == -2 * CAR_RP
    desk = await Desk.at(office, sandbox, owner_url)
    first, second = await office.rows("SELECT id FROM cases ORDER BY opened_at, id")
    await recognised(office, desk, first["id"])
    [held] = await registered(office)
    assert held["order_id"] == order_id
    assert await balance(office, "4120") == -CAR_RP
    with pytest.raises(OutcomeUnfit):  # there is no second pass to give for it
        await recognised(office, desk, second["id"])


async def recognised(office: Office, desk: Desk, case_id: UUID) -> None:
    now = datetime.now(UTC)
    async with office.transactions.begin() as db:
        told = (case_id, CaseOutcome.RECOGNISED, None, "terlambat karena gangguan")
        await proposals.propose(db, desk.maker, *told, now=now)
    async with office.transactions.begin() as db:
        await proposals.decide(
            db, desk.checker, case_id, office.wired.books, accept=True, why="", now=now
        )


async def test_a_second_payment_goes_back_and_the_pass_stays_the_first_takes_it_along(
    office: Office, sandbox: Sandbox, owner_url: str
) -> None:
    order_id = await order(office)
    await sandbox.pay((await office.charge(order_id))["qris"])
    await office.inquire(order_id)
    await office.tell(order_id, CAR_RP, "626100000009")
    exact, second = sorted(
        await office.rows("SELECT * FROM money"), key=lambda row: row["flag"] != "exact"
    )
    assert second["flag"] == "duplicate"
    desk = await Desk.at(office, sandbox, owner_url)
    await given_back(office, desk, second["id"])
    [held] = await registered(office)
    assert await office.count("pass_revocations") == 0
    assert await balance(office, "4120") == -CAR_RP
    await given_back(office, desk, exact["id"])
    [revoked] = await office.rows("SELECT * FROM pass_revocations")
    assert (revoked["serial"], revoked["why"][:8]) == (held["serial"], "KEMBALI-")
    assert await balance(office, "4120") == 0
    [receipt] = await office.rows("SELECT number FROM receipts")
    async with office.transactions.begin() as db:
        told = await receipts.know(db, receipt["number"], office.wired.books, now=NOW)
    assert told.verdict.standing == "refunded"


async def given_back(office: Office, desk: Desk, money_id: UUID) -> None:
    """By a transfer of the office, whose limit is above what the sample has."""
    now, refund_id = datetime.now(UTC), new_id()
    async with office.transactions.begin() as db:
        await refunds.request(
            db,
            desk.maker,
            RefundRequest(
                refund_id, money_id, CAR_RP, RefundReason.PAID_TWICE, "uji", RefundMethod.TRANSFER
            ),
            office.wired.acquirers,
            RefundLimits(amount_rp=500_000, days=90),
            office.wired.books,
            now=now,
        )
    wired = office.wired
    await refunds.approve(
        office.transactions, wired.acquirers, wired.announcer, wired.books, desk.checker,
        refund_id, now=now,
    )  # fmt: skip
    async with office.transactions.begin() as db:
        await refunds.record_transfer(
            db, desk.maker, refund_id, reference=f"TRF-{refund_id.hex[:6]}-1",
            on=wired.books.day(now), proof=b"%PDF-1.7 bukti", books=wired.books, now=now,
        )  # fmt: skip


async def test_a_pass_that_was_bought_holds_at_the_kerb_and_for_the_inspector(
    office: Office, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    order_id = await order(office)
    charge = await office.charge(order_id)
    await paid(office, order_id)
    handheld = await on_shift(api, office.transactions, datetime.now(UTC))
    async with office.transactions.begin() as db:
        known = await pass_orders.given(db, order_id)
    assert known is not None
    assert office.wired.books.seal is not None
    qr = sign(office.wired.books.seal, known.held)
    master = (await api.get("/v1/masterdata", auth=handheld.signed)).json()
    async with httpx.AsyncClient() as nowhere:
        device = offline_device(master, await live(api, handheld), tmp_path, nowhere)
        kerb.take_pass(device, "PSR-001-U", "car", qr, str(new_id()))
        answer = inspector.inspect(device, PLATE)
        other = inspector.inspect(device, "KH 9 ZZ")
        device.store.close()
    assert answer is not None
    assert (answer.result, answer.stays[0]["pass"]) == ("live", known.held.serial)
    assert answer.stays[0]["valid_until"] == known.held.valid_until.isoformat()
    assert other is not None
    assert other.result == "none"
    # What was paid for a pass is no stay that is paid: neither its barcode nor a proof of it.
    told = await api.post(
        "/v1/barcodes/resolve", json={"text": charge["qris"]}, auth=handheld.signed
    )
    assert (told.json()["kind"], told.json()["text_kind"]) == ("unknown", "pass-payment")
    assert (await api.get(f"/v1/charges/{order_id}")).json()["proof"] is None


async def test_a_process_that_dies_before_its_commit_leaves_neither_money_nor_pass(
    office: Office, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await order(office)
    await sandbox.pay((await office.charge(order_id))["qris"])
    real = receipts.issue

    async def dies(*told: Any) -> Any:
        await real(*told)
        raise ConnectionResetError("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(receipts, "issue", dies)
        with pytest.raises(ConnectionResetError):
            await office.inquire(order_id)
    assert await registered(office) == []
    assert await office.count("money") == 0
    await office.inquire(order_id)
    assert len(await registered(office)) == 1


@pytest.mark.parametrize(
    ("damage", "noticed"),
    [
        ("DELETE FROM passes", "I15-passes-given"),
        ("UPDATE passes SET price_rp = 1", "I15-passes-given"),
        (
            "UPDATE ledger_postings SET account_code = '4190' WHERE account_code = '4120'",
            "I15-passes-paid",
        ),
    ],
)
async def test_a_pass_without_money_or_money_without_a_pass_is_found(
    office: Office, owner: Transactions, database_url: str, damage: str, noticed: str
) -> None:
    await paid(office, await order(office))
    broken_on_purpose.add(database_url)
    async with owner.begin() as db:
        await db.execute(text("SET LOCAL session_replication_role = replica"))
        await db.execute(text(damage))
    assert noticed in await violations(database_url)


async def test_an_order_that_nobody_paid_keeps_its_plate_for_a_while_only(
    office: Office,
) -> None:
    unpaid, bought = await order(office), await order(office, plate="KH 77 C")
    await paid(office, bought)
    later = datetime.now(UTC) + timedelta(days=40)
    await retention.destroy_plates(office.transactions, timedelta(days=30), now=later)
    kept = await office.rows("SELECT id FROM pass_orders WHERE plate_masked IS NOT NULL")
    assert [row["id"] for row in kept] == [bought]
    assert (await office.charge(unpaid))["state"] == "issued"
