"""Hashes of PINs and passwords, made and compared (argon2id)."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

SHORTEST = 12
"""Of an officer's new password, in characters."""

_hasher = PasswordHasher()
_decoy = _hasher.hash("no such person")
"""Compared with where nobody is found, so that the answer takes as long as for a wrong secret."""


def hash_secret(secret: str) -> str:
    """Argon2id hash of a PIN or password, for storing."""
    return _hasher.hash(secret)


def matches(stored_hash: str | None, secret: str) -> bool:
    """Whether this is the secret of the hash; of no hash none is, which takes as long to say."""
    try:
        return _hasher.verify(stored_hash or _decoy, secret) and stored_hash is not None
    except VerificationError:
        return False


async def matches_aside(stored_hash: str | None, secret: str) -> bool:
    """The same in a thread, while others are served."""
    return await asyncio.to_thread(matches, stored_hash, secret)
