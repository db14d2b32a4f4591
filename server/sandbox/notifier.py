"""Tells the partner of every payment, again and again until it says it has heard.

Services 52 and 79 over SNAP, or a REST webhook. What is still to be told lives in the truth
ledger, so a restart forgets nothing.
"""

import asyncio
import json
import logging
from datetime import timedelta
from functools import partial
from typing import Any

import httpx

from server.sandbox import forgeries, messages, signing
from server.sandbox.acquirer import Acquirer
from server.sandbox.forgeries import Letter, Take
from server.sandbox.settings import NotifySignature
from server.sandbox.tables import Notification, Order
from server.sandbox.truth import milliseconds

log = logging.getLogger("karcis.sandbox.notifier")

ACKNOWLEDGED = {"mpm": "2005200", "cpm": "2007900"}
MAX_ANSWER_CHARACTERS = 2_000
_DOKU_RETRIES_S = (1_800.0, 21_600.0, 43_200.0)
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
        """Sends a notification once, or in several copies at one moment, and decides what next."""
        acquirer, truth = self._acquirer, self._acquirer.truth
        order = truth.order(id=truth.payment(notification.payment_id).order_id)
        assert order is not None
        take = partial(truth.take_fault, reference=order.partner_reference_no)
        copies = 1 + int(take("concurrent_notifications") or 0)
        done = await asyncio.gather(
            *(self._deliver(notification, order, take) for _ in range(copies))
        )
        heard = any(_is_heard(order, outcome) for _, _, outcome in done)
        with truth.transaction():
            for key, _, outcome in done:
                truth.end_attempt(key, **outcome)
            self._conclude(notification, max(count for _, count, _ in done), heard, take)
            truth.release_held_by_next(notification, acquirer.now_ms())

    async def _deliver(
        self, notification: Notification, order: Order, take: Take
    ) -> tuple[int, int, dict[str, Any]]:
        """Sends one copy; the attempt's id, how many there are with it, and what came of it."""
        acquirer, truth = self._acquirer, self._acquirer.truth
        with truth.transaction():
            key, count = truth.begin_attempt(notification, acquirer.now_ms())
        outcome: dict[str, Any]
        try:
            if take("drop_notifications") is not None:
                outcome = {"error": "lost on the way (scripted fault)"}
            else:
                outcome = await self._send(await self._letter(notification, order, key, take))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            outcome = {"error": f"{type(error).__name__}: {error}"[:MAX_ANSWER_CHARACTERS]}
        log.info(
            "notification %s attempt %s: %s",
            notification.id,
            count,
            outcome.get("response_code") or outcome.get("error") or outcome.get("http_status"),
        )
        return key, count, outcome

    def _conclude(self, notification: Notification, count: int, heard: bool, take: Take) -> None:
        truth, settings = self._acquirer.truth, self._acquirer.settings
        now_ms = self._acquirer.now_ms()
        doku = notification.schedule == "doku"
        waits = _DOKU_RETRIES_S if doku else settings.notify_retries_s
        next_ms = now_ms + round(waits[min(count, len(waits)) - 1] * 1000)
        too_old = now_ms - notification.created_ms > settings.notify_give_up_s * 1000
        if heard and take("duplicate_notifications") is not None:
            state, next_ms = "pending", now_ms
        elif heard:
            state = "delivered"
        else:
            state = "given_up" if too_old or (doku and count > len(waits)) else "pending"
        truth.set_notification(notification, state, now_ms=now_ms, next_ms=next_ms)

    async def _letter(
        self, notification: Notification, order: Order, key: int, take: Take
    ) -> Letter:
        """The notification, signed, with the forgeries that are loaded for it."""
        settings = self._acquirer.settings
        said = json.loads(notification.body)
        lied = forgeries.lied(said, take)
        if order.channel == "rest":
            letter = self._rest_letter(order, said, lied, take)
        else:
            path = settings.notify_cpm_path if order.channel == "cpm" else settings.notify_path
            url = httpx.URL(settings.notify_url.rstrip("/") + path)
            letter = Letter(str(url), forgeries.written(said, take), {})
            await self._sign(letter, url.raw_path.decode(), key, take)
        forgeries.tamper(letter, take)
        return letter

    def _rest_letter(self, order: Order, said: dict[str, Any], lied: bool, take: Take) -> Letter:
        settings = self._acquirer.settings
        if lied:
            said["signature_key"] = messages.rest_signature(
                settings, said["order_id"], said["status_code"], said["gross_amount"]
            )
        if take("notify_bad_signature") is not None:
            said["signature_key"] = messages.rest_signature(settings, "another", "200", "1.00")
        body = forgeries.written(said, take)
        url = settings.notify_url.rstrip("/") + settings.notify_rest_path
        return Letter(url, body, {"Content-Type": "application/json"})

    async def _sign(self, letter: Letter, relative: str, key: int, take: Take) -> None:
        acquirer, settings = self._acquirer, self._acquirer.settings
        stamp = self._stamp(forgeries.shifted_s(take))
        letter.headers |= {"Content-Type": "application/json", "X-TIMESTAMP": stamp}
        text = signing.request_string("POST", relative, letter.body, stamp)
        if take("notify_swapped_algorithm") is not None:
            pem = signing.public_pem(acquirer.key).decode()
            letter.headers["X-SIGNATURE"] = signing.sign_hmac(pem, text)
        elif settings.notify_signature is NotifySignature.SYMMETRIC:
            token = await self._partner_token()
            text = signing.request_string("POST", relative, letter.body, stamp, token=token)
            secret = settings.notify_client_secret.get_secret_value()
            letter.headers["Authorization"] = f"Bearer {token}"
            letter.headers["X-SIGNATURE"] = signing.sign_hmac(secret, text)
        else:
            letter.headers["X-SIGNATURE"] = signing.sign_rsa(acquirer.key, text)
        if take("notify_bad_signature") is not None:
            letter.headers["X-SIGNATURE"] = signing.sign_rsa(acquirer.key, b"something else")
        if key > 1 and take("notify_replayed_external_id") is not None:
            key -= 1
        letter.headers |= {
            "X-PARTNER-ID": settings.notify_client_key,
            # An attempt's number never repeats, so neither does the id on any day.
            "X-EXTERNAL-ID": f"{acquirer.clock():%Y%m%d}{acquirer.truth.salt}{key:08d}",
            "CHANNEL-ID": settings.notify_channel_id,
        }

    async def _send(self, letter: Letter) -> dict[str, Any]:
        response = await self._client.post(letter.url, content=letter.body, headers=letter.headers)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
        return {
            "http_status": response.status_code,
            "response_code": _response_code(response),
            "answer": response.text[:MAX_ANSWER_CHARACTERS],
        }

    def _stamp(self, shifted_s: float = 0) -> str:
        moment = self._acquirer.clock() + timedelta(seconds=shifted_s)
        return moment.astimezone(self._acquirer.settings.zone).isoformat(timespec="seconds")

    async def _partner_token(self) -> str:
        """The partner's own B2B token, asked for with the acquirer's key and kept till it ends."""
        acquirer, settings = self._acquirer, self._acquirer.settings
        if self._token is not None and self._token[1] > acquirer.real_ms():
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
        ends = acquirer.clock() + timedelta(seconds=max(life_s - 60, 0))
        self._token = (token, milliseconds(ends))
        return token


def _is_heard(order: Order, outcome: dict[str, Any]) -> bool:
    """SNAP's own success code, or for REST any 2xx."""
    status = outcome.get("http_status") or 0
    expected = ACKNOWLEDGED.get(order.channel)
    return 200 <= status < 300 and expected in (None, outcome.get("response_code"))


def _response_code(response: httpx.Response) -> str | None:
    try:
        code = response.json()["responseCode"]
    except (KeyError, TypeError, ValueError):
        return None
    return code[:16] if isinstance(code, str) else None
