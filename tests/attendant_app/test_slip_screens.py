"""Each slip on its screen: offered, under way, in doubt, held up, and refused in words."""

import base64
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection

import pytest
from playwright.sync_api import expect

from printer.interpreter import interpret
from printer.profiles import profile
from printer.spooler import LIMIT, Spooler
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device, Paper
from tests.attendant_app.office import Office, until
from tests.attendant_app.slip_samples import refund_facts
from tests.attendant_app.test_closing import closed
from tests.attendant_app.test_screens import Walk, walk  # noqa: F401 - a fixture
from tests.attendant_app.test_stays import start

UNKNOWN = "0198f000-0000-7000-8000-00000000dead"


def in_state(device: Device, path: str, state: str) -> str:
    """The page at `path`, once it shows a slip that stands so."""
    until(lambda: f"print-state is-{state}" in device.http.get(path).text)
    return device.http.get(path).text


def test_a_slip_in_doubt_is_asked_about_and_answered_on_its_screen(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    device.sign_in()
    stay = f"/stays/{start(device, office)}"
    slip = f"/slips/entry/{stay.rpartition('/')[2]}"
    walk.see(stay, "slip-offered", ".slip button")
    paper.answers = False
    walk.page.goto(stay)
    walk.page.get_by_role("button", name="Print the ticket").click()
    expect(walk.page.locator(".print-state.is-UNCERTAIN")).to_be_visible()
    walk.see(stay, "slip-in-doubt", ".print-state.is-UNCERTAIN")
    walk.page.get_by_role("button", name="It came out").click()
    expect(walk.page.locator(".print-state.is-PRINTED")).to_be_visible()
    walk.see(stay, "slip-printed", ".print-state.is-PRINTED")
    assert device.http.post(f"{slip}/seen").status_code == 409
    paper.answers = True
    walk.page.get_by_role("button", name="SALINAN").click()
    until(lambda: len(paper.jobs) == 2)
    assert "SALINAN KE-1" in paper.jobs[1].decode("ascii", "replace")
    assert not walk.faults, "\n".join(walk.faults)


def test_a_code_on_paper_says_what_holds_it_up_until_it_is_paid(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    paper.paper_out = True
    device.sign_in()
    charge = f"/charges/{device.charge(SPOT)['id']}"
    assert device.http.post(f"/slips/payment{charge.removeprefix('/charges')}").status_code == 303
    assert "Kertas habis" in in_state(device, charge, "QUEUED")
    walk.see(charge, "slip-no-paper", ".print-state img[src$='printer-paper.svg']")
    paper.stop()
    walk.page.get_by_role("button", name="Print the payment code").click()
    expect(walk.page.locator("img[src$='printer-unplugged.svg']")).to_be_visible()
    office.pay(charge.rpartition("/")[2])
    expect(walk.page.locator(".charge.is-paid")).to_be_visible()
    expect(walk.page.get_by_text("Payment code")).to_have_count(0)
    assert not walk.faults, "\n".join(walk.faults)


def opened(device: Device, slip: str) -> str:
    """Where the link leads; httpx reads no address of an app."""
    with closing(HTTPConnection("127.0.0.1", device.port, timeout=30)) as http:
        http.request("GET", f"{slip}/open")
        return http.getresponse().headers["location"]


def test_a_slip_for_the_app_rawbt_is_a_link_that_opens_once(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
) -> None:
    device.restart_with(HANDHELD_PRINTER_URL="rawbt:")
    device.sign_in()
    stay = start(device, office)
    path, slip = f"/stays/{stay}", f"/slips/entry/{stay}"
    device.http.post(slip)
    assert "buka di RawBT" in in_state(device, path, "UNCERTAIN")
    walk.see(path, "slip-rawbt", f"a[href='{slip}/open']")
    assert "SALINAN" not in device.http.get(path).text
    first, second = opened(device, slip), opened(device, slip)
    coded, _, app = first.removeprefix("intent:base64,").partition("#")
    (paper,) = interpret(base64.b64decode(coded), profile("generic-58-qr"))
    assert "-- AKHIR MASUK-" in paper.text[-1]
    assert app == "Intent;scheme=rawbt;package=ru.a402d.rawbtprinter;end;"
    assert second == f"{path}#entry-{stay}", "two originals"
    assert "apakah kertasnya keluar?" in device.http.get(path).text
    walk.page.goto(path)
    walk.page.get_by_role("button", name="SALINAN").click()
    walk.page.get_by_role("link", name="Open in RawBT").wait_for()
    assert not walk.faults, "\n".join(walk.faults)


def test_a_closed_shift_tells_its_two_slips_apart(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    device.sign_in()
    device.cash(SPOT, "car")
    office.booked_cash_rp = 5000
    path = f"/shifts/{closed(device, 5000)['shift_id']}"
    walk.see(path, "slips-of-shift", ".slip button")
    device.http.post(f"/slips{path.replace('shifts', 'deposit')}")
    assert "Slip setoran: Sudah tercetak" in in_state(device, path, "PRINTED")
    walk.see(path, "slips-of-shift-printed", ".print-state.is-PRINTED")
    walk.page.get_by_role("button", name="Print the shift slip").click()
    until(lambda: any(b"TUTUP TUGAS" in job for job in paper.jobs))
    assert not walk.faults, "\n".join(walk.faults)


def test_a_ticket_comes_by_itself_where_the_attendant_chose_so(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    device.sign_in()
    start(device, office)
    walk.see("/shift", "tickets-when-tapped", "form[action='/tickets']")
    walk.page.get_by_role("button", name="Tickets: when tapped").click()
    expect(walk.page.get_by_role("button", name="Tickets: by themselves")).to_be_visible()
    device.http.cookies.set("tickets", "on")
    start(device, office)
    until(lambda: len(paper.jobs) == 1)
    assert b"KARCIS MASUK" in paper.jobs[0]
    paper.paper_out = True
    held_up = start(device, office)
    assert "Kertas habis" in in_state(device, f"/stays/{held_up}", "QUEUED")
    walk.see(f"/spots/{SPOT}", "tickets-held-up", ".stay-tile .paper")
    assert not walk.faults, "\n".join(walk.faults)


def test_money_that_came_back_is_told_and_given_on_paper(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    """The driver asked here; officers decide, and the device hears of it by asking."""
    device.sign_in()
    charge_id = str(device.charge(SPOT)["id"])
    path = f"/charges/{charge_id}"
    office.pay(charge_id)
    until(lambda: device.get(f"/api{path}/print")["state"] == "PRINTED")
    device.http.post(f"{path}/refund-wish", data={"reason": "paid_twice"})
    until(lambda: "sudah dilaporkan" in device.http.get(path).text)
    told = {**refund_facts().to_json(), "amount_rp": 1500, "paid_rp": 2000}
    told |= {"reason": "paid_twice", "method": "acquirer"}
    back = {"amount_rp": 1500, "state": "done", "at": told["refunded_at"], "receipt": told}
    stuck = {"amount_rp": 500, "state": "sending", "at": told["refunded_at"], "receipt": None}
    office.change(charge_id, state="refunded", refunds=[back, stuck])
    device.kill()
    device.start()
    until(lambda: "Rp1.500 sudah dikembalikan" in device.http.get(path).text)
    assert "Rp500 sedang dikembalikan" in device.http.get(path).text
    assert "belum dikembalikan" not in device.http.get(path).text.casefold()
    assert device.http.post(f"/slips/wish/{charge_id}").status_code == 409
    walk.see(path, "slip-of-refund", ".charge.is-refund")
    slip = f"/slips/refund/{told['number']}"
    answer = device.http.post(slip)
    assert answer.headers["location"] == f"{path}#refund-{told['number']}"
    until(lambda: any(b"UANG KEMBALI" in job for job in paper.jobs))
    text = paper.jobs[-1].decode("ascii", "replace")
    for due in ("Rp1.500", "Dibayar dua kali", "Ke aplikasi pembayar", told["number"]):
        assert due in text
    assert "SALINAN" not in text
    assert device.http.post("/slips/refund/KEMBALI-2026-000009-X").status_code == 404
    assert not walk.faults, "\n".join(walk.faults)


SHARE = {
    "number": "BGH-2026-000003-K-7", "paid_on": "2026-11-23", "first_day": "2026-11-16",
    "last_day": "2026-11-21", "days": 6, "gross_rp": 800_000, "parts_bp": [3500],
    "share_rp": 280_000, "taken_back_rp": 700, "rest_rp": 0, "amount_rp": 279_300,
    "account": "Bank Uji ...678", "reference": "REF-77",
}  # fmt: skip
PAID_AT = "2026-11-23T03:00:00Z"


def test_a_share_that_was_paid_is_shown_and_printed_for_its_attendant_alone(
    walk: Walk,  # noqa: F811
    device: Device,
    office: Office,
    paper: Paper,
) -> None:
    office.earned = {"last_payout_rp": 279_300, "last_payout_at": PAID_AT}
    office.share_slips = [SHARE]
    device.sign_in()
    until(lambda: "Rp279.300" in device.http.get("/shares").text)
    office.stop()
    until(lambda: not device.status()["online"])
    walk.see("/shares", "shares", "a[href='/shares/BGH-2026-000003-K-7']")
    walk.page.get_by_role("link", name="BGH-2026-000003-K-7").click()
    walk.see("/shares/BGH-2026-000003-K-7", "share", ".slip button")
    walk.page.get_by_role("button", name="Print the slip of the share").click()
    until(lambda: any(b"SLIP BAGI HASIL" in job for job in paper.jobs))
    text = paper.jobs[-1].decode("ascii", "replace")
    for told in ("16/11/2026", "Rp800.000", "Bagian 35%", "-Rp700", "Rp279.300", "REF-77"):
        assert told in text, told
    office.start()
    until(lambda: device.status()["online"])
    closed(device, 0)
    office.earned, office.share_slips = {}, []
    device.sign_in("J-002", "222222")
    assert "Rp279.300" not in device.http.get("/shares").text
    assert device.http.get("/shares/BGH-2026-000003-K-7").status_code == 404
    assert device.http.post("/slips/share/BGH-2026-000003-K-7").status_code == 404
    assert not walk.faults, "\n".join(walk.faults)


def test_shares_that_an_older_office_did_not_tell_are_not_none_and_come_once_it_does(
    device: Device, office: Office
) -> None:
    office.earned = {"share_rp": 700, "last_payout_rp": 279_300, "last_payout_at": PAID_AT}
    office.share_slips = None
    device.sign_in()
    until(lambda: "Rp700" in device.http.get("/fragments/today").text)
    assert "Belum diketahui" in device.http.get("/shares").text
    office.share_slips = [SHARE]
    office.pay(device.charge(SPOT)["id"])
    until(lambda: "Rp279.300" in device.http.get("/shares").text)


def test_a_second_tap_prints_nothing_twice(device: Device, office: Office, paper: Paper) -> None:
    paper.paper_out = True
    device.sign_in()
    stay_id = start(device, office)
    for _ in range(3):
        assert device.http.post(f"/slips/entry/{stay_id}").status_code == 303
    paper.paper_out = False
    assert device.http.post(f"/slips/entry/{stay_id}").status_code == 303
    in_state(device, f"/stays/{stay_id}", "PRINTED")
    assert [b"SALINAN" in job for job in paper.jobs] == [False]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("entry/x", 404, "Tidak ditemukan"),
        (f"entry/{UNKNOWN}", 404, "Tidak ditemukan"),
        (f"receipt/{UNKNOWN}", 404, "Tidak ditemukan"),
        (f"shift/{UNKNOWN}", 404, "Tidak ditemukan"),
        (f"stamp/{UNKNOWN}", 404, "Tidak ditemukan"),
        ("wish/{charge}", 409, "belum ada atau sudah tidak berlaku"),
        ("receipt/{charge}", 409, "Belum ada karcis"),
    ],
)
def test_what_is_no_slip_is_refused_in_words(
    device: Device, path: str, status: int, words: str
) -> None:
    device.sign_in()
    path = path.format(charge=device.charge(SPOT)["id"])
    for answer in (device.http.post(f"/slips/{path}"), device.http.post(f"/slips/{path}/seen")):
        assert answer.status_code in (status, 409)
        assert answer.headers["content-type"].startswith("text/html")
    assert words in device.http.post(f"/slips/{path}").text
    fragment = device.http.get(f"/fragments/slips/{path}")
    assert fragment.status_code == (200 if status == 409 else 404)


def test_a_full_queue_is_said_and_nobody_but_the_one_on_shift_prints(
    device: Device, office: Office, paper: Paper
) -> None:
    charge_id = UNKNOWN
    assert device.http.post(f"/slips/receipt/{charge_id}").headers["location"] == "/"
    paper.stop()
    device.sign_in()
    stay_id = start(device, office)
    device.kill()
    with closing(sqlite3.connect(device.folder / "handheld.sqlite", isolation_level=None)) as db:
        for number in range(LIMIT):
            Spooler(db).submit(f"waits-{number}", f"entry {stay_id}", now=datetime.now(UTC))
    device.start()
    answer = device.http.post(f"/slips/entry/{stay_id}")
    assert answer.status_code == 503
    device.http.cookies.set("tickets", "on")
    assert start(device, office) != stay_id, "a stay never waits for its ticket"
    assert "Antrean cetak penuh" in answer.text
