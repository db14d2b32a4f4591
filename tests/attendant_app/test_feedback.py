"""What the handheld lets its attendant hear and feel, in Chromium with its outputs listened to."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.attendant_app.builders import SPOT
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

# In the place of loudspeaker, voice and motor: what they were given, over all pages of the tab.
LISTENING = """
const heard = JSON.parse(sessionStorage.getItem("heard") ?? "[]");
const note = (kind, what) => {
  heard.push([kind, what]);
  sessionStorage.setItem("heard", JSON.stringify(heard));
};
const started = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () {
  const oscillator = started.call(this);
  const start = oscillator.start.bind(oscillator);
  oscillator.start = (at) => { note("tone", oscillator.frequency.value); start(at); };
  return oscillator;
};
navigator.vibrate = (pulses) => note("pulse", pulses);
window.SpeechSynthesisUtterance = function (text) { this.text = text; };
Object.defineProperty(window, "speechSynthesis", { value: {
  getVoices: () => VOICES.map((lang) => ({ lang })),
  speak: (sentence) => note("voice", sentence.text),
}});
"""


class Ear:
    def __init__(self, page: Page) -> None:
        self.page = page

    def heard(self, kind: str) -> list[Any]:
        notes = self.page.evaluate("JSON.parse(sessionStorage.getItem('heard') ?? '[]')")
        return [what for told, what in notes if told == kind]


@pytest.fixture
def ear(request: pytest.FixtureRequest, browser: Browser, device: Device) -> Iterator[Ear]:
    voices = getattr(request, "param", ["en-US", "id-ID"])
    context = browser.new_context(base_url=f"http://127.0.0.1:{device.port}")
    context.add_init_script(LISTENING.replace("VOICES", str(voices)))
    device.sign_in()
    yield Ear(context.new_page())
    context.close()


def test_each_result_sounds_once_and_like_itself(ear: Ear, device: Device, office: Office) -> None:
    paid, expired = device.charge(SPOT)["id"], device.charge(SPOT, "car")["id"]
    ear.page.goto(f"/spots/{SPOT}")
    office.pay(paid)
    # On whatever screen: the tile of another charge comes up where the attendant looks.
    expect(ear.page.locator("#told .tile.is-paid")).to_contain_text("LUNAS")
    until(lambda: ear.heard("voice"))
    assert ear.heard("tone") == [660, 990]
    assert ear.heard("pulse") == [[600]]
    assert ear.heard("voice") == ["Lunas, dua ribu rupiah. Kode empat delapan dua satu."]
    ear.page.goto(f"/charges/{paid}")
    expect(ear.page.locator(".charge.is-paid")).to_be_visible()
    office.change(expired, state="expired")
    until(lambda: len(ear.heard("voice")) == 2)
    assert ear.heard("voice")[1] == "Kedaluwarsa. Belum lunas."
    assert ear.heard("tone")[2:] == [311, 220]


def test_what_is_not_sent_sounds_like_waiting(ear: Ear, device: Device, office: Office) -> None:
    office.stop()
    until(lambda: not device.status()["online"])
    ear.page.goto(f"/spots/{SPOT}/cash/motorcycle")
    ear.page.get_by_role("button", name="Ya, sudah saya terima").click()
    expect(ear.page.locator(".charge.is-cash .verdict")).to_have_text("Tunai diterima")
    assert ear.page.locator("main .is-paid").count() == 0
    until(lambda: ear.heard("voice"))
    assert ear.heard("tone") == [523]
    assert ear.heard("voice") == ["Tunai diterima, dua ribu rupiah. Belum terkirim."]


@pytest.mark.parametrize("ear", [["en-US", "ms-MY"]], indirect=True)
def test_a_voice_of_another_language_keeps_silent(ear: Ear, device: Device, office: Office) -> None:
    charge_id = device.charge(SPOT)["id"]
    ear.page.goto(f"/charges/{charge_id}")
    office.pay(charge_id)
    until(lambda: ear.heard("tone"))
    ear.page.wait_for_timeout(1000)
    assert ear.heard("voice") == []


def test_sound_can_be_turned_off_and_stays_off(ear: Ear, device: Device, office: Office) -> None:
    charge_id = device.charge(SPOT)["id"]
    ear.page.goto("/shift")
    ear.page.get_by_role("button", name="Suara nyala").click()
    expect(ear.page.get_by_role("button", name="Suara mati")).to_be_visible()
    ear.page.goto(f"/charges/{charge_id}")
    office.pay(charge_id)
    expect(ear.page.locator(".charge.is-paid")).to_be_visible()
    until(lambda: ear.heard("pulse"))
    ear.page.wait_for_timeout(1000)
    assert ear.heard("tone") == ear.heard("voice") == []
