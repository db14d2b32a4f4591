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
        return base64.b64encode(self.sign_raw(message)).decode()

    def sign_raw(self, message: bytes) -> bytes:
        return self._private.sign(message)


KEY, NEXT = "device.key", "device.key.next"


def load_or_make(folder: Path) -> DeviceKey:
    return _load_or_make(folder / KEY)


def next_key(folder: Path) -> DeviceKey:
    """The key this device will use once the office has taken it; the same until then."""
    return _load_or_make(folder / NEXT)


def use_next(folder: Path) -> DeviceKey:
    """The next key from now on; the one before is gone."""
    (folder / NEXT).rename(folder / KEY)
    _reach_the_disk(folder)
    return load_or_make(folder)


def forget(folder: Path) -> DeviceKey:
    """Erase the key; the new one belongs to nobody yet."""
    for name in (KEY, NEXT):
        (folder / name).unlink(missing_ok=True)
    return load_or_make(folder)


def _load_or_make(path: Path) -> DeviceKey:
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
    draft = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        draft.unlink()
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(private.private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    _reach_the_disk(path.parent)
    return DeviceKey(private)


def _reach_the_disk(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
