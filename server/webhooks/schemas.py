"""Wire shapes of webhooks and of the log of their deliveries."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from server.moments import Moment
from server.webhooks.facts import FACTS
from server.webhooks.models import Subscription
from server.webhooks.queries import LoggedDelivery

FactType = StrEnum("FactType", {name.replace(".", "_").upper(): name for name in FACTS})  # type: ignore[misc]


class Subscribe(BaseModel):
    """`id` is made by the asker, so that asking again is harmless."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    url: str = Field(
        max_length=500, pattern="^https?://", examples=["https://pemda.example/karcis"]
    )
    types: list[FactType] = Field(min_length=1, max_length=len(FACTS))


class Webhook(BaseModel):
    """`disabled_why`: `asked`, `gone` (the receiver said 410) or `exhausted` (it kept failing)."""

    id: UUID
    url: str
    types: list[str]
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: str | None
    secret_overlaps_until: datetime | None

    @classmethod
    def of(cls, known: Subscription) -> Self:
        return cls(
            id=known.id,
            url=known.url,
            types=known.types,
            created_at=known.created_at,
            disabled_at=known.disabled_at,
            disabled_why=known.disabled_why,
            secret_overlaps_until=known.previous_until,
        )


class WebhookWithSecret(Webhook):
    """`secret` is told this once; null when the same webhook was asked for before."""

    secret: str | None = None


class WebhookList(BaseModel):
    items: list[Webhook]


class LoggedAttempt(BaseModel):
    sent_at: datetime
    duration_ms: int
    status_code: int | None
    error: str | None
    response_head: str


class LoggedFact(BaseModel):
    """One fact for one webhook. `outcome` is null as long as it is under way."""

    fact_id: UUID = Field(description="What `webhook-id` says on every attempt.")
    type: str
    happened_at: datetime
    outcome: str | None
    next_attempt_at: datetime | None
    attempts: list[LoggedAttempt]

    @classmethod
    def of(cls, row: LoggedDelivery) -> Self:
        return cls(
            fact_id=row.fact.id,
            type=row.fact.type,
            happened_at=row.fact.happened_at,
            outcome=row.delivery.outcome,
            next_attempt_at=row.delivery.next_attempt_at,
            attempts=[
                LoggedAttempt.model_validate(attempt, from_attributes=True)
                for attempt in row.attempts
            ],
        )


class DeliveryLog(BaseModel):
    items: list[LoggedFact]


class ReplaySince(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: Moment


class Replayed(BaseModel):
    facts: int
