"""Tells the partner of every payment (service 52), again and again until it says it has heard.

What is still to be told lives in the truth ledger, so a restart forgets nothing.
"""

import asyncio
import json
import logging
from datetime import timedelta
from typing import Any

import httpx

from server.sandbox import signing
from server.sandbox.acquirer import Acquirer
from server.sandbox.settings import NotifySignature
from server.sandbox.tables import Notification
from server.sandbox.truth import milliseconds

log = logging.getLogger("karcis.sandbox.notifier")

ACKNOWLEDGED = "2005200"
MAX_ANSWER_CHARACTERS = 2_000
_AT_ONCE = 8
_LONGEST_SLEEP_S = 60.0


class Notifier:
    def __init__(self, acquirer: Acquirer, client: httpx.AsyncClient) -> None:
        self._acquirer = acquirer
        self._client = client
        self._in_flight: dict[int, asyncio.Task[None]] = {}
        self._token: tuple[str, int] | None = None  # symmetric only: the token and its end

    async def run(self) -> None:
        """Books scheduled payments and sends what is due, until cancelled."""
        try:
            while True:
                await self._step()
        finally:
            for task in self._in_flight.values():
                task.cancel()
            await asyncio.gather(*self._in_flight.values(), return_exceptions=True)

    async def _step(self) -> None:
        acquirer = self._acquirer
        acquirer.wake.clear()
        try:
            acquirer.book_due()
            room = _AT_ONCE - len(self._in_flight)
            for notification in acquirer.truth.due_notifications(
                acquirer.now_ms(), room, except_ids=self._in_flight
            ):
                self._start(notification)
            sleep_s = self._sleep_s()
        except Exception:
            # A full disk must not end the worker: the ledger is asked again later.
            log.exception("the notifier could not read or write the truth ledger")
            sleep_s = 1.0
        try:
            async with asyncio.timeout(sleep_s):
                await acquirer.wake.wait()
        except TimeoutError:
            return

    def _sleep_s(self) -> float:
        if len(self._in_flight) >= _AT_ONCE:
            return _LONGEST_SLEEP_S  # the end of an attempt wakes the worker
        due_ms = self._acquirer.truth.next_due_ms(except_ids=self._in_flight)
        if due_ms is None:
            return _LONGEST_SLEEP_S
        return min(max((due_ms - self._acquirer.now_ms()) / 1000, 0.001), _LONGEST_SLEEP_S)

    def _start(self, notification: Notification) -> None:
        task = asyncio.create_task(self._attempt(notification))
        self._in_flight[notification.id] = task

        def ended(done: asyncio.Task[None]) -> None:
            del self._in_flight[notification.id]
            if not done.cancelled() and (error := done.exception()) is not None:
                log.error("notification %s failed", notification.id, exc_info=error)
            self._acquirer.wake.set()

        task.add_done_callback(ended)

    async def _attempt(self, notification: Notification) -> None:
        acquirer, truth = self._acquirer, self._acquirer.truth
        with truth.transaction():
            key, count = truth.begin_attempt(notification, acquirer.now_ms())
        reference = json.loads(notification.body)["originalPartnerReferenceNo"]
        outcome: dict[str, Any]
        try:
            if truth.take_fault("drop_notifications", reference) is not None:
                outcome = {"error": "lost on the way (scripted fault)"}
            else:
                outcome = await self._send(notification, key, reference)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            outcome = {"error": f"{type(error).__name__}: {error}"[:MAX_ANSWER_CHARACTERS]}
        with truth.transaction():
            truth.end_attempt(key, **outcome)
            self._conclude(notification, count, outcome, reference)
        log.info(
            "notification %s attempt %s: %s",
            notification.id,
            count,
            outcome.get("response_code") or outcome.get("error") or outcome.get("http_status"),
        )

    def _conclude(
        self, notification: Notification, count: int, outcome: dict[str, Any], reference: str
    ) -> None:
        truth, settings = self._acquirer.truth, self._acquirer.settings
        now_ms = self._acquirer.now_ms()
        waits = settings.notify_retries_s
        next_ms = now_ms + round(waits[min(count, len(waits)) - 1] * 1000)
        status = outcome.get("http_status") or 0
        if 200 <= status < 300 and outcome.get("response_code") == ACKNOWLEDGED:
            again = truth.take_fault("duplicate_notifications", reference) is not None
            state, next_ms = ("pending", now_ms) if again else ("delivered", next_ms)
        elif now_ms - notification.created_ms > settings.notify_give_up_s * 1000:
            state = "given_up"
        else:
            state = "pending"
        truth.set_notification(notification, state, now_ms=now_ms, next_ms=next_ms)

    async def _send(self, notification: Notification, key: int, reference: str) -> dict[str, Any]:
        settings = self._acquirer.settings
        body = notification.body.encode()
        url = httpx.URL(settings.notify_url.rstrip("/") + settings.notify_path)
        stamp = self._stamp()
        relative = url.raw_path.decode()
        headers = {"Content-Type": "application/json", "X-TIMESTAMP": stamp}
        if settings.notify_signature is NotifySignature.SYMMETRIC:
            token = await self._partner_token()
            text = signing.request_string("POST", relative, body, stamp, token=token)
            secret = settings.notify_client_secret.get_secret_value()
            headers["Authorization"] = f"Bearer {token}"
            headers["X-SIGNATURE"] = signing.sign_hmac(secret, text)
        else:
            text = signing.request_string("POST", relative, body, stamp)
            headers["X-SIGNATURE"] = signing.sign_rsa(self._acquirer.key, text)
        if self._acquirer.truth.take_fault("notify_bad_signature", reference) is not None:
            headers["X-SIGNATURE"] = signing.sign_rsa(self._acquirer.key, b"something else")
        headers |= {
            "X-PARTNER-ID": settings.notify_client_key,
            # An attempt's number never repeats, so neither does the id on any day.
            "X-EXTERNAL-ID": f"{self._acquirer.now():%Y%m%d}{self._acquirer.truth.salt}{key:08d}",
            "CHANNEL-ID": settings.notify_channel_id,
        }
        response = await self._client.post(url, content=body, headers=headers)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
        return {
            "http_status": response.status_code,
            "response_code": _response_code(response),
            "answer": response.text[:MAX_ANSWER_CHARACTERS],
        }

    def _stamp(self) -> str:
        now = self._acquirer.now().astimezone(self._acquirer.settings.zone)
        return now.isoformat(timespec="seconds")

    async def _partner_token(self) -> str:
        """The partner's own B2B token, asked for with the acquirer's key and kept till it ends."""
        acquirer, settings = self._acquirer, self._acquirer.settings
        if self._token is not None and self._token[1] > acquirer.now_ms():
            return self._token[0]
        stamp = self._stamp()
        text = signing.token_string(settings.notify_client_key, stamp)
        response = await self._client.post(
            settings.notify_url.rstrip("/") + settings.notify_token_path,
            json={"grantType": "client_credentials", "additionalInfo": {}},
            headers={
                "X-TIMESTAMP": stamp,
                "X-CLIENT-KEY": settings.notify_client_key,
                "X-SIGNATURE": signing.sign_rsa(acquirer.key, text),
            },
        )
        response.raise_for_status()
        try:
            answer = response.json()
            token, life_s = str(answer["accessToken"]), int(answer["expiresIn"])
        except (KeyError, TypeError, ValueError):
            raise ValueError("the partner's token answer is not in SNAP's form") from None
        # A minute early, so that no request leaves with a token that ends on the way.
        ends = acquirer.now() + timedelta(seconds=max(life_s - 60, 0))
        self._token = (token, milliseconds(ends))
        return token


def _response_code(response: httpx.Response) -> str | None:
    try:
        code = response.json()["responseCode"]
    except (KeyError, TypeError, ValueError):
        return None
    return code[:16] if isinstance(code, str) else None
