"""The office's keys for proofs, read from PEM files."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from domain.proof import Seal, key_id


class ProofKeyUnfit(ValueError):
    """A file of `KARCIS_PROOF_KEY` or `KARCIS_PROOF_RETIRED_KEYS` that holds no Ed25519 key."""


def read_seal(path: Path) -> Seal:
    """The office's key from its PEM file; raises ProofKeyUnfit."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as exc:
        raise ProofKeyUnfit(f"{path}: {exc}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ProofKeyUnfit(f"{path}: not an Ed25519 key")
    return Seal(key)


def read_retired(folder: Path) -> dict[str, bytes]:
    """Public keys whose proofs are still taken, by key id: every `*.pem` of a folder."""
    found = {}
    for path in sorted(folder.glob("*.pem")):
        try:
            key = load_pem_public_key(path.read_bytes())
        except (OSError, ValueError) as exc:
            raise ProofKeyUnfit(f"{path}: {exc}") from exc
        if not isinstance(key, Ed25519PublicKey):
            raise ProofKeyUnfit(f"{path}: not an Ed25519 key")
        found[key_id(key.public_bytes_raw())] = key.public_bytes_raw()
    return found
