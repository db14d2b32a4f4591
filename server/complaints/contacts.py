"""How a driver can be reached: readable to the office's program and to nobody with the database."""

from cryptography.fernet import InvalidToken
from pydantic import SecretStr

from server.sealing import Seal

LONGEST = 120


def close(contact: str | None, key: SecretStr | None) -> bytes | None:
    """Sealed for the database; nothing is kept where there is no key to seal it with."""
    if not contact or key is None:
        return None
    return Seal(key).close(contact)


def open_(sealed: bytes | None, key: SecretStr | None) -> str | None:
    """As the driver wrote it; None where the key it was sealed with is gone."""
    if sealed is None or key is None:
        return None
    try:
        return Seal(key).open(sealed)
    except InvalidToken:
        return None
