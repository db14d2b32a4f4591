"""An attendant's card on the handheld: it fills in a code, opens no door, and shows who it is."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, Page, expect

from domain import card as kta
from domain.card import Card
from domain.proof import Seal
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until
from tests.attendant_app.test_endpoints import picture
from tests.attendant_app.test_screens import Walk

CARD = Card(UUID(int=7), "J-001", "Ahmad Rifani", date(2099, 12, 31))


KEYS = """text => [...text, "Enter"].forEach((key) => document.activeElement.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))"""


def scan_by_keys(page: Page, text: str) -> None:
    """A hardware scanner types it, wherever the focus is: faster than a busy machine could."""
    page.evaluate(KEYS, text)


def once_on_shift(device: Device) -> None:
    """So that the device has the office's keys; then the shift is over."""
    device.sign_in()
    until(lambda: device.status()["unsynced"] == 0)
    device.close(0)
    until(lambda: not device.status()["signed_in"])


def test_a_card_fills_in_the_code_and_the_pin_is_asked(device: Device, office: Office) -> None:
    once_on_shift(device)
    text = kta.sign(office.seal, CARD)
    answer = device.http.post("/sign-in/card", data={"text": text})
    assert answer.headers["location"] == "/sign-in?attendant=J-001"
    assert 'value="J-001"' in device.http.get(answer.headers["location"]).text
    form = {"image": ("card.png", picture(text), "image/png")}
    answer = device.http.post("/sign-in/card", files=form)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/sign-in?attendant=J-001"
    assert not device.status()["signed_in"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"valid_until": date(2020, 1, 1)}, "Kartu kedaluwarsa"),
        ({"id": UUID(int=8)}, "Kartu dicabut"),
    ],
)
def test_a_card_that_is_not_good_fills_in_nothing(
    device: Device, office: Office, changes: dict[str, object], words: str
) -> None:
    office.revoked_cards = [str(UUID(int=8))]
    once_on_shift(device)
    names = ("id", "attendant", "name", "valid_until")
    card = Card(**({name: getattr(CARD, name) for name in names} | changes))
    answer = device.http.post("/sign-in/card", data={"text": kta.sign(office.seal, card)})
    assert (answer.status_code, words in answer.text) == (200, True)
    stranger = kta.sign(Seal(Ed25519PrivateKey.generate()), CARD)
    assert (
        "belum dapat diperiksa" in device.http.post("/sign-in/card", data={"text": stranger}).text
    )
    broken = kta.sign(office.seal, CARD)[:-8] + "AAAAAAAA"
    assert "Kartu palsu" in device.http.post("/sign-in/card", data={"text": broken}).text
    assert "Bukan kartu" in device.http.post("/sign-in/card", data={"text": "J-001"}).text


def found(device: Device, text: str) -> dict[str, object]:
    answer = device.http.post("/api/resolve", json={"text": text})
    return dict(answer.json()["result"])


def test_a_colleagues_card_is_the_offices_word_or_said_to_be_unasked(
    device: Device, office: Office
) -> None:
    office.card = {
        "verdict": "valid",
        "attendant": "J-001",
        "name": "Ahmad Rifani",
        "valid_until": "2099-12-31",
        "on_duty_since": datetime.now(UTC).isoformat(),
        "place": "Jl. Merdeka Ruas 3",
    }
    device.sign_in("J-002", "222222")
    text = kta.sign(office.seal, CARD)
    told = found(device, text)
    assert (told["verdict"], told["duty"], told["place"]) == ("valid", "on", "Jl. Merdeka Ruas 3")
    office.stop()
    until(lambda: not device.status()["online"])
    told = found(device, text)
    assert (told["verdict"], told["duty"], told["name"]) == ("valid", "unknown", "Ahmad Rifani")
    broken = kta.sign(office.seal, CARD)[:-8] + "AAAAAAAA"
    assert found(device, broken)["verdict"] == "forged"


def test_the_pages_of_cards(browser: Browser, device: Device, office: Office) -> None:
    once_on_shift(device)
    text = kta.sign(office.seal, CARD)
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    walk = Walk(context.new_page())
    page = walk.page
    walk.see("/sign-in/card", "card-scan", ".ways")
    context.clear_cookies()
    page.goto("/sign-in")
    scan_by_keys(page, text[:-8] + "AAAAAAAA")
    expect(page.get_by_role("heading", name="Kartu palsu")).to_be_visible()
    walk.measure("card-forged", "id")
    page.goto("/sign-in")
    scan_by_keys(page, text)
    expect(page.locator("#attendant")).to_have_value("J-001")
    walk.measure("card-sign-in", "id")
    for digit in "123456":
        page.get_by_role("button", name=digit, exact=True).click()
    page.get_by_role("button", name="Masuk").click()
    until(lambda: device.status()["signed_in"])
    office.card = {"verdict": "valid", "attendant": "J-002", "name": "Siti", "place": None}
    office.card |= {"valid_until": "2099-12-31", "on_duty_since": None}
    page.goto("/scan")
    scan_by_keys(page, text)
    expect(page.get_by_role("heading", name="Kartu asli")).to_be_visible()
    walk.measure("card-found", "id")
    context.close()
    assert not walk.faults, "\n".join(walk.faults)
