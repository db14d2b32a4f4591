"""Signing secrets of webhooks: made here, and sealed before they are kept."""

import base64
import secrets

from pydantic import SecretStr

from server import sealing
from server.errors import Problem

SHORTEST_KEY = 32


class WebhooksNotConfigured(Problem):
    slug = "webhooks-not-configured"
    status = 503
    title_id = "Webhook belum disiapkan di server ini"
    title_en = "Webhooks are not set up on this server"


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Seal(sealing.Seal):
    """Under the key of webhooks."""

    @classmethod
    def of(cls, key: SecretStr | None) -> "Seal":
        """Raises WebhooksNotConfigured where no key is set."""
        if key is None:
            raise WebhooksNotConfigured("KARCIS_WEBHOOK_KEY is not set")
        return cls(key)
