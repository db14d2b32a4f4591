"""One HTTP exchange with an acquirer, whatever it speaks: bounded, and answered by sound JSON."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import aiohttp
import httpx
import structlog
from httpx_aiohttp import AiohttpTransport
from prometheus_client import Histogram

from server.payments.acquirer import AcquirerRefused, AcquirerUnknown, NotOffered

log = structlog.get_logger()

DEADLINE_S = 20.0
"""How long one call may take in all, its token and its second try included."""
MAX_ANSWER = 256 * 1024
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")

CALLS = Histogram(
    "karcis_acquirer_call_seconds",
    "Time to ask an acquirer: what, and whether it answered, refused or left it unknown",
    ["acquirer", "call", "outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)


def measured(
    method: Callable[Concatenate[Any, Asked], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[Any, Asked], Coroutine[Any, Any, Answer]]:
    """Times a call under its acquirer's name, of which there are as many as the settings say."""

    @wraps(method)
    async def call(acquirer: Any, /, *asked: Asked.args, **named: Asked.kwargs) -> Answer:
        began, outcome = time.monotonic(), "unknown"
        try:
            answer = await method(acquirer, *asked, **named)
            outcome = "answered"
        except NotOffered:  # nobody was asked
            outcome = ""
            raise
        except AcquirerRefused:
            outcome = "refused"
            raise
        finally:
            if outcome:
                labels = (acquirer.profile.name, method.__name__, outcome)
                CALLS.labels(*labels).observe(time.monotonic() - began)
        return answer

    return call


def new_client(base_url: str, timeout_s: float) -> httpx.AsyncClient:
    """A client that keeps connections to one acquirer, for less long than servers commonly do."""
    limits = httpx.Limits(max_connections=50, keepalive_expiry=2)
    # httpx's own transport takes more of the processor than all else that issues a charge.
    transport = AiohttpTransport(limits=limits, trust_env=False)
    return httpx.AsyncClient(transport=transport, base_url=base_url, timeout=timeout_s)


async def exchange(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> dict[str, Any]:
    """The object an acquirer answers; raises AcquirerUnknown when there is none.

    To connect and to be answered may each take the client's timeout.
    """
    try:
        async with asyncio.timeout((client.timeout.connect or 0) + (client.timeout.read or 0)):
            return _object(await _answer(client, method, path, headers, content))
    except (httpx.HTTPError, aiohttp.ClientError, OSError, ValueError, RecursionError) as exc:
        log.warning("acquirer_silent", path=path, error=type(exc).__name__)
        raise AcquirerUnknown(type(exc).__name__) from exc


async def _answer(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    headers: Mapping[str, str],
    content: bytes | None,
) -> bytes:
    # Else a connection that the acquirer has closed meanwhile would be written to.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    answer = bytearray()
    async with client.stream(method, path, content=content, headers=headers) as response:
        async for chunk in response.aiter_bytes():
            answer += chunk
            if len(answer) > MAX_ANSWER:
                raise AcquirerUnknown("the answer is too long")
    return bytes(answer)


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object that PostgreSQL can keep as it is, or ValueError: no NUL, NaN, or surrogate."""
    answer = json.loads(raw)
    if not isinstance(answer, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - bad data, not a bad call
    if b"\\u0000" in json.dumps(answer, ensure_ascii=False, allow_nan=False).encode():
        raise ValueError("the answer holds a NUL")
    return answer


def filled(value: object) -> str | None:
    """A text with something in it, or None."""
    return value if isinstance(value, str) and value else None


class AmountError(ValueError):
    """An amount on the wire that is not whole rupiah."""


def paid(amount_rp: int) -> int:
    """The amount of a payment; raises AmountError when it is nothing."""
    if amount_rp == 0:
        raise AmountError("nothing was paid")
    return amount_rp


def whole_rupiah(value: object) -> int:
    """The rupiah of a decimal text (16,2) without a fraction; raises AmountError."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,13}(\.0{1,2})?", value):
        raise AmountError("the value is not whole rupiah")
    return int(value.partition(".")[0])
