"""Charges over HTTP: what a driver's phone, a handheld and a display at the spot see."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import RFC_4122, UUID

import httpx
import numpy as np
import pytest
import zxingcpp
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from PIL import Image
from pyzbar import pyzbar

from attendant_app.server_api import STREAM_TIMEOUT
from server.announcements import Announcer
from server.app import create_app
from server.database import new_id
from server.payments import charge_events
from tests.server.payments.conftest import (
    CAR_RP,
    EXCLUSIVE,
    FLAT,
    HOURLY,
    Office,
    answers,
    on_a_socket,
)
from tests.server.payments.test_issuing import check_of
from tests.server.payments.voice import NOTIFY, TOKEN

CHARGES = f"/v1/spots/{FLAT}/charges"
CAR = {"vehicle_class": "car"}


def read_twice(picture: bytes) -> set[str]:
    """What two unrelated readers see in a picture."""
    with Image.open(io.BytesIO(picture)) as image:
        grey = image.convert("L")
        return {
            code.text for code in zxingcpp.read_barcodes(grey, zxingcpp.BarcodeFormat.QRCode)
        } | {code.data.decode() for code in pyzbar.decode(grey, [pyzbar.ZBarSymbol.QRCODE])}


async def test_a_charge_is_asked_for_and_looked_at(office, api):
    made = await api.post(CHARGES, json=CAR | {"plate": "KH 1234 AB"})
    assert made.status_code == 201
    charge = made.json()
    assert charge["amount_rp"] == CAR_RP == sum(line["amount_rp"] for line in charge["quote"])
    assert (charge["spot"], charge["state"], charge["receipt"]) == (FLAT, "issued", None)
    assert charge["qris"].startswith("000201")
    assert charge["code"] == f"{UUID(charge['id']).int % 10_000:04d}"
    assert charge["page"] == f"http://127.0.0.1:8080/c/{charge['id']}"
    assert "1234" not in json.dumps({k: v for k, v in charge.items() if k in ("plate", "quote")})
    assert (await api.get(f"/v1/charges/{charge['id']}")).json() == charge


async def test_an_idempotency_key_names_one_charge(office, api):
    headers = {"Idempotency-Key": "kunci-1"}
    told = await asyncio.gather(*(api.post(CHARGES, json=CAR, headers=headers) for _ in range(6)))
    assert {answer.status_code for answer in told} == {201}
    (named,) = {UUID(answer.json()["id"]) for answer in told}
    assert (named.version, named.variant) == (8, RFC_4122)
    other = await api.post(CHARGES, json={"vehicle_class": "truck"}, headers=headers)
    assert (other.status_code, other.json()["slug"]) == (409, "idempotency-conflict")

    chosen = str(new_id())
    made = await api.post(CHARGES, json=CAR | {"id": chosen}, headers=headers)
    assert made.json()["id"] == chosen
    # A retry may reach a newer release, so a key keeps its name. SHA-256 of this one's text is
    # f2ae39ea7a91 f 562 c 85d066c0948a9d7…, with every bit set that a version and a variant clear.
    made = await api.post(CHARGES, json=CAR, headers={"Idempotency-Key": "struk 7"})
    assert made.json()["id"] == "f2ae39ea-7a91-8562-885d-066c0948a9d7"
    without = [(await api.post(CHARGES, json=CAR)).json()["id"] for _ in range(2)]
    assert len(set(without)) == 2


async def test_the_barcode_is_readable_as_a_picture_until_it_is_dead(office, api, meddle):
    charge = (await api.post(CHARGES, json=CAR)).json()
    at = f"/v1/charges/{charge['id']}"
    png, at_spot, svg = [
        await api.get(path)
        for path in (f"{at}/barcode.png", f"/v1/spots/{FLAT}/barcode.png", f"{at}/barcode.svg")
    ]
    assert [picture.headers["content-type"] for picture in (png, at_spot, svg)] == [
        "image/png",
        "image/png",
        "image/svg+xml",
    ]
    assert at_spot.headers["cache-control"] == "no-store"
    assert read_twice(png.content) == read_twice(at_spot.content) == {charge["qris"]}
    assert svg.text.lstrip().startswith(("<?xml", "<svg"))
    assert drawn_in_svg(svg.text) == {charge["qris"]}

    await office.tell(UUID(charge["id"]))
    dead = (await api.post(CHARGES, json=CAR)).json()
    # One that nobody has asked about since it expired: the row still says issued.
    await meddle("UPDATE charges SET expires_at = now() WHERE id = :id", id=dead["id"])
    unknown = f"/v1/charges/{new_id()}"
    for path, slug in {
        f"{at}/barcode.png": "no-barcode",
        f"{at}/barcode.svg": "no-barcode",
        f"/v1/charges/{dead['id']}/barcode.png": "no-barcode",
        f"/v1/spots/{FLAT}/barcode.png": "no-barcode",
        f"/v1/spots/{HOURLY}/barcode.png": "no-barcode",
        f"{unknown}/barcode.png": "charge-not-found",
        f"{unknown}/barcode.svg": "charge-not-found",
        unknown: "charge-not-found",
        "/v1/spots/PSR-001-X/barcode.png": "spot-code-mistyped",
    }.items():
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["slug"]) == (404, slug), path


def drawn_in_svg(text: str) -> set[str]:
    """What a picture says that has only rectangles on a white ground, as a barcode's has."""
    size = re.search(r'<svg width="\d+" height="\d+" viewBox="0 0 (\d+) (\d+)"[ >]', text)
    assert size is not None
    pixels = np.full((int(size[2]), int(size[1])), 255, np.uint8)
    for found in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+Z", text):
        x, y, width, height = map(int, found)
        pixels[y : y + height, x : x + width] = 0
    out = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((8, 8), np.uint8))).save(out, "PNG")
    return read_twice(out.getvalue())


