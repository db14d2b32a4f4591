"""What the guard in front of the server refuses, seen from the wire."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.params import File
from fastapi.routing import APIRoute

from server import sample
from server.complaints import photos
from server.database import new_id
from server.guard import MAX_BODY, MAX_SPOT_FILE, most_mb
from server.payments import refunds
from server.reconciliation import files


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


PROMISED = {
    "/pengaduan": photos.MAX_BYTES,
    "/periksa": photos.MAX_BYTES,
    "/office/signs/{code}/photo": photos.MAX_BYTES,
    "/office/settlement": files.MAX_BYTES,
    "/office/settlement/preview": files.MAX_BYTES,
    "/office/statement": files.MAX_BYTES,
    "/office/statement/preview": files.MAX_BYTES,
    "/office/corrections": files.MAX_BYTES,
    "/office/payouts/results": files.MAX_BYTES,
    "/office/payouts/results/preview": files.MAX_BYTES,
    "/office/spots/files/{kind}": most_mb(MAX_SPOT_FILE) << 20,
    "/office/spots/files/{kind}/preview": most_mb(MAX_SPOT_FILE) << 20,
    "/office/refunds/{refund_id}/transfer": refunds.PROOF_BYTES,
}
"""How large a file each form takes, as its page or what reads it says."""
AROUND = 10_000
"""Of a form: its other fields and what stands between them."""


def with_a_file(router: APIRouter, prefix: str = "") -> set[str]:
    """The paths of a router, and of those it includes, that take a file."""
    found = set()
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            context = getattr(route, "include_context", None)
            found |= with_a_file(inner, prefix + getattr(context, "prefix", ""))
        elif isinstance(route, APIRoute):
            fields = [field.field_info for field in route.dependant.body_params]
            if any(
                isinstance(field, File)
                or "UploadFile" in repr(getattr(field.annotation, "model_fields", ""))
                for field in fields
            ):
                found.add(prefix + route.path)
    return found


async def test_every_form_takes_as_large_a_file_as_it_says(
    api: httpx.AsyncClient, app: FastAPI, subtests: pytest.Subtests
) -> None:
    assert with_a_file(app.router) == set(PROMISED)
    for path, most in PROMISED.items():
        filled = path.format(code="SMP-A-001", kind="spots", refund_id=new_id())
        for length, is_refused in ((most + AROUND, False), (2 * most + 3 * MAX_BODY, True)):
            with subtests.test(path=path, length=length):
                # Only told: nobody is signed in, so no form is read.
                told = {"content-length": str(length), "content-type": "multipart/form-data"}
                answer = await api.post(filled, headers=told)
                assert (answer.status_code == 413) is is_refused


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
