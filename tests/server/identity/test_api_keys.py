"""A key opens what its scopes name and nothing else, until it expires or is revoked."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from server.database import Transactions, new_id
from server.identity import api_keys
from server.identity.api_keys import ApiKeyNotFound, Scope
from server.identity.models import ApiKey
from server.limits import RateLimit
from tests.server.conftest import IssueKey

LISTS = {
    "/v1/charges": Scope.CHARGES_READ,
    "/v1/receipts": Scope.RECEIPTS_READ,
    "/v1/spots": Scope.SPOTS_READ,
    "/v1/ledger/balances": Scope.LEDGER_READ,
    "/v1/webhooks": Scope.WEBHOOKS_WRITE,
}


async def test_each_scope_opens_its_own_list_only(
    api: httpx.AsyncClient, issue_key: IssueKey, subtests: pytest.Subtests
) -> None:
    for scope in Scope:
        key = await issue_key(scope)
        for path, needed in LISTS.items():
            with subtests.test(f"{scope} {path}"):
                answer = await api.get(path, headers=key)
                if needed is scope:
                    assert answer.status_code == 200
                else:
                    assert (answer.status_code, answer.json()["slug"]) == (403, "scope-missing")
                    assert answer.json()["detail"] == needed


async def test_a_bad_expired_or_revoked_key_opens_nothing(
    api: httpx.AsyncClient, issue_key: IssueKey, transactions: Transactions
) -> None:
    expired = await issue_key(Scope.SPOTS_READ, lifetime=timedelta(seconds=-1))
    revoked = await issue_key(Scope.SPOTS_READ)
    async with transactions.begin() as db:
        newest = select(ApiKey.id).order_by(ApiKey.created_at.desc()).limit(1)
        key_id = (await db.scalars(newest)).one()
        for _ in range(2):
            await api_keys.revoke(db, key_id, now=datetime.now(UTC))
        with pytest.raises(ApiKeyNotFound):
            await api_keys.revoke(db, new_id(), now=datetime.now(UTC))
    for headers in (
        {},
        {"Authorization": "Bearer karcis_x"},
        {"Authorization": "x"},
        expired,
        revoked,
    ):
        answer = await api.get("/v1/spots", headers=headers)
        assert (answer.status_code, answer.json()["slug"]) == (401, "not-signed-in")


async def test_only_the_hash_of_a_key_is_kept(
    issue_key: IssueKey, transactions: Transactions
) -> None:
    key = (await issue_key(Scope.SPOTS_READ))["Authorization"].removeprefix("Bearer ")
    assert key.startswith("karcis_")
    async with transactions.begin() as db:
        kept = (await db.scalars(select(ApiKey))).one()
    assert key not in repr(vars(kept))


async def test_a_key_that_asks_too_often_is_told_to_wait(
    app: FastAPI, api: httpx.AsyncClient, issue_key: IssueKey
) -> None:
    app.state.key_limit = RateLimit(2)
    busy, other = await issue_key(Scope.SPOTS_READ), await issue_key(Scope.SPOTS_READ)
    answers = [await api.get("/v1/spots", headers=busy) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 0 < int(answers[2].headers["retry-after"]) <= 60
    assert (await api.get("/v1/spots", headers=other)).status_code == 200


async def test_receipts_cannot_be_looked_up_without_end(
    app: FastAPI, api: httpx.AsyncClient
) -> None:
    app.state.receipt_limit = RateLimit(1)
    for path in ("/v1/receipts/PSR-2026-000001-7", "/r/PSR-2026-000001-7"):
        answer = await api.get(path)
    assert (answer.status_code, answer.json()["slug"]) == (429, "too-many-requests")


PUBLIC = {
    "GET /livez", "GET /readyz", "GET /metrics",
    # enrolment and sign-in: what they ask for is in the body
    "POST /v1/devices", "POST /v1/devices/{device_id}/nonce", "POST /v1/shifts",
    "GET /office/sign-in", "POST /office/sign-in", "POST /office/sign-out",
    "POST /office/sign-in/passkey/options", "POST /office/sign-in/passkey",
    "GET /office/portal", "GET /office/portal/return",
    "GET /office/first-sign-in", "POST /office/first-sign-in",
    "GET /office",  # sends a stranger to the sign-in page instead of refusing
    # drivers; a charge is known by an id that cannot be guessed
    "POST /v1/spots/{spot}/charges", "GET /v1/spots/{spot}/barcode.png",
    "GET /v1/charges/{charge_id}", "GET /v1/charges/{charge_id}/events",
    "GET /v1/charges/{charge_id}/barcode.png", "GET /v1/charges/{charge_id}/barcode.svg",
    "GET /v1/charges/{charge_id}/proof.svg",
    "GET /v1/receipts/{number}",
    # displays in the street
    "GET /d/{spot}", "GET /v1/spots/{spot}/display", "GET /v1/spots/{spot}/display/events",
    "GET /v1/spots/{spot}/display.png", "GET /v1/spots/{spot}/display.bmp",
    # open data, which says nothing of anybody
    "GET /open-data", "GET /open-data/catalog.jsonld", "GET /open-data/{name}.{format_}",
    "GET /open-data/tariffs.{format_}", "GET /open-data/occupancy.{format_}",
    "GET /open-data/closures.{format_}",
    "GET /open-data/hourly-use.{format_}",
    "GET /open-data/cds/curbs/zones", "GET /open-data/cds/curbs/zones/{id_}",
    "GET /open-data/cds/curbs/areas", "GET /open-data/cds/curbs/areas/{id_}",
    "GET /open-data/cds/curbs/spaces", "GET /open-data/cds/curbs/spaces/{id_}",
    "GET /open-data/cds/curbs/policies", "GET /open-data/cds/curbs/policies/{id_}",
    "GET /open-data/cds/events/events", "GET /open-data/cds/events/status",
    "GET /open-data/cds/metrics/sessions", "GET /open-data/cds/metrics/aggregates",
    "GET /open-data/apds/places", "GET /open-data/apds/places/{id_}",
    "GET /open-data/apds/rates", "GET /open-data/apds/rates/{id_}", "GET /open-data/apds/sessions",
    "GET /p", "GET /s/{stay_id}", "POST /s/{stay_id}/extend", "POST /s/{stay_id}/leave",
    "POST /s/{stay_id}/reminder", "GET /c/{charge_id}/qris.png", "POST /c/{charge_id}/again",
    "GET /langganan", "POST /langganan", "GET /c/{charge_id}/langganan.svg",
    "GET /c/{charge_id}/langganan.pdf",
    "GET /peta", "GET /peta/{code}", "GET /v1/audit/checkpoint",
    "GET /p/{spot}", "POST /p/{spot}", "GET /c/{charge_id}", "GET /r/{number}",
    # a receipt's own driver names its charge; the ids of wishes and complaints are chance too
    "GET /r/{number}/karcis.pdf", "GET /r/{number}/karcis.png",
    "POST /r/{number}/nomor-polisi", "POST /r/{number}/pengembalian",
    "GET /pengembalian/{wish_id}", "GET /cari", "GET /cari/nomor", "POST /cari",
    "GET /pengaduan", "POST /pengaduan", "GET /pengaduan/{number}", "GET /pengaduan/jawaban",
    "GET /pemberitahuan/{number}", "POST /pemberitahuan/{number}",
    "GET /periksa", "POST /periksa",
}  # fmt: skip
"""Routes that ask nobody who they are; tests/conventions refuses any other."""
