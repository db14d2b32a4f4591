"""A handheld whose clock is wrong learns the office's, and signs again by it."""

import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from attendant_app import device_key
from attendant_app.runtime import Handheld, device_time
from attendant_app.settings import Settings
from attendant_app.signing import RequestSigner
from attendant_app.store import Store
from domain import signing

AHEAD_S = 3_600


@pytest.mark.parametrize("times_refused", [0, 1, 2])
async def test_a_refusal_by_another_clock_is_tried_once_more_by_that_clock(
    tmp_path: Path, times_refused: int
) -> None:
    seen: list[int] = []

    def office(request: httpx.Request) -> httpx.Response:
        told = signing.read(request.headers["Signature-Input"], request.headers["Signature"])
        seen.append(told.created)
        status = 403 if len(seen) <= times_refused else 200
        date: dict[str, Any] = {"Date": formatdate(time.time() + AHEAD_S, usegmt=True)}
        return httpx.Response(status, headers=date, json={})

    store = Store(tmp_path)
    async with httpx.AsyncClient(transport=httpx.MockTransport(office)) as http:
        handheld = Handheld(Settings(data=tmp_path), store, device_key.load_or_make(tmp_path), http)
        http.auth = RequestSigner(handheld)
        with store.transaction():
            store.enrol("d-1", "test", device_time())
        answer = await http.post("http://office/v1/sync?a=1", json={"events": []})
    store.close()
    assert answer.status_code == (403 if times_refused == 2 else 200)
    assert len(seen) == (1 if times_refused == 0 else 2)
    assert abs(seen[0] - time.time()) < 30
    if times_refused:
        assert abs(seen[1] - time.time() - AHEAD_S) < 30
