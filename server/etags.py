"""Answers that an asker may hold already (RFC 9110 §8.8.3 and §13.1.2)."""

import hashlib

from fastapi import Request


def etag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_held(request: Request, etag: str) -> bool:
    """Whether the asker told that he has it, so that 304 is the answer.

    A tag that a proxy made weak is the same for reading.
    """
    told = request.headers.get("if-none-match", "").split(",")
    return not {etag, "*"}.isdisjoint(tag.strip().removeprefix("W/") for tag in told)
