"""The local API: its answers, its refusals, and who may call it."""

import json
from typing import Any

import cv2
import httpx
import pytest

from tests.attendant_app.builders import MERCHANT, SPOT, drawn, on_canvas, qris_text
from tests.attendant_app.conftest import Device
from tests.attendant_app.office import Office, until

GONE = "0198f000-0000-7000-8000-00000000dead"


def picture(*texts: str, suffix: str = ".jpg") -> bytes:
    image = cv2.hconcat([on_canvas(drawn(text, 4)) for text in texts])
    return bytes(cv2.imencode(suffix, image)[1])


def slug(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["title_id"]
    assert body["title_en"]
    return answer.status_code, body["slug"]


def test_before_a_shift_only_signing_in_is_possible(device: Device) -> None:
    until(lambda: device.status()["enrolled"])
    http = device.http
    for path in ("/api/spots", "/api/charges", f"/api/charges/{GONE}"):
        assert slug(http.get(path)) == (401, "not-signed-in")
    assert slug(http.post("/api/charges", json={"spot": SPOT, "vehicle_class": "car"})) == (
        401,
        "not-signed-in",
    )
    assert slug(http.post("/api/scan", content=picture("x"))) == (401, "not-signed-in")
    assert slug(device.close(0)) == (401, "not-signed-in")
    for pin in ("000000", "1", "1" * 13):
        answer = http.post("/api/sign-in", json={"attendant": "J-001", "pin": pin})
        assert slug(answer) == (401, "sign-in-refused")
    assert http.get("/charges/x", follow_redirects=False).status_code == 303


def test_bad_input_is_refused_in_words(device: Device) -> None:
    device.sign_in()
    http = device.http
    bodies: list[Any] = [
        {},
        [],
        "x",
        None,
        {"spot": SPOT},
        {"spot": 7, "vehicle_class": "car"},
        {"spot": SPOT, "vehicle_class": "boat"},
        {"spot": SPOT, "vehicle_class": "car", "plate": 5},
        {"spot": SPOT, "vehicle_class": "car", "plate": "<script>"},
        {"spot": SPOT, "vehicle_class": "car", "plate": "A" * 40},
        {"spot": SPOT, "vehicle_class": "car", "minutes": 0},
        {"spot": SPOT, "vehicle_class": "car", "minutes": True},
        {"spot": SPOT, "vehicle_class": "car", "minutes": 10**9},
    ]
    for body in bodies:
        assert slug(http.post("/api/charges", json=body)) == (422, "invalid-request"), body
    for spot in ("MTG-012-X", "MTG-099-0", "../../etc", "é"):
        answer = http.post("/api/charges", json={"spot": spot, "vehicle_class": "car"})
        assert slug(answer) == (404, "unknown-spot"), spot
    for raw in (b"{", b"\xff\xfe", b"[" * 50_000):
        assert slug(http.post("/api/charges", content=raw)) == (422, "invalid-request")
    assert slug(http.post("/api/charges", content=b"x" * 100_000)) == (413, "too-large")
    chunks = (b"x" * 10_000 for _ in range(20))
    assert slug(http.post("/api/charges", content=chunks)) == (413, "too-large")
    for path in (f"/api/charges/{GONE}", "/api/charges/1", "/api/nothing", "/static/nothing"):
        assert slug(http.get(path)) == (404, "not-found")
    assert slug(http.delete("/api/charges")) == (405, "method-not-allowed")
    assert http.get("/spots/NOPE").status_code == 404
    assert "Traceback" not in device.log()


def test_a_charge_and_its_barcode(device: Device, office: Office) -> None:
    device.sign_in()
    charge = device.charge(SPOT.lower())
    truck = device.charge(SPOT, "truck")
    assert truck["amount_rp"] == 10000
    assert json.loads(office.bodies[truck["id"]])["minutes"] == 60
    assert "minutes" not in json.loads(office.bodies[charge["id"]])
    same = device.get(f"/api/charges/{charge['id']}")
    assert same == charge
    listed = [charge["id"] for charge in device.get("/api/charges")["charges"]]
    assert listed == [truck["id"], charge["id"]]
    svg = device.http.get(f"/api/charges/{charge['id']}/barcode.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    png = device.http.get(f"/api/charges/{charge['id']}/barcode.png").content
    found = device.http.post("/api/scan", content=png).json()
    assert found["texts"] == [charge["qris"]]
    assert found["result"]["kind"] == "charge"
    assert found["result"]["charge"]["id"] == charge["id"]
    printed = device.get(f"/api/charges/{charge['id']}/print")
    assert (printed["state"], printed["may_print"]) == ("NONE", False)
    answer = device.http.post(f"/api/charges/{charge['id']}/reprint")
    assert slug(answer) == (409, "no-receipt")


def test_the_stream_tells_of_the_payment(device: Device, office: Office) -> None:
    device.sign_in()
    charge = device.charge(SPOT)
    states = []
    with device.http.stream("GET", f"/api/charges/{charge['id']}/events") as stream:
        for line in stream.iter_lines():
            if not line.startswith("data:"):
                continue
            states.append(json.loads(line[5:])["state"])
            if states == ["issued"]:
                office.pay(charge["id"])
            if states[-1] == "paid":
                break
    assert list(dict.fromkeys(states)) == ["issued", "paid"]


def test_what_the_camera_sees_is_told_apart(device: Device, office: Office) -> None:
    device.sign_in()

    def scan(data: bytes, **more: Any) -> dict[str, Any]:
        return dict(device.http.post("/api/scan", content=data, **more).json()["result"])

    assert scan(picture(qris_text(9000)))["kind"] == "foreign-qris"
    assert scan(picture("just some words"))["kind"] == "unknown"
    assert scan(picture(SPOT))["spot"]["code"] == SPOT
    several = scan(picture(qris_text(1000), "https://x.id/y", suffix=".png"))
    assert several["kind"] == "several"
    named = {(choice["what"], choice["name"]) for choice in several["choices"]}
    assert named == {("qris", MERCHANT), ("web", "x.id")}
    frame = device.http.post("/api/frames", content=picture(SPOT)).json()
    (code,) = frame["codes"]
    assert code["text"] == SPOT
    assert all(0 < x < 1 and 0 < y < 1 for x, y in code["corners"])
    assert len(code["corners"]) == 4
    form = device.http.post("/api/scan", files={"image": ("a.jpg", picture(SPOT))})
    assert form.json()["texts"] == [SPOT]
    for data, reason in ((b"", "picture-empty"), (b"no picture", "picture-unreadable")):
        answer = device.http.post("/api/scan", content=data)
        assert slug(answer) == (422, "picture-refused")
        assert answer.json()["detail"] == reason
    driver_made = office.new_charge(GONE, SPOT, "car")
    office.charges[GONE] = driver_made
    assert scan(picture(driver_made["qris"]))["charge"]["id"] == GONE

    office.stop()
    until(lambda: not device.status()["online"])
    unknown = scan(picture(qris_text(9000)))
    assert (unknown["kind"], unknown["name"]) == ("unverified", MERCHANT)
    assert scan(picture(driver_made["qris"]))["kind"] == "charge"
    assert scan(picture(SPOT))["kind"] == "spot"


def test_a_charge_already_paid_elsewhere_prints_copies_only(device: Device, office: Office) -> None:
    device.sign_in()
    office.charges[GONE] = office.new_charge(GONE, SPOT, "car")
    office.pay(GONE)
    device.http.post("/api/resolve", json={"text": office.charges[GONE]["qris"]})
    assert device.get(f"/api/charges/{GONE}/print")["state"] == "NONE"
    assert device.http.post(f"/api/charges/{GONE}/reprint").status_code == 202
    until(lambda: device.get(f"/api/charges/{GONE}/print")["state"] == "PRINTED")
    assert device.get(f"/api/charges/{GONE}/print")["copy"] == 1


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({}, False),
        ({"Host": "evil.example"}, True),
        ({"Host": "evil.example:8082"}, True),
        ({"Host": "127.0.0.1.evil.example"}, True),
        ({"Host": "a@127.0.0.1"}, True),
        ({"Host": "localhost"}, False),
        ({"Origin": "http://evil.example"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": "http://127.0.0.1:1"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
    ],
)
def test_only_our_own_page_may_write(
    device: Device, headers: dict[str, str], refused: bool
) -> None:
    answer = device.http.post("/api/close-shift", headers=headers, json={"counted_rp": 0})
    assert slug(answer)[1] == ("foreign-request" if refused else "not-signed-in")


def test_every_answer_carries_the_security_headers(device: Device) -> None:
    for path in ("/sign-in", "/api/status", "/static/style.css", "/nothing"):
        headers = device.http.get(path, follow_redirects=True).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert device.http.get("/sign-in", headers={"Host": "evil.example"}).status_code == 403
