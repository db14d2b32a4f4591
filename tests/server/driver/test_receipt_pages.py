"""Receipts over HTTP: what anybody learns from a number, what its driver may do, and no more."""

import io
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pypdfium2
import zxingcpp
from PIL import Image

from server.limits import RateLimit
from server.payments import cases, receipts
from tests.server.conftest import Sandbox
from tests.server.payments.conftest import CAR_RP, HOURLY, Office

HTML = {"Accept": "text/html"}


async def paid(office: Office, **asked: object) -> tuple[UUID, str]:
    charge_id = await office.request(plate="KH 1234 AB", **asked)  # type: ignore[arg-type]
    amount_rp = (await office.charge(charge_id))["amount_rp"]
    rrn = f"6261{charge_id.int % 10**8:08d}"
    assert (await office.tell(charge_id, amount_rp, rrn)).code == "2005200"
    rows = await office.rows("SELECT number FROM receipts WHERE charge_id = :id", id=charge_id)
    return charge_id, rows[0]["number"]


async def page(api: httpx.AsyncClient, path: str) -> str:
    answer = await api.get(path, headers=HTML, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_receipt_says_what_it_is_worth(api, office, meddle):
    charge_id, number = await paid(office, spot=HOURLY, minutes=60)
    assert "Karcis asli, lunas" in await page(api, f"/r/{number}")
    for change, says, standing in (
        ("ends_at = started_at + interval '1 ms'", "waktunya sudah habis", "over"),
        ("state = 'ended', ended_at = started_at", "waktunya sudah habis", "over"),
        ("state = 'voided', ended_at = NULL", "parkirnya dibatalkan", "void"),
    ):
        await meddle("ALTER TABLE parking_sessions DISABLE TRIGGER USER")
        await meddle(f"UPDATE parking_sessions SET {change} WHERE id = :id", id=charge_id)
        await meddle("ALTER TABLE parking_sessions ENABLE TRIGGER USER")
        assert says in await page(api, f"/r/{number}")
        told = (await api.get(f"/v1/receipts/{number}")).json()
        assert told["standing"] == standing


async def test_a_visit_that_was_paid_yesterday_is_over_today(office):
    _, number = await paid(office)
    now, books = datetime.now(UTC), office.wired.books
    async with office.transactions.begin() as db:
        for later, standing in ((timedelta(), "valid"), (timedelta(days=1), "over")):
            known = await receipts.know(db, number, books, now=now + later)
            assert (known.verdict.standing, known.verdict.valid_until) == (standing, None)


async def test_a_wrong_number_says_whether_it_was_altered_or_made_up(api, office):
    _, number = await paid(office)
    altered = number[:-1] + ("7" if number[-1] != "7" else "8")
    for tried, says in ((altered, "Angka periksanya tidak cocok"), ("PSR-2026-000999-", "")):
        answer = await api.get(f"/r/{tried}", headers=HTML)
        assert answer.status_code == 404
        assert says in answer.text
        assert "Karcis asli" not in answer.text
    assert (await api.get(f"/v1/receipts/{altered}")).json()["slug"] == "receipt-not-found"


async def test_only_the_driver_gets_the_files_and_they_say_the_same(api, office):
    charge_id, number = await paid(office)
    _, other = await paid(office)
    for path in (f"/r/{number}/karcis.pdf", f"/r/{number}/karcis.png"):
        for key in ("", "?c=x", f"?c={uuid4()}"):
            assert (await api.get(path + key)).status_code == 404
        assert (await api.get(path.replace(number, other) + f"?c={charge_id}")).status_code == 404
    picture = await api.get(f"/r/{number}/karcis.png?c={charge_id}")
    assert picture.headers["content-disposition"] == f'attachment; filename="karcis-{number}.png"'
    pdf = await api.get(f"/r/{number}/karcis.pdf?c={charge_id}")
    sheet = pypdfium2.PdfDocument(pdf.content)[0]
    said = sheet.get_textpage().get_text_bounded()
    for fact in (number, "KH 1••• AB", "Rp4.000", "PSR-001-U"):
        assert fact in said
    drawn = sheet.render(scale=2).to_pil()
    for shown in (Image.open(io.BytesIO(picture.content)), drawn):
        (code,) = zxingcpp.read_barcodes(shown.convert("L"))
        assert code.text == f"http://127.0.0.1:8080/r/{number}"


async def wish(api, number, charge_id, **changes):
    form = {
        "id": str(uuid4()),
        "charge": str(charge_id),
        "reason": "paid_twice",
        "note": "",
        "contact": "",
    }
    return await api.post(f"/r/{number}/pengembalian", data=form | changes)


async def test_a_driver_asks_for_the_money_once_and_follows_it(api, office):
    charge_id, number = await paid(office)
    asked = await wish(api, number, charge_id, note="dua kali", contact="0812-7731-7731")
    assert asked.status_code == 303
    link = asked.headers["location"]
    told = await page(api, link)
    assert "Sedang diperiksa kantor" in told
    assert "7731" not in told
    kept = repr(await office.rows("SELECT t::text FROM refund_wishes t"))
    for canary in ("0812-7731-7731", b"0812-7731-7731".hex()):
        assert canary not in kept
    same = await wish(api, number, charge_id, id=link.rpartition("/")[2])
    assert same.headers["location"] == link
    other_charge, other = await paid(office)
    taken = await wish(api, other, other_charge, id=link.rpartition("/")[2])
    assert (taken.status_code, taken.json()["slug"]) == (409, "idempotency-conflict")
    again = await wish(api, number, charge_id)
    assert (again.status_code, again.json()["slug"]) == (409, "refund-already-wished")
    opened = await office.rows("SELECT id, kind, owner, amount_rp FROM cases")
    assert [(c["kind"], c["owner"], c["amount_rp"]) for c in opened] == [
        ("refund-wished", "bendahara penerimaan", CAR_RP)
    ]
    await office.clarify(opened[0]["id"], "tidak dibayar dua kali")
    assert "Uang tidak dikembalikan" in await page(api, link)
    assert link in await page(api, f"/r/{number}?c={charge_id}")


async def test_an_attendants_and_the_drivers_wish_are_one_case(api, office):
    charge_id, number = await paid(office)
    async with office.transactions.begin() as db:
        subject = [(charge_id, CAR_RP)]
        await cases.open_cases(db, cases.REFUND_WISHED, "charge_id", subject, datetime.now(UTC))
    assert (await wish(api, number, charge_id)).status_code == 303
    assert await office.count("cases") == 1


async def test_a_receipt_that_was_shown_says_when(api, office):
    """So that an old one, or a picture of another's, is known for what it is."""
    charge_id, number = await paid(office)
    assert "Sudah ditunjukkan" not in await page(api, f"/r/{number}")
    handheld = await office.open_shift()
    await office.rows(
        "INSERT INTO proof_claims (charge_id, device_id, shift_id, claimed_at)"
        " SELECT :charge, device_id, id, now() FROM shifts WHERE device_id = :device RETURNING 1",
        charge=charge_id,
        device=handheld.device_id,
    )
    assert "Sudah ditunjukkan" in await page(api, f"/r/{number}")


async def test_nobody_asks_for_the_money_of_another(api, office):
    charge_id, number = await paid(office)
    other, _ = await paid(office)
    for who in (other, uuid4()):
        assert (await wish(api, number, who)).json()["slug"] == "receipt-not-found"
    assert (await wish(api, number, charge_id, reason="gratis")).status_code == 422
    assert await office.count("refund_wishes") == 0
    assert (await api.get(f"/pengembalian/{uuid4()}")).json()["slug"] == "refund-wish-not-found"


async def find(api, **shown):
    today = datetime.now(UTC) + timedelta(hours=7)
    form = {"reference": "626100000001", "amount_rp": str(CAR_RP), "day": f"{today:%Y-%m-%d}"}
    return await api.post("/cari", data=form | shown, headers=HTML)


async def test_a_payment_is_found_by_what_the_wallet_shows_and_by_nothing_less(
    api,
    office,
):
    charge_id, number = await paid(office)
    rrn = f"6261{charge_id.int % 10**8:08d}"
    found = await find(api, reference=f" {rrn[:4]} {rrn[4:]} ")
    assert found.headers["location"] == f"/r/{number}?c={charge_id}"
    assert (await find(api, reference=charge_id.hex.upper())).status_code == 303
    for wrong in (
        {"reference": rrn[:-1] + "x"},
        {"amount_rp": "4001", "reference": rrn},
        {"day": "2026-01-01", "reference": rrn},
        {"reference": "%%%%"},
    ):
        answer = await find(api, **wrong)
        assert answer.status_code == 200
        assert "belum ada di catatan kami" in answer.text
        assert number not in answer.text
    by_number = await api.get("/cari/nomor", params={"n": number.replace("-", " ").lower()})
    assert by_number.headers["location"] == f"/r/{number.replace('-', '')}"


async def test_a_payment_nobody_told_of_is_asked_for_at_the_acquirer(
    api,
    office,
    sandbox: Sandbox,
):
    charge_id = await office.request()
    await sandbox.pay((await office.charge(charge_id))["qris"])
    found = await find(api, reference=charge_id.hex)
    assert re.fullmatch(rf"/r/PSR-\d{{4}}-000001-.\?c={charge_id}", found.headers["location"])


async def test_looking_up_is_limited_and_so_is_reporting(app, api, office):
    charge_id, number = await paid(office)
    for path in (f"/r/{number}", "/cari/nomor?n=1", f"/pengaduan/{uuid4()}"):
        app.state.receipt_limit = RateLimit(1)
        assert (await api.get(path)).status_code != 429, path
        assert (await api.get(path)).status_code == 429, path
    app.state.report_limit = RateLimit(1)
    assert (await wish(api, number, charge_id)).status_code == 303
    assert (await wish(api, number, charge_id)).status_code == 429
    assert (await api.post("/pengaduan", data={"kind": "other"})).status_code == 429