# Events


@asynccontextmanager
async def listening(client: httpx.AsyncClient, charge_id: UUID) -> AsyncIterator[Any]:
    """The events of a charge as they come, each as its state; the stream must end by itself."""

    async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))

    async with client.stream("GET", f"/v1/charges/{charge_id}/events") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield events(response)


@pytest.fixture
async def live(app):
    async with (
        on_a_socket(app) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as client,
    ):
        yield client


async def test_listeners_hear_the_charge_at_once_and_its_payment_after_commit(office, live):
    charge_id = await office.request()
    async with (
        asyncio.timeout(8),
        listening(live, charge_id) as first,
        listening(live, charge_id) as second,
    ):
        for events in (first, second):
            assert (await anext(events))["state"] == "issued"

        started = asyncio.get_running_loop().time()
        await office.tell(charge_id)
        for events in (first, second):
            paid = await anext(events)
            assert (paid["state"], paid["money_flag"]) == ("paid", "exact")
            assert paid["receipt"]["amount_rp"] == CAR_RP
            with pytest.raises(StopAsyncIteration):
                await anext(events)
        assert asyncio.get_running_loop().time() - started < 2


async def test_a_listener_is_told_of_expiry_and_one_who_comes_later_too(office, live, scripted):
    now = datetime.now(UTC)
    charge_id = await office.request(now=now)
    unpaid = scripted(answers({"responseCode": "2005100", "latestTransactionStatus": "01"}))
    async with asyncio.timeout(8):
        async with listening(live, charge_id) as events:
            assert (await anext(events))["state"] == "issued"
            await office.inquire(charge_id, now=now + timedelta(minutes=15), acquirer=unpaid)
            assert [event["state"] async for event in events] == ["expired"]
        async with listening(live, charge_id) as events:
            assert [event["state"] async for event in events] == ["expired"]


async def test_a_quiet_stream_says_that_it_lives_before_a_handheld_takes_it_for_dead(
    office, live, monkeypatch
):
    assert (STREAM_TIMEOUT.read or 0) > charge_events.LOOK_AGAIN_S
    monkeypatch.setattr(charge_events, "LOOK_AGAIN_S", 0.05)
    path = f"/v1/charges/{await office.request()}/events"
    async with asyncio.timeout(4), live.stream("GET", path) as response:
        said = (line async for line in response.aiter_lines() if line)
        first, _the_charge, *quiet = [await anext(said) for _ in range(4)]
        assert (first, quiet) == ("event: charge", [": unchanged"] * 2)


