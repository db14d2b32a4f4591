"""A driver has his plate destroyed: at once, once, and not while something still needs it."""

from datetime import UTC, datetime, timedelta

import pypdfium2

from domain.payment import CaseOutcome
from server.database import new_id
from server.limits import RateLimit
from server.moments import day_text
from server.parking import retention
from server.parking import service as parking
from tests.server.driver.test_complaint_pages import complain
from tests.server.driver.test_receipt_pages import page, paid, wish
from tests.server.inspection.test_notices import SPOT, leave
from tests.server.payments.conftest import HOURLY
from tests.server.sync.test_push import push

MASK, BUTTON, ERASED = "KH 1••• AB", "Hapus sekarang", "dihapus atas permintaan pengendara"
LEFT = "UPDATE parking_sessions SET state = 'ended', ended_at = now() WHERE id = :id"


async def erase(api, number, charge_id):
    return await api.post(f"/r/{number}/nomor-polisi", data={"charge": str(charge_id)})


async def slug(answer):
    assert answer.status_code == 409, answer.text
    return answer.json()["slug"]


async def test_a_driver_has_his_plate_destroyed_once_he_left(api, app, office, meddle):
    charge_id, number = await paid(office, spot=HOURLY, minutes=60)
    own = f"/r/{number}?c={charge_id}"
    told = await page(api, own)
    assert MASK in told
    assert "parkir ini masih berjalan, sampai" in told
    assert BUTTON not in told
    assert await slug(await erase(api, number, charge_id)) == "plate-still-needed"
    await meddle(LEFT, id=charge_id)
    assert BUTTON in await page(api, own)
    for _ in range(2):
        done = await erase(api, number, charge_id)
        assert (done.status_code, done.headers["location"]) == (303, f"{own}#nomor-polisi")
    told = await page(api, own)
    assert ERASED in told
    assert "Hapus nomor polisi saya" not in told
    for path in (own, f"/r/{number}", f"/c/{charge_id}", f"/v1/charges/{charge_id}"):
        assert MASK not in await page(api, path)
    assert ERASED not in await page(api, f"/r/{number}")  # nothing of him to others
    kept = "SELECT plate_masked, plate_hash FROM parking_sessions"
    assert await office.rows(kept) == [{"plate_masked": None, "plate_hash": None}]
    rows = await office.rows("SELECT begun_before, parking_session_id, stays FROM plates_destroyed")
    assert rows == [{"begun_before": None, "parking_session_id": charge_id, "stays": 1}]
    async with office.transactions.begin() as db:  # a handheld that was offline tells it late
        await parking.know_plate(db, charge_id, MASK, None)
    assert await office.rows(kept) == [{"plate_masked": None, "plate_hash": None}]
    app.state.report_limit = RateLimit(1)
    statuses = [(await erase(api, number, charge_id)).status_code for _ in range(2)]
    assert statuses == [303, 429]


async def test_nobody_has_anothers_plate_destroyed(api, office, meddle):
    charge_id, number = await paid(office)
    other, _ = await paid(office)
    await meddle(LEFT, id=charge_id)
    for key in (other, new_id(), "x"):
        refused = await erase(api, number, key)
        assert refused.status_code in (404, 422), refused.text
    assert BUTTON not in await page(api, f"/r/{number}?c={other}")
    assert await office.count("plates_destroyed") == 0


async def test_what_still_needs_a_plate_says_until_when(api, office, meddle, transactions, now):
    charge_id, number = await paid(office, spot=SPOT)
    own = f"/r/{number}?c={charge_id}"
    await meddle(LEFT, id=charge_id)

    async def waits_for(words: str) -> None:
        assert words in await page(api, own)
        assert await slug(await erase(api, number, charge_id)) == "plate-still-needed"

    filed = await complain(api, receipt=number, story="Terlalu mahal.")
    complaint = filed.headers["location"].rpartition("/")[2]
    await waits_for(f"pengaduan {complaint} belum selesai")
    await meddle("UPDATE complaints SET state = 'answered', answer = 'x'")
    await meddle(
        "UPDATE complaints SET state = 'closed', closed_at = now(), outcome = 'unclear',"
        " answer = 'x'"
    )
    assert BUTTON in await page(api, own)

    assert (await wish(api, number, charge_id)).status_code == 303
    await waits_for("uang karcis ini masih diperiksa kantor")
    (case,) = await office.rows("SELECT id FROM cases")
    await office.clarify(case["id"], "tidak dibayar dua kali")
    assert (await office.rows("SELECT outcome FROM cases"))[0]["outcome"] == CaseOutcome.CLARIFIED
    assert BUTTON in await page(api, own)

    handheld = await office.open_shift()
    until = datetime.now(UTC).date() + timedelta(days=9)
    left = leave(
        handheld, stay_id=str(charge_id), finding="expired", expired_at=now.isoformat(),
        object_until=str(until),
    )  # fmt: skip
    assert await push(api, handheld, *left) == ["accepted"] * 2
    notice = left[1]["body"]["number"]
    await waits_for(f"pemberitahuan {notice} masih dapat diajukan sampai {day_text(until, 'id')}")
    await meddle("UPDATE notices SET state = 'objected'")
    await waits_for(f"keberatan atas pemberitahuan {notice} belum selesai")
    await meddle("UPDATE notices SET state = 'withdrawn', settled_at = now()")
    assert (await erase(api, number, charge_id)).status_code == 303
    assert ERASED in await page(api, own)


async def test_the_mask_on_a_receipt_goes_after_the_plates_time_was_over(api, office, meddle):
    """The stay's own is gone by then; what the receipt's pages show is still there."""
    charge_id, number = await paid(office)
    await meddle(LEFT, id=charge_id)
    later = datetime.now(UTC) + timedelta(days=31)
    await retention.destroy_plates(office.transactions, timedelta(days=30), now=later)
    assert MASK in await page(api, f"/r/{number}?c={charge_id}")
    assert (await erase(api, number, charge_id)).status_code == 303
    assert MASK not in await page(api, f"/r/{number}?c={charge_id}")
    rows = await office.rows("SELECT stays FROM plates_destroyed ORDER BY id")
    assert [row["stays"] for row in rows] == [1, 0]


async def test_the_files_say_that_it_was_erased(api, office, meddle):
    charge_id, number = await paid(office)
    await meddle(LEFT, id=charge_id)
    await erase(api, number, charge_id)
    for language, words in (("id", ERASED), ("en", "erased at the driver's request")):
        path = f"/r/{number}/karcis.pdf?c={charge_id}&lang={language}"
        pdf = pypdfium2.PdfDocument((await api.get(path)).content)
        said = pdf[0].get_textpage().get_text_bounded().split()
        assert " ".join(said).count(words) == 1
        assert "•••" not in said
    picture = await api.get(f"/r/{number}/karcis.png?c={charge_id}")
    assert picture.headers["content-type"] == "image/png"
