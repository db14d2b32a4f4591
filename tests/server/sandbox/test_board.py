"""The fault board and the payer's own code, by hand: forms, no JavaScript, two languages."""

import re

import pytest

from server.sandbox import words
from server.sandbox.faults import FAULTS
from tests.server.sandbox.conftest import Partner
from tests.server.sandbox.test_cpm import charge, shown


async def test_the_board_loads_what_is_ticked_and_counts_it(partner: Partner) -> None:
    form = {
        "group": "query",
        "fault": ["query_500", "query_delay"],
        "times": "2",
        "value": "0.01",
        "reference": "K-1",
    }
    done = await partner.client.post("/sandbox/board/arm", data=form)
    assert (done.status_code, done.headers["location"]) == (303, "/sandbox?open=query#query")
    await partner.order("K-1")
    assert (await partner.query("K-1"))["responseCode"] == "5005100"
    page = (await partner.client.get("/sandbox?open=query")).text
    assert page.count("1 terpasang") == 2
    assert page.count("1 terjadi") == 2
    assert "2 terpasang" in page
    assert "K-1" in page
    assert all(f'value="{name}"' in page for name in FAULTS)
    await partner.client.post("/sandbox/board/clear")
    assert (await partner.query("K-1"))["responseCode"] == "2005100"
    english = (await partner.client.get("/sandbox?lang=en")).text
    assert "No fault is loaded" in english
    assert "2 happened" in english


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("arm", {"fault": "earthquake"}, "Gangguan yang dikenal"),
        ("arm", {"fault": "query_500", "times": "often"}, "times 1 sampai"),
        ("arm", {"fault": "query_delay", "value": "nan"}, "value 0 sampai"),
        ("clock", {"offset_s": "soon"}, "offset_s adalah detik"),
        ("clock", {"offset_s": "inf"}, "offset_s adalah detik"),
        ("clock", {}, "offset_s adalah detik"),
    ],
)
async def test_the_board_says_what_is_wrong(
    partner: Partner, path: str, form: dict[str, str], said: str
) -> None:
    answer = await partner.client.post(f"/sandbox/board/{path}", data=form)
    assert answer.status_code == 400
    assert said in answer.text
    told = (await partner.client.get("/sandbox/faults")).json()
    assert told["faults"] == []


async def test_the_board_moves_the_clock(partner: Partner) -> None:
    done = await partner.client.post("/sandbox/board/clock", data={"offset_s": "900"})
    assert done.status_code == 303
    page = (await partner.client.get("/sandbox")).text
    assert "10.15.00 WIB" in page
    assert 'value="900"' in page


async def test_recent_bills_lead_to_their_pages(partner: Partner) -> None:
    await partner.pay((await partner.order("K-1"))["qrContent"])
    await charge(partner, "K-2", await shown(partner))
    page = (await partner.client.get("/sandbox")).text
    links = re.findall(r'href="(/wallet/(?:bills|codes)/[^"]+)"', page)
    assert len(links) == 2
    for link in links:
        told = await partner.client.get(link)
        assert (told.status_code, "Pembayaran berhasil" in told.text) == (200, True)


async def test_the_payers_code_by_hand(partner: Partner) -> None:
    assert "Saldo tidak cukup" in (await partner.client.get("/wallet/codes")).text
    files = {"outcome": (None, "insufficient")}
    made = await partner.client.post("/wallet/codes", files=files)
    assert made.status_code == 303
    address = made.headers["location"]
    told = (await partner.client.get(f"{address}.json")).json()
    assert (told["state"], told["expires_at"]) == ("shown", "2026-11-21T10:01:00+07:00")
    page = (await partner.client.get(address)).text
    assert f'src="{told["picture"]}"' in page
    picture = await partner.client.get(told["picture"])
    assert picture.headers["content-type"] == "image/svg+xml"
    await charge(partner, "K-1", told["qris"])
    page = (await partner.client.get(address)).text
    assert "Pembayaran ditolak" in page
    assert "http-equiv" not in page
    assert (await partner.client.get("/wallet/codes/none.svg")).status_code == 404
    refused = await partner.client.post("/wallet/codes", files={"outcome": (None, "steal")})
    assert refused.status_code == 422


def test_every_word_is_said_in_both_languages() -> None:
    assert all(indonesian and english for indonesian, english in words.WORDS.values())
