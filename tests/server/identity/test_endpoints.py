"""Enrolment and sign-in over HTTP: codes, headers, and secrets that stay where they were typed."""

from datetime import datetime
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import update

from server.database import Transactions
from server.identity import service
from server.identity.models import Device
from tests.server.handhelds import Handheld, approved, nonce_for, on_shift, pending


async def test_a_handheld_enrols_signs_in_and_pulls(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await on_shift(api, transactions, now)
    assert (await api.get("/v1/masterdata", auth=handheld.signed)).status_code == 200


HEADERS = [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer rubbish", "Bearer é", "x" * 9000]


async def test_nobody_gets_in_without_a_good_token(
    api: httpx.AsyncClient, subtests: pytest.Subtests
) -> None:
    for header in HEADERS:
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        with subtests.test(str(header)[:20]):
            for method, path, body in (
                ("GET", "/v1/masterdata", None),
                ("POST", "/v1/sync", {"events": []}),
                ("POST", "/v1/barcodes/resolve", {"text": "x"}),
            ):
                answer = await api.request(method, path, headers=headers, json=body)
                assert answer.status_code == 401, path
                assert answer.json()["slug"] == "not-signed-in"


async def test_a_bad_token_is_refused_even_where_none_is_needed(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        "/v1/spots/PSR-001-U/charges",
        json={"vehicle_class": "car"},
        headers={"Authorization": "Bearer rubbish"},
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("state", ["suspended", "revoked"])
async def test_a_device_that_lost_its_right_is_told_where_it_stands(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime, state: str
) -> None:
    handheld = await on_shift(api, transactions, now)
    async with transactions.begin() as db:
        await db.execute(update(Device).values(state=state))
    own = f"/v1/devices/{handheld.device_id}"
    refused = (403, f"device-{state}")
    for answer in (
        await api.get("/v1/masterdata", auth=handheld.signed),
        await api.post(f"{own}/nonce"),
        await api.post("/v1/shifts", json=handheld.shift_request("x")),
    ):
        assert (answer.status_code, answer.json()["slug"]) == refused
    # What a revoked device still holds is taken into quarantine; a suspended one keeps it.
    synced = await api.post("/v1/sync", json={"events": []}, auth=handheld.signed)
    assert synced.status_code == (200 if state == "revoked" else 403)
    told = (await api.post(f"{own}/report", json={}, auth=handheld.signed)).json()
    assert told == {
        "device_id": str(handheld.device_id),
        "state": state,
        "wipe": False,
        "stopped": None,
    }


async def test_a_device_waits_for_a_second_officer_and_is_told_so_in_both_languages(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await pending(transactions, now)
    own = f"/v1/devices/{handheld.device_id}"
    assert (await api.post(f"{own}/report", json={}, auth=handheld.signed)).json()[
        "state"
    ] == "pending"
    told = (await api.post(f"{own}/nonce")).json()
    assert told["slug"] == "device-pending"
    assert "menunggu persetujuan" in told["title_id"]
    assert "waits for a second officer" in told["title_en"]


async def test_an_unknown_device_is_told_to_enrol(api: httpx.AsyncClient) -> None:
    answer = await api.post(f"/v1/devices/{uuid4()}/nonce")
    assert (answer.status_code, answer.json()["slug"]) == (403, "device-not-active")
    stranger = Handheld()
    report = f"/v1/devices/{stranger.device_id}/report"
    assert (await api.post(report, json={}, auth=stranger.signed)).status_code == 404


async def test_a_locked_attendant_is_told_how_long_to_wait(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld = await approved(transactions, now)
    for _ in range(service.PIN_TRIES):
        body = handheld.shift_request(await nonce_for(api, handheld), pin="000000")
        answer = await api.post("/v1/shifts", json=body)
        assert (answer.status_code, answer.json()["slug"]) == (401, "sign-in-refused")
    answer = await api.post(
        "/v1/shifts", json=handheld.shift_request(await nonce_for(api, handheld))
    )
    assert (answer.status_code, answer.json()["slug"]) == (429, "sign-in-locked")
    assert 890 <= int(answer.headers["retry-after"]) <= 901


async def test_no_answer_repeats_a_pin_a_password_or_a_token(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime
) -> None:
    handheld, canary = await approved(transactions, now), "KENARI-7731"
    nonce = await nonce_for(api, handheld)
    answers = [
        await api.post("/v1/shifts", json=handheld.shift_request(nonce, pin=canary)),
        await api.post("/v1/shifts", json=handheld.shift_request(nonce) | {"pin": canary * 9}),
        await api.post("/v1/shifts", json={"pin": canary, "id": canary}),
        await api.post("/v1/devices", json={"enrolment_code": canary, "public_key": canary}),
        await api.post("/office/sign-in", data={"login": canary, "password": canary}),
        await api.post("/office/sign-in", data={"login": canary, "password": canary * 99}),
        await api.get("/v1/masterdata", headers={"Authorization": f"Bearer {canary}"}),
    ]
    for answer in answers:
        assert 400 <= answer.status_code < 500
        assert canary not in answer.text
        assert canary not in str(answer.headers)


async def test_text_the_database_cannot_hold_is_refused_as_invalid(
    api: httpx.AsyncClient, transactions: Transactions, now: datetime, subtests: pytest.Subtests
) -> None:
    handheld = await approved(transactions, now)
    for field in ("attendant", "nonce", "pin", "signature"):
        body = handheld.shift_request(await nonce_for(api, handheld))
        body = handheld.shift_request(**{**body, field: "a\0b"})
        with subtests.test(field):
            answer = await api.post("/v1/shifts", json=body)
            assert answer.status_code in (401, 403, 422), answer.text
