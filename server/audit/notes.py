"""Checkpoints of the audit log as signed notes, and the keys that sign them.

The text is that of C2SP tlog-checkpoint in a C2SP signed-note, so that tools of transparency logs
read it: origin, size, root, and a signature by Ed25519.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from server.audit.verifier import is_signed, key_id, read_checkpoint
from server.settings import Settings


class AuditKeyUnfit(ValueError):
    """A file of `KARCIS_AUDIT_KEY` or `KARCIS_AUDIT_RETIRED_KEYS` that holds no Ed25519 key."""


@dataclass(frozen=True)
class Checkpoint:
    """What the log was at some moment."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def read(cls, note: str) -> "Checkpoint":
        """Raises ValueError for what is no checkpoint; says nothing of its signature."""
        return cls(*read_checkpoint(note))


@dataclass(frozen=True)
class Signer:
    """The key of checkpoints, the public halves that are believed, and the log's own name."""

    origin: str
    key: Ed25519PrivateKey
    believed: Sequence[bytes]

    @classmethod
    def of(cls, settings: Settings) -> "Signer | None":
        """None where no key is set; raises AuditKeyUnfit."""
        if settings.audit_key is None:
            return None
        key = _read_key(settings.audit_key)
        folder = settings.audit_retired_keys
        retired = [_read_public(path) for path in sorted(folder.glob("*.pem"))] if folder else []
        origin = settings.base_url.partition("://")[2] + "/v1/audit"
        return cls(origin, key, (key.public_key().public_bytes_raw(), *retired))

    def sign(self, size: int, root: bytes) -> str:
        return sign_note(Checkpoint(self.origin, size, root).text(), self.origin, self.key)

    def believes(self, note: str) -> bool:
        return bool(is_signed(note, list(self.believed)))


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    told = key_id(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())
    return f"{text}\n\N{EM DASH} {name} {b64encode(told).decode()}\n"


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise AuditKeyUnfit(f"{path}: {exc}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditKeyUnfit(f"{path}: not an Ed25519 key")
    return key


def _read_public(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise AuditKeyUnfit(f"{path}: {exc}") from exc
    if not isinstance(key, Ed25519PublicKey):
        raise AuditKeyUnfit(f"{path}: not an Ed25519 key")
    return key.public_bytes_raw()
