"""The device's own Ed25519 key: made here, kept in one file only its owner may read, never sent.

A stolen unlocked device leaks it; revocation at the office bounds what that is worth.
"""

import base64
import os
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.device import fingerprint


class DeviceKeyError(RuntimeError):
    """The key file is there but cannot be used; making a new key would orphan the journal."""


class DeviceKey:
    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    def public_text(self) -> str:
        """The raw public key in base64, as the server enrols it."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode()

    def fingerprint(self) -> str:
        return fingerprint(self._private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> str:
        return base64.b64encode(self._private.sign(message)).decode()


def load_or_make(folder: Path) -> DeviceKey:
    path = folder / "device.key"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return _make(path)
    try:
        return DeviceKey(Ed25519PrivateKey.from_private_bytes(raw))
    except ValueError as error:
        raise DeviceKeyError(f"{path} does not hold a device key") from error


def _make(path: Path) -> DeviceKey:
    """Written whole under another name, then renamed: a kill leaves no half key."""
    private = Ed25519PrivateKey.generate()
    draft = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(private.private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return DeviceKey(private)
