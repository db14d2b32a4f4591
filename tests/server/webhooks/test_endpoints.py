"""Integrators manage their own webhooks over HTTP, and a secret is told once."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from server.identity.api_keys import Scope
from tests.server.conftest import IssueKey
from tests.server.webhooks.conftest import Desk, Listen
from tests.server.webhooks.receiver import Receiver


@pytest.fixture
async def key(issue_key: IssueKey) -> dict[str, str]:
    return await issue_key(Scope.WEBHOOKS_WRITE, Scope.CHARGES_READ, Scope.LEDGER_READ)


async def test_a_webhook_is_added_told_seen_and_replayed(
    api: httpx.AsyncClient, key: dict[str, str], desk: Desk, listen: Listen
) -> None:
    receiver = await listen(Receiver(answers=[500, 204]))
    body = {"id": str(uuid4()), "url": receiver.url, "types": ["charge.paid"]}
    added = await api.post("/v1/webhooks", json=body, headers=key)
    assert added.status_code == 201, added.text
    secret, address = added.json()["secret"], f"/v1/webhooks/{body['id']}"
    await desk.publish()
    await desk.send()
    [sent] = (await api.get(f"{address}/deliveries", headers=key)).json()["items"]
    assert (sent["type"], sent["outcome"]) == ("charge.paid", None)
    assert [attempt["status_code"] for attempt in sent["attempts"]] == [500]
    again = await api.post(f"{address}/deliveries/{sent['fact_id']}/replay", headers=key)
    assert again.status_code == 202
    await desk.send()
    assert [got.id for got in receiver.got] == [sent["fact_id"]] * 2
    assert receiver.got[1].verified(secret)["type"] == "charge.paid"
    since = {"since": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    everything = await api.post(f"{address}/replay", json=since, headers=key)
    assert (everything.status_code, everything.json()) == (202, {"facts": 1})


async def test_a_secret_is_told_once(api: httpx.AsyncClient, key: dict[str, str]) -> None:
    body = {"id": str(uuid4()), "url": "https://pemda.example/x", "types": ["day.closed"]}
    first = await api.post("/v1/webhooks", json=body, headers=key)
    again = await api.post("/v1/webhooks", json=body, headers=key)
    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == first.json() | {"secret": None}
    other = await api.post("/v1/webhooks", json={**body, "url": "https://x.example/"}, headers=key)
    assert (other.status_code, other.json()["slug"]) == (409, "webhook-id-taken")
    rotated = await api.post(f"/v1/webhooks/{body['id']}/rotate", headers=key)
    assert rotated.json()["secret"] not in (None, first.json()["secret"])
    assert rotated.json()["secret_overlaps_until"] is not None
    listed = (await api.get("/v1/webhooks", headers=key)).json()["items"]
    assert [one["id"] for one in listed] == [body["id"]]
    assert "secret" not in listed[0]


async def test_a_disabled_webhook_waits_to_be_enabled(
    api: httpx.AsyncClient, key: dict[str, str]
) -> None:
    body = {"url": "https://pemda.example/x", "types": ["day.closed"]}
    added = (await api.post("/v1/webhooks", json=body, headers=key)).json()
    address = f"/v1/webhooks/{added['id']}"
    disabled = (await api.post(f"{address}/disable", headers=key)).json()
    assert disabled["disabled_why"] == "asked"
    since = {"since": "2026-11-21T00:00:00+07:00"}
    refused = await api.post(f"{address}/replay", json=since, headers=key)
    assert (refused.status_code, refused.json()["slug"]) == (409, "webhook-disabled")
    assert (await api.post(f"{address}/enable", headers=key)).json()["disabled_why"] is None
    assert (await api.get(address, headers=key)).json()["disabled_at"] is None


@pytest.mark.parametrize(
    ("method", "path", "slug"),
    [
        ("GET", "", "webhook-not-found"),
        ("GET", "/deliveries", "webhook-not-found"),
        ("POST", "/rotate", "webhook-not-found"),
        ("POST", "/disable", "webhook-not-found"),
        ("POST", "/enable", "webhook-not-found"),
        ("POST", f"/deliveries/{UUID(int=1)}/replay", "webhook-not-found"),
    ],
)
async def test_an_unknown_webhook_is_not_found(
    api: httpx.AsyncClient, key: dict[str, str], method: str, path: str, slug: str
) -> None:
    answer = await api.request(method, f"/v1/webhooks/{uuid4()}{path}", headers=key)
    assert (answer.status_code, answer.json()["slug"]) == (404, slug)


async def test_without_a_key_to_seal_with_there_are_no_webhooks(
    app: FastAPI, api: httpx.AsyncClient, key: dict[str, str]
) -> None:
    app.state.settings = app.state.settings.model_copy(update={"webhook_key": None})
    body = {"url": "https://pemda.example/x", "types": ["day.closed"]}
    answer = await api.post("/v1/webhooks", json=body, headers=key)
    assert (answer.status_code, answer.json()["slug"]) == (503, "webhooks-not-configured")


async def test_a_key_is_told_no_more_than_it_may_ask_for(
    api: httpx.AsyncClient, issue_key: IssueKey
) -> None:
    writer = await issue_key(Scope.WEBHOOKS_WRITE)
    for fact_type, scope in (
        ("charge.paid", "charges:read"),
        ("receipt.issued", "receipts:read"),
        ("day.closed", "ledger:read"),
    ):
        body = {"url": "https://pemda.example/x", "types": [fact_type]}
        answer = await api.post("/v1/webhooks", json=body, headers=writer)
        assert (answer.status_code, answer.json()["detail"]) == (403, scope)


async def test_nobody_sees_or_changes_the_webhook_of_another(
    api: httpx.AsyncClient, key: dict[str, str], desk: Desk
) -> None:
    others, _ = await desk.subscribe("https://lain.example/x", "charge.paid", created_by="lain")
    assert (await api.get("/v1/webhooks", headers=key)).json()["items"] == []
    for method, path in (("GET", ""), ("POST", "/rotate"), ("POST", "/disable")):
        answer = await api.request(method, f"/v1/webhooks/{others}{path}", headers=key)
        assert (answer.status_code, answer.json()["slug"]) == (404, "webhook-not-found")
