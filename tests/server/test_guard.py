"""What the guard in front of the server refuses, seen from the wire."""

from collections.abc import AsyncIterator

import httpx
import pytest

from server import sample
from server.guard import MAX_BODY


async def _chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 65_536 + 1):
        yield b" " * 65_536


async def test_a_body_too_large_is_refused_told_or_untold(api: httpx.AsyncClient) -> None:
    told = await api.post("/v1/sync", content=b" " * (MAX_BODY + 1))
    assert (told.status_code, told.json()["slug"]) == (413, "body-too-large")
    untold = await api.post("/v1/devices", content=_chunks(4 * MAX_BODY))
    assert untold.status_code in (400, 413), "it is refused before it is read to its end"
    rubbish = await api.post("/v1/sync", content=b"", headers={"content-length": "-1"})
    assert rubbish.status_code == 413
    assert (await api.get("/livez")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"origin": "http://127.0.0.1:8080"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:8080"}, False),
        ({}, True),
    ],
)
async def test_a_form_of_another_site_is_refused(
    api: httpx.AsyncClient, headers: dict[str, str], accepted: bool
) -> None:
    form = {"id": "01900000-0000-7000-8000-000000000001", "vehicle_class": "car"}
    answer = await api.post(f"/p/{sample.first_spot()}", data=form, headers=headers)
    assert (answer.status_code == 303) is accepted
    if not accepted:
        assert (answer.status_code, answer.json()["slug"]) == (403, "foreign-form")
    office = await api.post("/office/sign-out", headers=headers)
    assert (office.status_code == 303) is accepted


async def test_an_attendants_request_needs_no_origin(api: httpx.AsyncClient) -> None:
    answer = await api.post(
        f"/v1/spots/{sample.first_spot()}/charges",
        json={"vehicle_class": "car"},
        headers={"origin": "http://elsewhere.example"},
    )
    assert answer.status_code == 201, "the API has no cookie that another site could borrow"
