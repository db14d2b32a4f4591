"""HTTP of webhooks: for integrators whose key has `webhooks:write`."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from server.database import Transaction, new_id
from server.identity.api_keys import Scope, ScopeMissing
from server.identity.auth import WebhooksWriter
from server.settings import Settings
from server.webhooks import addresses, queries, schemas, service
from server.webhooks.sealing import Seal
from server.webhooks.service import WebhookNotFound

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]


READS = {
    "charge": Scope.CHARGES_READ,
    "receipt": Scope.RECEIPTS_READ,
    "day": Scope.LEDGER_READ,
}
"""What a key must be allowed to read to be told facts of a kind: no more than it could ask for."""


async def own_webhook(webhook_id: UUID, key: WebhooksWriter, db: Transaction) -> UUID:
    """A webhook made with a key of the same name; nobody learns of another's, or changes it."""
    if (await service.find(db, webhook_id)).created_by != key.name:
        raise WebhookNotFound
    return webhook_id


OwnWebhook = Annotated[UUID, Depends(own_webhook, scope="function")]


@router.post("", status_code=201)
async def add_webhook(
    body: schemas.Subscribe, key: WebhooksWriter, db: Transaction, settings: SettingsDep
) -> schemas.WebhookWithSecret:
    webhook_id = body.id or new_id()
    wanted = {READS[fact_type.value.partition(".")[0]] for fact_type in body.types}
    if missing := sorted(wanted - key.scopes):
        raise ScopeMissing(", ".join(missing))
    secret = await service.subscribe(
        db,
        Seal.of(settings.webhook_key),
        subscription_id=webhook_id,
        url=addresses.checked(body.url, production=settings.mode == "production"),
        types=[fact_type.value for fact_type in body.types],
        created_by=key.name,
        now=datetime.now(UTC),
    )
    told = schemas.WebhookWithSecret.of(await service.find(db, webhook_id))
    return told.model_copy(update={"secret": secret})


@router.get("")
async def list_webhooks(key: WebhooksWriter, db: Transaction) -> schemas.WebhookList:
    known = [one for one in await service.subscriptions(db) if one.created_by == key.name]
    return schemas.WebhookList(items=[schemas.Webhook.of(one) for one in known])


@router.get("/{webhook_id}")
async def get_webhook(webhook_id: OwnWebhook, db: Transaction) -> schemas.Webhook:
    return schemas.Webhook.of(await service.find(db, webhook_id))


@router.post("/{webhook_id}/rotate")
async def rotate_webhook_secret(
    webhook_id: OwnWebhook, db: Transaction, settings: SettingsDep
) -> schemas.WebhookWithSecret:
    """A new secret; for a day both sign, so that a receiver can change over."""
    secret = await service.rotate(
        db, Seal.of(settings.webhook_key), webhook_id, now=datetime.now(UTC)
    )
    told = schemas.WebhookWithSecret.of(await service.find(db, webhook_id))
    return told.model_copy(update={"secret": secret})


@router.post("/{webhook_id}/disable")
async def disable_webhook(webhook_id: OwnWebhook, db: Transaction) -> schemas.Webhook:
    """Send no more. What is under way waits, in case it is enabled again."""
    await service.disable(db, webhook_id, "asked", now=datetime.now(UTC))
    return schemas.Webhook.of(await service.find(db, webhook_id))


@router.post("/{webhook_id}/enable")
async def enable_webhook(webhook_id: OwnWebhook, db: Transaction) -> schemas.Webhook:
    """Send again, first what waited. What was given up must be replayed."""
    await service.enable(db, webhook_id)
    return schemas.Webhook.of(await service.find(db, webhook_id))


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: OwnWebhook,
    db: Transaction,
    before: Annotated[
        UUID | None, Query(description="`fact_id` of the last item of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> schemas.DeliveryLog:
    """What was sent, newest first, with every attempt; kept for 90 days."""
    await service.find(db, webhook_id)
    rows = await queries.deliveries(db, webhook_id, before, limit)
    return schemas.DeliveryLog(items=[schemas.LoggedFact.of(row) for row in rows])


@router.post("/{webhook_id}/deliveries/{fact_id}/replay", status_code=202)
async def replay_delivery(
    webhook_id: OwnWebhook, fact_id: UUID, db: Transaction
) -> schemas.Replayed:
    """Send one fact again under the same `webhook-id`."""
    await service.replay(db, webhook_id, fact_id, now=datetime.now(UTC))
    return schemas.Replayed(facts=1)


@router.post("/{webhook_id}/replay", status_code=202)
async def replay_deliveries(
    webhook_id: OwnWebhook, body: schemas.ReplaySince, db: Transaction
) -> schemas.Replayed:
    """Send everything recorded since a moment again, also from before there was this webhook."""
    facts = await service.replay_since(db, webhook_id, body.since, now=datetime.now(UTC))
    return schemas.Replayed(facts=facts)
