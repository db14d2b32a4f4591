"""One day, one device, two people: in by card, collected, counted short, handed on."""

from datetime import date
from uuid import UUID

from playwright.sync_api import Browser, Page, expect

from domain import card as kta
from domain.card import Card
from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_cards import once_on_shift, scan_by_keys
from tests.attendant_app.test_screens import Walk

FIRST = Card(UUID(int=1), "J-001", "Ahmad Rifani", date(2099, 12, 31))
RELIEF = Card(UUID(int=2), "J-002", "Siti Aminah", date(2099, 12, 31))


def arrive(page: Page, office: Office, card: Card, pin: str) -> None:
    """A scanner types the card, a hand the PIN."""
    page.goto("/sign-in")
    scan_by_keys(page, kta.sign(office.seal, card))
    expect(page.locator("#attendant")).to_have_value(card.attendant)
    for digit in pin:
        page.get_by_role("button", name=digit, exact=True).click()
    page.get_by_role("button", name="Masuk").click()
    expect(page.locator("main")).to_contain_text("Jl. Merdeka")


def test_a_whole_shift_and_its_relief(browser: Browser, device: Device, office: Office) -> None:
    once_on_shift(device)
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(page := context.new_page())
    arrive(page, office, FIRST, "123456")
    page.goto(f"/spots/{SPOT}")
    page.get_by_role("button", name="Motor").click()
    expect(page.locator(".barcode")).to_be_visible()
    unpaid = page.url.rpartition("/")[2]
    page.goto(f"/spots/{SPOT}/cash/car")
    page.get_by_role("button", name="Ya, sudah saya terima").click()
    expect(page.locator(".charge.is-paid")).to_be_visible()
    until(lambda: any(event["kind"] == "receipt_printed" for event in office.events))
    until(lambda: device.status()["unsynced"] == 0)

    office.booked_cash_rp = 5000
    page.goto("/shift/close")
    page.get_by_role("button", name="Tambah satu Rp2.000", exact=True).click(click_count=2)
    page.get_by_role("button", name="Sudah dihitung").click()
    expect(page.locator(".difference")).to_contain_text("Rp1.000")
    page.get_by_role("button", name="Ya, tutup").click()
    expect(page.locator(".verdict")).to_contain_text("Tugas ditutup")

    # The driver of the first attendant's charge pays on the relief's shift.
    arrive(page, office, RELIEF, "222222")
    page.goto(f"/spots/{SPOT}")
    tile = page.locator(f'.tiles a[href="/charges/{unpaid}"]')
    expect(tile).to_contain_text("Ahmad Rifani")
    walk.measure("handover-home", "id")
    page.goto(f"/charges/{unpaid}")
    walk.measure("handover-charge", "id")
    office.pay(unpaid)
    expect(page.locator(".charge.is-paid .verdict")).to_have_text("LUNAS")
    today = device.http.get("/fragments/today").text
    assert "Rp2.000" not in today
    context.close()

    # A receipt is printed, and told to the office, after the screen is green.
    expected = {
        ("charge_requested", "J-001"),
        ("shift_opened", "J-002"),
        ("receipt_printed", "J-002"),
    }
    until(
        lambda: (
            expected <= {(event["kind"], event["body"].get("attendant")) for event in office.events}
        )
    )
    closed = [event["body"] for event in office.events if event["kind"] == "shift_closed"]
    assert (closed[-1]["counted_rp"], closed[-1]["attendant"]) == (4000, "J-001")
    faults = [fault for fault in walk.faults if not fault.startswith("handover-home")]
    assert not faults, "\n".join(faults)
