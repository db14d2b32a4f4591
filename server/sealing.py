"""Keeping secrets readable to this program and to nobody who only has the database."""

import base64
import hashlib

from cryptography.fernet import Fernet
from pydantic import SecretStr


class Seal:
    """Encrypts and decrypts secrets with a key of the settings (Fernet: AES-CBC with HMAC)."""

    def __init__(self, key: SecretStr) -> None:
        digest = hashlib.sha256(key.get_secret_value().encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def close(self, secret: str) -> bytes:
        return self._fernet.encrypt(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Raises `cryptography.fernet.InvalidToken` for what another key has sealed."""
        return self._fernet.decrypt(sealed).decode()
