"""Keeping signing secrets readable to this program and to nobody who only has the database."""

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet
from pydantic import SecretStr

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


class Seal:
    """Encrypts and decrypts secrets with the key of the settings (Fernet: AES-CBC with HMAC)."""

    def __init__(self, key: SecretStr) -> None:
        digest = hashlib.sha256(key.get_secret_value().encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def close(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        return self._fernet.decrypt(sealed).decode()

    @classmethod
    def of(cls, key: SecretStr | None) -> "Seal":
        """Raises WebhooksNotConfigured where no key is set."""
        if key is None:
            raise WebhooksNotConfigured("KARCIS_WEBHOOK_KEY is not set")
        return cls(key)
