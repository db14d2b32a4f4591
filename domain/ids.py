"""Identifiers made where a fact is first written down, so that a retry carries the same one."""

from uuid import UUID


def uuid7(unix_ms: int, entropy: bytes) -> UUID:
    """Build a UUIDv7 (RFC 9562 §5.7) from a time in milliseconds and 10 random bytes.

    Both come from the caller: this package owns no clock and no randomness.
    """
    if len(entropy) != 10:
        raise ValueError("a UUIDv7 needs exactly 10 random bytes")
    value = (unix_ms & ((1 << 48) - 1)) << 80 | int.from_bytes(entropy)
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0b11 << 62) | 0b10 << 62)
