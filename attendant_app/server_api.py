"""The server's HTTP API as the handheld calls it: every call ends as an answer, a refusal, or no
answer. No answer is never taken for a no.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from attendant_app import problems
from attendant_app.runtime import Handheld

# Issuing a code waits for the acquirer, so answers may take longer than connections.
TIMEOUT = httpx.Timeout(8, connect=2, pool=2)
# The office says something on a stream every ten seconds.
STREAM_TIMEOUT = httpx.Timeout(15, connect=2, pool=2)
PULSE_S = 1.5
LARGEST_EVENT = 256 * 1024
_TRY_LATER = frozenset({408, 425, 429})


class NoAnswer(Exception):
    """Nothing is known about what became of the request: send it again, with the same id."""

    def __init__(
        self,
        reason: str,
        *,
        reached: bool,
        retry_after_s: float = 0,
        problem: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reached = reached
        self.retry_after_s = retry_after_s
        self.problem = problem or {}


class Refusal(Exception):
    """The server understood and said no."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('slug', '')}")
        self.status = status
        self.problem = problem

    @property
    def slug(self) -> str:
        return str(self.problem.get("slug", ""))

    @property
    def is_of_who_asked(self) -> bool:
        """Of this shift, device or attendant as it stands: the request itself goes again later."""
        stopped = self.slug == problems.AttendantStopped.slug
        return self.status == 401 or stopped or self.slug.startswith("device-")


@dataclass(frozen=True)
class Answer:
    body: dict[str, Any]
    server_time: float | None


def new_client(base_url: str, language: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=TIMEOUT,
        headers={"Accept-Language": language, "User-Agent": "karcis-handheld"},
        limits=httpx.Limits(max_connections=40, max_keepalive_connections=8),
        # The way to the office is set here, not by whatever proxy the device's environment names.
        trust_env=False,
    )


async def call(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, Any] | None = None,
    jpeg: bytes | None = None,
    timeout: httpx.Timeout = TIMEOUT,  # noqa: ASYNC109 - httpx's own, per phase of the call
) -> Answer:
    """One request, with a JSON body or a picture. Raises Refusal or NoAnswer."""
    headers = _authorisation(token) | ({"Content-Type": "image/jpeg"} if jpeg else {})
    try:
        response = await http.request(
            method, path, json=body, content=jpeg, headers=headers, timeout=timeout
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__, reached=False) from error
    return _judge(response)


async def ask(
    handheld: Handheld,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One call whose outcome a person waits for, with the two ways it can fail as problems."""
    try:
        answer = await call(handheld.http, method, path, token=token, body=body)
    except NoAnswer as no_answer:
        if no_answer.problem:
            raise refused_by_server(no_answer.problem) from no_answer
        raise problems.ServerUnreachable from no_answer
    except Refusal as refusal:
        for known in (problems.SignInRefused, problems.AttendantStopped):
            if refusal.slug == known.slug:
                raise known from refusal
        raise refused_by_server(refusal.problem) from refusal
    handheld.link.learn_time(answer.server_time)
    return answer.body


def refused_by_server(problem: Mapping[str, Any]) -> problems.RefusedByServer:
    """The office's own words, kept short: they are shown, not interpreted."""
    words = " ".join(str(problem.get(part) or "") for part in ("title", "detail")).strip()
    return problems.RefusedByServer(words[:300], str(problem.get("slug") or "")[:60])


async def is_alive(http: httpx.AsyncClient) -> float | None:
    """The server's time where it answers, 0.0 where it does not say; None where nobody answers."""
    try:
        # Over all phases together: each of them could take its whole time.
        async with asyncio.timeout(PULSE_S):
            response = await http.get("/livez", timeout=PULSE_S)
    except (httpx.HTTPError, TimeoutError):
        return None
    return (server_time(response) or 0.0) if response.status_code == 200 else None


async def charge_events(
    http: httpx.AsyncClient, charge_id: str, token: str | None
) -> AsyncGenerator[dict[str, Any]]:
    """The charge, at once and after each change, until the stream ends. Raises as `call`."""
    try:
        async with http.stream(
            "GET",
            f"/v1/charges/{charge_id}/events",
            headers=_authorisation(token),
            timeout=STREAM_TIMEOUT,
        ) as response:
            if response.status_code != 200:
                await response.aread()
                _judge(response)
                raise NoAnswer(f"status {response.status_code}", reached=True)
            async with aclosing(_data_lines(response)) as lines:
                async for text in lines:
                    yield _object(text)
    except httpx.HTTPError as error:
        raise NoAnswer(type(error).__name__, reached=False) from error


async def _data_lines(response: httpx.Response) -> AsyncGenerator[str]:
    """The `data` of each server-sent event, joined as the HTML standard says."""
    lines: list[str] = []
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
            if sum(map(len, lines)) > LARGEST_EVENT:
                raise NoAnswer("event too large", reached=True)
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _authorisation(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _judge(response: httpx.Response) -> Answer:
    status = response.status_code
    if status >= 500 or status in _TRY_LATER:
        wait = response.headers.get("Retry-After", "")
        raise NoAnswer(
            f"status {status}",
            reached=True,
            retry_after_s=min(float(wait), 300) if wait.isascii() and wait.isdigit() else 0,
            problem=_problem(response),
        )
    if status >= 400:
        raise Refusal(status, _problem(response))
    if not 200 <= status < 300:
        raise NoAnswer(f"status {status}", reached=True)
    return Answer(_object(response.text), server_time(response))


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _object(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        # A captive portal's page, or an answer cut short.
        raise NoAnswer("not a JSON object", reached=True)
    return body


def server_time(response: httpx.Response) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return None