async def test_a_stream_hears_by_itself_of_what_nobody_announced(
    office, live, scripted, monkeypatch
):
    monkeypatch.setattr(charge_events, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(Announcer, "announce", lambda *_: None)
    now = datetime.now(UTC)
    charge_id = await office.request(now=now)
    unpaid = scripted(answers({"responseCode": "2005100", "latestTransactionStatus": "01"}))
    async with asyncio.timeout(60), listening(live, charge_id) as events:
        assert (await anext(events))["state"] == "issued"
        await office.inquire(charge_id, now=now + timedelta(minutes=15), acquirer=unpaid)
        assert [event["state"] async for event in events] == ["expired"]


async def test_of_a_listener_who_left_nothing_is_kept(office, live, app):
    charge_id = await office.request()
    async with listening(live, charge_id) as events:
        await anext(events)
        assert app.state.payments.announcer._waiting.keys() == {charge_id}
        assert len(app.state.listeners._told_at) == 1
    async with asyncio.timeout(60):
        while app.state.payments.announcer._waiting or app.state.listeners._told_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_stream_ends_where_the_charge_cannot_be_read_any_more(
    office, live, app, monkeypatch
):
    """So that whoever listens asks anew, and does not wait at a stream that knows nothing."""
    charge_id = await office.request()
    async with asyncio.timeout(60), listening(live, charge_id) as events:
        await anext(events)

        async def gone(_charge_id):
            raise ConnectionResetError

        monkeypatch.setattr(app.state.listeners, "look", gone)
        app.state.payments.announcer._wake(charge_id)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_listener_to_no_charge_is_told_so(live):
    answer = await live.get(f"/v1/charges/{new_id()}/events")
    assert (answer.status_code, answer.json()["slug"]) == (404, "charge-not-found")
    answer = await live.get("/v1/charges/bukan-id/events")
    assert (answer.status_code, answer.json()["slug"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["pointer"] == "/path/charge_id"


# Refusals


async def test_every_refusal_of_a_request_is_a_problem_in_both_languages(office, api, meddle):
    await api.post(f"/v1/spots/{EXCLUSIVE}/charges", json=CAR | {"minutes": 60})
    taken = {"id": str(new_id()), **CAR}
    await api.post(CHARGES, json=taken)
    await meddle(
        "UPDATE tariffs SET version = jsonb_set(version, '{rates,truck,amount_rp}', '0')"
        " FROM zones z WHERE z.id = zone_id AND z.code = 'PSR'"
    )
    none = "DELETE FROM tariffs USING zones z WHERE z.id = zone_id AND z.code = 'KUL'"
    await meddle(none)
    cases: list[tuple[str, str, dict[str, Any], int]] = [
        ("idempotency-conflict", FLAT, taken | {"vehicle_class": "motorcycle"}, 409),
        ("stay-not-priced", HOURLY, CAR, 422),
        ("nothing-to-pay", FLAT, {"vehicle_class": "truck"}, 409),
        ("spot-occupied", EXCLUSIVE, CAR | {"minutes": 30}, 409),
        ("spot-code-mistyped", "PSR-001-X", CAR, 404),
        ("spot-not-found", f"ZZZ-001-{check_of('ZZZ-001')}", CAR, 404),
        ("no-tariff", "KUL-001-E", CAR, 409),
    ]
    for slug, spot, body, status in cases:
        answer = await api.post(f"/v1/spots/{spot}/charges", json=body)
        problem = answer.json()
        assert (answer.status_code, problem.get("slug")) == (status, slug)
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"urn:karcis:problem:{slug}"
        assert problem["title"] == problem["title_id"] != problem["title_en"]
    assert await office.count("charges") == 2


async def test_requests_of_another_shape_are_refused_without_repeating_what_they_said(api):
    plate = "KH 9876 ZZ"
    for body, pointer in (
        ({}, "/body/vehicle_class"),
        (CAR | {"amount_rp": 1}, "/body/amount_rp"),
        (CAR | {"state": "paid"}, "/body/state"),
        ({"vehicle_class": "kuda"}, "/body/vehicle_class"),
        (CAR | {"minutes": 0}, "/body/minutes"),
        (CAR | {"minutes": 1441}, "/body/minutes"),
        (CAR | {"minutes": 1.5}, "/body/minutes"),
        (CAR | {"plate": plate + "<script>"}, "/body/plate"),
        (CAR | {"plate": "K" * 17}, "/body/plate"),
        (CAR | {"plate": plate + "\n"}, "/body/plate"),
        (CAR | {"id": "1"}, "/body/id"),
        ([], "/body"),
    ):
        answer = await api.post(CHARGES, json=body)
        assert answer.status_code == 422, body
        assert answer.json()["slug"] == "invalid-request"
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
        assert plate not in answer.text
    bad_path = await api.get("/v1/charges/bukan-uuid")
    assert (bad_path.status_code, bad_path.json()["slug"]) == (422, "invalid-request")
    long_key = await api.post(CHARGES, json=CAR, headers={"Idempotency-Key": "k" * 201})
    assert long_key.status_code == 422


async def test_a_driver_asks_only_so_often_but_an_attendant_as_often_as_needed(
    settings, sandbox, voice
):
    application = create_app(settings.model_copy(update={"driver_charges_per_minute": 2}))
    acquirer = application.state.payments.acquirers.first
    await acquirer.close()
    acquirer._client = sandbox.client
    handheld = await Office(application, voice).open_shift()
    async with (
        application.router.lifespan_context(application),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(application), base_url="http://127.0.0.1:8080"
        ) as client,
    ):
        for _ in range(2):
            assert (await client.post(CHARGES, json=CAR)).status_code == 201
        refused = await client.post(CHARGES, json=CAR)
        assert (refused.status_code, refused.json()["slug"]) == (429, "too-many-requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        for _ in range(3):
            answer = await client.post(CHARGES, json=CAR, auth=handheld.signed)
            assert answer.status_code == 201
        stranger = await client.post(CHARGES, json=CAR, headers={"Authorization": "Bearer x"})
        assert (stranger.status_code, stranger.json()["slug"]) == (401, "not-signed-in")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "vehicle_class": st.sampled_from(["car", "motorcycle"]) | json_values,
        "minutes": st.integers() | json_values,
        "plate": st.text(max_size=20) | json_values,
        "id": st.uuids().map(str) | json_values,
    },
)
segments = st.text(max_size=20) | st.sampled_from([FLAT, HOURLY, "..", "\x00", "%", "a/b"])


async def test_no_input_is_a_fault_of_ours(api):
    """Arbitrary bodies, paths and headers: refused or served, never a 500."""
    sent: list[tuple[str, str, bytes, dict[str, str]]] = []

    @examples(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sampled_from(["charges", "receipts", "charge", NOTIFY, TOKEN]),
        segments,
        bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=200),
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40),
    )
    def collect(target: str, segment: str, body: bytes, header: str) -> None:
        path = "/" + quote(segment, safe="")
        url = {
            "charges": f"/v1/spots{path}/charges",
            "receipts": f"/v1/receipts{path}",
            "charge": f"/v1/charges{path}",
        }.get(target, target)
        headers = dict.fromkeys(
            ("X-TIMESTAMP", "X-SIGNATURE", "X-EXTERNAL-ID", "X-CLIENT-KEY", "Idempotency-Key"),
            header,
        )
        sent.append(("GET" if target in ("receipts", "charge") else "POST", url, body, headers))

    collect()
    for method, url, body, headers in sent:
        wire = {name: value.encode("latin-1") for name, value in headers.items()}
        wire["Content-Type"] = b"application/json"
        answer = await api.request(method, url, content=body, headers=wire)
        assert answer.status_code < 500, (method, url, body, headers, answer.text)
