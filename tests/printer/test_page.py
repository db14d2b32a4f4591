"""The virtual printer's page as a person has it before them, and as a program asks it."""

import json
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

import printer
from tests.browser.screen import FAULTS, SHOTS
from tests.printer.samples import karcis
from tests.printer.test_virtual import wait_until

DESK = printer.profile("generic-80")


@pytest.fixture
def machine(tmp_path):
    """A slow printer as a process of its own; what its ready line says."""
    command = [sys.executable, "-m", "printer.cli", "virtual", "--port", "0", "--page", "0"]
    command += ["--out", tmp_path, "--fault", "slow:600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        _, talk = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(line.startswith(str(tmp_path)) for line in talk.decode().splitlines()), talk


@pytest.fixture
def browser_page(machine):
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(base_url=machine["page"])
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        browser.close()
    assert complaints == []


def job(machine):
    """Send a slip and leave the connection open, as it prints for seconds."""
    client = socket.create_connection(("127.0.0.1", machine["port"]), timeout=30)
    client.sendall(printer.encode(karcis(), DESK))
    return client


def examine(page, name):
    page.wait_for_load_state()  # its words are there before its style is
    page.evaluate("Promise.all([...document.images].map((i) => i.decode().catch(() => 0)))")
    for size in ((360, 740), (1280, 800)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/virtual-{name}-{size[0]}.png", full_page=True)
        assert page.evaluate(FAULTS) == [], (name, size)
        violations = Axe().run(page).response["violations"]
        assert violations == [], (name, size)


def test_the_paper_grows_and_the_slip_stays(machine, browser_page):
    page = browser_page
    page.goto("/")
    expect(page.locator("#state")).to_have_text("Siap")
    examine(page, "idle")
    with job(machine):
        paper = page.locator("#paper img")
        expect(paper).to_be_visible()
        first = int(paper.get_attribute("height"))
        wait_until(lambda: int(paper.get_attribute("height")) > first + 100)
        expect(page.locator(".line.lit")).to_be_visible()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/virtual-growing-1280.png")
        page.get_by_role("button", name="Kertas habis").click()
        expect(page.locator("#state .paper_out")).to_be_visible()
        examine(page, "out")
        page.get_by_role("button", name="Isi kertas").click()
        expect(page.locator("#slips img")).to_have_count(2)
    page.get_by_role("link", name="English").click()
    expect(page.locator("#state")).to_have_text("Ready")
    examine(page, "slips")
    texts = [image.get_attribute("alt") for image in page.locator("#slips img").all()]
    assert "AKHIR" in texts[0]
    assert "AKHIR" not in texts[1]


def test_every_button_does_its_word_also_without_scripts(machine):
    with httpx.Client(base_url=machine["page"], trust_env=False) as client:
        for part, states in {
            "paper": ("near-end", "out", "full"),
            "cover": ("open", "closed"),
            "head": ("hot", "cool"),
            "knife": ("jammed", "free"),
            "power": ("off", "on"),
        }.items():
            for state in states:
                assert client.post(f"/do/{part}/{state}").json()[part] == state
                assert f"/do/{part}/{state}?" not in client.get("/?lang=en").text
        went = client.post("/do/cover/open?lang=en", headers={"Accept": "text/html"})
        assert (went.status_code, went.headers["location"]) == (303, "/?lang=en")


def test_programs_read_the_state_while_it_prints(machine):
    with httpx.Client(base_url=machine["page"], trust_env=False) as client, job(machine):
        wait_until(lambda: client.get("/state").json()["lines"])
        state = client.get("/state").json()
    assert state["connected"]
    assert state["waiting_bytes"] > 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (("POST", "/do/paper/out", {"Origin": "http://elsewhere.example"}), 403),
        (("GET", "/state", {"Host": "elsewhere.example"}), 400),
        (("POST", "/do/paper/wet", {}), 404),
        (("GET", "/do/paper/out", {}), 405),
        (("GET", "/slips/9.png", {}), 404),
    ],
)
def test_other_sites_and_wrong_words_are_turned_away(machine, request_, status):
    method, path, headers = request_
    answer = httpx.request(method, machine["page"] + path, headers=headers, trust_env=False)
    assert answer.status_code == status
    assert httpx.get(machine["page"] + "/state", trust_env=False).json()["paper"] == "full"


def test_the_page_allows_nothing_but_its_own(machine):
    policy = httpx.get(machine["page"], trust_env=False).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
